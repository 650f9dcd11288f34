"""Go's testing/synctest: synctest_test.go there and in internal/synctest.

Rewritten from what the tests check. Not applicable: what they check of testing.T, and
of bubbles in a program that also runs outside: a bubble is a run of its own here.
"""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest

from gochan import (
    Chan,
    DeadlockError,
    context,
    go,
    recv,
    scope,
    select,
    select_nowait,
    sync,
    testing,
    time,
    yield_,
)
from support.virtual import in_bubble


@in_bubble
async def test_now() -> None:
    """TestNow, TestMonotonicClock: the clock stands still while anybody runs."""
    start = time.now()
    assert start == 0
    for _ in range(1000):
        await yield_()
    assert time.now() == start
    await time.sleep(10)
    assert time.now() == 10


@in_bubble
async def test_run_empty() -> None:
    """TestRunEmpty."""


@in_bubble
async def test_simple_wait() -> None:
    await testing.wait()


@in_bubble
async def test_goroutine_wait() -> None:
    async def nothing() -> None:
        pass

    go(nothing)
    await testing.wait()


@in_bubble
async def test_wait() -> None:
    """TestWait: it returns when the others have done what they can."""
    done = False
    ch = Chan[int]()

    async def work() -> None:
        nonlocal done
        for _ in range(10):
            await ch.recv()
        done = True

    go(work)
    for _ in range(10):
        assert not done
        await ch.send(0)
    await testing.wait()
    assert done


@in_bubble
async def test_timer_read_before_deadline() -> None:
    timer = time.Timer(5)
    assert await timer.c.recv() == 5
    assert time.now() == 5


@in_bubble
async def test_timer_read_after_deadline() -> None:
    delay, later = 1, 2
    timer = time.Timer(delay)
    await time.sleep(later)
    assert await timer.c.recv() == delay
    assert time.now() == later


@in_bubble
async def test_timer_reset() -> None:
    timer = time.Timer(1)
    timer.reset(100)
    await time.sleep(2)
    assert select_nowait(timer.c) is None
    timer.reset(1)
    assert await timer.c.recv() == 3


@in_bubble
async def test_time_after() -> None:
    ticks: list[float] = []

    async def wait(seconds: float) -> None:
        ticks.append(await time.after(seconds).recv())

    async with scope():
        for seconds in (4, 2, 3, 1):
            go(wait, seconds)
    assert ticks == [1, 2, 3, 4]


@in_bubble
async def test_timers_run_immediately() -> None:
    """TestTimerRunsImmediately, TimerRanInPast, AfterFuncRunsImmediately."""
    for seconds in (0, -1):
        timer = time.Timer(seconds)
        assert select_nowait(timer.c) is not None
        called = False

        def call() -> None:
            nonlocal called
            called = True

        time.after_func(seconds, call)
        await testing.wait()
        assert called
    assert time.now() == 0


@in_bubble
async def test_timer_reset_zero_do_not_hang() -> None:
    timer = time.Timer(0)
    ctx, cancel = context.with_cancel(context.background())
    turns = 0

    async def again() -> None:
        nonlocal turns
        tick, over = recv(timer.c), recv(ctx.done())
        while await select(tick, over) is tick:
            turns += 1
            timer.reset(0)
            # a clock that stands still: let the other one in
            await time.sleep(0.001)

    async with scope():
        go(again)
        await time.sleep(0.1)
        cancel()
    assert turns > 10


def run_into(backend: dict[str, Any], main: Any) -> DeadlockError:
    with pytest.raises(DeadlockError) as caught:
        testing.bubble(backend=backend["backend"]).run(main)
    return caught.value


