"""Sleeping: a wait that nobody but the clock ends."""

from __future__ import annotations

from time import sleep as give_way
from typing import TYPE_CHECKING

from .. import _backends, _edges, _instrument
from .._backends import _fiber, _thread
from .._parked import parks
from ._timers import check_seconds

if TYPE_CHECKING:
    from .._backends._parts import Alarm, Clock
    from .._waiter import Waiter

__all__ = ("blocking_sleep", "now", "sleep")


def now() -> float:
    """The time in seconds, from some point in the past. It never goes back."""
    return _backends.clock().now()


@parks("sleep")
async def sleep(seconds: float) -> None:
    """Wait for ``seconds``. If that is 0 or less, let others run and go on.

    Cancellation: raises.

    Raises:
        TypeError: ``seconds`` is not a number.
        ValueError: ``seconds`` is NaN.
    """
    if not check_seconds(seconds, "sleep(seconds)") > 0:
        await _backends.backend().yield_now()
        return
    waiter = _backends.any_waiter()
    _go_to_sleep(waiter)
    alarm = _alarm(_backends.clock(), seconds, waiter)
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
        ValueError: ``seconds`` is NaN.
    """
    check_seconds(seconds, "blocking_sleep(seconds)")
    _thread.check_call("blocking_sleep(s)", "await time.sleep(s)", None)
    in_fiber = _thread.loop_runs()
    if not seconds > 0:
        if in_fiber:
            _fiber.give_way()
        else:
            give_way(0)
        return
    waiter = _thread.waiter()
    _go_to_sleep(waiter)
    clock = _backends.clock()
    if not (in_fiber or clock.stands_still):
        waiter.park_thread(seconds)
        return
    alarm = _alarm(clock, seconds, waiter)
    try:
        waiter.park_thread(None)
    finally:
        alarm.cancel()


def _go_to_sleep(waiter: Waiter) -> None:
    # claimed by a token: there is no queue, and so no lock
    waiter.for_select()
    if (seen := _instrument.active) is not None:
        _edges.parked(seen, waiter, "sleep", None)


def _alarm(clock: Clock, seconds: float, waiter: Waiter) -> Alarm:
    """Have the clock wake it."""

    def wake() -> None:
        if waiter.claim():
            if waiter.party is not None and (seen := _instrument.active) is not None:
                seen.goroutine_woken(waiter.party)
            waiter.settle()

    return clock.call_at(clock.now() + seconds, wake)
