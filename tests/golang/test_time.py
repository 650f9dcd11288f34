"""Go's time: sleep_test.go and tick_test.go.

Rewritten from what the tests check, in virtual time. What a machine's load could
disturb in Go is exact here.
"""

from __future__ import annotations

import gc
import threading
import weakref
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from gochan import (
    Chan,
    context,
    go,
    nil,
    recv,
    run,
    scope,
    select,
    select_nowait,
    send,
    testing,
    threads,
    time,
    yield_,
)
from gochan.atomic import Int
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Callable

    from gochan import RecvChan

# sleep_test.go


@in_bubble
async def test_sleep() -> None:
    await time.sleep(0.1)
    assert time.now() == 0.1
    # at once, as in Go, except that others run
    await time.sleep(0)
    await time.sleep(-1)
    assert time.now() == 0.1


@in_bubble
async def test_after_func() -> None:
    """TestAfterFunc: each call sets the next."""
    left, done = 10, Chan[bool]()

    async def call() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            time.after_func(0, call)
            await time.sleep(1)
        else:
            await done.send(True)

    time.after_func(0, call)
    await done.recv()
    # the others wake up while time still passes
    await time.sleep(2)


@in_bubble
async def test_ticker_stress() -> None:
    """TestTickerStress, TestTickerConcurrentStress: many come and go."""
    stop = Chan[None]()

    async def churn() -> None:
        while not stop.closed:
            ticker = time.Ticker(0.000001)
            # time does not pass while anybody can run
            await time.sleep(0.0001)
            ticker.stop()

    ticker = time.Ticker(0.001)
    async with scope():
        go(churn)
        for n in range(1, 51):
            assert await ticker.c.recv() == pytest.approx(n * 0.001)
        stop.close()
    ticker.stop()


@in_bubble
async def test_after() -> None:
    end = await time.after(0.1).recv()
    assert end == time.now() == 0.1


@in_bubble
async def test_after_tick() -> None:
    start = time.now()
    for _ in range(10):
        await time.after(0.1).recv()
    assert time.now() - start == pytest.approx(1)


@in_bubble
async def test_after_stop() -> None:
    """TestAfterStop: one that is stopped does not fire."""
    fired = Int()
    time.after_func(0.1, lambda: fired.add(1))
    t0 = time.Timer(0.05)
    c1 = Chan[bool](1)
    t1 = time.after_func(0.15, lambda: c1.send_nowait(True))
    assert t0.stop()
    assert t1.stop()
    await time.sleep(0.2)
    assert fired.load() == 1
    assert select_nowait(t0.c, c1) is None
    assert not t0.stop()
    assert not t1.stop()


@in_bubble
async def test_after_queuing() -> None:
    """TestAfterQueuing: in the order of their times, not of their making."""
    slots = (5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0)
    results = Chan[tuple[int, float]]()

    async def wait(slot: int) -> None:
        at = await time.after(slot * 0.1).recv()
        await results.send((slot, at))

    for slot in slots:
        go(wait, slot)
    got = [await results.recv() for _ in slots]
    assert [slot for slot, _ in got] == sorted(slots)
    for slot, at in got:
        assert at == pytest.approx(slot * 0.1)


def test_timer_stop_stress(backend: dict[str, Any]) -> None:
    """TestTimerStopStress: stopped from another thread before it fires."""
    fired: list[int] = []

    async def main() -> None:
        timers = [time.after_func(3600, lambda: fired.append(1)) for _ in range(100)]
        results: list[bool] = []

        def stop(some: list[time.FuncTimer]) -> None:
            results.extend(timer.stop() for timer in some)

        stopping = [
            threading.Thread(target=stop, args=(half,))
            for half in (timers[:50], timers[50:])
        ]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        assert results == [True] * 100
        await yield_()

    run(main, **backend)
    assert not fired


