"""A condition variable: wait for something that others announce.

A waiter is queued while the lock is still held, so no signal after that is lost,
and woken only by a signal that claims it. So a wait never ends by itself, and a
signal goes to exactly one of those who were waiting when it came.

Source: Go's ``sync/cond.go``. Notable differences: a signal orders what came before
it before the wait that it ends, which Go's documentation says and its race
detector does not know; a wait can be cancelled and time out, and a signal that came
first is not lost by that.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast, final

from .. import _backends, _edges, _instrument
from .._backends import _thread, uninterrupted
from .._parked import parks
from .._waiter import WaitQueue
from ._errors import CondCopied
from ._locker import Locker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .._waiter import Waiter

    W = TypeVar("W", bound=Waiter)

__all__ = ("Cond",)

T = TypeVar("T")


@final
class Cond:
    """A condition variable, for coroutines and threads alike.

    Hold ``locker`` when you change or look at what the condition is about, and when
    you call ``wait``. ``signal`` and ``broadcast`` may be called with it or without.
    ``async with cond:`` locks ``locker``; on threads, ``with cond:``. Waiters are
    woken in the order in which they came. Source: Go's ``sync.Cond``.

    Often a channel is simpler: a broadcast is a close, and a signal is a send.

    Args:
        locker: a Mutex, an RWMutex, or what ``rw.rlocker()`` gives.

    Attributes:
        locker: Go's ``L``.

    Raises:
        TypeError: ``locker`` is not one of these.

    Not to be used from a signal handler or ``__del__``.
    """

    __slots__ = ("__weakref__", "_guard", "_waiters", "locker")

    def __init__(self, locker: Locker) -> None:
        if not isinstance(locker, Locker):
            raise TypeError(
                f"write Cond(Mutex()); {locker!r} is no lock of gochan.sync"
            )
        self.locker: Locker = locker
        self._guard = guard = allocate_lock()
        self._waiters = WaitQueue(guard)

    @parks("sync.Cond.Wait")
    async def wait(self) -> None:
        """Unlock ``locker``, wait for a signal, lock it again.

        Always waits, so call it in a loop that looks at the condition, or use
        :meth:`wait_for`: by the time it returns, somebody else may have changed it
        again. There are no spurious wake-ups.

        Cancellation: raises with ``locker`` held again, and has used up no signal;
        or returns, if one had come before. It is not interrupted while it locks
        ``locker`` again.

        Raises:
            UnlockOfUnlocked: ``locker`` is not locked.
        """
        waiter = self._unlock(_backends.async_waiter)
        try:
            await waiter.park()
        except GeneratorExit:
            self._pass_on(waiter)
            # the coroutine is being closed, and cannot wait any more
            self.locker.try_lock()
            raise
        except BaseException:
            self._pass_on(waiter)
            await self.locker._relock(_backends.firm_waiter)
            raise
        await self.locker._relock(_backends.firm_waiter)

    @parks("sync.Cond.Wait")
    async def wait_for(self, predicate: Callable[[], T]) -> T:
        """Wait until ``predicate()`` is true, and return what it returned.

        It is called with ``locker`` held, at first at once.

        Cancellation: as :meth:`wait`.

        Raises:
            UnlockOfUnlocked: ``locker`` is not locked.
        """
        while not (result := predicate()):
            await self.wait()
        return result

    @parks("sync.Cond.Wait")
    def blocking_wait(self, timeout: float | None = None) -> None:
        """:meth:`wait` for threads.

        Args:
            timeout: seconds to wait for a signal, None for ever. Locking ``locker``
                again may take longer.

        Raises:
            TimeoutError: no signal came in time; ``locker`` is held again.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await cond.wait()``.
            UnlockOfUnlocked: ``locker`` is not locked.
        """
        _thread.check_call("cond.blocking_wait()", "await cond.wait()", timeout)
        waiter = self._unlock(_thread.waiter)
        try:
            if not waiter.park_thread(timeout):
                raise TimeoutError(f"no signal within {timeout} seconds on {self!r}")
        except BaseException:
            self._pass_on(waiter)
            self._blocking_relock()
            raise
        self._blocking_relock()

    @parks("sync.Cond.Wait")
    def blocking_wait_for(
        self, predicate: Callable[[], T], timeout: float | None = None
    ) -> T:
        """:meth:`wait_for` for threads; ``timeout`` and errors as ``blocking_wait``."""
        _thread.check_call("cond.blocking_wait()", "await cond.wait()", timeout)
        left = _thread.countdown(timeout)
        while not (result := predicate()):
            self.blocking_wait(left())
        return result

    @uninterrupted
    def signal(self) -> None:
        """Wake the goroutine that waits longest, if there is one. Never blocks.

        From any thread, with ``locker`` held or not. A signal that nobody waits for
        is lost.
        """
        while True:
            with self._guard:
                waiter = self._pop()
            if waiter is None or waiter.wake():
                return
            # one whose loop has been closed cannot use it: the next
            waiter.ok = False

    @uninterrupted
    def broadcast(self) -> None:
        """Wake all goroutines that wait. Never blocks; from any thread."""
        woken: list[Waiter] = []
        with self._guard:
            while (waiter := self._pop()) is not None:
                woken.append(waiter)
        for waiter in woken:
            if not waiter.wake():
                waiter.ok = False

    @uninterrupted
    def _unlock(self, make: Callable[[], W]) -> W:
        """Queue a waiter, then unlock: no signal gets lost in between."""
        with self._guard:
            waiter = make()
            waiter.ok = False
            if (seen := _instrument.active) is not None:
                _edges.parked(seen, waiter, "sync.Cond.Wait", self)
            self._waiters.push(waiter)
        try:
            self.locker.unlock()
        except BaseException:
            waiter.withdraw()
            self._pass_on(waiter)
            raise
        return waiter

    def _pass_on(self, waiter: Waiter) -> None:
        """The wait was withdrawn; or a signal came, and its party cannot go on.

        Its coroutine was closed, or Ctrl-C came: the signal is the next one's. A
        cancellation would come too late to be raised there.
        """
        if waiter.ok:
            self.signal()

    def _pop(self) -> Waiter | None:
        """With ``_guard`` held: claim the longest waiter."""
        waiter = cast("Waiter | None", self._waiters.pop())
        if waiter is not None:
            waiter.ok = True
            if (seen := _instrument.active) is not None:
                # an edge to this one alone
                seen.release(_instrument.current_party(), self)
                seen.acquire(waiter.party, self)
                seen.goroutine_woken(waiter.party)
        return waiter

    def _blocking_relock(self) -> None:
        """Lock it, whatever happens meanwhile."""
        interrupt: BaseException | None = None
        while True:
            try:
                self.locker._blocking_relock(_thread.firm_waiter)
            except BaseException as error:
                if _thread.loop_runs():
                    # a fiber that is being closed cannot wait any more
                    raise
                # Ctrl-C, on the main thread
                interrupt = error
            else:
                break
        if interrupt is not None:
            raise interrupt

    async def __aenter__(self) -> None:
        """Lock ``locker``.

        Cancellation: either returns, or raises and nothing has changed.
        """
        await self.locker.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.locker.unlock()

    def __enter__(self) -> None:
        _thread.check_call("`with cond`", "async with cond", None)
        self.locker._blocking_relock(_thread.waiter)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.locker.unlock()

    def __reduce__(self) -> NoReturn:
        raise CondCopied

    def __repr__(self) -> str:
        with self._guard:
            waiting = len(self._waiters)
        return f"<Cond of {self.locker!r}, {waiting} waiting>"
