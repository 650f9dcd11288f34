"""asyncio: a parked goroutine awaits gochan's own future.

``Waiter`` speaks the protocol that ``asyncio.Task`` speaks to any object with
``_asyncio_future_blocking``: the task asks for the loop and calls
``add_done_callback()`` when it parks, ``result()`` when it is woken and
``cancel()`` when it is cancelled. That is all a wait needs, so there is no
``asyncio.Future``. Wakes are handed over in batches: see ``Mailbox``.
"""

from __future__ import annotations

import asyncio
import types
from _thread import get_ident
from asyncio import CancelledError
from asyncio import _get_running_loop as get_running_loop
from sys import exc_info, modules
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from .. import _budget
from . import _asyncio_mailbox as boxes
from . import any_park, any_waiter, any_yield
from ._asyncio_anyio import folded, task_states
from ._asyncio_late import deliver_later, due, overdue
from ._asyncio_mailbox import DONE, mailbox
from ._parts import AsyncWaiter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context

    from .._waiter import WaitQueue
    from ._asyncio_mailbox import Mailbox

__all__ = ("Turn", "Waiter", "firm_waiter", "mailbox", "waiter", "yield_now")

_cell = _budget.budget


class Waiter(AsyncWaiter):
    """One wait of one asyncio task.

    ``cancel()`` decides between the two outcomes. If no peer has claimed the
    waiter, it withdraws, and the task gets ``CancelledError``. If one has, the
    operation has happened: ``cancel()`` answers True, so that the task does not
    throw, and the wait returns normally and hands the cancellation on to
    :func:`deliver_later`.

    A waiter whose wait ended without a cancellation is used again. By then nobody
    refers to it: it is in no queue, and its waker is done with it.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_loop",
        "argument",
        "box",
        "callback",
        "cancelled",
        "context",
        "late",
    )

    box: Mailbox

    def __init__(self, box: Mailbox) -> None:
        # super().__init__(), in place
        self.prev = self.next = self.queue = self.waiter = self.token = None
        self.value: Any = None
        self.case = 0
        self.ok = False
        self.nodes = None
        self.party = None
        self.box = box
        # Any: the drain must not test for None, they are set when it runs
        self.callback: Any = None
        self.context: Any = None
        # what the callback is given
        self.argument: Any = DONE
        # what the task asks for if there is no get_loop(): that would be a call
        self._loop = box.loop
        self._asyncio_future_blocking = True
        # the message of the cancellation that came before the claim
        self.cancelled: tuple[Any, ...] | None = None
        # The messages of those that came after it. None: it may be used again, since
        # there was no cancellation, nor is there a claim that may come later. In place
        # of a flag, which would be 16 bytes more.
        self.late: tuple[tuple[Any, ...], ...] | None = None

    def for_select(self, *, again: bool = False) -> None:
        self.nodes = []
        self.token = [None]
        self.late = None if again else ()

    @types.coroutine
    def park(self) -> Generator[Waiter, None, None]:
        if overdue:
            self.raiseoverdue()
        try:
            yield self
        except BaseException:
            # not "as error": a variable more, in all that wait
            if not self.survives():
                raise
        # keep nothing of the task alive
        self.callback = self.context = None
        if self.late is None:
            if self.token is not None:
                self.nodes = self.token = None
            self.box.pool.append(self)
        else:
            self.conclude()

    def raiseoverdue(self) -> None:
        """Raise what the task has to raise rather than park, if anything."""
        if (late := due()) is not None and self.withdraw():
            raise late.taken()

    def survives(self) -> bool:
        """Whether the operation has happened, though an error was thrown at it.

        Not by our cancel(): the coroutine is being closed, its task destroyed with
        its loop, or somebody drives it by hand.
        """
        self.late = late = self.late or ()
        # A wake that is on its way must not resume it a second time. But the task is
        # kept until this frame is left: it may be garbage, and would close the
        # coroutine that awaits this one.
        self.argument, self.callback = self.callback, _ignore
        error = exc_info()[1]
        if self.withdraw() or not isinstance(error, CancelledError):
            return False
        self.late = (*late, error.args)
        return True

    def conclude(self) -> None:
        """The end of a wait that is not used again: what has come of it?"""
        if self.cancelled is not None:
            raise CancelledError(*self.cancelled)
        if self.late:
            deliver_later(self.box.loop, self.late)

    def wake(self) -> bool:
        return self.box.post(self)

    # The protocol that asyncio.Task speaks

    def add_done_callback(
        self, callback: Callable[[Any], object], /, *, context: Context
    ) -> None:
        self.callback = callback
        self.context = context

    # The task throws away what it returns, and park() raises what there is to
    # raise: any built-in will do, so that this is not a call of Python code.
    result = staticmethod(bool)

    def done(self) -> bool:
        # anyio asks this of whatever a task waits for
        return self.claimed()

    def cancel(self, msg: Any = None) -> bool:
        self.late = late = self.late or ()
        args = () if msg is None else (msg,)
        if self.withdraw():
            self.cancelled = args
            self.wake()
        elif self.cancelled is None:
            self.late = (*late, args)
        else:
            # two in one tick: one error tells of both
            self.cancelled = folded(self.cancelled, args)
        return True


def _ignore(_: object) -> None:
    pass


class FirmWaiter(Waiter):
    """One wait that a cancellation does not end: all of them come too late."""

    __slots__ = ()

    def __init__(self, box: Mailbox) -> None:
        super().__init__(box)
        self.late = ()

    def withdraw(self) -> bool:
        return False

    async def park(self) -> None:  # type: ignore[override]  # as good to await
        # anyio repeats a cancellation in each iteration of the loop, except here
        with anyio.CancelScope(shield=True):
            await super().park()


def waiter(value: Any = None) -> Waiter:
    made = Waiter(mailbox())
    made.value = value
    _budget.refill()
    return made


def firm_waiter(value: Any = None) -> Waiter:
    made = FirmWaiter(mailbox())
    made.value = value
    _budget.refill()
    return made


def _quick_waiter(value: Any = None) -> AsyncWaiter:
    """``any_waiter`` for the usual case, in one call."""
    box = boxes.last
    # In a drain on this thread, the loop of which it is runs here. Elsewhere it has to
    # be asked; a trio task may run on it, too, in guest mode.
    if box is None or (
        box.draining != get_ident()
        and (
            box.loop is not get_running_loop()
            or ("trio" in modules and modules["trio"].lowlevel.in_trio_task())
        )
    ):
        return any_waiter(value)
    _cell.left = _cell.full
    pool = box.pool
    if pool:
        again = pool.pop()
        again._asyncio_future_blocking = True
    else:
        again = Waiter(box)
    again.value = value
    return again


@types.coroutine
def _quick_park(queue: WaitQueue, value: Any = None) -> Generator[Any, Any, Any]:
    """``any_park`` for the usual case, in one call."""
    box = boxes.last
    # see _quick_waiter
    if box is None or (
        box.draining != get_ident()
        and (
            box.loop is not get_running_loop()
            or ("trio" in modules and modules["trio"].lowlevel.in_trio_task())
        )
    ):
        box = None  # who is parked does not keep a loop that is not its own
        return (yield from any_park(queue, value))  # pyright: ignore[reportGeneralTypeIssues,reportUnknownVariableType]
    _cell.left = _cell.full
    try:
        pool = box.pool
        if pool:
            waiter = pool.pop()
            waiter._asyncio_future_blocking = True
        else:
            waiter = Waiter(box)
        waiter.value = value
        # queue.push(waiter), in place
        waiter.queue = queue
        waiter.prev = tail = queue.tail
        if tail is None:
            queue.head = waiter
        else:
            tail.next = waiter
        queue.tail = waiter
    finally:
        queue.key.append(None)  # type: ignore[union-attr]  # a channel's has one
    # waiter.park(), in place
    if overdue:
        waiter.raiseoverdue()
    try:
        yield waiter
    except BaseException:
        if not waiter.survives():
            raise
    waiter.callback = waiter.context = None
    if waiter.late is None:
        pool.append(waiter)
    else:
        waiter.conclude()
    return waiter


class Turn(Waiter):
    """A wait for nobody: in the mailbox from the start."""

    __slots__ = ()

    def done(self) -> bool:
        return True

    def cancel(self, msg: Any = None) -> bool:
        args = () if msg is None else (msg,)
        before = self.cancelled
        self.cancelled = args if before is None else folded(before, args)
        return True


@types.coroutine
def yield_now() -> Generator[Any, Any, None]:
    if overdue and (late := due()) is not None:
        raise late.taken()
    box = mailbox()
    _budget.refill()
    turns = box.turns
    if turns:
        turn = turns.pop()
        turn._asyncio_future_blocking = True
    else:
        turn = Turn(box)
    box.ready.append(turn)
    if not box.draining:
        box.ask()
    try:
        yield turn
    except BaseException:
        # thrown by hand, or the coroutine is being closed
        turn.callback = _ignore
        raise
    turn.callback = turn.context = None
    if turn.cancelled is not None:
        raise CancelledError(*turn.cancelled)
    turns.append(turn)
    if asyncio.current_task(box.loop) in task_states():
        # anyio repeats a cancellation once in each iteration of the loop, and
        # there are several turns in one
        yield from anyio.lowlevel.checkpoint_if_cancelled()


@types.coroutine
def _quick_yield() -> Generator[Any, Any, None]:
    """``any_yield`` for the usual case, in one call."""
    box = boxes.last
    # see _quick_waiter
    if box is None or (
        box.draining != get_ident()
        and (
            box.loop is not get_running_loop()
            or ("trio" in modules and modules["trio"].lowlevel.in_trio_task())
        )
    ):
        return (yield from any_yield())  # pyright: ignore[reportGeneralTypeIssues,reportUnknownVariableType]
    return (yield from yield_now())  # pyright: ignore[reportGeneralTypeIssues,reportUnknownVariableType]


boxes.quick = (_quick_waiter, _quick_park, _quick_yield)
