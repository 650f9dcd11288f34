"""One execution of a function that several parties wait for.

Whoever enters first runs it. The others wait until it has returned or raised. If
it ends in any other way, it has not been executed: who waits longest has its turn
and runs it, with the function that it brought itself.

Any other way is what does not derive from ``Exception``: a cancellation, Ctrl-C, an
exit, a coroutine that is closed. So cancelling one caller never leaves the others
waiting, and never makes them believe that it was done.

Invariants, when ``_guard`` is free:
1. Somebody waits: ``running``, and one party has the turn.
2. ``over``: nobody waits, and nobody has the turn.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from .. import _backends, _edges, _instrument
from .._backends import _thread, uninterrupted
from .._budget import budget
from .._waiter import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import TracebackType

    from .._waiter import Waiter

    W = TypeVar("W", bound=Waiter)

__all__ = ("Call", "refuse_uncallable")

T = TypeVar("T")


def _nothing() -> None:
    """Nobody counts who leaves."""


# a waiter's value when it is woken
_TURN: Final = object()
_OVER: Final = object()


class Call(Generic[T]):
    """See the top of this file.

    Args:
        form: how it is called, for messages: ``once.do(fn)``.
        wait: Go's word for waiting for it.

    Attributes:
        over: whether it has been executed.
    """

    __slots__ = (
        "__weakref__",
        "_error",
        "_form",
        "_guard",
        "_runner",
        "_running",
        "_traceback",
        "_value",
        "_wait",
        "_waiters",
        "over",
    )

    # set when it is over
    _value: T

    def __init__(self, form: str, wait: str) -> None:
        self._form = form
        self._wait = wait
        self._guard = guard = allocate_lock()
        self._waiters = WaitQueue(guard)
        self._running = False
        # who has the turn, while it runs
        self._runner: Hashable = None
        self.over = False
        self._error: Exception | None = None
        self._traceback: TracebackType | None = None

    async def reach(
        self,
        fn: Callable[[], Coroutine[Any, Any, T]] | Callable[[], T],
        leave: Callable[[], object] = _nothing,
    ) -> None:
        """Return when it is over. Runs ``fn``, if it is our turn, and raises its error.

        ``leave`` is called before somebody else gets our turn.

        Cancellation: raises and leaves it to others; or has come too late.
        """
        left = budget.left
        if left > 0:
            budget.left = left - 1
            if self.over:
                return
        elif _backends.must_yield() and (self.over or not self._running):
            # otherwise it parks, which is as good
            await _backends.backend().yield_now()
        waiter = self._enter(_backends.async_waiter)
        if waiter is not None:
            try:
                await waiter.park()
            except BaseException:
                self._give_up(waiter)
                raise
            if waiter.value is _OVER:
                return
        elif self.over:
            return
        await self.run(fn, leave)

    async def run(
        self,
        fn: Callable[[], Coroutine[Any, Any, T]] | Callable[[], T],
        leave: Callable[[], object] = _nothing,
    ) -> None:
        """Execute it: it is our turn. As :meth:`reach`."""
        self._runner = _instrument.find_party()
        try:
            result = fn()
            if isinstance(result, Coroutine):
                result = await cast("Coroutine[Any, Any, T]", result)
        except Exception as error:
            self._failed(error)
            raise
        except BaseException:
            leave()
            self.abandon()
            raise
        self._value = result
        self._finish()

    def blocking_reach(
        self,
        fn: Callable[[], T],
        timeout: float | None,
        leave: Callable[[], object] = _nothing,
    ) -> None:
        """:meth:`reach` for threads; ``timeout`` is for waiting for others.

        Raises:
            TimeoutError: it was not over in time.
            TypeError: ``fn`` is an async function.
        """
        waiter = self._enter(_thread.waiter)
        if waiter is not None:
            try:
                if not waiter.park_thread(timeout):
                    raise TimeoutError(f"not done within {timeout} seconds")
            except BaseException:
                self._give_up(waiter)
                raise
            if waiter.value is _OVER:
                return
        elif self.over:
            return
        self._runner = _instrument.find_party()
        try:
            result = fn()
        except Exception as error:
            self._failed(error)
            raise
        except BaseException:
            leave()
            self.abandon()
            raise
        if isinstance(result, Coroutine):
            # it has not begun, so nothing has happened
            result.close()
            leave()
            self.abandon()
            raise TypeError(
                f"a thread cannot run an async function: write await {self._form}"
            )
        self._value = result
        self._finish()

    def reserve(self) -> bool:
        """Take the turn if nobody has it. Then :meth:`run` or :meth:`abandon` follows.

        False if it is running or over.
        """
        with self._guard:
            if self._running or self.over:
                return False
            self._running = True
            return True

    def outcome(self) -> T:
        """What it returned, when it is over.

        Raises:
            Exception: what it raised: the same one each time.
        """
        if self._error is not None:
            # it would get longer each time it is raised
            raise self._error.with_traceback(self._traceback)
        return self._value

    def forget(self) -> None:
        """Keep nothing of what it returned. Only when it is over."""
        self._value = cast("T", None)

    def closing(self) -> None:
        """It is about to be over: for a subclass. Called without the lock."""

    @uninterrupted
    def abandon(self) -> None:
        """Who had the turn has not executed it: it is the next one's."""
        while True:
            with self._guard:
                self._runner = None
                if (seen := _instrument.active) is not None:
                    seen.release(_instrument.current_party(), self)
                waiter = cast("Waiter | None", self._waiters.pop())
                if waiter is None:
                    self._running = False
                    return
                waiter.ok = True
                waiter.value = _TURN
                if seen is not None:
                    # what was left half done comes before the next attempt
                    seen.acquire(waiter.party, self)
                    seen.goroutine_woken(waiter.party)
            if waiter.wake():
                return
            # one whose loop has been closed cannot run it
            waiter.ok = False

    @uninterrupted
    def _enter(self, make: Callable[[], W]) -> W | None:
        """The waiter to park; None if it is over, or if it is our turn."""
        with self._guard:
            seen = _instrument.active
            if self.over or not self._running:
                self._running = not self.over
                if seen is not None:
                    seen.acquire(_instrument.current_party(), self)
                return None
            if self._runner is not None and self._runner == _instrument.find_party():
                raise RuntimeError(
                    f"{self._form} was called by the function that it runs, and would "
                    "wait for itself for ever"
                )
            waiter = make()
            waiter.ok = False
            if seen is not None:
                _edges.parked(seen, waiter, self._wait, self)
            self._waiters.push(waiter)
            return waiter

    def _give_up(self, waiter: Waiter) -> None:
        """Somebody who waited does not any more."""
        if waiter.ok and waiter.value is _TURN:
            # its coroutine was closed, or Ctrl-C came
            self.abandon()

    def _failed(self, error: Exception) -> None:
        self._error = error
        # from the function's own frame on, and without those that it passes from here
        trace = error.__traceback__
        self._traceback = trace and trace.tb_next
        self._finish()

    @uninterrupted
    def _finish(self) -> None:
        self.closing()
        woken: list[Waiter] = []
        with self._guard:
            self.over = True
            self._running = False
            self._runner = None
            seen = _instrument.active
            if seen is not None:
                seen.release(_instrument.current_party(), self)
            while (node := self._waiters.pop()) is not None:
                waiter = cast("Waiter", node)
                waiter.ok = True
                waiter.value = _OVER
                if seen is not None:
                    seen.acquire(waiter.party, self)
                    seen.goroutine_woken(waiter.party)
                woken.append(waiter)
        for waiter in woken:
            waiter.wake()

    def __repr__(self) -> str:
        with self._guard:
            waiting = len(self._waiters)
        state = "over" if self.over else "running" if self._running else "not run"
        return (
            f"<call of {self._form}, {state}"
            f"{f', {waiting} waiting' if waiting else ''}>"
        )


def refuse_uncallable(fn: object, form: str) -> None:
    """Say what to write: ``form`` is such as ``once.do(fn)``.

    Raises:
        TypeError: ``fn`` cannot be called.
    """
    if callable(fn):
        return
    if isinstance(fn, Coroutine):
        # it will not be awaited: no warning on top of the error
        fn.close()
        raise TypeError(
            f"write {form}: it wants the function, not the coroutine that calling "
            "it has made"
        )
    raise TypeError(f"write {form}, with a function: {fn!r} cannot be called")
