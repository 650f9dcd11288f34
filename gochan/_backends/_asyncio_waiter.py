"""asyncio: a parked goroutine awaits gochan's own future.

``Waiter`` speaks the protocol that ``asyncio.Task`` speaks to any object with
``_asyncio_future_blocking``: the task asks for the loop and calls
``add_done_callback()`` when it parks, ``result()`` when it is woken and
``cancel()`` when it is cancelled. That is all a wait needs, so there is no
``asyncio.Future``. Wakes are handed over in batches: see ``Mailbox``.
"""

from __future__ import annotations

import asyncio
import os
import threading
import types
from _thread import get_ident
from asyncio import CancelledError
from asyncio import _get_running_loop as get_running_loop
from collections import deque
from contextvars import Context
from sys import modules
from typing import TYPE_CHECKING, Any, Final

import anyio.lowlevel

from .. import _backends, _budget
from . import AsyncWaiter, any_park, any_waiter, any_yield
from ._asyncio_anyio import MARK, task_states, under_cancelled_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._waiter import WaitQueue

__all__ = (
    "Later",
    "Mailbox",
    "Waiter",
    "after_woken",
    "firm_waiter",
    "mailbox",
    "waiter",
    "yield_now",
)

_cell = _budget.budget

# A drain runs what is ready when it begins, as a loop iteration does, and what is
# woken meanwhile up to so many in all. Then the loop may look at its I/O and timers.
# Each may do 64 operations: about two milliseconds.
_BATCH: Final = 64

# How many waiters a loop keeps to use again: what runs at a time, not what parks.
_POOL: Final = 256


class _NoLoop:
    """All that a future asks a loop for, if nobody ever waits for it."""

    get_debug = staticmethod(bool)


# What a task is told has ended, whatever it waited for: it only asks whether there
# is something to raise, and of a genuine future it asks without a call.
DONE: Final[asyncio.Future[None]] = asyncio.Future(loop=_NoLoop())  # type: ignore[arg-type]
DONE.set_result(None)


class Mailbox:
    """The goroutines of one loop that were woken and have not run yet.

    Waking appends here, and one callback of the loop runs them all: no Handle,
    no loop iteration and no poll of the selector for each.

    A drain looks at ``ready`` once more after it has set ``draining`` to 0.
    Another thread appends first and reads ``draining`` second, so one of the two
    sees the other.
    """

    __slots__ = ("armed", "context", "draining", "loop", "pool", "ready", "turns")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # what has a context and a callback: waiters, jobs, later
        self.ready: deque[Any] = deque()
        # a drain is scheduled and has not begun
        self.armed = False
        # the thread that drains, 0 if none does
        self.draining = 0
        # waiters to use again; only the loop's own thread touches it
        self.pool: deque[Waiter] = deque(maxlen=_POOL)
        self.turns: deque[_Turn] = deque(maxlen=_POOL)
        # given to call_soon, which otherwise would copy the caller's each time
        self.context = Context()

    def post(self, woken: Any) -> bool:
        """Let ``woken`` run soon; from any thread. False if the loop is closed."""
        self.ready.append(woken)
        return self.draining != 0 or self.ask()

    def ask(self) -> bool:
        """Have ``ready`` drained, which has been appended to."""
        if self.loop.is_closed():
            self.ready.clear()
            return False
        if not self.armed:
            self.arm()
        return True

    def arm(self) -> None:
        """Schedule a drain; from any thread."""
        self.armed = True
        try:
            if get_running_loop() is self.loop:
                self.loop.call_soon(self.drain, context=self.context)
            else:
                self.loop.call_soon_threadsafe(self.drain, context=self.context)
        except RuntimeError:
            # Closed a moment ago. Its goroutines can never run again; whoever
            # wakes one must not suffer for it.
            self.ready.clear()

    def drain(self) -> None:
        """Run the woken goroutines, and those that they wake, up to a batch."""
        ready = self.ready
        woken: Any = None
        self.armed = False
        self.draining = get_ident()
        try:
            for _ in range(max(len(ready), _BATCH)):
                if not ready:
                    break
                woken = ready.popleft()
                woken.context.run(woken.callback, woken.argument)
        finally:
            # the traceback of what failed leads to this frame
            woken = None
            # also when KeyboardInterrupt or SystemExit comes out of a task: the
            # rest must not be lost
            self.draining = 0
            if ready and not self.armed:
                self.arm()