@in_bubble
async def test_sleep_zero_deadlock() -> None:
    """TestSleepZeroDeadlock: many short sleeps beside garbage being made."""
    done = Chan[bool]()

    async def sleep() -> None:
        for _ in range(100):
            await time.sleep(1e-9)
        await done.send(True)

    go(sleep)
    for _ in range(50):
        weakref.WeakSet[Any]()
        await time.sleep(0)
    await done.recv()


@in_bubble
async def test_reset() -> None:
    """TestReset: it fires at the new time, and not at the old one."""
    unit = 0.1
    timer = time.Timer(2 * unit)
    await time.sleep(unit)
    assert timer.reset(3 * unit)
    await time.sleep(2 * unit)
    assert select_nowait(timer.c) is None
    await time.sleep(2 * unit)
    assert select_nowait(timer.c) is not None
    assert not timer.reset(0.05)


@in_bubble
async def test_overflow_sleep() -> None:
    """TestOverflowSleep: a very long time is not a short one."""
    big = recv(time.after(inf))
    huge = recv(time.after(1e300))
    soon = recv(time.after(0.025))
    assert await select(big, huge, soon) is soon
    # in the past: at once
    assert select_nowait(time.after(-1e300)) is not None


@in_bubble
async def test_issue_5745() -> None:
    """A function that fails does not keep the others from being called."""
    with pytest.raises(ExceptionGroup):
        async with scope():

            def fail() -> None:
                raise ValueError("nil dereference")

            time.after_func(0.1, fail)
            await time.sleep(0.2)
    called = Chan[bool](1)
    time.after_func(0.1, lambda: called.send_nowait(True))
    assert await called.recv()


@in_bubble
async def test_timer_modified_earlier() -> None:
    """TestTimerModifiedEarlier: a reset to an earlier time wakes in time."""
    for _ in range(10):
        timer = time.Timer(100)
        before = time.now()
        waiting = go(timer.c.recv)
        await testing.wait()
        timer.reset(0.01)
        await waiting
        assert time.now() == pytest.approx(before + 0.01)


@in_bubble
async def test_adjust_timers() -> None:
    """TestAdjustTimers: all kinds of changes, and each fires at its own time."""
    timers = [time.Timer(0.05 if n % 2 else 50) for n in range(50)]
    for n in range(0, 50, 4):
        timers[n].reset(0.02)
    for n in range(2, 50, 4):
        timers[n].stop()
    await time.sleep(0.03)
    fired = [n for n in range(50) if select_nowait(timers[n].c) is not None]
    assert fired == list(range(0, 50, 4))
    await time.sleep(0.03)
    fired = [n for n in range(50) if select_nowait(timers[n].c) is not None]
    assert fired == list(range(1, 50, 2))


@pytest.mark.parametrize("reset", [False, True])
@in_bubble
async def test_stop_and_reset_results(reset: bool) -> None:
    """TestStopResult, TestResetResult: True also if it has fired unseen."""

    def act(timer: time.Timer) -> bool:
        return timer.reset(100) if reset else timer.stop()

    pending = time.Timer(100)
    assert act(pending)
    expired = time.Timer(0.01)
    await time.sleep(0.02)
    assert act(expired)
    assert select_nowait(expired.c) is None
    received = time.Timer(0.01)
    await received.c.recv()
    assert not act(received)


@in_bubble
async def test_multi_wakeup() -> None:
    """TestMultiWakeupTicker, TestMultiWakeupTimer: each tick goes to one."""
    got = Chan[int](100)

    async def wait(timer: time.Timer | time.Ticker) -> None:
        while True:
            await timer.c.recv()
            got.send_nowait(1)

    ticker = time.Ticker(1)
    async with scope() as s:
        for _ in range(5):
            go(wait, ticker)
        await time.sleep(10.5)
        assert len(got) == 10
        s.cancel()
    timer = time.Timer(1)
    async with scope() as s:
        for _ in range(5):
            go(wait, timer)
        await time.sleep(10)
        assert len(got) == 11
        s.cancel()


