"""The clock of a trio run, with a system task that makes the calls.

The task sleeps until the first is due. It is started when it is first needed, and
trio ends it with the run.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import trio
from trio.lowlevel import (
    RunVar,
    current_clock,
    current_trio_token,
    in_trio_run,
    spawn_system_task,
)

from ._alarms import Alarms

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._alarms import Entry

__all__ = ("RunClock", "clock", "poster")


class Alarm:
    """A call that the system task will make."""

    __slots__ = ("clock", "entry", "wanted", "when")

    def __init__(self, clock: RunClock, when: float) -> None:
        self.clock = clock
        self.when = when
        self.entry: Entry | None = None
        self.wanted = True

    def start(self, call: Callable[[], object]) -> None:
        if self.wanted:
            self.entry = self.clock.add(self.when, call)

    def cancel(self) -> None:
        self.wanted = False
        if not self.clock.here():
            self.clock.soon(self.cancel)
        elif self.entry:
            self.clock.remove(self.when, self.entry)


class RunClock:
    """The time of one run, for any thread."""

    def __init__(self) -> None:
        self.token = current_trio_token()
        clock = current_clock()
        self.now: Callable[[], float] = clock.current_time
        self.stands_still: bool = getattr(clock, "stands_still", False)
        self.alarms = Alarms(getattr(clock, "draw", None))
        # the task's, once it has begun
        self.sleeping: trio.CancelScope | None = None

    def here(self) -> bool:
        return in_trio_run() and current_trio_token() is self.token

    def soon(self, call: Callable[..., object], *args: Any) -> None:
        try:
            self.token.run_sync_soon(call, *args)
        except trio.RunFinishedError:
            # its time has stopped
            pass

    def call_at(self, when: float, call: Callable[[], object]) -> Alarm:
        alarm = Alarm(self, when)
        if self.here():
            alarm.start(call)
        else:
            self.soon(alarm.start, call)
        return alarm

    def add(self, when: float, call: Callable[[], object]) -> Entry:
        entry = self.alarms.add(when, call)
        if self.sleeping is None:
            self.sleeping = trio.CancelScope(deadline=when)
            spawn_system_task(self.serve, name="gochan clock")
        elif when < self.sleeping.deadline:
            self.sleeping.deadline = when
        return entry

    def remove(self, when: float, entry: Entry) -> None:
        self.alarms.cancel(entry)
        sleeping = self.sleeping
        # not to be woken for nothing, nor to look as if there were something to do
        if sleeping is not None and when <= sleeping.deadline < inf:
            sleeping.deadline = self.alarms.next()

    async def serve(self) -> None:
        while True:
            while (call := self.alarms.due(self.now())) is not None:
                call()
                # nothing of it is kept until the next one
                del call
            self.sleeping = trio.CancelScope(deadline=self.alarms.next())
            with self.sleeping:
                await trio.sleep_forever()


_clock: RunVar[RunClock] = RunVar("gochan clock")


def clock() -> RunClock:
    try:
        return _clock.get()
    except LookupError:
        made = RunClock()
        _clock.set(made)
        return made


def poster() -> Callable[[Callable[[], object]], bool]:
    token = current_trio_token()

    def post(call: Callable[[], object]) -> bool:
        try:
            token.run_sync_soon(call)
        except trio.RunFinishedError:
            return False
        return True

    return post
