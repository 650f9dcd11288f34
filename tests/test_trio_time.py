"""What gochan's clock does to a run of trio's."""

from __future__ import annotations

from math import inf

import pytest
import trio
import trio.testing

from gochan import Chan, go, recv, scope, select, time

pytestmark = pytest.mark.trio

settle = trio.testing.wait_all_tasks_blocked


def next_deadline() -> float:
    """Seconds until trio has something to do by itself."""
    return trio.lowlevel.current_statistics().seconds_to_next_deadline


async def test_nothing_is_due_once_nobody_waits() -> None:
    """Otherwise a run that hangs would look as if it waited for a timer."""
    other = Chan[int]()
    assert next_deadline() == inf
    async with scope():
        waiting = go(select, time.Timer(3600), recv(other))
        later = time.after_func(7200, print)
        await settle()
        assert 3500 < next_deadline() <= 3600
        await other.send(1)
        await waiting
        assert 7100 < next_deadline() <= 7200
        assert later.stop()
        assert next_deadline() == inf
        # and it goes on
        await time.sleep(0.001)


async def test_one_task_serves_all_timers() -> None:
    def tasks() -> int:
        return trio.lowlevel.current_statistics().tasks_living

    async with scope():
        before = tasks()
        timers = [time.after_func(3600 + n, print) for n in range(100)]
        assert tasks() == before + 1
        for timer in timers:
            timer.stop()
