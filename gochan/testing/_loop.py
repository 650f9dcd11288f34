"""An asyncio event loop whose clock stands still while anybody can run.

Everything else is a ``SelectorEventLoop``'s. Where that would sleep until its next
timer, this one asks ``idle`` what to do: to make somebody runnable, or to name the time
to which the clock is to jump. While somebody waits for what comes from outside (I/O, a
thread, a child process), it waits for that in real time, and the clock stands still.
"""

from __future__ import annotations

import asyncio
import selectors
from heapq import heappush
from math import inf, ulp
from typing import TYPE_CHECKING, Any, TypeVarTuple, cast

from .. import _select
from .._backends._asyncio_anyio import scopes_of
from .._backends._asyncio_sleep import Sleep
from ._outside import NAP, awaits_outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context

__all__ = ("VirtualLoop",)

Ts = TypeVarTuple("Ts")


class _Waits(selectors.BaseSelector):
    """A selector that is never asked to sleep for the sake of a timer."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._loop.waits_outside():
            return self._real.select(None)
        if self._loop.others_may_come():
            return self._real.select(NAP)
        # what a thread has asked for before it fell asleep
        events = self._real.select(0)
        if not events and not self._loop.pass_time():
            # the executor's threads end
            events = self._real.select(None)  # pragma: no cover  # in no time
        return events

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class _Timer(asyncio.TimerHandle):
    """One that comes at random before or after others of the same time."""

    __slots__ = ("order",)

    def __init__(self, when: float, *args: Any) -> None:
        super().__init__(when, *args)
        self.order = _select.random()

    def __lt__(self, other: asyncio.TimerHandle) -> bool:
        if self.when() != other.when():
            return self.when() < other.when()
        return self.order < cast("_Timer", other).order


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop.

    Attributes:
        now: the time, in seconds; begins at 0.
        idle: called when nothing can run, with the time of the next timer, or None if
            there is none. Gives the time to go on at, infinity to wait for what comes
            from outside, or None if it has made something runnable.
        others_may_come: called before that; whether to wait in real time, and to look
            again after a nap.
    """

    stands_still = True

    idle: Callable[[float | None], float | None]

    others_may_come: Callable[[], bool]

    def __init__(
        self,
        idle: Callable[[float | None], float | None],
        others_may_come: Callable[[], bool],
    ) -> None:
        self.now = 0.0
        self.idle = idle
        self.others_may_come = others_may_come
        self._sleep = Sleep(self)
        # calls that threads of the executor make for us
        self._executing = 0
        self._waits = _Waits(self)
        super().__init__(self._waits)

    def time(self) -> float:
        return self.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        # Any: the heap of timers, and whether one is in it, are the loop's own
        private: Any = self
        private._check_closed()
        timer = _Timer(when, callback, args, self, context)
        heappush(private._scheduled, timer)
        cast("Any", timer)._scheduled = True
        return timer

    def pass_time(self) -> bool:
        """Let time pass. False if there is nothing to do at any time."""
        # Any: typeshed leaves the loop's heap of timers out
        private: Any = self
        scheduled: list[asyncio.TimerHandle] = private._scheduled
        following = scheduled[0].when() if scheduled else inf
        when = self.idle(None if following == inf else following)
        if when == inf:
            return False
        if when is not None:
            self.now = max(self.now, when)
            # what is due at this very moment is due, and nothing else
            private._clock_resolution = ulp(self.now)
        return True

    def unshield(self) -> bool:
        """Take the shields from all tasks. Whether there were any."""
        found = False
        for task in asyncio.all_tasks(self):
            for scope in scopes_of(task):
                if scope.shield:
                    scope.shield = False
                    found = True
        return found

    def waits_outside(self) -> bool:
        """Whether what comes next may come from outside of the loop."""
        # one is the loop's own, by which threads wake it
        if len(self._waits.get_map()) > 1 or self._executing:
            return True
        return awaits_outside(self._coroutines, self._sleep)

    def _coroutines(self) -> Iterable[Any]:
        return [task.get_coro() for task in asyncio.all_tasks(self)]

    def run_in_executor(  # type: ignore[override]  # typeshed has overloads for it
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._executing += 1
        future.add_done_callback(self._executed)
        return future

    def _executed(self, _: object) -> None:
        self._executing -= 1

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        # its threads end in real time, and from 3.12 on there is a timeout for that
        end: Any = super().shutdown_default_executor
        self._executing += 1
        try:
            await end(*timeout)
        finally:
            self._executing -= 1
