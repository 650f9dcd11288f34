"""Go's testing/synctest: synctest_test.go there and in internal/synctest.

Rewritten from what the tests check. Not applicable: what they check of testing.T's own
methods; TestMallocs, TestWeak and TestReflectFuncOf, which are about Go's memory;
TestWaitGroupMoved..., ...Disassociate... and ...Allocated: a wait group belongs to the
bubble in which it is made, and may be used anywhere.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from gochan import (
    Chan,
    DeadlockError,
    context,
    go,
    race,
    recv,
    scope,
    select,
    select_nowait,
    send,
    sync,
    testing,
    threads,
    time,
    yield_,
)
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


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
        count = await ch.recv()
        if count == 0:
            done = True
        else:
            go(work)
            await ch.send(count - 1)

    go(work)
    await ch.send(100)
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
    assert await timer.c.recv() == 1
    timer.reset(2)
    assert await timer.c.recv() == 1 + 2
    timer.reset(3)
    await time.sleep(1)
    timer.reset(3)
    assert await timer.c.recv() == 1 + 2 + 4


@in_bubble
async def test_time_after() -> None:
    """TestTimeAfter: what a timer starts belongs to the bubble."""
    i = 0

    async def later() -> None:
        nonlocal i
        await time.sleep(1)
        i += 1

    def at_first() -> None:
        nonlocal i
        i += 1
        go(later)

    time.after_func(1, at_first)
    await time.sleep(3)
    await testing.wait()
    assert i == 2


def test_timer_after_bubble_exit(backend: dict[str, Any]) -> None:
    """TestTimerAfterBubbleExit: a pending call does not keep it."""
    called = False

    def call() -> None:
        nonlocal called
        called = True

    async def main() -> None:
        time.after_func(1, call)

    testing.bubble(backend=backend["backend"]).run(main)
    assert not called


def test_timer_from_outside_bubble(backend: dict[str, Any]) -> None:
    """TestTimerFromOutsideBubble: in real time, and so is the wait for it."""
    timer = time.Timer(0.01)

    async def main() -> None:
        time.after_func(1000, lambda: None)
        await timer.c.recv()
        assert time.now() == 0

    testing.bubble(backend=backend["backend"]).run(main)
    assert not timer.stop()


@in_bubble
async def test_timer_nondeterminism() -> None:
    """TestTimerNondeterminism: what is due at the same time comes in any order."""
    seen: set[int] = set()
    for _ in range(1000):
        timer1, timer2 = time.Timer(1e-9), time.Timer(1e-9)
        seen.add((await select(timer1.c, timer2.c)).index)
        if len(seen) == 2:
            return
        await testing.wait()
    raise AssertionError(f"only {seen} came first")


@pytest.mark.parametrize("sleep", [time.sleep, anyio.sleep], ids=["gochan", "anyio"])
@in_bubble
async def test_sleep_nondeterminism(
    sleep: Callable[[float], Coroutine[Any, Any, None]],
) -> None:
    """TestSleepNondeterminism: goroutines wake in any order at the same time."""
    seen: set[int] = set()
    for _ in range(1000):
        order: list[int] = []

        async def work(number: int, order: list[int]) -> None:
            await sleep(1)
            order.append(number)

        go(work, 1, order)
        go(work, 2, order)
        await time.sleep(1)
        await testing.wait()
        assert len(order) == 2
        seen.add(order[0])
        if len(seen) == 2:
            return
    raise AssertionError(f"only {seen} came first")


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

    async with scope():
        go(again)
        await testing.wait()
        timer.reset(0)
        await testing.wait()
        cancel()
    assert turns == 2


# Channels and timers that cross its border


async def recv_from(ch: Chan[int]) -> None:
    await ch.recv_ok()


async def send_to(ch: Chan[int]) -> None:
    await ch.send(0)


outside = Chan[None]()


async def select_outside_only(ch: Chan[int]) -> None:
    await select(recv(ch), recv(outside))


async def select_mixed(ch: Chan[int]) -> None:
    await select(send(Chan[None](), None), ch)


def close(ch: Chan[int]) -> None:
    ch.close()


def send_outside(ch: Chan[int]) -> None:
    ch.blocking_send(0)


def recv_outside(ch: Chan[int]) -> None:
    ch.blocking_recv()


@pytest.mark.parametrize(
    ("from_outside", "inside"),
    [
        (close, recv_from),
        (send_outside, recv_from),
        (recv_outside, send_to),
        (close, select_outside_only),
        (close, select_mixed),
    ],
    ids=["read closed", "read value", "write value", "outside only", "mixed"],
)
def test_channel_from_outside_bubble(
    from_outside: Callable[[Chan[int]], object],
    inside: Callable[[Chan[int]], Coroutine[Any, Any, None]],
    backend: dict[str, Any],
) -> None:
    """TestChannelFromOutsideBubble: to wait for it is not durable."""
    ch = Chan[int]()
    sent = threading.Timer(0.001, from_outside, (ch,))

    async def main() -> None:
        # time could pass
        time.after_func(1000, lambda: None)
        sent.start()
        await inside(ch)
        assert time.now() == 0

    testing.bubble(backend=backend["backend"]).run(main)
    sent.join()


def test_wait_is_for_those_who_wait_for_others(backend: dict[str, Any]) -> None:
    """In Go they are not durably blocked, so wait() does not return either."""
    ch = Chan[int]()
    sent = threading.Timer(0.01, ch.blocking_send, (7,))
    got: list[int] = []

    async def receive() -> None:
        got.append(await ch.recv())

    def on_thread() -> None:
        got.append(ch.blocking_recv())

    async def main() -> None:
        async with scope():
            go(receive)
            sent.start()
            await testing.wait()
            assert got == [7]
            working = go(on_thread, on=threads)
            threading.Timer(0.01, ch.blocking_send, (8,)).start()
            await working

    testing.bubble(backend=backend["backend"]).run(main)
    sent.join()
    assert got == [7, 8]


def test_a_channel_from_outside_that_nobody_has(backend: dict[str, Any]) -> None:
    """In Go this hangs. Here it is durable when no thread is left that could help."""
    ch = Chan[int]()
    is_parked = threading.Event()

    async def main() -> None:
        with anyio.move_on_after(5):
            await ch.recv()
        assert time.now() == 5
        # one that ends without a word
        leaving = threading.Thread(target=is_parked.wait)
        leaving.start()
        threading.Timer(0.01, is_parked.set).start()
        with anyio.move_on_after(5):
            await ch.recv()
        assert time.now() == 10
        await ch.recv()

    error = run_into(backend, main)
    assert str(error) == "deadlock: all goroutines in bubble are blocked"


def test_the_thread_that_runs_the_test_may_be_outside(backend: dict[str, Any]) -> None:
    """Whoever has started it: under pytest-xdist that is one of those bystanders."""
    ch, is_parked = Chan[int](), threading.Event()
    got: list[int] = []

    async def main() -> None:
        time.after_func(1000, lambda: None)
        is_parked.set()
        got.append(await ch.recv())
        assert time.now() == 0

    def in_thread() -> None:
        testing.bubble(backend=backend["backend"]).run(main)

    module: dict[str, Any] = {"__name__": "execnet.gateway_base"}
    exec("def run(test): test()", module)

    def test() -> None:
        running = threading.Thread(target=in_thread)
        running.start()
        is_parked.wait()
        # no loop and nothing of gochan: just a moment
        threading.Event().wait(0.02)
        ch.blocking_send(7)
        running.join()

    module["run"](test)
    assert got == [7]


def test_threads_that_have_nothing_to_do_with_it(backend: dict[str, Any]) -> None:
    """Those that sleep in gochan for ever, and pytest's own."""
    ch, elsewhere = Chan[int](), Chan[int]()
    asleep = threading.Thread(target=elsewhere.blocking_recv)
    asleep.start()
    # as pytest-timeout does it
    module: dict[str, Any] = {"__name__": "pytest_timeout"}
    exec("def timeout_timer(): pass", module)
    timer = threading.Timer(60, module["timeout_timer"])
    timer.start()
    # as pytest-xdist's gateway, which reads what comes next
    over = threading.Event()
    module = {"__name__": "execnet.gateway_base", "over": over}
    exec("def read(): over.wait()", module)
    reader = threading.Thread(target=module["read"])
    reader.start()

    async def main() -> None:
        with anyio.move_on_after(5):
            await ch.recv()
        assert time.now() == 5

    try:
        testing.bubble(backend=backend["backend"]).run(main)
    finally:
        over.set()
        reader.join()
        timer.cancel()
        elsewhere.blocking_send(1)
        asleep.join()


