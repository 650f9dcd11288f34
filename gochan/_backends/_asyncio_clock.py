"""The clock of an asyncio loop: the loop's own."""

from __future__ import annotations

from asyncio import _get_running_loop as get_running_loop
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable

__all__ = ("LoopClock", "clock", "poster")


class Alarm:
    """A call that the loop will make."""

    __slots__ = ("call", "handle", "loop")

    def __init__(self, loop: AbstractEventLoop, call: Callable[[], object]) -> None:
        self.loop = loop
        # None once it is cancelled
        self.call: Callable[[], object] | None = call
        self.handle: TimerHandle | None = None

    def start(self, when: float) -> None:
        if self.call is not None:
            # otherwise it would copy the caller's context
            self.handle = self.loop.call_at(when, self.call, context=_context)

    def cancel(self) -> None:
        self.call = None
        if get_running_loop() is self.loop:
            if self.handle is not None:
                self.handle.cancel()
                self.handle = None
        else:
            _soon(self.loop, self.cancel)


class LoopClock:
    """The time of one loop, for any thread."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.now: Callable[[], float] = loop.time

    def call_at(self, when: float, call: Callable[[], object]) -> Alarm:
        alarm = Alarm(self.loop, call)
        if get_running_loop() is self.loop:
            alarm.start(when)
        else:
            _soon(self.loop, alarm.start, when)
        return alarm


_context = Context()


def _soon(loop: AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *args, context=_context)
    except RuntimeError:
        # closed: its time has stopped
        if not loop.is_closed():
            raise


# of the loop that asked for one last
_last: LoopClock | None = None


def clock() -> LoopClock:
    global _last
    loop = get_running_loop()
    assert loop is not None
    found = _last
    if found is None or found.loop is not loop:
        found = _last = LoopClock(loop)
    return found


def poster() -> Callable[[Callable[[], object]], bool]:
    loop = get_running_loop()
    assert loop is not None

    def post(call: Callable[[], object]) -> bool:
        try:
            loop.call_soon_threadsafe(call, context=_context)
        except RuntimeError:
            return False
        return True

    return post
