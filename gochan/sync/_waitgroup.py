"""Wait until a number of things have been done.

Invariants, when ``_guard`` is free:
1. The count is not negative.
2. Somebody waits, or ``_zero`` is there and open: the count is positive.

Source: Go's ``sync/waitgroup.go``. Notable differences: a counter that would
become negative stays what it was; counting down to zero and taking those who wait
is one step here, so that "Add called concurrently with Wait" cannot be seen; a
goroutine of :meth:`WaitGroup.go` counts as done also when it fails, but not before
its scope has been cancelled for that.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from typing import (
    TYPE_CHECKING,
    Any,
    TypeVar,
    TypeVarTuple,
    cast,
    final,
    overload,
)

from .. import _backends, _edges, _instrument
from .._backends import _thread, uninterrupted
from .._budget import budget
from .._cases import RecvCase
from .._chan import Chan
from .._crossing import handle_for
from .._go import require_scope
from .._parked import parks
from .._waiter import WaitQueue
from ._errors import NegativeCounter, WaitGroupReused
from ._locker import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .._executor import AnyExecutor
    from .._goroutine import Goroutine
    from .._waiter import Waiter

    W = TypeVar("W", bound=Waiter)

__all__ = ("WaitGroup",)

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@final
class WaitGroup:
    """Counts what is under way, and lets goroutines wait until all of it is done.

    In a select it is ready when the counter is zero. For coroutines, threads and
    event loops alike. Source: Go's ``sync.WaitGroup``.

    Not to be used from a signal handler or ``__del__``.
    """

    __slots__ = ("__weakref__", "_count", "_guard", "_waiters", "_zero")

    def __init__(self) -> None:
        self._guard = guard = allocate_lock()
        self._count = 0
        self._waiters = WaitQueue(guard)
        # closed when the count becomes zero; made when a select asks
        self._zero: Chan[None] | None = None
        for told in tuple(_instrument.made):
            told(self)

    @uninterrupted
    def add(self, delta: int, /) -> None:
        """Add ``delta``, which may be negative, to the counter. Never blocks.

        At zero everybody who waits goes on. An ``add`` from zero has to come before
        the ``wait`` that is to see it, so call it before starting what is waited
        for. From any thread.

        Raises:
            NegativeCounter: it would become negative; it is what it was.
            TypeError: ``delta`` is not an int.
        """
        if type(delta) is not int:
            delta = _integer(delta)
        waiters: list[Waiter] = []
        zero = None
        with self._guard:
            before = self._count
            count = before + delta
            if count < 0:
                raise NegativeCounter
            self._count = count
            if (seen := _instrument.active) is not None:
                self._added(seen, delta, before)
            if count == 0 and before:
                zero, self._zero = self._zero, None
                while (waiter := self._waiters.pop()) is not None:
                    waiters.append(cast("Waiter", waiter))
                    waiters[-1].ok = True
                    if seen is not None:
                        self._returned(seen, waiters[-1])
        for woken in waiters:
            woken.wake()
        if zero is not None:
            self._close(zero)

    def done(self) -> None:
        """``add(-1)``: one of the things is done. Never blocks; from any thread.

        Everything before it has happened when a :meth:`wait` returns because of it.

        Raises:
            NegativeCounter: there is nothing left to be done.
        """
        self.add(-1)

    @overload
    def go(
        self,
        fn: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
    ) -> Goroutine[R]: ...
    @overload
    def go(
        self, fn: Callable[[*Ts], R], /, *args: *Ts, on: AnyExecutor
    ) -> Goroutine[R]: ...
    def go(
        self, fn: Callable[[*Ts], Any], /, *args: *Ts, on: AnyExecutor | None = None
    ) -> Goroutine[Any]:
        """Start ``fn(*args)`` with ``gochan.go``, and count it until it has ended.

        However it ends. If it raises, its scope is cancelled before it is counted:
        a ``wait`` in the same scope does not return because of that.

        Args:
            fn: an async function; with ``on``, a plain one may do.
            args: its arguments; ``functools.partial`` for keywords.
            on: where it runs, one of ``gochan.executors``; on this loop if not given.

        Raises:
            RuntimeError: there is no run and no open scope here.
            TypeError: ``fn`` is not an async function, and there is no ``on``.
        """
        scope = require_scope(fn, "wg.go")
        self.add(1)
        try:
            goroutine = scope._go(fn, args, on, None, sys._getframe(1))
        except BaseException:
            self.add(-1)
            raise

        def over() -> None:
            try:
                self.add(-1)
            except NegativeCounter as panic:
                # fn has called done() itself
                scope._failed(goroutine, panic)

        goroutine._when_over(over)
        return goroutine

    @parks("sync.WaitGroup.Wait")
    @uninterrupted
    async def wait(self) -> None:
        """Wait until the counter is zero.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: either returns, or raises and nothing has changed.

        Raises:
            WaitGroupReused: the counter went up again before this could return.
        """
        left = budget.left
        if left > 0:
            budget.left = left - 1
            if not self._count:
                return
        elif _backends.must_yield() and not self._count:
            # otherwise it parks, which is as good
            await _backends.backend().yield_now()
        waiter = self._queue(_backends.async_waiter)
        if waiter is not None:
            await waiter.park()
            self._refuse_reuse()

    @parks("sync.WaitGroup.Wait")
    @uninterrupted
    def blocking_wait(self, timeout: float | None = None) -> None:
        """:meth:`wait` for threads.

        Args:
            timeout: seconds; 0 means one look, None for ever.

        Raises:
            TimeoutError: it did not become zero in time; nothing has changed.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await wg.wait()``.
            WaitGroupReused: as :meth:`wait`.
        """
        _thread.check_call("wg.blocking_wait()", "await wg.wait()", timeout)
        waiter = self._queue(_thread.waiter)
        if waiter is not None:
            if not waiter.park_thread(timeout):
                raise TimeoutError(f"not zero within {timeout} seconds: {self!r}")
            self._refuse_reuse()

    @uninterrupted
    def __gochan_case__(self) -> RecvCase[None]:
        with self._guard:
            zero = self._zero
            if zero is None:
                zero = Chan[None](name="zero of a WaitGroup")
                if self._count:
                    self._zero = zero
            done = not self._count
        if done:
            self._close(zero)
        return RecvCase(zero)

    # With ``_guard`` held

    def _added(self, seen: _instrument.Instrument, delta: int, before: int) -> None:
        party = _instrument.current_party()
        if delta < 0:
            seen.release_merge(party, self)
        elif delta and not before:
            # an unordered Wait is a race with it
            seen.read(party, (self, "sema"))

    def _returned(self, seen: _instrument.Instrument, waiter: Waiter) -> None:
        seen.acquire(waiter.party, self)
        seen.goroutine_woken(waiter.party)

    # Without it

    @uninterrupted
    def _queue(self, make: Callable[[], W]) -> W | None:
        """The waiter to park; None if the counter is zero."""
        with self._guard:
            seen = _instrument.active
            if not self._count:
                if seen is not None:
                    seen.acquire(_instrument.current_party(), self)
                return None
            waiter = make()
            if seen is not None:
                if self._waiters.head is None:
                    # only the first: Waits do not race with each other
                    seen.write(_instrument.current_party(), (self, "sema"))
                _edges.parked(seen, waiter, "sync.WaitGroup.Wait", self)
            self._waiters.push(waiter)
            return waiter

    def _refuse_reuse(self) -> None:
        if self._count:
            raise WaitGroupReused

    def _close(self, zero: Chan[None]) -> None:
        """Close the channel of a select, as if everybody had who counted down."""
        if (seen := _instrument.active) is None:
            zero.close()
            return
        with _instrument.acting(zero):
            seen.acquire(zero, self)
            zero.close()

    # In other processes: see executors._handles

    _gochan_calls_ = frozenset({"_when_zero", "add"})

    def _gochan_home_(self) -> tuple[Any, ...]:
        from ._passed import make

        return (make,)

    def _when_zero(self) -> Any:
        return self.__gochan_case__().channel

    def __reduce__(self) -> tuple[Any, ...]:
        return handle_for(self) or refuse_copy(self)

    def __repr__(self) -> str:
        with self._guard:
            waiting = len(self._waiters)
        return (
            f"<WaitGroup, {self._count} to be done"
            f"{f', {waiting} waiting' if waiting else ''}>"
        )


def _integer(delta: object) -> int:
    if isinstance(delta, int):
        return int(delta)
    raise TypeError(f"add wants an int, not {delta!r}: write wg.add(1)")