class _Local(threading.local):
    mailbox: Mailbox | None = None


_local = _Local()
# the mailbox used last, by whatever thread: one comparison on the hot path
_last: Mailbox | None = None


def _forget() -> None:
    """In a forked child no loop runs, though one may have been draining."""
    global _last
    _last = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def mailbox() -> Mailbox:
    """The mailbox of the loop that runs on this thread."""
    global _last
    box = _local.mailbox
    loop = get_running_loop()
    # A loop gets a second mailbox when another one has used its thread between:
    # that is harmless, each has its own drain.
    if box is None or box.loop is not loop:
        assert loop is not None
        _budget.started_on_thread()
        box = _local.mailbox = Mailbox(loop)
        _backends.prefer(_quick_waiter, _quick_park, _quick_yield)
    _last = box
    return box


class Waiter(AsyncWaiter):
    """One wait of one asyncio task.

    ``cancel()`` decides between the two outcomes. If no peer has claimed the
    waiter, it withdraws, and the task gets ``CancelledError``. If one has, the
    operation has happened: ``cancel()`` answers True, so that the task does not
    throw, and the wait returns normally and hands the cancellation on to
    :func:`_deliver_later`.

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
        "plain",
    )

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
        # may be used again: no cancellation, nor a claim that may come later
        self.plain = True
        # the message of the cancellation that came before the claim
        self.cancelled: tuple[Any, ...] | None = None
        # the messages of those that came after it
        self.late: list[tuple[Any, ...]] | None = None

    def for_select(self, *, again: bool = False) -> None:
        self.nodes = []
        self.token = [None]
        self.plain = again

    @types.coroutine
    def park(self) -> Generator[Waiter, None, None]:
        if _overdue:
            self.raise_overdue()
        try:
            yield self
        except BaseException as error:
            if not self.survives(error):
                raise
        # keep nothing of the task alive
        self.callback = self.context = None
        if self.plain:
            if self.token is not None:
                self.nodes = self.token = None
            self.box.pool.append(self)
        else:
            self.conclude()

    def raise_overdue(self) -> None:
        """Raise what the task has to raise rather than park, if anything."""
        if (late := _due()) is not None and self.withdraw():
            raise late.taken()

    def survives(self, error: BaseException) -> bool:
        """Whether the operation has happened, though ``error`` was thrown at it.

        Not by our cancel(): the coroutine is being closed, its task destroyed with
        its loop, or somebody drives it by hand.
        """
        self.plain = False
        # a wake that is on its way must not resume it a second time
        self.callback = _ignore
        if self.withdraw() or not isinstance(error, CancelledError):
            return False
        self.late = [*(self.late or ()), error.args]
        return True

    def conclude(self) -> None:
        """The end of a wait that is not ``plain``: what has come of it?"""
        if self.cancelled is not None:
            raise CancelledError(*self.cancelled)
        if self.late:
            _deliver_later(self.box.loop, self.late)

    def wake(self) -> bool:
        box = self.box
        box.ready.append(self)
        return box.draining != 0 or box.ask()

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
        self.plain = False
        args = () if msg is None else (msg,)
        if self.withdraw():
            self.cancelled = args
            self.wake()
        elif self.cancelled is None:
            self.late = [*(self.late or ()), args]
        return True


def _ignore(_: Waiter) -> None:
    pass


class Later:
    """A callback that takes its turn among the woken goroutines."""

    __slots__ = ("argument", "callback", "context")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.context = Context()
        self.argument = None
        self.callback: Callable[[object], object] = lambda _: callback()


def after_woken(callback: Callable[[], object]) -> None:
    """Call ``callback`` once everything woken so far has run; on the loop."""
    mailbox().post(Later(callback))


class _Late:
    """Cancellations of a task that came after a peer had completed its operation.

    The operation returns. What still stands of them is delivered at the task's next
    checkpoint: when it parks here again (:func:`_due`), else one loop iteration
    later, wherever it waits then. Raising at once instead would lose the value of a
    task that is nothing but ``ch.recv()``, and would leave a stray cancellation
    behind an ``asyncio.timeout`` block that ends normally. To leave it to a later
    iteration alone would never cancel two goroutines that keep each other busy: by
    then they have been woken again.

    anyio repeats its own cancellations for as long as they stand, and holds them
    back in a shielded scope. So only natives are delivered from here later.
    """

    __slots__ = ("before", "marked", "native", "task")

    def __init__(self, task: asyncio.Task[Any], before: int) -> None:
        self.task = task
        # how many requests to cancel it had before these
        self.before = before
        # the arguments of the native ones, and of anyio's
        self.native: list[tuple[Any, ...]] = []
        self.marked: list[tuple[Any, ...]] = []

    def stands(self) -> tuple[Any, ...] | None:
        """What to raise now, if anything: see ``Task.uncancel()``."""
        standing = self.task.cancelling() - self.before
        under = bool(self.marked) and under_cancelled_scope(self.task)
        if under:
            standing -= len(self.marked)
        if self.native and standing > 0:
            return self.native[-1]
        return self.marked[-1] if under else None

    def taken(self) -> CancelledError:
        """It is raised at a checkpoint."""
        _overdue.pop(self.task, None)
        return CancelledError(*(self.stands() or ()))

    def deliver(self) -> None:
        """The task has not parked here since: cancel it wherever it is."""
        if _overdue.pop(self.task, None) is None or self.task.done():
            return
        args = self.stands()
        if args is not None and args in self.native:
            self.task.uncancel()
            self.task.cancel(*args)


_overdue: dict[asyncio.Task[Any], _Late] = {}


def _due() -> _Late | None:
    """What the current task has to raise rather than park."""
    task = asyncio.current_task()
    late = None if task is None else _overdue.get(task)
    return None if late is None or late.stands() is None else late


def _deliver_later(
    loop: asyncio.AbstractEventLoop, cancellations: list[tuple[Any, ...]]
) -> None:
    """Remember that the current task was cancelled, too late for its operation."""
    task = asyncio.current_task(loop)
    assert task is not None
    late = _overdue.get(task)
    if late is None:
        late = _overdue[task] = _Late(task, task.cancelling() - len(cancellations))
        loop.call_soon(late.deliver)
    for args in cancellations:
        marked = bool(args) and str(args[0]).startswith(MARK)
        (late.marked if marked else late.native).append(args)


class FirmWaiter(Waiter):
    """One wait that a cancellation does not end: all of them come too late."""

    __slots__ = ()

    def __init__(self, box: Mailbox) -> None:
        super().__init__(box)
        self.plain = False

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
    box = _last
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
    box = _last
    # see _quick_waiter
    if box is None or (
        box.draining != get_ident()
        and (
            box.loop is not get_running_loop()
            or ("trio" in modules and modules["trio"].lowlevel.in_trio_task())
        )
    ):
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
    if _overdue:
        waiter.raise_overdue()
    try:
        yield waiter
    except BaseException as error:
        if not waiter.survives(error):
            raise
    waiter.callback = waiter.context = None
    if waiter.plain:
        box.pool.append(waiter)
    else:
        waiter.conclude()
    return waiter


class _Turn(Waiter):
    """A wait for nobody: in the mailbox from the start."""

    __slots__ = ()

    def done(self) -> bool:
        return True

    def cancel(self, msg: Any = None) -> bool:
        self.cancelled = () if msg is None else (msg,)
        return True


@types.coroutine
def yield_now() -> Generator[Any, Any, None]:
    if _overdue and (late := _due()) is not None:
        raise late.taken()
    box = mailbox()
    _budget.refill()
    turns = box.turns
    if turns:
        turn = turns.pop()
        turn._asyncio_future_blocking = True
    else:
        turn = _Turn(box)
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
    box = _last
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