# tick_test.go


@in_bubble
async def test_ticker() -> None:
    count, delta = 10, 0.02
    ticker = time.Ticker(delta)
    for n in range(1, count + 1):
        assert await ticker.c.recv() == pytest.approx(n * delta)
    ticker.reset(delta * 2)
    start = time.now()
    for n in range(1, count + 1):
        assert await ticker.c.recv() == pytest.approx(start + n * delta * 2)
    ticker.stop()
    await time.sleep(2 * delta)
    assert select_nowait(ticker.c) is None


@in_bubble
async def test_a_ticker_drops_ticks() -> None:
    ticker = time.Ticker(1)
    await time.sleep(20.5)
    # twenty missed, one kept: the first of them
    assert await ticker.c.recv() == 1
    assert select_nowait(ticker.c) is None
    assert await ticker.c.recv() == 21


@in_bubble
async def test_teardown() -> None:
    for _ in range(3):
        ticker = time.Ticker(1e-6)
        await ticker.c.recv()
        ticker.stop()


@in_bubble
async def test_tick() -> None:
    assert time.tick(-1) is nil
    assert time.tick(0) is nil
    assert await time.tick(0.5).recv() == 0.5


def test_intervals_that_are_not_positive() -> None:
    for seconds in (0, -1):
        with pytest.raises(RuntimeError, match="^non-positive interval for NewTicker$"):
            time.Ticker(seconds)
        ticker = time.Ticker(1)
        with pytest.raises(
            RuntimeError, match="^non-positive interval for Ticker.Reset$"
        ):
            ticker.reset(seconds)


async def test_timer_gc() -> None:
    """TestTimerGC: collected though they are pending, and were waited for once."""
    gone: list[int] = []

    async def make(n: int) -> None:
        timer = time.Timer(3600)
        weakref.finalize(timer.c._channel, gone.append, n)
        ready = Chan[int](1)
        ready.send_nowait(1)
        await select(timer, ready)

    for n in range(10):
        await make(n)
    gc.collect()
    assert len(gone) == 10


async def test_timer_gc_after_waiting() -> None:
    ready = Chan[int]()
    gone: list[int] = []

    async def wait_for_either() -> None:
        timer = time.Timer(3600)
        weakref.finalize(timer.c._channel, gone.append, 1)
        await select(timer, ready)

    async with scope():
        waiting = [go(wait_for_either) for _ in range(5)]
        await yield_()
        ready.close()
        for each in waiting:
            await each
    del waiting
    gc.collect()
    assert len(gone) == 5


def check_empty(timer: Any) -> None:
    """len and cap are 0, and there is nothing to receive."""
    assert len(timer.c) == 0
    assert timer.c.cap == 0
    assert select_nowait(timer.c) is None
    assert len(timer.c) == 0


@pytest.mark.parametrize("kind", ["timer", "ticker"])
@in_bubble
async def test_chan(kind: str) -> None:
    """TestChan: what Go 1.23 promises of a timer's channel."""
    make: Any = time.Timer if kind == "timer" else time.Ticker

    def stop(timer: Any) -> None:
        timer.stop()

    async def pass_time(seconds: float = 0.02) -> None:
        await time.sleep(seconds)

    # what is seen of it before and after it has fired
    timer = make(10)
    check_empty(timer)
    stop(timer)
    timer = make(0.01)
    await pass_time()
    assert len(timer.c) == 0
    assert timer.c.cap == 0
    assert await timer.c.recv() == pytest.approx(0.01)
    if kind == "timer":
        check_empty(timer)

    # no stale value after stop, also if it has fired
    timer = make(0.01)
    await pass_time()
    stop(timer)
    check_empty(timer)
    await pass_time()
    check_empty(timer)

    # nor after reset
    timer.reset(10)
    check_empty(timer)
    timer.reset(0.01)
    await pass_time()
    timer.reset(10)
    check_empty(timer)
    await pass_time()
    check_empty(timer)

    # one that is stopped wakes nobody who waits
    timer.reset(0.01)
    waiting = go(timer.c.recv)
    await testing.wait()
    stop(timer)
    await pass_time()
    assert waiting.state == "parked"
    # until it is set again
    before = time.now()
    timer.reset(0.05)
    assert await waiting == pytest.approx(before + 0.05)
    stop(timer)

    # the same in a select
    other = Chan[int]()
    timer.reset(0.01)
    selecting = go(select, recv(timer.c), recv(other))
    await testing.wait()
    stop(timer)
    await pass_time()
    assert selecting.state == "parked"
    timer.reset(0.05)
    assert (await selecting).index == 0
    stop(timer)


