"""A lock for one writer or many readers.

Invariants, when ``_guard`` is free:
1. ``_writing``: no reader is inside.
2. A reader waits: a writer is inside, or one waits. The second may cease to hold
   for the moment in which a writer that was cancelled finds out about it.
3. A writer waits: a writer or a reader is inside.
4. Who waits has been given nothing, and who was woken is inside already.

Whose turn it is:
- a writer waits for everybody inside; while it waits, nobody goes in.
- who leaves last lets the longest waiting writer in;
- but a writer who leaves lets in all readers who wait by then. So neither readers
  nor writers can keep the others out.

Source: Go's ``sync/rwmutex.go``. Notable difference: writers are served in the
order in which they came.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Final, cast, final

from .. import _backends, _edges, _instrument
from .._backends import _thread, uninterrupted
from .._budget import budget
from .._parked import parks
from .._waiter import WaitQueue
from ._errors import UnlockOfUnlocked
from ._locker import Locker

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import TypeVar

    from .._backends._parts import AsyncWaiter
    from .._waiter import Waiter

    W = TypeVar("W", bound=Waiter)

__all__ = ("RLocker", "RWMutex")

# the value of a waiter
_READ: Final = "sync.RWMutex.RLock"
_WRITE: Final = "sync.RWMutex.Lock"


@final
class RWMutex(Locker):
    """A reader/writer lock, for coroutines and threads alike.

    Any number of readers hold it together, or one writer alone. A writer that
    waits holds back new readers, so a goroutine that read-locks it twice can wait
    for ever. A read lock cannot be turned into a write lock, nor the reverse. It
    has no owner: any goroutine may unlock it.

    ``async with rw:`` is the write lock, ``async with rw.rlocker():`` a read lock;
    on threads without ``async``. Any number of goroutines, threads and event loops
    may use it at the same time. Source: Go's ``sync.RWMutex``.

    Not to be used from a signal handler or ``__del__``.
    """

    __slots__ = (
        "_acquire",
        "_guard",
        "_readers",
        "_release",
        "_waiting_readers",
        "_waiting_writers",
        "_writing",
    )

    def __init__(self) -> None:
        self._guard = guard = allocate_lock()
        self._acquire: Callable[[], bool] = guard.acquire
        self._release: Callable[[], None] = guard.release
        # how many are inside
        self._readers = 0
        self._writing = False
        self._waiting_readers = WaitQueue(guard)
        self._waiting_writers = WaitQueue(guard)

    # The async face

    @parks("sync.RWMutex.Lock")
    @uninterrupted
    async def lock(self) -> None:
        """Lock it for writing; wait until nobody else is inside.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: either returns with the lock held, or raises and nothing has
        changed; readers that it held back go on.
        """
        left = budget.left
        if left > 0:
            budget.left = left - 1
            # nothing in between may raise
            self._acquire()
            if not (self._writing or self._readers):
                self._writing = True
                self._release()
                return
            self._release()
        elif _backends.must_yield() and not (self._writing or self._readers):
            # otherwise it parks, which is as good
            await _backends.backend().yield_now()
        await self._relock(_backends.async_waiter)

    @parks("sync.RWMutex.RLock")
    @uninterrupted
    async def rlock(self) -> None:
        """Lock it for reading; wait until no writer is inside, and none waits.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: either returns with the read lock held, or raises and nothing
        has changed.
        """
        left = budget.left
        if left > 0:
            budget.left = left - 1
            # nothing in between may raise
            self._acquire()
            if not self._writing and self._waiting_writers.head is None:
                self._readers += 1
                self._release()
                return
            self._release()
        elif _backends.must_yield() and not (
            self._writing or self._waiting_writers.head is not None
        ):
            # otherwise it parks, which is as good
            await _backends.backend().yield_now()
        await self._relock_as(_READ, _backends.async_waiter)

    @parks("sync.RWMutex.Lock")
    @uninterrupted
    async def _relock(self, make: Callable[[Any], AsyncWaiter]) -> None:
        await self._relock_as(_WRITE, make)

    @uninterrupted
    async def _relock_as(self, how: str, make: Callable[[Any], AsyncWaiter]) -> None:
        waiter = self._enter(how, make)
        if waiter is not None:
            try:
                await waiter.park()
            except BaseException:
                self._withdrawn(waiter)
                raise

    # The blocking face

    @parks("sync.RWMutex.Lock")
    @uninterrupted
    def blocking_lock(self, timeout: float | None = None) -> None:
        """:meth:`lock` for threads.

        Args:
            timeout: seconds; 0 means one try, None for ever.

        Raises:
            TimeoutError: it was not to be had in time; nothing has changed.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await rw.lock()``.
        """
        _thread.check_call("rw.blocking_lock()", "await rw.lock()", timeout)
        self._blocking_relock_as(_WRITE, _thread.waiter, timeout)

    @parks("sync.RWMutex.RLock")
    @uninterrupted
    def blocking_rlock(self, timeout: float | None = None) -> None:
        """:meth:`rlock` for threads; ``timeout`` and errors as ``blocking_lock``."""
        _thread.check_call("rw.blocking_rlock()", "await rw.rlock()", timeout)
        self._blocking_relock_as(_READ, _thread.waiter, timeout)

    @parks("sync.RWMutex.Lock")
    @uninterrupted
    def _blocking_relock(
        self, make: Callable[[Any], _thread.Waiter | AsyncWaiter]
    ) -> None:
        self._blocking_relock_as(_WRITE, make, None)

    @uninterrupted
    def _blocking_relock_as(
        self,
        how: str,
        make: Callable[[Any], _thread.Waiter | AsyncWaiter],
        timeout: float | None,
    ) -> None:
        waiter = self._enter(how, make)
        if waiter is not None:
            try:
                if not waiter.park_thread(timeout):
                    raise TimeoutError(f"not free within {timeout} seconds: {self!r}")
            except BaseException:
                self._withdrawn(waiter)
                raise

    # The face that never waits

    @uninterrupted
    def try_lock(self) -> bool:
        """Lock it for writing if nobody is inside. Never blocks; from any thread."""
        with self._guard:
            return self._try(_WRITE)

    @uninterrupted
    def try_rlock(self) -> bool:
        """Lock it for reading if no writer is inside or waits. Never blocks."""
        with self._guard:
            return self._try(_READ)

    @uninterrupted
    def unlock(self) -> None:
        """Undo a :meth:`lock`. Never blocks; from any thread, whoever has locked it.

        Raises:
            UnlockOfUnlocked: it is not locked for writing.
        """
        with self._guard:
            if not self._writing:
                raise UnlockOfUnlocked("sync: Unlock of unlocked RWMutex")
            if (seen := _instrument.active) is not None:
                seen.release(_instrument.current_party(), (self, "r"))
            if self._nobody_waits():
                self._writing = False
                return
            woken = self._leave(_WRITE)
        self._wake(woken)

    @uninterrupted
    def runlock(self) -> None:
        """Undo one :meth:`rlock`. Never blocks; from any thread.

        Raises:
            UnlockOfUnlocked: it is not locked for reading.
        """
        with self._guard:
            if not self._readers:
                raise UnlockOfUnlocked("sync: RUnlock of unlocked RWMutex")
            if (seen := _instrument.active) is not None:
                seen.release_merge(_instrument.current_party(), (self, "w"))
            if self._nobody_waits():
                self._readers -= 1
                return
            woken = self._leave(_READ)
        self._wake(woken)

    def rlocker(self) -> RLocker:
        """Its read half as a lock of its own, for ``async with`` and for a Cond."""
        return RLocker(self)

    # With ``_guard`` held

    def _nobody_waits(self) -> bool:
        return self._waiting_writers.head is None and self._waiting_readers.head is None

    def _try(self, how: str) -> bool:
        """Go in if nobody is in the way."""
        if self._writing:
            return False
        if how is _WRITE:
            if self._readers:
                return False
            self._writing = True
        else:
            if self._waiting_writers.head is not None:
                return False
            self._readers += 1
        if (seen := _instrument.active) is not None:
            self._entered(seen, _instrument.current_party(), how)
        return True

    def _entered(self, seen: _instrument.Instrument, party: Hashable, how: str) -> None:
        seen.acquire(party, (self, "r"))
        if how is _WRITE:
            # of all readers that have left
            seen.acquire(party, (self, "w"))

    def _leave(self, how: str) -> list[Waiter]:
        """Go out; who is let in for that."""
        if how is _WRITE:
            self._writing = False
        else:
            self._readers -= 1
        return self._let_in(all_readers=how is _WRITE)

    def _let_in(self, *, all_readers: bool) -> list[Waiter]:
        woken: list[Waiter] = []
        if self._writing:
            return woken
        if all_readers or self._waiting_writers.head is None:
            while (reader := self._waiting_readers.pop()) is not None:
                self._readers += 1
                woken.append(cast("Waiter", reader))
        if not self._readers and (writer := self._waiting_writers.pop()) is not None:
            self._writing = True
            woken.append(cast("Waiter", writer))
        seen = _instrument.active
        for waiter in woken:
            waiter.ok = True
            if seen is not None:
                self._entered(seen, waiter.party, waiter.value)
                seen.goroutine_woken(waiter.party)
        return woken

    # Without it

    @uninterrupted
    def _enter(self, how: str, make: Callable[[Any], W]) -> W | None:
        """Go in: None. If somebody is in the way, the waiter to park."""
        with self._guard:
            if self._try(how):
                return None
            waiter = make(how)
            waiter.ok = False
            if (seen := _instrument.active) is not None:
                _edges.parked(seen, waiter, how, self)
            (self._waiting_writers if how is _WRITE else self._waiting_readers).push(
                waiter
            )
            return waiter

    @uninterrupted
    def _wake(self, woken: list[Waiter]) -> None:
        # more may come as we go
        for waiter in woken:
            how = waiter.value
            if not waiter.wake():
                # its loop has been closed: it will never leave by itself
                waiter.ok = False
                with self._guard:
                    woken += self._leave(how)

    @uninterrupted
    def _withdrawn(self, waiter: Waiter) -> None:
        """The party of ``waiter`` does not go in: let those go on that it held back."""
        with self._guard:
            if waiter.queue is not None:
                # a firm one, which does not withdraw by itself
                waiter.queue.remove(waiter)
            if waiter.ok:
                # It was let in, but its coroutine was closed, or Ctrl-C came. A
                # cancellation would come too late to be raised there.
                woken = self._leave(waiter.value)
            else:
                woken = self._let_in(all_readers=False)
        self._wake(woken)

    def __repr__(self) -> str:
        with self._guard:
            parts = ["<RWMutex"]
            if self._writing:
                parts.append("locked")
            elif self._readers:
                parts.append(f"read-locked {self._readers} times")
            else:
                parts.append("unlocked")
            for queue, who in (
                (self._waiting_writers, "writers"),
                (self._waiting_readers, "readers"),
            ):
                if queue:
                    parts.append(f"{len(queue)} {who} waiting")
        return ", ".join(parts) + ">"

    def _check(self) -> None:
        """Assert the invariants at the top of this file; for tests."""
        with self._guard:
            assert self._readers >= 0
            assert not (self._writing and self._readers)
            assert not self._waiting_readers or self._writing or self._waiting_writers
            assert not self._waiting_writers or self._writing or self._readers


@final
class RLocker(Locker):
    """The read half of an RWMutex: what ``rw.rlocker()`` gives.

    Its ``lock`` is the RWMutex's ``rlock``, its ``unlock`` is ``runlock``.
    """

    __slots__ = ("_rw",)

    def __init__(self, rw: RWMutex) -> None:
        self._rw = rw

    async def lock(self) -> None:
        """:meth:`RWMutex.rlock`.

        Cancellation: either returns with the read lock held, or raises and nothing
        has changed.
        """
        await self._rw.rlock()

    def blocking_lock(self, timeout: float | None = None) -> None:
        """:meth:`RWMutex.blocking_rlock`."""
        self._rw.blocking_rlock(timeout)

    def try_lock(self) -> bool:
        """:meth:`RWMutex.try_rlock`."""
        return self._rw.try_rlock()

    def unlock(self) -> None:
        """:meth:`RWMutex.runlock`."""
        self._rw.runlock()

    @parks("sync.RWMutex.RLock")
    async def _relock(self, make: Callable[[Any], AsyncWaiter]) -> None:
        await self._rw._relock_as(_READ, make)

    @parks("sync.RWMutex.RLock")
    def _blocking_relock(
        self, make: Callable[[Any], _thread.Waiter | AsyncWaiter]
    ) -> None:
        self._rw._blocking_relock_as(_READ, make, None)

    def __repr__(self) -> str:
        return f"<RLocker of {self._rw!r}>"
