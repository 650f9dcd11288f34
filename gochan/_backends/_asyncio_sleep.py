"""asyncio: the moment at which a loop falls asleep with nothing to wake it.

A loop calls its selector's ``select()`` once in each turn, without a timeout if nothing
is ready and no timer is set. While a run is watched, a stand-in for that method is in
its place: one more call for each turn, and none for an operation. uvloop has no
selector, nor has Windows' default loop: those are not watched.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop as get_running_loop
from typing import TYPE_CHECKING, Any, Final

from .._frames import frames_of
from ._asyncio_anyio import idle_worker, is_task_group

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import FrameType

__all__ = ("Sleep",)

Task = asyncio.Task[Any]

# Nobody minds so short a nap, and a loop that is busy with what other threads send it
# is woken before its end: then nobody has to look at anything.
_NAP: Final = 0.01


class Sleep:
    """A loop, and who is asked before it sleeps for ever."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        # Any: everything that tells is private
        self.loop: Any = loop or get_running_loop()
        self.watched: tuple[_Select, Callable[[], float | None]] | None = None

    def watch(self, ask: Callable[[], float | None]) -> None:
        selector = getattr(self.loop, "_selector", None)
        if not isinstance(self.loop, asyncio.SelectorEventLoop) or selector is None:
            return
        if type(selector.select) is not _Select:
            selector.select = _Select(self.loop, selector)
        select: _Select = selector.select
        select.asks.append(ask)
        self.watched = select, ask

    def unwatch(self) -> None:
        if self.watched is None:
            return
        select, ask = self.watched
        select.asks.remove(ask)
        selector = self.loop._selector
        # somebody else's may be around ours
        if not select.asks and selector.select is select:
            # the method is seen again
            del selector.select
        self.watched = None

    def quiet(self) -> bool:
        loop = self.loop
        watched = loop._selector.get_map()
        return (
            not loop._ready
            and not loop._scheduled
            # wakes that come from other threads
            and [key.fd for key in watched.values()] == [loop._ssock.fileno()]
        )

    def tasks(self) -> set[Task]:
        return asyncio.all_tasks(self.loop)

    def name(self, task: Task) -> str:
        return task.get_name()

    def joins(self, task: Task) -> Collection[Task] | None:
        # Any: private, though anyio reads it as well
        unknown: Any = task
        waits = unknown._fut_waiter
        if isinstance(waits, asyncio.Task):
            return [waits]  # pyright: ignore[reportUnknownVariableType]
        frames = frames_of(task.get_coro())
        group: Any = frames[-1].f_locals.get("self") if frames else None
        if is_task_group(group) or isinstance(group, asyncio.TaskGroup):
            private: Any = group
            if private._on_completed_fut is waits:
                return set(private._tasks)
        return None

    def idle(self, thread: int, last: FrameType) -> bool:
        return idle_worker(thread, last)

    def other(self, last: FrameType) -> Sleep | None:
        caller = last.f_back
        if caller is not None and caller.f_code is _Select.__call__.__code__:
            caller = caller.f_back
        once: Any = asyncio.SelectorEventLoop._run_once  # type: ignore[attr-defined]
        if (
            last.f_globals.get("__name__") != "selectors"
            or caller is None
            or caller.f_code is not once.__code__  # pyright: ignore[reportUnknownMemberType]
            or caller.f_locals["timeout"] is not None
        ):
            return None
        return Sleep(caller.f_locals["self"])


class _Select:
    """In place of a selector's ``select``."""

    def __init__(self, loop: Any, selector: Any) -> None:
        self.loop = loop
        self.poll: Callable[[float | None], list[Any]] = selector.select
        self.asks: list[Callable[[], float | None]] = []

    def __call__(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None:
            return self.poll(timeout)
        nap: float | None = _NAP
        while True:
            events = self.poll(nap)
            if events or nap is None or self.loop._ready:
                return events
            naps = [nap for ask in tuple(self.asks) if (nap := ask()) is not None]
            nap = min(naps, default=None)
            if nap == 0 or self.loop._ready:
                return events
