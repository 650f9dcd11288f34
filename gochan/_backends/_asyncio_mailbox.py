"""asyncio: the goroutines of a loop that have been woken, and what runs them."""

from __future__ import annotations

import asyncio
import os
import threading
from _thread import get_ident
from asyncio import _get_running_loop as get_running_loop
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from .. import _backends, _budget
from .._waiter import rescue, stranded
from . import any_park, any_waiter, any_yield

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._asyncio_waiter import Turn, Waiter

__all__ = ("DONE", "Later", "Mailbox", "after_woken", "mailbox")

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
        self.turns: deque[Turn] = deque(maxlen=_POOL)
        # given to call_soon, which otherwise would copy the caller's each time
        self.context = Context()

    def post(self, woken: Any) -> bool:
        """Let ``woken`` run soon; from any thread. False if the loop is closed."""
        if not self.draining and get_running_loop() is self.loop:
            # first, since it raises where the stack is full, and nothing has happened
            if not self.armed:
                self.arm()
            self.ready.append(woken)
            return True
        # another thread: its drain may come at once, and is not to be asked for twice
        self.ready.append(woken)
        try:
            return self.draining != 0 or self.ask() or not self.gone(woken)
        except RecursionError:
            stranded[:0] = (self,)
            return True

    def unlink(self) -> None:
        """Those in it have been: see ``stranded``."""

    def wake(self) -> bool:
        return self.ask()

    def ask(self) -> bool:
        """Have ``ready`` drained. False if the loop is closed."""
        if self.loop.is_closed():
            # nor will what was asked for before
            self.armed = False
            return False
        if not self.armed:
            self.arm()
        return True

    def gone(self, woken: Any) -> bool:
        """The loop is closed: whether that was before ``woken`` has run."""
        try:
            self.ready.remove(woken)
        except ValueError:
            return False
        return True

    def arm(self) -> None:
        """Schedule a drain; from any thread."""
        self.armed = True
        try:
            if get_running_loop() is self.loop:
                self.loop.call_soon(self.drain, context=self.context)
            else:
                self.loop.call_soon_threadsafe(self.drain, context=self.context)
        except RecursionError:
            self.armed = False
            raise
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
            if stranded:
                rescue()
            # also when KeyboardInterrupt or SystemExit comes out of a task: the
            # rest must not be lost
            self.draining = 0
            if ready and not self.armed:
                self.arm()


# what channels are to call, as long as this is the runtime that was used last
quick: tuple[Any, Any, Any] = (any_waiter, any_park, any_yield)


class _Local(threading.local):
    mailbox: Mailbox | None = None


_local = _Local()
# the mailbox used last, by whatever thread: one comparison on the hot path
last: Mailbox | None = None


def _forget() -> None:
    """In a forked child no loop runs, though one may have been draining."""
    global last
    last = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def mailbox() -> Mailbox:
    """The mailbox of the loop that runs on this thread."""
    global last
    box = _local.mailbox
    loop = get_running_loop()
    # A loop gets a second mailbox when another one has used its thread between:
    # that is harmless, each has its own drain.
    if box is None or box.loop is not loop:
        assert loop is not None
        _budget.started_on_thread()
        box = _local.mailbox = Mailbox(loop)
        _backends.prefer(*quick)
    last = box
    return box


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
