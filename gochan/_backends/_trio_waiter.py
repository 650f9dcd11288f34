"""trio: a parked goroutine is a trio task waiting to be rescheduled.

A cancellation asks ``abort``, which answers FAILED once a peer has claimed the
waiter. That is trio's own rule: the operation returns, and the cancellation is
delivered at the next checkpoint.

``trio.lowlevel.wait_task_rescheduled(abort)`` is two coroutines around one message to
trio's loop. The message is the same each time, so a waiter keeps it, and the generator
that parks yields it itself. What the loop sends back is an ``outcome``.
"""

from __future__ import annotations

import types
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio
from outcome import Value
from trio.lowlevel import (
    Abort,
    current_task,
    current_trio_token,
    in_trio_run,
    in_trio_task,
    reschedule,
    wait_task_rescheduled,
)

from .. import _backends, _budget
from .._waiter import rescue, stranded
from . import any_park, any_waiter, any_yield
from ._parts import AsyncWaiter
from ._trio_private import current

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._waiter import WaitQueue

__all__ = ("Waiter", "firm_waiter", "waiter", "yield_now")

_cell = _budget.budget

# How many waiters a run keeps to use again: what runs at a time, not what parks.
_POOL: Final = 256

# What a woken task is sent. It is not unwrapped, which would be possible only once.
_WOKEN: Final = Value(None)


class _Inbox:
    """What the waiters of one trio run share: what other threads have woken."""

    __slots__ = ("pool", "ready", "token")

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self.token = token
        self.ready: deque[Waiter] = deque()
        # waiters to use again; only the run's own thread touches it
        self.pool: deque[Waiter] = deque(maxlen=_POOL)

    def post(self, waiter: Waiter) -> bool:
        """Wake from elsewhere. False if the run has ended."""
        self.ready.append(waiter)
        try:
            self.token.run_sync_soon(self.drain, idempotent=True)
        except trio.RunFinishedError:
            try:
                self.ready.remove(waiter)
            except ValueError:
                # an earlier drain has taken it
                return True
            return False
        return True

    def drain(self) -> None:
        ready = self.ready
        while ready:
            reschedule(ready.popleft().task, _WOKEN)


_inbox: trio.lowlevel.RunVar[_Inbox] = trio.lowlevel.RunVar("gochan inbox")
# the inbox used last, by whatever thread
_last: _Inbox | None = None


def _find_inbox() -> _Inbox:
    global _last
    try:
        inbox = _inbox.get()
    except LookupError:
        _budget.started_on_thread()
        inbox = _Inbox(current_trio_token())
        _inbox.set(inbox)
    _last = inbox
    _backends.prefer(_quick_waiter, _quick_park, _quick_yield)
    return inbox


class Waiter(AsyncWaiter):
    """One wait of one trio task.

    Used again after a wait that ended well, as that of asyncio.
    """

    __slots__ = ("inbox", "message", "plain", "task")

    def __init__(self, inbox: _Inbox) -> None:
        super().__init__()
        self.inbox = inbox
        # Any: None only while nobody waits
        self.task: Any = None
        # may be used again: no claim may come later
        self.plain = True
        # what tells trio's loop to wait
        stepping = wait_task_rescheduled(self.abort)
        self.message: Any = stepping.send(None)
        stepping.close()

    def for_select(self, *, again: bool = False) -> None:
        super().for_select()
        self.plain = again

    @types.coroutine
    def park(self) -> Generator[Any, Any, None]:
        try:
            outcome = yield self.message
            if outcome is not _WOKEN:
                outcome.unwrap()
        except BaseException:
            # it holds the error, whose traceback leads to this frame: no cycle
            outcome = None
            self.interrupted()
            raise
        # keep nothing of the task alive
        self.task = None
        if self.plain:
            self.nodes = self.token = None
            self.inbox.pool.append(self)
        else:
            # it leads back here
            self.message = None

    def interrupted(self) -> None:
        """Trio has aborted it, or it ends in another way: the run may have crashed."""
        self.withdraw()
        self.message = None

    def abort(self, _: Callable[[], Any]) -> Abort:
        return Abort.SUCCEEDED if self.withdraw() else Abort.FAILED

    def wake(self) -> bool:
        inbox = self.inbox
        if in_trio_run() and current_trio_token() is inbox.token:
            try:
                reschedule(self.task, _WOKEN)
            except RecursionError:
                # private: what has trio done? At last it tells its instruments
                runq = current.runner.runq
                if not runq or runq[-1] is not self.task:
                    self.task._next_send_fn = None
                    raise
            return True
        return inbox.post(self)


class FirmWaiter(Waiter):
    """One wait that a cancellation does not end."""

    __slots__ = ()

    def __init__(self, inbox: _Inbox) -> None:
        super().__init__(inbox)
        self.plain = False

    def withdraw(self) -> bool:
        return False


def waiter(value: Any = None, kind: type[Waiter] = Waiter) -> Waiter:
    if stranded:
        rescue()
    made = kind(_find_inbox())
    made.task = current_task()
    made.value = value
    _budget.refill()
    return made


def firm_waiter(value: Any = None) -> Waiter:
    return waiter(value, FirmWaiter)


def _quick_waiter(value: Any = None) -> AsyncWaiter:
    """``any_waiter`` for the usual case, in one call."""
    inbox = _last
    if inbox is None or not in_trio_task() or current_trio_token() is not inbox.token:
        return any_waiter(value)
    _cell.left = _cell.full
    if stranded:
        rescue()
    pool = inbox.pool
    again = pool.pop() if pool else Waiter(inbox)
    again.task = current_task()
    again.value = value
    return again


@types.coroutine
def _quick_park(queue: WaitQueue, value: Any = None) -> Generator[Any, Any, Any]:
    """``any_park`` for the usual case, in one call."""
    inbox = _last
    if inbox is None or not in_trio_task() or current_trio_token() is not inbox.token:
        inbox = None  # who is parked does not keep what is not its own
        return (yield from any_park(queue, value))  # pyright: ignore[reportGeneralTypeIssues,reportUnknownVariableType]
    _cell.left = _cell.full
    try:
        if stranded:
            rescue()
        pool = inbox.pool
        waiter = pool.pop() if pool else Waiter(inbox)
        waiter.task = current_task()
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
    try:
        outcome = yield waiter.message
        if outcome is not _WOKEN:
            outcome.unwrap()
    except BaseException:
        # it holds the error, whose traceback leads to this frame: no cycle
        outcome = None
        waiter.interrupted()
        raise
    waiter.task = None
    pool.append(waiter)
    return waiter


async def yield_now() -> None:
    if stranded:
        rescue()
    _budget.refill()
    await trio.lowlevel.checkpoint()


@types.coroutine
def _quick_yield() -> Generator[Any, Any, None]:
    """``any_yield`` for the usual case, in one call."""
    if in_trio_task():
        yield from yield_now()
    else:
        yield from any_yield()  # pyright: ignore[reportGeneralTypeIssues]
