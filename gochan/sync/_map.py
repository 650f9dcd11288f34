"""A map for many goroutines and threads.

Each value lies in a cell of its own, which is never changed: a write puts another
cell in its place. So a read is one look into a dict, and "has it changed since?" is
a question about identity. Writes hold a lock, which is re-entrant because the dict
calls ``__hash__`` and ``__eq__`` of the keys. Values are compared without it.

While an instrument is installed reads hold the lock, too, so that it sees them in
their real order.

Source: Go's ``sync/map.go``. Notable difference: keys that a ``range`` is to visit
are collected when it begins.
"""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING, Final, Generic, Literal, NoReturn, TypeVar, final

from .. import _instrument
from .._backends import uninterrupted
from ._locker import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Map",)

K = TypeVar("K")
V = TypeVar("V")


class _Cell(Generic[V]):
    """One value, as it was stored once."""

    __slots__ = ("value",)

    def __init__(self, value: V) -> None:
        self.value: Final = value


@final
class Map(Generic[K, V]):
    """A map that goroutines and threads use without further locking.

    ``Map[str, int]()``. Every method is atomic and never blocks for long; from any
    thread. A dict will often do: its own operations are atomic as well. What this
    has are those that look and change in one step, and an iteration that others may
    write during. Source: Go's ``sync.Map``.

    Not to be used from a signal handler or ``__del__``.
    """

    __slots__ = ("__weakref__", "_cells", "_lock")

    def __init__(self) -> None:
        self._cells: dict[K, _Cell[V]] = {}
        self._lock = RLock()

    @uninterrupted
    def load(self, key: K, /) -> tuple[V, Literal[True]] | tuple[None, Literal[False]]:
        """Go's ``v, ok := m.Load(key)``: ``(value, True)``, or ``(None, False)``.

        Raises:
            TypeError: ``key`` is not hashable; so do all methods that take one.
        """
        if _instrument.active is None:
            cell = self._cells.get(key)
        else:
            with self._lock:
                cell = self._cells.get(key)
                self._read(key)
        return (None, False) if cell is None else (cell.value, True)

    @uninterrupted
    def store(self, key: K, value: V, /) -> None:
        """Set the value of ``key``."""
        with self._lock:
            self._write(key)
            self._cells[key] = _Cell(value)

    @uninterrupted
    def load_or_store(self, key: K, value: V, /) -> tuple[V, bool]:
        """The value of ``key``, and whether there was one; else ``value`` is stored."""
        with self._lock:
            self._read(key)
            cell = self._cells.get(key)
            if cell is not None:
                return cell.value, True
            self._write(key)
            self._cells[key] = _Cell(value)
            return value, False

    @uninterrupted
    def load_and_delete(
        self, key: K, /
    ) -> tuple[V, Literal[True]] | tuple[None, Literal[False]]:
        """Take ``key`` out: its value and True, or ``(None, False)``."""
        with self._lock:
            self._read(key)
            self._write(key)
            cell = self._cells.pop(key, None)
        return (None, False) if cell is None else (cell.value, True)

    @uninterrupted
    def delete(self, key: K, /) -> None:
        """Take ``key`` out, if it is there."""
        with self._lock:
            self._write(key)
            self._cells.pop(key, None)

    @uninterrupted
    def swap(
        self, key: K, value: V, /
    ) -> tuple[V, Literal[True]] | tuple[None, Literal[False]]:
        """Set the value of ``key``: the one it had and True, or ``(None, False)``."""
        with self._lock:
            self._read(key)
            self._write(key)
            cell = self._cells.get(key)
            self._cells[key] = _Cell(value)
        return (None, False) if cell is None else (cell.value, True)

    @uninterrupted
    def compare_and_swap(self, key: K, old: V, new: V, /) -> bool:
        """Set the value of ``key`` if it is there and equals ``old``. Whether it did.

        Values are compared with ``==``.
        """
        while (cell := self._find(key, old)) is not None:
            with self._lock:
                if self._cells.get(key) is cell:
                    self._write(key)
                    self._cells[key] = _Cell(new)
                    return True
            # it has changed since: look again
        return False

    @uninterrupted
    def compare_and_delete(self, key: K, old: V, /) -> bool:
        """Take ``key`` out if it is there and equals ``old``. Whether it did.

        Values are compared with ``==``.
        """
        while (cell := self._find(key, old)) is not None:
            with self._lock:
                if self._cells.get(key) is cell:
                    self._write(key)
                    del self._cells[key]
                    return True
            # it has changed since: look again
        return False

    def range(self) -> Iterator[tuple[K, V]]:
        """Go's ``for k, v := range m.Range``: keys with their values, in any order.

        No snapshot: others may write meanwhile, and so may the loop itself. No key
        comes twice. Of one that is written meanwhile, any of its values may come; of
        one that is stored or deleted meanwhile, it may come or not.
        """
        for key in list(self._cells):
            value, ok = self.load(key)
            if ok:
                yield key, value  # type: ignore[misc]  # ok says that it is a value

    @uninterrupted
    def clear(self) -> None:
        """Take all keys out."""
        with self._lock:
            for key in self._cells if _instrument.active is not None else ():
                self._write(key)
            self._cells.clear()

    def _find(self, key: K, value: V) -> _Cell[V] | None:
        """The cell of ``key`` if what is in it equals ``value``."""
        with self._lock:
            self._read(key)
            cell = self._cells.get(key)
        if cell is not None and (cell.value is value or cell.value == value):
            return cell
        return None

    # With ``_lock`` held: what comes before a write comes before who reads it.

    def _read(self, key: K) -> None:
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), (self, key))

    def _write(self, key: K) -> None:
        if (seen := _instrument.active) is not None:
            seen.release(_instrument.current_party(), (self, key))

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        return f"<Map of {len(self._cells)}>"
