"""Time in threads: clocks without a loop, and one time for all goroutines."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time as real_time
from typing import Any

import anyio
import pytest

import gochan
from gochan import (
    Cancelled,
    Chan,
    GoroutineCancelled,
    blocking_select,
    go,
    recv,
    run,
    scope,
    time,
)
from gochan._backends import _thread_clock
from support.idle import settle


def test_without_any_loop() -> None:
    before = time.now()
    assert before == pytest.approx(real_time.monotonic(), abs=1)
    assert time.after(0.001).blocking_recv() >= before + 0.001
    with pytest.raises(TimeoutError):
        time.after(3600).blocking_recv(timeout=0.001)
    ticks = iter(time.tick(0.001))
    assert next(ticks) < next(ticks)
    slow, soon = recv(time.after(3600)), recv(time.after(0.001))
    assert blocking_select(slow, soon) is soon
    assert time.after(-1).blocking_recv(timeout=0)
    time.blocking_sleep(0.001)
    time.blocking_sleep(0)
    time.blocking_sleep(-5)
    assert time.now() >= before + 0.003


def test_no_clock_thread_where_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_thread_clock, "_IDLE", 0.01)
    timers = [time.Timer(3600) for _ in range(100)]
    timers.append(time.Timer(0))
    assert timers[-1].c.blocking_recv() <= time.now()
    clock = _thread_clock.ThreadClock()
    fired = threading.Event()
    # when it has nothing to do it ends, and is started again
    for _ in range(2):
        clock.call_at(clock.now(), fired.set)
        assert fired.wait(5)
        fired.clear()
        if (thread := clock.thread) is not None:
            thread.join(10)
        assert clock.thread is None


def test_a_clock_thread_calls_in_order_and_not_what_was_cancelled() -> None:
    clock = _thread_clock.ThreadClock()
    calls: list[int] = []
    done = threading.Event()
    now = clock.now()
    # it cannot begin before all have been set
    with clock.changed:
        clock.call_at(now + 0.004, done.set)
        clock.call_at(now + 0.003, lambda: calls.append(3))
        cancelled = clock.call_at(now + 0.001, lambda: calls.append(0))
        clock.call_at(now + 0.002, lambda: calls.append(2))
        clock.call_at(now + 0.001, lambda: calls.append(1))
        cancelled.cancel()
        cancelled.cancel()
    assert done.wait(5)
    assert calls == [1, 2, 3]


def test_one_timer_for_threads_and_loop(backend: dict[str, Any]) -> None:
    """Each tick goes to one of them."""

    async def main() -> None:
        ticker = time.Ticker(0.001)
        got = Chan[float](100)

        def in_thread() -> None:
            for _ in range(10):
                got.blocking_send(ticker.c.blocking_recv())

        async def on_loop() -> None:
            for _ in range(10):
                await got.send(await ticker.c.recv())

        async with scope():
            go(in_thread, on=gochan.threads)
            go(on_loop)
        ticks = [got.recv_nowait() for _ in range(20)]
        assert len(set(ticks)) == 20

    run(main, **backend)


def test_goroutines_agree_on_the_time(backend: dict[str, Any], on: Any) -> None:
    """trio's time begins anew with each run: threads that work for it have it, too."""

    async def main() -> None:
        before = time.now()
        there = await go(time.now, on=on)
        assert before <= there <= time.now()
        assert abs(time.now() - anyio.current_time()) < 1

        def wait() -> float:
            return time.after(0.001).blocking_recv()

        before = time.now()
        assert before + 0.001 <= await go(wait, on=on) <= time.now()

    run(main, **backend)


def test_goroutines_on_other_loops_agree_on_the_time(backend: dict[str, Any]) -> None:
    async def there() -> float:
        await time.sleep(0.001)
        return time.now()

    async def main() -> None:
        before = time.now()
        async with gochan.executors.loops(2) as loops:
            got = [await go(there, on=loops) for _ in range(4)]
        assert all(before <= each <= time.now() for each in got)

    run(main, **backend)


def test_blocking_sleep_is_cancelled(backend: dict[str, Any], on: Any) -> None:
    async def main() -> None:
        begun = Chan[None](1)

        def sleep() -> None:
            begun.send_nowait(None)
            time.blocking_sleep(3600)

        sleeping = go(sleep, on=on)
        await begun.recv()
        sleeping.cancel()
        with pytest.raises(GoroutineCancelled):
            await sleeping

    run(main, **backend)


def test_blocking_sleep_of_nothing_lets_other_fibers_run(
    backend: dict[str, Any],
) -> None:
    pytest.importorskip("greenback")
    turns: list[int] = []

    def take_turns(number: int) -> None:
        for _ in range(3):
            turns.append(number)
            time.blocking_sleep(0)

    async def main() -> None:
        async with scope():
            go(take_turns, 0, on=gochan.fibers)
            go(take_turns, 1, on=gochan.fibers)

    run(main, **backend)
    assert turns != [0, 0, 0, 1, 1, 1]
    assert sorted(turns) == [0, 0, 0, 1, 1, 1]


def test_a_cancelled_thread_does_not_begin_to_sleep(backend: dict[str, Any]) -> None:
    async def main() -> None:
        begun, go_on = Chan[None](1), threading.Event()
        raised: list[BaseException] = []

        def sleep() -> None:
            begun.send_nowait(None)
            go_on.wait()
            try:
                time.blocking_sleep(3600)
            except Cancelled as error:
                raised.append(error)
                raise

        sleeping = go(sleep, on=gochan.threads)
        await begun.recv()
        sleeping.cancel()
        await settle()
        go_on.set()
        with pytest.raises(GoroutineCancelled):
            await sleeping
        assert raised

    run(main, **backend)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork() -> None:
    """The thread that kept the time is not there any more."""
    program = """
import os
from gochan import time
time.after(0.001).blocking_recv()
if (child := os.fork()) == 0:
    time.after(0.001).blocking_recv()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "7\n", done.stderr
