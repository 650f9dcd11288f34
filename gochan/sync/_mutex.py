"""Mutual exclusion.

The state is a lock of the interpreter, the *gate*: taken while somebody holds the
mutex. So a mutex that is free costs one call to lock and one to unlock, neither
of which an interrupt or another thread can split. Who finds the gate taken queues
a waiter. Unlocking does one of two things with the longest waiter:

- usually it frees the gate and wakes the waiter, which then tries again. In the
  meantime anybody may take the gate; whoever is running goes on running.
- a waiter that is older than a millisecond is *handed* the gate, still taken.

Invariants, when ``_guard`` is free:
1. Somebody waits: the gate is taken, or a woken waiter is about to try it
   (``_waking``), or one who has just freed it is about to look for waiters.
2. ``_waking``: exactly one waiter was woken and has not tried again.
3. A waiter's ``ok`` is True from the moment it is woken or handed the gate, unless
   it turns out that it can never run again.

Why none is forgotten: who locks queues first and then tries the gate once more;
who unlocks frees the gate first and then looks at the queue. One of the two sees
the other.

Source: Go's ``internal/sync/mutex.go``. Notable differences: there is no spinning;
whether a waiter is starving is decided when the mutex is unlocked, for that waiter,
and is no mode of the mutex; a woken waiter whose event loop has been closed is
passed over.
"""

from __future__ import annotations

from _thread import allocate_lock
from sys import modules
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast, final

from .. import _backends, _edges, _instrument
from .._backends import _thread, uninterrupted
from .._budget import budget
from .._parked import parks
from .._waiter import WaitQueue
from ._errors import UnlockOfUnlocked
from ._locker import Locker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeVar

    from .._backends._parts import AsyncWaiter
    from .._waiter import Waiter

    W = TypeVar("W", bound=Waiter)

__all__ = ("Mutex",)

# seconds after which a waiter does not have to compete any more
STARVING: Final = 0.001

# what a waiter's value becomes when it is claimed; before, it is the time it came
_WOKEN: Final = object()
_HANDED: Final = object()

# replaced by tests and by the schedule explorer
clock: Callable[[], float] = monotonic


