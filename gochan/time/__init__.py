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

from ._sleep import blocking_sleep, now, sleep
from ._timers import FuncTimer, Ticker, Timer, after, after_func, tick

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


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.time"


_rename()
del _rename
