"""What orders goroutines and threads outside of gochan, while a detector is active.

- Threads: what comes before ``Thread.start`` comes before all that the thread does, and
  that before ``Thread.join`` returns.
- Locks, events, queues and the like of threading, asyncio, trio and anyio: what gives
  something away releases, what gets it acquires. Their methods are replaced by others
  that tell so and call the real ones.
- Work for a ``concurrent.futures`` pool counts as the goroutine that submits it.

The locks of ``_thread`` are written in C and cannot be changed. Rewritten code gets a
:class:`Locked` in their place: see ``_hooks``.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from _thread import get_ident
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from .. import _instrument
from . import _active

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ("LOCKS", "Locked", "look")

LOCKS = (type(threading.Lock()), type(threading.RLock()))

# By module: the class, what gives something away, and what gets it.
_TABLE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "threading": (
        ("Event", "set", "wait is_set"),
        ("Semaphore", "release", "acquire __enter__"),
        ("BoundedSemaphore", "release", ""),
        ("Condition", "__exit__ wait", "__enter__ wait"),
        ("Barrier", "wait", "wait"),
    ),
    "queue": (("Queue", "put task_done", "get join"),),
    "concurrent.futures": (("Future", "set_result set_exception", "result exception"),),
    "asyncio": (
        ("Event", "set", "wait is_set"),
        ("Lock", "release", "acquire"),
        ("Semaphore", "release", "acquire"),
        ("BoundedSemaphore", "release", ""),
        ("Queue", "put_nowait task_done", "get_nowait join"),
    ),
    "anyio._backends._asyncio": (
        ("Lock", "release", "acquire acquire_nowait"),
        ("Semaphore", "release", "acquire acquire_nowait"),
        (
            "CapacityLimiter",
            "release_on_behalf_of",
            "acquire_on_behalf_of acquire_on_behalf_of_nowait",
        ),
    ),
    "anyio.streams.memory": (
        ("MemoryObjectSendStream", "send_nowait send close", ""),
        ("MemoryObjectReceiveStream", "", "receive_nowait receive"),
    ),
    "trio": (
        ("Event", "set", "wait is_set"),
        ("Semaphore", "release", "acquire acquire_nowait"),
        (
            "CapacityLimiter",
            "release_on_behalf_of",
            "acquire_on_behalf_of acquire_on_behalf_of_nowait",
        ),
        ("MemorySendChannel", "send_nowait send close", ""),
        ("MemoryReceiveChannel", "", "receive_nowait receive"),
    ),
    "trio._sync": (("_LockImpl", "release", "acquire acquire_nowait"),),
}

# what has been replaced: the class, the name, and what was there
_replaced: list[tuple[Any, str, Any]] = []
_seen: set[str] = set()


# by thread: whether one of the methods runs, which may use others
_inside = threading.local()


def _registered() -> bool:
    """Not in a thread that is still being started, which nobody may ask who it is."""
    return get_ident() in vars(threading)["_active"]


def _address(thing: Any) -> Any:
    """What both ends of a stream have in common; of all else, itself."""
    return thing._state if type(thing).__name__.startswith("Memory") else thing


def _released(thing: Any) -> None:
    if (seen := _instrument.active) is not None and _registered():
        seen.release_merge(_instrument.current_party(), _address(thing))


def _acquired(thing: Any) -> None:
    if (seen := _instrument.active) is not None and _registered():
        seen.acquire(_instrument.current_party(), _address(thing))


def _watched(real: Any, gives: bool, gets: bool) -> Any:
    """A method that does the same, and tells what it orders."""
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def waits(self: Any, *args: Any, **kwargs: Any) -> Any:
            if gives:
                _released(self)
            result = await real(self, *args, **kwargs)
            if gets:
                _acquired(self)
            return result

        return waits

    @functools.wraps(real)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(_inside, "it", False):
            # what it does for its own ends orders nothing for others
            return real(self, *args, **kwargs)
        _inside.it = True
        try:
            if gives:
                _released(self)
            result = real(self, *args, **kwargs)
        finally:
            _inside.it = False
        # False: in vain
        if gets and result is not False:
            _acquired(self)
        return result

    return call


def _replace(owner: Any, name: str, new: Callable[[Any], Any]) -> None:
    """Put another method in place of one, if it is there."""
    real: Any = getattr(owner, "__dict__", {}).get(name)
    if real is not None:
        _replaced.append((owner, name, real))
        setattr(owner, name, new(real))


def look() -> None:
    """Replace the methods of what has been imported by now."""
    for module in sys.modules.keys() & _TABLE.keys() - _seen:
        _seen.add(module)
        for cls, giving, getting in _TABLE[module]:
            owner = getattr(sys.modules[module], cls, None)
            gives, gets = giving.split(), getting.split()
            for name in dict.fromkeys((*gives, *gets)):

                def new(
                    real: Any, name: str = name, a: Any = gives, b: Any = gets
                ) -> Any:
                    return _watched(real, name in a, name in b)

                _replace(owner, name, new)
        if module == "concurrent.futures":
            _replace_submit()


def _replace_submit() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def new(real: Any) -> Any:
        @functools.wraps(real)
        def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            known = _instrument.running.get()
            address = _Submitted()
            _released(address)

            def work() -> Any:
                token = _instrument.running.set(known)
                _acquired(address)
                try:
                    return fn(*args, **kwargs)
                finally:
                    _instrument.running.reset(token)

            return real(self, work)

        return submit

    _replace(ThreadPoolExecutor, "submit", new)


class _Submitted:
    """What was submitted, as an address."""


class Locked:
    """A lock of ``_thread`` as rewritten code sees it."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        got: bool = self._lock.acquire(*args, **kwargs)
        if got:
            _acquired(self._lock)
        return got

    def release(self) -> None:
        _released(self._lock)
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


# Threads


def _watched_start(real: Any) -> Any:
    @functools.wraps(real)
    def start(thread: threading.Thread) -> None:
        for seen in _active.within:
            seen._parties.thread_started(thread)
        _own_context(thread)
        real(thread)

    return start


def _watched_join(real: Any) -> Any:
    @functools.wraps(real)
    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        real(thread, timeout)
        if not thread.is_alive():
            for seen in _active.within:
                seen._parties.thread_joined(thread)

    return join


def _own_context(thread: Any) -> None:
    """A thread that inherits the context, as it may from 3.14 on, is another party."""
    if getattr(thread, "_context", False) is None:  # pragma: no cover  # 3.14 and later
        flags: Any = sys.flags
        if flags.thread_inherit_context:
            thread._context = copy_context()
            thread._context.run(_instrument.running.set, None)


def _change(on: bool) -> None:
    if on:
        _replace(threading.Thread, "start", _watched_start)
        _replace(threading.Thread, "join", _watched_join)
        look()
    else:
        for owner, name, real in reversed(_replaced):
            setattr(owner, name, real)
        _replaced.clear()
        _seen.clear()


_active.on_change.append(_change)