@pytest.mark.parametrize("use", [recv_from, send_to, None])
def test_channel_moved_out_of_bubble(use: Any, backend: dict[str, Any]) -> None:
    """TestChannelMovedOutOfBubble. In Go that is fatal; here it is one like others."""
    made: list[Chan[int]] = []

    async def main() -> None:
        made.append(Chan(1))
        made[0].send_nowait(1)

    async def another() -> None:
        ch = made[0]
        if use is None:
            ch.close()
        else:
            await use(ch)
            with anyio.move_on_after(5):
                await use(ch)
        assert time.now() == (0 if use is None else 5)

    testing.bubble(backend=backend["backend"]).run(main)
    if use is send_to:
        assert made[0].recv_nowait() == 1
    testing.bubble(backend=backend["backend"]).run(another)


def test_timer_from_inside_bubble(backend: dict[str, Any]) -> None:
    """TestTimerFromInsideBubble. In Go that is fatal; here its time has stopped."""
    timers: list[time.Timer] = []

    async def main() -> None:
        timers.append(time.Timer(1))

    testing.bubble(backend=backend["backend"]).run(main)
    (timer,) = timers
    assert timer.reset(0.001)
    with pytest.raises(TimeoutError):
        timer.c.blocking_recv(timeout=0.01)
    assert timer.stop()
    assert not timer.stop()


