"""A trio clock that stands still while anybody can run.

trio asks a clock how long to sleep until the next deadline, only when no task can run.
So that is when this one asks ``idle`` what to do: see ``_loop``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import trio
from trio.abc import Clock

from .. import _select
from .._backends._trio_private import current, scopes_of
from .._backends._trio_sleep import Sleep
from ._outside import NAP, awaits_outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("VirtualClock", "unshield")


class VirtualClock(Clock):
    """The clock; see ``VirtualLoop`` for its attributes."""

    stands_still = True

    def __init__(
        self,
        idle: Callable[[float | None], float | None],
        others_may_come: Callable[[], bool],
    ) -> None:
        self.now = 0.0
        self.idle = idle
        self.others_may_come = others_may_come

    def start_clock(self) -> None:
        pass

    def draw(self) -> float:
        """Decides between what gochan has to do at the same time; trio draws itself."""
        return _select.random()

    def current_time(self) -> float:
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        if deadline <= self.now:
            return 0
        # trio.testing.wait_all_tasks_blocked: those are woken if trio is about to sleep
        if current.runner.waiting_for_idle or awaits_outside(_coroutines, Sleep()):
            return inf
        if self.others_may_come():
            return NAP
        if _asked_from_outside():
            return inf
        when = self.idle(None if deadline == inf else deadline)
        if when == inf:
            return inf
        if when is not None:
            self.now = max(self.now, when)
        return 0


def unshield() -> bool:
    """Take the shields from all tasks. Whether there were any."""
    found = False
    for task in _tasks():
        for scope in scopes_of(task):
            if scope.shield:
                scope.shield = False
                found = True
    return found


def _asked_from_outside() -> bool:
    # what a thread has asked for before it fell asleep
    stats = trio.lowlevel.current_statistics()
    if stats.run_sync_soon_queue_size:
        return True
    io = stats.io_statistics
    waiting = 0
    for kind in ("tasks_waiting_read", "tasks_waiting_write", "tasks_waiting"):
        waiting += getattr(io, kind, 0)
    # one is trio's own, by which threads wake it
    return waiting > 1


def _coroutines() -> Iterator[Any]:
    return (task.coro for task in _tasks())


def _tasks() -> Iterator[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    left = [] if root is None else [root]
    while left:
        task = left.pop()
        yield task
        for nursery in task.child_nurseries:
            left.extend(nursery.child_tasks)
