"""Time as channels: timers, tickers, sleep. Seconds are floats.

    from gochan import time

    timeout = recv(time.after(5))
    if await select(result, timeout) is timeout:
        ...

The clock is that of the loop that runs where a function of this module is called, so
it is virtual where the loop's is. In a plain thread it is ``time.monotonic``.

Source: Go's ``time``, as since Go 1.23.
"""

from __future__ import annotations

from .. import _backends, _edges, _instrument
from .._backends import _thread
from .._parked import parks
from ._timers import FuncTimer, Ticker, Timer, after, after_func, check_seconds, tick

__all__ = (
    "FuncTimer",
    "Ticker",
    "Timer",
    "after",
    "after_func",
    "blocking_sleep",
    "now",
    "sleep",
    "tick",
)


def now() -> float:
    """The time in seconds, from some point in the past. It never goes back."""
    return _backends.clock().now()


@parks("sleep")
async def sleep(seconds: float) -> None:
    """Wait for ``seconds``. If that is 0 or less, let others run and go on.

    Cancellation: raises.

    Raises:
        TypeError: ``seconds`` is not a number.
    """
    if not check_seconds(seconds, "sleep(seconds)") > 0:
        await _backends.backend().yield_now()
        return
    clock = _backends.clock()
    waiter = _backends.any_waiter()
    waiter.for_select()
    if (seen := _instrument.active) is not None:
        _edges.parked(seen, waiter, "sleep", None)

    def wake() -> None:
        if waiter.claim():
            if (seen := _instrument.active) is not None and waiter.party is not None:
                seen.goroutine_woken(waiter.party)
            waiter.settle()

    alarm = clock.call_at(clock.now() + seconds, wake)
    try:
        await waiter.park()
    finally:
        alarm.cancel()


@parks("sleep")
def blocking_sleep(seconds: float) -> None:
    """:func:`sleep` for threads.

    Raises:
        RuntimeError: this thread runs an event loop: write
            ``await time.sleep(seconds)``.
        TypeError: ``seconds`` is not a number.
    """
    check_seconds(seconds, "blocking_sleep(seconds)")
    _thread.check_call("blocking_sleep(s)", "await time.sleep(s)", None)
    waiter = _thread.waiter()
    waiter.for_select()
    if (seen := _instrument.active) is not None:
        _edges.parked(seen, waiter, "sleep", None)
    waiter.park_thread(max(seconds, 0))


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.time"


_rename()
del _rename