# Deadlocks


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
    lock = sync.Mutex()
    cond = sync.Cond(lock)
    start = time.now()
    wait_time = 0.5

    async def announce() -> None:
        await time.sleep(wait_time)
        async with lock:
            cond.signal()
        await time.sleep(wait_time)
        async with lock:
            cond.broadcast()

    go(announce)
    async with lock:
        await cond.wait()
    assert time.now() - start == wait_time
    done = False

    async def wait() -> None:
        nonlocal done
        async with lock:
            await cond.wait()
        done = True

    go(wait)
    async with lock:
        await cond.wait()
    await testing.wait()
    assert done
    assert time.now() - start == 2 * wait_time


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
async def test_wait_group_racing_adds() -> None:
    wg = sync.WaitGroup()

    async def nothing() -> None:
        pass

    for _ in range(100):
        wg.go(nothing)
    await wg.wait()


def test_wait_group_out_of_bubble(backend: dict[str, Any]) -> None:
    """TestWaitGroupOutOfBubble: to wait for it is not durable."""
    wg = sync.WaitGroup()
    wg.add(1)
    done = threading.Timer(0.01, wg.done)

    async def main() -> None:
        time.after_func(1000, lambda: None)
        done.start()
        await wg.wait()
        assert time.now() == 0

    testing.bubble(backend=backend["backend"]).run(main)
    done.join()


async def test_wait_group_many_bubbles(backend: dict[str, Any]) -> None:
    # TestWaitGroupManyBubbles; Go: 100 at the same time, of 100 goroutines
    async def main() -> None:
        cancel = Chan[None]()
        wg = sync.WaitGroup()
        for _ in range(20):
            wg.go(cancel.recv_ok)
        await testing.wait()
        cancel.close()
        await wg.wait()

    def in_thread() -> None:
        testing.bubble(backend=backend["backend"]).run(main)

    async with scope():
        wg = sync.WaitGroup()
        for _ in range(10):
            wg.go(in_thread, on=threads)
        await wg.wait()


def test_happens_before(backend: dict[str, Any]) -> None:
    """TestHappensBefore: all that others did comes before wait() and run() return."""
    v1, v2 = race.Var(0), race.Var(0)

    async def increment(v: race.Var[int], ch: Chan[None] | None = None) -> None:
        v.value += 1
        if ch is not None:
            await ch.recv_ok()

    async def grandchild(v: race.Var[int]) -> None:
        go(increment, v)

    def both(later: bool = False, ch: Chan[None] | None = None) -> None:
        for v in (v1, v2):
            if later:
                time.after_func(0, lambda v=v: increment(v, ch))  # type: ignore[misc]  # of v
            else:
                go(increment, v, ch)

    def here() -> None:
        v1.value += 1
        v2.value += 1

    async def main() -> None:
        ch1, ch2 = Chan[None](), Chan[None]()
        here()
        both()
        await testing.wait()
        here()
        both(ch=ch1)
        await testing.wait()
        here()
        ch1.close()
        both(later=True)
        await testing.wait()
        here()
        both(later=True, ch=ch2)
        await testing.wait()
        here()
        ch2.close()

    async def again() -> None:
        go(grandchild, v1)
        go(grandchild, v2)

    with race.detector(report="raise"):
        testing.bubble(backend=backend["backend"]).run(main)
        testing.bubble(backend=backend["backend"]).run(again)
        assert v1.value == v2.value == 10


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


# The package testing/synctest


@pytest.mark.parametrize("end", [pytest.fail, pytest.skip, pytest.xfail])
def test_outcomes_of_a_test(end: Any, backend: dict[str, Any]) -> None:
    """TestFatal, TestError, TestSkip: the bubble's test is the test."""

    async def main() -> None:
        go(time.sleep, 5)
        await time.sleep(1)
        end("said inside")

    with pytest.raises(end.Exception, match="said inside"):
        testing.bubble(backend=backend["backend"]).run(main)


def test_cleanup(backend: dict[str, Any]) -> None:
    """TestCleanup: who waits for main's own cleaning up is not left over."""
    done = False

    async def main() -> None:
        ch = Chan[None]()

        async def wait() -> None:
            nonlocal done
            await ch.recv_ok()
            done = True

        go(wait)
        try:
            await testing.wait()
        finally:
            ch.close()

    testing.bubble(backend=backend["backend"]).run(main)
    assert done


@in_bubble
async def test_synctest_timer_race_ctx_crash() -> None:
    """TestSynctestTimerRaceCtxCrash: timers that set timers."""
    called = 0

    def call() -> None:
        nonlocal called
        called += 1

    def call_later() -> None:
        time.after_func(0, call)

    for _ in range(100):
        time.after_func(1, call_later)
    await time.sleep(2)
    assert called == 100


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
async def test_example_wait() -> None:
    done = False

    async def work() -> None:
        nonlocal done
        done = True

    go(work)
    await testing.wait()
    assert done


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
