"""A weighted semaphore: Go's ``golang.org/x/sync/semaphore``.

Invariants, when ``_guard`` is free:
1. ``0 <= _held <= _size``.
2. Somebody waits in ``_waiters``: what the first one wants is more than is left. It
   may cease to hold for the moment in which a first one that was cancelled finds out
   about it.

Strictly first come, first served: a request that would fit waits behind one that
does not, or a large one could wait for ever. A request for more than there is at
all waits apart, for its cancellation, and holds up nobody.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast, final

from . import _backends, _edges, _instrument
from ._backends import _thread, uninterrupted
from ._budget import budget
from ._errors import Panic
from ._parked import parks
from ._waiter import WaitQueue
from .sync._locker import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ._waiter import Waiter

    W = TypeVar("W", bound=Waiter)

__all__ = ("Hold", "ReleasedTooMuch", "Weighted")


class ReleasedTooMuch(Panic):
    """More was released than is held; the semaphore is as it was."""

    def __init__(self, text: str = "semaphore: released more than held") -> None:
        super().__init__(text)


@final
class Weighted:
    """A semaphore whose holders take more than one unit of it, if they want.

    For coroutines, threads and event loops alike. ``async with w.hold(2):`` takes
    two units for a while; on threads, ``with w.hold(2):``. Source:
    ``golang.org/x/sync/semaphore``.

    Not to be used from a signal handler or ``__del__``.

    Args:
        n: how many units there are.

    Raises:
        ValueError: ``n`` is negative.
        TypeError: ``n`` is not an int.
    """

    __slots__ = (
        "__weakref__",
        "_acquire",
        "_guard",
        "_held",
        "_hopeless",
        "_release",
        "_size",
        "_waiters",
    )

    def __init__(self, n: int) -> None:
        self._size = _units(n)
        self._held = 0
        self._guard = guard = allocate_lock()
        self._acquire: Callable[[], bool] = guard.acquire
        self._release: Callable[[], None] = guard.release
        self._waiters = WaitQueue(guard)
        # requests for more than there is
        self._hopeless = WaitQueue(guard)

    @parks("semacquire")
    @uninterrupted
    async def acquire(self, n: int = 1) -> None:
        """Take ``n`` units; wait until they are there, and all who came before have.

        If ``n`` is more than there is at all, it waits until it is cancelled.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: either returns with the units, or raises and nothing has
        changed; those that it held up go on.

        Raises:
            ValueError: ``n`` is negative.
            TypeError: ``n`` is not an int.
        """
        n = _units(n)
        left = budget.left
        if left > 0:
            budget.left = left - 1
            # nothing in between may raise
            self._acquire()
            if n <= self._size - self._held and self._waiters.head is None:
                self._held += n
                self._release()
                return
            self._release()
        elif _backends.must_yield() and self._fits(n):
            # otherwise it parks, which is as good
            await _backends.backend().yield_now()
        waiter = self._take_or_queue(n, _backends.async_waiter)
        if waiter is not None:
            try:
                await waiter.park()
            except BaseException:
                self._withdrawn(n, waiter)
                raise

    @parks("semacquire")
    @uninterrupted
    def blocking_acquire(self, n: int = 1, timeout: float | None = None) -> None:
        """:meth:`acquire` for threads.

        Args:
            n: how many units.
            timeout: seconds; 0 means one try, None for ever.

        Raises:
            TimeoutError: they were not to be had in time; nothing has changed.
            ValueError: ``timeout`` or ``n`` is negative.
            TypeError: ``n`` is not an int.
            RuntimeError: this thread runs an event loop: write
                ``await w.acquire(n)``.
        """
        _thread.check_call("w.blocking_acquire(n)", "await w.acquire(n)", timeout)
        self._block(_units(n), timeout)

    @parks("semacquire")
    @uninterrupted
    def _block(self, n: int, timeout: float | None) -> None:
        waiter = self._take_or_queue(n, _thread.waiter)
        if waiter is not None:
            try:
                if not waiter.park_thread(timeout):
                    raise TimeoutError(
                        f"{n} were not free within {timeout} seconds: {self!r}"
                    )
            except BaseException:
                self._withdrawn(n, waiter)
                raise

    @uninterrupted
    def try_acquire(self, n: int = 1) -> bool:
        """Take ``n`` units if that needs no waiting. Never blocks; from any thread.

        Raises:
            ValueError: ``n`` is negative.
            TypeError: ``n`` is not an int.
        """
        n = _units(n)
        with self._guard:
            return self._try(n)

    @uninterrupted
    def release(self, n: int = 1) -> None:
        """Give ``n`` units back. Never blocks; from any thread, whoever took them.

        Raises:
            ReleasedTooMuch: so many are not held.
            ValueError: ``n`` is negative.
            TypeError: ``n`` is not an int.
        """
        n = _units(n)
        with self._guard:
            if n > self._held:
                raise ReleasedTooMuch
            if (seen := _instrument.active) is not None:
                seen.release_merge(_instrument.current_party(), self)
            self._held -= n
            if self._waiters.head is None:
                return
            woken = self._serve()
        self._wake(woken)

    def hold(self, n: int = 1) -> Hold:
        """``async with w.hold(n):`` takes ``n`` units and gives them back at the end.

        Raises:
            ValueError: ``n`` is negative.
            TypeError: ``n`` is not an int.
        """
        return Hold(self, _units(n))

    # With ``_guard`` held

    def _fits(self, n: int) -> bool:
        return n <= self._size - self._held and self._waiters.head is None

    def _try(self, n: int) -> bool:
        if not self._fits(n):
            return False
        self._held += n
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), self)
        return True

    def _serve(self) -> list[Waiter]:
        """Give what is left to those who wait, in their order."""
        woken: list[Waiter] = []
        while (head := self._waiters.head) is not None:
            if head.value > self._size - self._held:
                break
            waiter = cast("Waiter", self._waiters.pop())
            self._held += waiter.value
            waiter.ok = True
            if (seen := _instrument.active) is not None:
                seen.acquire(waiter.party, self)
                seen.goroutine_woken(waiter.party)
            woken.append(waiter)
        return woken

    # Without it

    @uninterrupted
    def _take_or_queue(self, n: int, make: Callable[[Any], W]) -> W | None:
        """The waiter to park; None if the units are taken."""
        with self._guard:
            if self._try(n):
                return None
            waiter = make(n)
            waiter.ok = False
            if (seen := _instrument.active) is not None:
                _edges.parked(seen, waiter, "semacquire", self)
            (self._waiters if n <= self._size else self._hopeless).push(waiter)
            return waiter

    @uninterrupted
    def _wake(self, woken: list[Waiter]) -> None:
        # more may come as we go
        for waiter in woken:
            n = waiter.value
            if not waiter.wake():
                # its loop has been closed: it will never give them back
                waiter.ok = False
                with self._guard:
                    self._held -= n
                    woken += self._serve()

    @uninterrupted
    def _withdrawn(self, n: int, waiter: Waiter) -> None:
        """The party of ``waiter`` takes nothing: those go on that it held up."""
        with self._guard:
            if waiter.ok:
                # It was given them, but its coroutine was closed, or Ctrl-C came. A
                # cancellation would come too late to be raised there.
                self._held -= n
            woken = self._serve()
        self._wake(woken)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        with self._guard:
            waiting = len(self._waiters) + len(self._hopeless)
        return (
            f"<Weighted, {self._held} of {self._size} held"
            f"{f', {waiting} waiting' if waiting else ''}>"
        )

    def _check(self) -> None:
        """Assert the invariants at the top of this file; for tests."""
        with self._guard:
            assert 0 <= self._held <= self._size
            head = self._waiters.head
            assert head is None or head.value > self._size - self._held


@final
class Hold:
    """Units of a semaphore for the length of a block: what ``w.hold(n)`` makes."""

    __slots__ = ("_n", "_semaphore")

    def __init__(self, semaphore: Weighted, n: int) -> None:
        self._semaphore = semaphore
        self._n = n

    async def __aenter__(self) -> None:
        """Take the units.

        Cancellation: either returns with them, or raises and nothing has changed.
        """
        await self._semaphore.acquire(self._n)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._semaphore.release(self._n)

    def __enter__(self) -> None:
        _thread.check_call("`with w.hold(n)`", "async with w.hold(n)", None)
        self._semaphore._block(self._n, None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._semaphore.release(self._n)

    def __repr__(self) -> str:
        return f"<hold of {self._n} of {self._semaphore!r}>"


def _units(n: object) -> int:
    if not isinstance(n, int):
        raise TypeError(f"a semaphore counts in ints, not {n!r}: write w.acquire(2)")
    if n < 0:
        raise ValueError(f"a semaphore counts 0 units or more, not {n}")
    return int(n)
