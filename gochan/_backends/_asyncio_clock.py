"""The clock of an asyncio loop: the loop's own."""

from __future__ import annotations

import asyncio
import sys
from asyncio import _get_running_loop as get_running_loop
from contextvars import Context
from time import monotonic
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
        # another thread may cancel it meanwhile
        call = self.call
        if call is not None:
            # otherwise it would copy the caller's context
            self.handle = self.loop.call_at(when, call, context=_context)

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

    __slots__ = ("loop", "now", "stands_still")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.now: Callable[[], float] = monotonic if _is_real(loop) else loop.time
        self.stands_still: bool = getattr(loop, "stands_still", False)

    def here(self) -> bool:
        return get_running_loop() is self.loop

    def soon(self, call: Callable[[], object]) -> None:
        _soon(self.loop, call)

    def call_at(self, when: float, call: Callable[[], object]) -> Alarm:
        alarm = Alarm(self.loop, call)
        if get_running_loop() is self.loop:
            alarm.start(when)
        else:
            _soon(self.loop, alarm.start, when)
        return alarm


def _is_real(loop: AbstractEventLoop) -> bool:
    """Whether its time is that of ``time.monotonic()``.

    uvloop's is, on Linux, but as it was when the turn of the loop began: whoever works
    for long without a pause would see no time pass.
    """
    kind = type(loop)
    return kind.time is asyncio.BaseEventLoop.time or (
        kind.__module__.partition(".")[0] == "uvloop" and sys.platform == "linux"
    )


_context = Context()


def _soon(loop: AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *args, context=_context)
    except RuntimeError:
        # closed: its time has stopped
        assert loop.is_closed()


# that of the loop which asked last
_last: LoopClock | None = None


def clock() -> LoopClock:
    global _last
    loop = get_running_loop()
    last = _last
    if last is not None and last.loop is loop:
        return last
    assert loop is not None
    _last = made = LoopClock(loop)
    return made


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
