"""The clock of a trio run, with a system task that makes the calls.

The task sleeps until the first is due. It is started when it is first needed, and
trio ends it with the run.
"""

from __future__ import annotations

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

    __slots__ = ("clock", "entry", "wanted")

    def __init__(self, clock: RunClock) -> None:
        self.clock = clock
        self.entry: Entry | None = None
        self.wanted = True

    def start(self, when: float, call: Callable[[], object]) -> None:
        if self.wanted:
            self.entry = self.clock.add(when, call)

    def cancel(self) -> None:
        self.wanted = False
        if not self.clock.here():
            self.clock.soon(self.cancel)
        elif self.entry is not None:
            self.clock.alarms.cancel(self.entry)


class RunClock:
    """The time of one run, for any thread."""

    def __init__(self) -> None:
        self.token = current_trio_token()
        self.now: Callable[[], float] = current_clock().current_time
        self.alarms = Alarms()
        self.sleeping = trio.CancelScope()
        spawn_system_task(self.serve, name="gochan clock")

    def here(self) -> bool:
        return in_trio_run() and current_trio_token() is self.token

    def soon(self, call: Callable[..., object], *args: Any) -> None:
        try:
            self.token.run_sync_soon(call, *args)
        except trio.RunFinishedError:
            # its time has stopped
            pass

    def call_at(self, when: float, call: Callable[[], object]) -> Alarm:
        alarm = Alarm(self)
        if self.here():
            alarm.start(when, call)
        else:
            self.soon(alarm.start, when, call)
        return alarm

    def add(self, when: float, call: Callable[[], object]) -> Entry:
        entry = self.alarms.add(when, call)
        self.sleeping.deadline = min(when, self.sleeping.deadline)
        return entry

    async def serve(self) -> None:
        while True:
            while (call := self.alarms.due(self.now())) is not None:
                call()
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