@pytest.mark.parametrize("make", [time.after, time.tick], ids=["after", "tick"])
@in_bubble
async def test_after_times(make: Callable[[float], RecvChan[float]]) -> None:
    """TestAfterTimes, TestTickTimes: the value is when it was due, and not read."""
    c = make(0.01)
    await time.sleep(0.5)
    assert await c.recv() == 0.01


async def test_after_func_starvation() -> None:
    """TestAfterFuncStarvation: two that never sleep do not keep it away."""
    stop = False
    ch = Chan[bool](1)

    def end() -> None:
        nonlocal stop
        stop = True

    async def send() -> None:
        while not stop:
            await ch.send(True)
        ch.close()

    async def receive() -> None:
        async for _ in ch:
            pass

    async with scope():
        go(send)
        go(receive)
        time.after_func(1e-6, end)


async def test_long_adjust_timers() -> None:
    # TestLongAdjustTimers; Go: 5000 sleepers, and 50,000 times 20 through the queue
    into, out = Chan[int](), Chan[int]()

    async def queue() -> None:
        waiting: list[int] = []
        while True:
            first = send(out if waiting else None, waiting[0] if waiting else 0)
            more = recv(into)
            if await select(first, more) is first:
                waiting.pop(0)
            elif more.ok:
                waiting.append(more.value)
            else:
                break

    async with scope():
        for _ in range(500):
            go(time.sleep, 1e-5)
        for _ in range(100):
            await time.sleep(1e-6)
        go(queue)
        for _ in range(20):
            for n in range(20):
                await into.send(n)
            for n in range(20):
                value, late = recv(out), recv(time.after(5))
                assert await select(value, late) is value
                assert value.value == n
        into.close()


@pytest.mark.parametrize("stopping", [False, True])
def test_concurrent_timer_reset(stopping: bool, backend: dict[str, Any]) -> None:
    """TestConcurrentTimerReset, TestConcurrentTimerResetStop."""
    # Go: 8 of each, 1000 times
    hour = 3600.0

    async def main() -> None:
        timer = time.Timer(hour)
        called = time.after_func(hour, fail)
        waiting = go(timer.c.recv)
        await yield_()

        def reset(i: int) -> None:
            for j in range(50):
                timer.reset(hour + i * j)
                called.reset(hour + i * j)

        def stop(_: int) -> None:
            timer.stop()
            called.stop()

        async with scope():
            for i in range(4):
                go(reset, i, on=threads)
                if stopping:
                    go(stop, i, on=threads)
        timer.stop()
        called.stop()
        timer.reset(0)
        assert await waiting <= time.now()

    def fail() -> None:
        raise AssertionError("called an hour too early")

    run(main, **backend)


@in_bubble
async def test_manual_ticker() -> None:
    """TestManualTicker is about a literal, which Python has none of."""
    for seconds in (0.001, 1, 1000):
        before = time.now()
        assert await time.after(seconds).recv() == before + seconds
        assert time.now() == before + seconds


@in_bubble
async def test_contexts_see_the_same_time() -> None:
    ctx, _ = context.with_timeout(context.background(), 5)
    assert ctx.deadline() == 5
    await ctx.done().recv_ok()
    assert time.now() == 5