def test_deadlock_root(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await select()

    text = "deadlock: all goroutines in bubble are blocked"
    assert str(run_into(backend, main)) == text


def test_deadlock_child(backend: dict[str, Any]) -> None:
    async def main() -> None:
        go(select, name="child")

    error = run_into(backend, main)
    assert str(error) == (
        "deadlock: main bubble goroutine has exited but blocked goroutines remain"
    )
    assert "child" in "\n".join(error.__notes__)


def test_deadlock_ticker(backend: dict[str, Any]) -> None:
    """Time stops when main has returned: a ticker does not keep going for ever."""

    async def main() -> None:
        async def tick() -> None:
            async for _ in time.tick(1):
                pass

        go(tick)

    assert "main bubble goroutine has exited" in str(run_into(backend, main))


@in_bubble
async def test_cond() -> None:
    cond = sync.Cond(sync.Mutex())
    awake = 0

    async def wait() -> None:
        nonlocal awake
        async with cond.locker:
            await cond.wait()
            awake += 1

    async with scope():
        for _ in range(2):
            go(wait)
        await testing.wait()
        assert awake == 0
        cond.signal()
        await testing.wait()
        assert awake == 1
        cond.broadcast()
        await testing.wait()
        assert awake == 2


@in_bubble
async def test_wait_group_in_bubble() -> None:
    """TestWaitGroupInBubble."""
    wg = sync.WaitGroup()
    wg.add(1)
    before = time.now()

    async def work() -> None:
        await time.sleep(1)
        wg.done()

    go(work)
    await wg.wait()
    assert time.now() - before == 1


@in_bubble
async def test_mutexes_are_durable() -> None:
    """In Go they are not, and users ask for it."""
    lock = sync.Mutex()

    async def hold() -> None:
        async with lock:
            await time.sleep(5)

    go(hold)
    await testing.wait()
    async with lock:
        assert time.now() == 5


@in_bubble
async def test_sleeps_of_others() -> None:
    """anyio's, asyncio's and trio's sleeps and timeouts."""
    await anyio.sleep(10)
    assert anyio.current_time() == 10
    with anyio.move_on_after(5):
        await anyio.sleep_forever()
    assert time.now() == 15


@in_bubble
async def test_threads_are_waited_for_in_real_time() -> None:
    """What comes from outside is not durable: the clock stands still meanwhile."""
    go_on, begun = Chan[None](), Chan[None](1)

    def outside() -> str:
        begun.send_nowait(None)
        go_on.blocking_recv()
        return "done"

    late = time.after(1000)

    async def release() -> None:
        await begun.recv()
        await yield_()
        assert time.now() == 0
        await go_on.send(None)

    async with scope():
        go(release)
        assert await anyio.to_thread.run_sync(outside) == "done"
    assert time.now() == 0
    assert await late.recv() == 1000


async def test_wait_outside_of_a_bubble() -> None:
    with pytest.raises(RuntimeError, match=r"write testing.bubble\(\).run\(main\)"):
        await testing.wait()


@in_bubble
async def test_two_wait() -> None:
    async with scope():

        async def wait() -> None:
            await testing.wait()

        go(wait)
        await yield_()
        await yield_()
        with pytest.raises(RuntimeError, match="wait already in progress"):
            await testing.wait()


# The examples


@in_bubble
async def test_example_time() -> None:
    start = time.now()

    async def work() -> None:
        await time.sleep(1)
        assert time.now() - start == 1

    go(work)
    await time.sleep(2)
    assert time.now() - start == 2


@in_bubble
async def test_example_context_after_func() -> None:
    ctx, cancel = context.with_cancel(context.background())
    called = False

    def call() -> None:
        nonlocal called
        called = True

    context.after_func(ctx, call)
    await testing.wait()
    assert not called
    cancel()
    await testing.wait()
    assert called


@in_bubble
async def test_example_context_with_timeout() -> None:
    seconds = 5.0
    ctx, _ = context.with_timeout(context.background(), seconds)
    await time.sleep(seconds - 1e-6)
    await testing.wait()
    assert ctx.err() is None
    await time.sleep(1e-6)
    await testing.wait()
    assert isinstance(ctx.err(), context.DeadlineExceeded)


def test_errors_and_results_leave_it(backend: dict[str, Any]) -> None:
    async def fail() -> None:
        raise ValueError("failed")

    async def start() -> None:
        go(fail)
        await time.sleep(1)

    async def give(value: int) -> int:
        await time.sleep(1)
        return value

    runtime = backend["backend"]
    with pytest.raises(ValueError, match="failed"):
        testing.bubble(backend=runtime).run(fail)
    with pytest.raises(ExceptionGroup):
        testing.bubble(backend=runtime).run(start)
    assert testing.bubble(backend=runtime).run(give, 3) == 3
    with testing.bubble(backend=runtime) as bubble:
        assert bubble.run(give, 4) == 4
        with pytest.raises(RuntimeError, match="make one for each run"):
            bubble.run(give, 5)
    assert testing.bubble(backend=runtime)(give)(6) == 6
