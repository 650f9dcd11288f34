"""Things to be used again, which the garbage collector may take away.

``put`` and ``get`` are one operation of a deque each, so there is no lock: a pool
may be used from anywhere, signal handlers and ``__del__`` included. What is in a
pool survives one full garbage collection, as a *victim*, and not the next.

Source: Go's ``sync/pool.go``. Notable difference: one store for all threads.
"""

from __future__ import annotations

import gc
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, final
from weakref import WeakValueDictionary

from .. import _instrument
from ._locker import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("Pool",)

T = TypeVar("T")


@final
class Pool(Generic[T]):
    """A set of things that are made when needed and used again: Go's ``sync.Pool``.

    ``Pool[bytearray](bytearray)``. What lies in it may disappear at any time. It is
    for what costs something to make and is the same as new after some reset.
    Never blocks; from any thread.

    Args:
        new: makes one when the pool is empty.

    Raises:
        TypeError: ``new`` cannot be called.
    """

    __slots__ = ("__weakref__", "_items", "_new", "_victims")

    def __init__(self, new: Callable[[], T]) -> None:
        if not callable(new):
            raise TypeError(
                f"Pool wants a function that makes one, not {new!r}: write "
                "Pool(bytearray), or Pool(lambda: None) to get None if it is empty"
            )
        self._new = new
        self._items: deque[T] = deque()
        self._victims: deque[T] = deque()
        _pools[id(self)] = self
        if _collected not in gc.callbacks:
            gc.callbacks.append(_collected)

    def get(self) -> T:
        """Take one out of the pool, or make one if it is empty.

        Any one: do not expect what was put in last.

        Raises:
            Exception: what ``new`` raised.
        """
        try:
            item = self._items.pop()
        except IndexError:
            try:
                item = self._victims.pop()
            except IndexError:
                return self._new()
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), (self, id(item)))
        return item

    def put(self, item: T, /) -> None:
        """Give ``item`` to the pool, and do not touch it any more."""
        if (seen := _instrument.active) is not None:
            seen.release_merge(_instrument.current_party(), (self, id(item)))
        self._items.append(item)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        return f"<Pool, {len(self._items) + len(self._victims)} unused>"


_pools: WeakValueDictionary[int, Pool[Any]] = WeakValueDictionary()


def _collected(phase: str, info: Mapping[str, int]) -> None:
    """A collection begins or ends, in the middle of anything."""
    if phase == "stop" and info["generation"] == 2:  # noqa: PLR2004  # a full one
        for reference in _pools.valuerefs():
            pool = reference()
            if pool is not None:
                pool._victims, pool._items = pool._items, deque()
