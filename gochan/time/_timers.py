"""Timers and tickers, and functions that are called later."""

from __future__ import annotations

import sys
from _thread import allocate_lock
from contextvars import copy_context
from functools import partial
from inspect import isawaitable
from math import inf, isnan
from typing import TYPE_CHECKING, Any, final

from .. import _instrument
from .._backends import clock
from .._ends import Receiver
from .._errors import Panic
from .._go import require_scope
from .._goroutine import Site
from .._nil import nil
from ._ticks import Ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._backends._parts import Alarm
    from .._ends import RecvChan
    from .._scope import Scope

__all__ = (
    "FuncTimer",
    "Ticker",
    "Timer",
    "after",
    "after_func",
    "check_seconds",
    "tick",
)


def check_seconds(seconds: object, call: str) -> float:
    """A number of seconds.

    Raises:
        TypeError: it is no number.
        ValueError: it is not a number in the other sense.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"{call} wants seconds, as an int or float, not {seconds!r}")
    if isnan(seconds):
        raise ValueError(f"{call} wants seconds, not {seconds!r}")
    return seconds


@final
class Timer:
    """Sends once on its channel ``c``, when its time has come.

    The value is the time for which it was set, as of :func:`now`. There is never a
    stale one: after ``stop`` or ``reset`` nothing from before can be received. A timer
    that nobody refers to is collected, pending or not. Thread-safe.

    Source: Go's ``time.Timer``, as since Go 1.23.

    Args:
        seconds: from now; 0 or less fires at once.

    Raises:
        TypeError: ``seconds`` is not a number.
    """

    __slots__ = ("_schedule", "c")

    c: RecvChan[float]
    """Where the tick is received; its ``len`` and ``cap`` are 0."""

    def __init__(self, seconds: float) -> None:
        check_seconds(seconds, "Timer(seconds)")
        ticks = Ticks(seconds, 0)
        self._schedule = ticks._schedule
        self.c = Receiver(ticks)

    def stop(self) -> bool:
        """Keep it from firing. Never blocks.

        Returns:
            Whether it was pending: it had not fired, or nobody had received that.
        """
        return self._schedule.stop()

    def reset(self, seconds: float) -> bool:
        """Have it fire ``seconds`` from now instead. Never blocks.

        Returns:
            As ``stop``.

        Raises:
            TypeError: ``seconds`` is not a number.
        """
        return self._schedule.set(check_seconds(seconds, "timer.reset(seconds)"), 0)

    def __gochan_case__(self) -> Any:
        """``recv(timer.c)``: in a select, a timer stands for its channel."""
        return self.c.__gochan_case__()

    def __repr__(self) -> str:
        pending = "pending" if self._schedule.when is not None else "not pending"
        return f"<Timer, {pending}>"


@final
class Ticker:
    """Sends on its channel ``c`` every ``seconds`` until it is stopped.

    A receiver who is late gets one tick; the others are dropped. Stopping it does not
    close the channel. A ticker that nobody refers to is collected. Thread-safe.

    Source: Go's ``time.Ticker``.

    Args:
        seconds: between two ticks.

    Raises:
        Panic: ``seconds`` is not more than 0.
        TypeError: ``seconds`` is not a number.
    """

    __slots__ = ("_schedule", "c")

    c: RecvChan[float]
    """Where ticks are received; its ``len`` and ``cap`` are 0."""

    def __init__(self, seconds: float) -> None:
        if not check_seconds(seconds, "Ticker(seconds)") > 0:
            raise Panic("non-positive interval for NewTicker")
        ticks = Ticks(seconds, seconds)
        self._schedule = ticks._schedule
        self.c = Receiver(ticks)

    def stop(self) -> None:
        """No more ticks. Never blocks."""
        self._schedule.stop()

    def reset(self, seconds: float) -> None:
        """Tick every ``seconds`` from now on. Never blocks.

        Raises:
            Panic: ``seconds`` is not more than 0.
            TypeError: ``seconds`` is not a number.
        """
        if not check_seconds(seconds, "ticker.reset(seconds)") > 0:
            raise Panic("non-positive interval for Ticker.Reset")
        self._schedule.set(seconds, seconds)

    def __gochan_case__(self) -> Any:
        """``recv(ticker.c)``: in a select, a ticker stands for its channel."""
        return self.c.__gochan_case__()

    def __repr__(self) -> str:
        ticking = "stopped" if self._schedule.when is None else "ticking"
        return f"<Ticker, {ticking}>"


def after(seconds: float) -> RecvChan[float]:
    """A channel that gives one value, after ``seconds``: ``Timer(seconds).c``.

    Raises:
        TypeError: ``seconds`` is not a number.
    """
    return Timer(seconds).c


def tick(seconds: float) -> RecvChan[float]:
    """A channel that gives a value every ``seconds``: ``Ticker(seconds).c``.

    If ``seconds`` is not more than 0 it is the nil channel, as in Go.

    Raises:
        TypeError: ``seconds`` is not a number.
    """
    if not check_seconds(seconds, "tick(seconds)") > 0:
        return nil
    return Ticker(seconds).c


# guards all of them: held for a moment, and never while something is called
_setting = allocate_lock()


@final
class FuncTimer:
    """What :func:`after_func` returns: it calls a function, and has no channel.

    Attributes:
        c: None.
    """

    __slots__ = (
        "__weakref__",
        "_alarm",
        "_clock",
        "_context",
        "_fn",
        "_generation",
        "_owner",
        "_pending",
        "_site",
        "c",
    )

    def __init__(self, owner: Scope, fn: Callable[[], Any], site: Site) -> None:
        self.c: None = None
        # what is to be called, where it was said, and in which scope it will be
        self._fn = fn
        self._site = site
        self._owner = owner
        self._context = copy_context()
        self._clock = clock()
        self._alarm: Alarm | None = None
        # of the setting that is valid
        self._generation = 0
        self._pending = False

    def stop(self) -> bool:
        """Keep it from being called. Never blocks.

        It does not wait for a call that has begun.

        Returns:
            Whether it was pending: it had not been called since it was set.
        """
        return self._set(None)

    def reset(self, seconds: float) -> bool:
        """Have it called ``seconds`` from now. Never blocks.

        Returns:
            As ``stop``.

        Raises:
            TypeError: ``seconds`` is not a number.
        """
        return self._set(check_seconds(seconds, "timer.reset(seconds)"))

    def _set(self, seconds: float | None) -> bool:
        with _setting:
            pending, self._pending = self._pending, seconds is not None
            self._generation += 1
            generation = self._generation
            alarm, self._alarm = self._alarm, None
            if alarm is not None:
                alarm.cancel()
            if seconds is not None:
                if (seen := _instrument.active) is not None:
                    seen.release(_instrument.current_party(), self)
                when = self._clock.now() + max(seconds, 0)
                if when < inf:
                    fire = partial(self._fire, generation)
                    self._alarm = self._clock.call_at(when, fire)
        return pending

    def _fire(self, generation: int) -> None:
        with _setting:
            if self._generation != generation:
                return
            self._pending = False
            self._alarm = None
        # nobody's act: of the goroutine that has set the timer only what it did before
        # comes before
        call = partial(_call, self, self._fn)
        name = getattr(self._fn, "__name__", "after_func")
        late = self._owner._go_late
        _instrument.run_as(self, self._context.copy(), late, call, name, self._site)

    def __repr__(self) -> str:
        pending = "pending" if self._pending else "not pending"
        return f"<Timer of a function, {pending}>"


def after_func(seconds: float, fn: Callable[[], Any]) -> FuncTimer:
    """Call ``fn``, plain or async, in a goroutine of its own, after ``seconds``.

    The goroutine joins the scope that one started here would join, if that is still
    open then; a pending call does not keep it open. What ``fn`` raises concerns that
    scope. It gets a copy of the caller's context variables as they are now. Never
    blocks.

    Args:
        seconds: from now; 0 or less calls at once.
        fn: takes no arguments; ``functools.partial`` for some.

    Raises:
        RuntimeError: there is no run and no open scope here.
        TypeError: ``seconds`` is not a number, or ``fn`` cannot be called.
    """
    check_seconds(seconds, "after_func(seconds, f)")
    if not callable(fn):
        raise TypeError(f"after_func(seconds, f) wants a function, not {fn!r}")
    owner = require_scope(fn, "after_func")
    timer = FuncTimer(owner, fn, Site(sys._getframe(1)))
    timer._set(seconds)
    return timer


async def _call(timer: FuncTimer, fn: Callable[[], Any]) -> None:
    if (seen := _instrument.active) is not None:
        seen.acquire(_instrument.current_party(), timer)
    result = fn()
    if isawaitable(result):
        await result
