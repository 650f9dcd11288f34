"""trio: the moment at which a run falls asleep with nothing to wake it.

trio tells an instrument before it waits for I/O, and for how long at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import trio
from trio.lowlevel import (
    add_instrument,
    current_trio_token,
    remove_instrument,
    spawn_system_task,
)

from .._frames import frames_of, package_of
from ._trio_private import current

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import FrameType

__all__ = ("Sleep", "idle_worker")

Task = trio.lowlevel.Task

# what trio waits for at a time if there is no deadline
_FOR_EVER: Final = 24 * 60 * 60


# The runs that ask again in a while.
_naps: WeakSet[Any] = WeakSet()


class Sleep(trio.abc.Instrument):
    """A run, and who is asked before it sleeps for ever."""

    def __init__(self, runner: Any = None) -> None:
        self.runner = runner or current.runner
        self.ask: Callable[[], float | None] | None = None

    def watch(self, ask: Callable[[], float | None]) -> None:
        self.ask = ask
        add_instrument(self)

    def unwatch(self) -> None:
        self.ask = None
        remove_instrument(self)

    def before_io_wait(self, timeout: float) -> None:
        if timeout < _FOR_EVER or self.ask is None:
            return
        nap = self.ask()
        if nap is not None:
            # This wakes it. It has decided how long to sleep already.
            current_trio_token().run_sync_soon(self.nap, nap)

    def nap(self, seconds: float) -> None:
        """Have it ask again in a while."""
        if seconds > 0 and self.ask is not None:
            spawn_system_task(self.sleep, seconds, name="gochan looks again")

    async def sleep(self, seconds: float) -> None:
        _naps.add(self.runner)
        try:
            await trio.sleep(seconds)
        finally:
            _naps.discard(self.runner)

    def quiet(self) -> bool:
        # Private, and only read: current_statistics() would count all files that are
        # watched, and there is none of another run. The end of a nap is no event.
        runner = self.runner
        return (
            not runner.runq
            and runner.entry_queue.size() == 0
            and runner.deadlines._active == (runner in _naps)
        )

    def tasks(self) -> list[Task]:
        return [task for task in list(self.runner.tasks) if not _serves(task)]

    def name(self, task: Task) -> str:
        return task.name

    def joins(self, task: Task) -> Collection[Task] | None:
        # private: trio offers no way to ask what a task waits for
        at_exit: Any = trio.Nursery._nested_child_finished
        for frame in reversed(frames_of(task.coro)):
            if frame.f_code is at_exit.__code__:
                nursery: trio.Nursery = frame.f_locals["self"]
                return nursery.child_tasks
            if package_of(frame) != "trio":
                break
        return None

    def idle(self, thread: int, last: FrameType) -> bool:
        return idle_worker(thread, last)

    def other(self, last: FrameType) -> Sleep | None:
        caller = last.f_back
        if (
            last.f_code.co_name != "get_events"
            or caller is None
            or caller.f_globals.get("__name__") != "trio._core._run"
        ):
            return None
        runner = caller.f_locals.get("runner")
        return None if runner is None else Sleep(runner)


def idle_worker(thread: int, last: FrameType) -> bool:
    """Whether a thread of trio's pool, which all runs share, has nothing to do."""
    # private: trio keeps no public record of its worker threads
    from trio._core import _thread_cache

    private: Any = _thread_cache
    idle: dict[Any, None] = private.THREAD_CACHE._idle_workers

    return last.f_code is private.WorkerThread._work.__code__ and any(
        worker._thread.ident == thread for worker in list(idle)
    )


# where the tasks run that do what other threads and timers ask for
_SERVANTS: Final = frozenset(
    {"trio._core._entry_queue", f"{__package__}._trio_clock", __name__}
)


def _serves(task: Task) -> bool:
    frame = getattr(task.coro, "cr_frame", None)
    return frame is not None and frame.f_globals.get("__name__") in _SERVANTS