@final
class Mutex(Locker):
    """A mutual exclusion lock, for coroutines and threads alike.

    Neither re-entrant nor owned: locking it twice in one goroutine waits for ever,
    and any goroutine may unlock it. A goroutine that is running may take it before
    those who wait, but who has waited for a millisecond is the next to have it.

    ``async with mu:`` in coroutines, ``with mu:`` on threads. Any number of
    goroutines, threads and event loops may use it at the same time. Source: Go's
    ``sync.Mutex``.

    Not to be used from a signal handler or ``__del__``.
    """

    __slots__ = ("_free", "_gate", "_guard", "_take", "_waiters", "_waking")

    def __init__(self) -> None:
        self._gate = gate = allocate_lock()
        self._take = gate.acquire
        self._free = gate.release
        # of the queue
        self._guard = allocate_lock()
        self._waiters = WaitQueue(self._guard)
        self._waking = False

    # The async face

    @parks("sync.Mutex.Lock")
    @uninterrupted
    async def lock(self) -> None:
        """Lock it; wait until it is free.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: either returns with the mutex locked, or raises and nothing
        has changed.
        """
        left = budget.left
        if left > 0 and self._take(False):
            budget.left = left - 1
            return
        if left <= 0 and _backends.must_yield() and not self._gate.locked():
            # otherwise it parks, which is as good
            await _backends.backend().yield_now()
        await self._relock(_backends.async_waiter)

    @parks("sync.Mutex.Lock")
    @uninterrupted
    async def _relock(self, make: Callable[[Any], AsyncWaiter]) -> None:
        came = clock()
        waiter = self._take_or_queue(make, came, False)
        while waiter is not None:
            try:
                await waiter.park()
            except BaseException:
                self._pass_on(waiter)
                raise
            if waiter.value is _HANDED:
                return
            waiter = self._take_or_queue(make, came, True)

    @parks("sync.Mutex.Lock")
    @uninterrupted
    async def __aenter__(self) -> None:
        # lock(), without the call
        left = budget.left
        if left > 0 and self._take(False):
            budget.left = left - 1
            return
        await self.lock()

    @uninterrupted
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # unlock(), without the call
        waiters = self._waiters
        if waiters.head is None and _instrument.active is None:
            try:
                self._free()
            except RuntimeError:
                raise UnlockOfUnlocked from None
            if self._waiters.head is not None:
                self._wake()
            return
        self.unlock()

    # The blocking face

    @parks("sync.Mutex.Lock")
    @uninterrupted
    def blocking_lock(self, timeout: float | None = None) -> None:
        """:meth:`lock` for threads.

        Args:
            timeout: seconds; 0 means one try, None for ever.

        Raises:
            TimeoutError: it did not become free in time; nothing has changed.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await mu.lock()``.
        """
        if (
            timeout is not None
            or "trio" in modules
            or ("asyncio" in modules and _thread.running_loop() is not None)
            or _thread.cancelled
        ):
            _thread.check_call("mu.blocking_lock()", "await mu.lock()", timeout)
        if _instrument.active is None and self._take(False):
            return
        self._blocking_relock(_thread.waiter, timeout)

    def __enter__(self) -> None:
        if (
            "trio" in modules
            or ("asyncio" in modules and _thread.running_loop() is not None)
            or _thread.cancelled
        ):
            _thread.check_call("`with lock`", "async with lock", None)
        if _instrument.active is None and self._take(False):
            return
        self._blocking_relock(_thread.waiter)

    @parks("sync.Mutex.Lock")
    @uninterrupted
    def _blocking_relock(
        self,
        make: Callable[[Any], _thread.Waiter | AsyncWaiter],
        timeout: float | None = None,
    ) -> None:
        came = clock()
        left = _thread.countdown(timeout)
        waiter = self._take_or_queue(make, came, False)
        while waiter is not None:
            try:
                if not waiter.park_thread(left()):
                    raise TimeoutError(f"not free within {timeout} seconds: {self!r}")
            except BaseException:
                self._pass_on(waiter)
                raise
            if waiter.value is _HANDED:
                return
            waiter = self._take_or_queue(make, came, True)

    # The face that never waits

    @uninterrupted
    def try_lock(self) -> bool:
        """Lock it if it is free. Never blocks; from any thread.

        A False orders nothing: use it for no decision about what it guards.
        """
        if _instrument.active is None:
            return self._take(False)
        with self._guard:
            return self._taken()

    @uninterrupted
    def unlock(self) -> None:
        """Unlock it. Never blocks; from any thread, whoever has locked it.

        Raises:
            UnlockOfUnlocked: it is not locked.
        """
        waiters = self._waiters
        if waiters.head is None and _instrument.active is None:
            try:
                self._free()
            except RuntimeError:
                raise UnlockOfUnlocked from None
            # nobody may have queued before it was free: look again
            if self._waiters.head is not None:
                self._wake()
            return
        while True:
            with self._guard:
                if not self._gate.locked():
                    raise UnlockOfUnlocked
                if (seen := _instrument.active) is not None:
                    seen.release(_instrument.current_party(), self)
                waiter = self._hand_over() if self._starving() else None
                if waiter is None:
                    self._free()
            if waiter is None:
                self._wake()
                return
            if waiter.wake():
                return
            # its loop has been closed, and the gate is still taken
            waiter.ok = False

    # With ``_guard`` held

    def _taken(self) -> bool:
        """Take the gate if it is free, and tell the instrument."""
        if not self._take(False):
            return False
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), self)
        return True

    def _starving(self) -> bool:
        """Whether the next waiter is to have the gate without competing for it."""
        head = self._waiters.head
        return head is not None and not self._waking and clock() - head.value > STARVING

    def _hand_over(self) -> Waiter:
        """Let the next waiter, which there is, have the gate, which stays taken."""
        waiter = cast("Waiter", self._waiters.pop())
        waiter.ok = True
        waiter.value = _HANDED
        if (seen := _instrument.active) is not None:
            seen.acquire(waiter.party, self)
            seen.goroutine_woken(waiter.party)
        return waiter

    # Without it

    @uninterrupted
    def _take_or_queue(
        self, make: Callable[[Any], W], came: float, again: bool
    ) -> W | None:
        """Take the gate: None. If it is taken, the waiter to park.

        ``again``: who asks was woken, and has to wait before all others.
        """
        with self._guard:
            if again:
                self._waking = False
            if self._taken():
                return None
            waiter = make(came)
            waiter.ok = False
            if again:
                self._waiters.push_front(waiter)
            else:
                self._waiters.push(waiter)
            # who has freed it since may not have seen the waiter: look again
            if self._taken():
                self._waiters.remove(waiter)
                return None
            if (seen := _instrument.active) is not None:
                _edges.parked(seen, waiter, "sync.Mutex.Lock", self)
            return waiter

    @uninterrupted
    def _wake(self) -> None:
        """Have the longest waiter try the gate, which has been freed."""
        while True:
            with self._guard:
                # who has it will look for waiters, and who is woken is next
                if self._waking or self._gate.locked():
                    return
                waiter = cast("Waiter | None", self._waiters.pop())
                if waiter is None:
                    return
                self._waking = True
                waiter.ok = True
                waiter.value = _WOKEN
                if (seen := _instrument.active) is not None:
                    seen.goroutine_woken(waiter.party)
            if waiter.wake():
                return
            # its loop has been closed
            waiter.ok = False
            self._waking = False

    def _pass_on(self, waiter: Waiter) -> None:
        """The party of ``waiter`` cannot go on: what it was given is the next one's.

        Its coroutine was closed, or Ctrl-C came. A cancellation withdraws the
        waiter, or comes too late to be raised there.
        """
        with self._guard:
            if waiter.queue is not None:
                # a firm one, which does not withdraw by itself
                waiter.queue.remove(waiter)
        if not waiter.ok:
            return
        if waiter.value is _HANDED:
            self.unlock()
        else:
            self._waking = False
            self._wake()

    def __repr__(self) -> str:
        with self._guard:
            waiting = len(self._waiters)
        state = "locked" if self._gate.locked() else "unlocked"
        return f"<Mutex, {state}{f', {waiting} waiting' if waiting else ''}>"
