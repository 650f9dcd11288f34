"""Timers, tickers and sleeps: what Go's own tests do not ask."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import os
import subprocess
import sys
import threading
import time as real_time
import weakref
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import (
    Cancelled,
    Chan,
    GoroutineCancelled,
    Panic,
    WouldBlock,
    _backends,
    _waiter,
    blocking_select,
    go,
    nil,
    recv,
    run,
    scope,
    select,
    select_nowait,
    testing,
    time,
    yield_,
)
from gochan._backends import _alarms, _thread_clock
from support.idle import settle
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Callable


# Bad use


CALLS: dict[str, Callable[[Any], object]] = {
    "Timer": time.Timer,
    "after": time.after,
    "Ticker": time.Ticker,
    "tick": time.tick,
    "blocking_sleep": time.blocking_sleep,
    "after_func": lambda seconds: time.after_func(seconds, print),
    "timer.reset": lambda seconds: time.Timer(1).reset(seconds),
    "ticker.reset": lambda seconds: time.Ticker(1).reset(seconds),
}


@pytest.mark.parametrize("name", CALLS)
def test_seconds_are_numbers(name: str) -> None:
    call = CALLS[name]
    for wrong in ("1", None, [1], True, 1j):
        with pytest.raises(TypeError, match="wants seconds, as an int or float, not"):
            call(wrong)
    with pytest.raises(ValueError, match="wants seconds, not nan"):
        call(nan)


async def test_sleep_wants_a_number() -> None:
    with pytest.raises(TypeError, match=r"sleep\(seconds\) wants seconds"):
        await time.sleep("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not nan"):
        await time.sleep(nan)


async def test_after_func_wants_a_function_and_a_scope() -> None:
    async with scope():
        with pytest.raises(TypeError, match="wants a function, not 3"):
            time.after_func(1, 3)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"after_func\(\) needs a run or a scope"):
        time.after_func(1, print)


async def test_blocking_calls_do_not_block_the_loop() -> None:
    with pytest.raises(RuntimeError, match=r"write: await time.sleep\(s\)"):
        time.blocking_sleep(1)


def test_reprs() -> None:
    timer, ticker = time.Timer(3600), time.Ticker(60)
    assert repr(timer) == "<Timer, pending>"
    assert repr(ticker) == "<Ticker, ticking>"
    assert "timer of 3600 s" in repr(timer.c)
    assert "ticker of 60 s" in repr(ticker.c)
    timer.stop()
    ticker.stop()
    assert repr(timer) == "<Timer, not pending>"
    assert repr(ticker) == "<Ticker, stopped>"


async def test_a_func_timer_has_no_channel() -> None:
    async with scope():
        timer = time.after_func(inf, print)
        assert timer.c is None
        assert repr(timer) == "<Timer of a function, pending>"
        assert timer.stop()
        assert repr(timer) == "<Timer of a function, not pending>"


def test_a_timers_channel_can_only_be_received_from() -> None:
    c: Any = time.Timer(1).c
    for name in ("send", "send_nowait", "blocking_send", "close"):
        assert not hasattr(c, name)
    with pytest.raises(AssertionError):
        c._channel.close()


# Who gets a tick


@in_bubble
async def test_ticks_go_to_who_waits_longest() -> None:
    ticker = time.Ticker(1)
    got: list[int] = []

    async def wait(number: int) -> None:
        await ticker.c.recv()
        got.append(number)

    async with scope():
        for number in range(10):
            go(wait, number)
            await testing.wait()
    assert got == list(range(10))
    assert time.now() == 10


async def test_nobody_overtakes_who_waits() -> None:
    """Also when the loop has had no time to call, and the tick is there to be seen."""
    timer = time.Timer(0.001)
    async with scope():
        waiting = go(timer.c.recv)
        await settle()
        hold_up_the_loop(0.002)
        assert select_nowait(timer.c) is None
        with pytest.raises(WouldBlock):
            timer.c.recv_nowait()
        await waiting


def hold_up_the_loop(seconds: float) -> None:
    until = real_time.monotonic() + seconds
    while real_time.monotonic() < until:
        pass


@in_bubble
async def test_all_kinds_of_waiting_in_one_queue() -> None:
    ticker = time.Ticker(1)
    other = Chan[int]()
    async with scope():
        first = go(ticker.c.recv)
        await testing.wait()
        second = go(select, recv(other), recv(ticker.c))
        await testing.wait()
        third = go(ticker.c.recv_ok)
        assert await first == 1
        chosen = await second
        assert chosen.index == 1
        assert chosen.value == 2
        assert await third == (3, True)
        async for tick in ticker.c:
            assert tick == 4
            break


@in_bubble
async def test_who_gives_up_does_not_keep_a_tick() -> None:
    timer = time.Timer(1)
    with anyio.move_on_after(0.5):
        await timer.c.recv()
    with anyio.move_on_after(0.25):
        await select(timer, nil)
    assert time.now() == 0.75
    # nobody waits: the clock has nothing to do
    assert timer._schedule.alarm is None
    assert await timer.c.recv() == 1


def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due at the same time in a bubble comes as it was set."""
    monkeypatch.setattr("gochan._select.random", itertools.count(0, 1e-6).__next__)


@pytest.mark.parametrize("first", ["the tick", "the cancellation"])
@in_bubble
async def test_a_cancellation_in_the_same_tick(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either it has the tick and returns, or it raises and the tick is there."""
    in_order(monkeypatch)
    got: list[float] = []
    timer = time.Timer(1)
    clock = timer._schedule.clock

    async def wait() -> None:
        got.append(await timer.c.recv())
        await Chan[None]().recv()

    async with scope():
        waiting = go(wait)
        if first == "the cancellation":
            clock.call_at(1, waiting.cancel)
        await testing.wait()
        clock.call_at(1, waiting.cancel)
        with pytest.raises(GoroutineCancelled):
            await waiting
    assert time.now() == 1
    assert got == ([1] if first == "the tick" else [])
    assert timer.stop() == (first == "the cancellation")


@pytest.mark.parametrize("first", ["the time", "the cancellation"])
@in_bubble
async def test_a_sleep_cancelled_as_it_ends(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it has ended it returns, and the next checkpoint is cancelled."""
    in_order(monkeypatch)
    clock = time.Timer(0)._schedule.clock
    returned: list[float] = []

    async def sleep() -> None:
        await time.sleep(1)
        returned.append(time.now())
        await yield_()
        returned.append(-1)

    sleeping = go(sleep)
    if first == "the cancellation":
        clock.call_at(1, sleeping.cancel)
    await testing.wait()
    clock.call_at(1, sleeping.cancel)
    with pytest.raises(GoroutineCancelled):
        await sleeping
    assert returned == ([1] if first == "the time" else [])


@in_bubble
async def test_a_tick_and_a_value_at_the_same_time() -> None:
    """A select takes one of them and leaves the other."""
    values = Chan[int](1)
    for _ in range(20):
        timer = time.Timer(1)
        time.after_func(1, lambda: values.send_nowait(7))
        chosen = await select(timer, values)
        await testing.wait()
        if chosen.index == 0:
            assert values.recv_nowait() == 7
        else:
            assert len(values) == 0
            assert timer.stop()


# Setting it anew


@in_bubble
async def test_an_alarm_that_comes_too_late_does_nothing() -> None:
    """A thread was about to call when the timer was set anew, or stopped."""
    timer = time.Timer(1)
    schedule = timer._schedule
    calls: list[Callable[[], object]] = []

    class Slow:
        """Hands calls over to the test, and cannot take them back."""

        now = schedule.now
        stands_still = True

        def call_at(self, when: float, call: Callable[[], object]) -> Any:
            calls.append(call)
            return self

        def cancel(self) -> None:
            pass

    slow: Any = Slow()
    schedule.clock = slow
    waiting = go(timer.c.recv)
    await testing.wait()
    assert timer.reset(100)
    calls[0]()
    await testing.wait()
    assert waiting.state == "parked"
    assert timer.stop()
    calls[1]()
    await testing.wait()
    assert waiting.state == "parked"
    timer.reset(5)
    calls[2]()
    assert await waiting == 5


def test_reset_by_many_threads(backend: dict[str, Any]) -> None:
    """Nobody who waits is given a tick of an earlier setting."""

    async def main() -> None:
        timer = time.Timer(3600)
        early: list[float] = []
        stop = threading.Event()

        async def wait() -> None:
            while not stop.is_set():
                tick = await timer.c.recv()
                if time.now() < tick - 1:
                    early.append(tick)

        def disturb() -> None:
            for turn in range(300):
                timer.reset(0.0 if turn % 3 == 0 else 3600.0)
                timer.stop()
                timer.reset(0.0001 if turn % 2 == 0 else 3600.0)
                real_time.sleep(0.0002)

        async with scope():
            waiting = [go(wait) for _ in range(3)]
            async with anyio.create_task_group() as group:
                for _ in range(2):
                    group.start_soon(anyio.to_thread.run_sync, disturb)
            stop.set()
            for each in waiting:
                each.cancel()
        assert not early

    run(main, **backend)


def test_stop_and_reset_from_a_thread_wake_the_loop(backend: dict[str, Any]) -> None:
    async def main() -> None:
        timer = time.Timer(3600)
        waiting = go(timer.c.recv)
        await settle()
        assert await anyio.to_thread.run_sync(timer.reset, 0.001)
        await waiting
        assert not await anyio.to_thread.run_sync(timer.stop)

    run(main, **backend)


@in_bubble
async def test_a_tickers_period_too_short_for_its_time() -> None:
    """Time has to pass all the same."""
    await time.sleep(1e9)
    ticker = time.Ticker(1e-12)
    before = time.now()
    ticks = [await ticker.c.recv() for _ in range(5)]
    assert ticks[0] == before
    assert ticks == sorted(set(ticks))


@in_bubble
async def test_ticks_do_not_drift() -> None:
    ticker = time.Ticker(0.1)
    for _ in range(50):
        await ticker.c.recv()
        await time.sleep(0.07)
    assert await ticker.c.recv() == pytest.approx(5.1)


# Threads


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


# Functions


@in_bubble
async def test_a_function_joins_the_scope_where_it_was_set() -> None:
    seen: list[str] = []

    async def later() -> None:
        seen.append("begun")
        await time.sleep(10)
        seen.append("ended")

    async with scope():
        time.after_func(1, later)
        await time.sleep(2)
    assert seen == ["begun", "ended"]
    assert time.now() == 11


@in_bubble
async def test_a_pending_function_does_not_keep_its_scope_open() -> None:
    called: list[int] = []
    async with scope():
        timer = time.after_func(1, lambda: called.append(1))
    assert time.now() == 0
    await time.sleep(2)
    assert not called
    # it has fired all the same
    assert not timer.stop()


@in_bubble
async def test_errors_of_functions_surface_in_their_scope() -> None:
    async def fail() -> None:
        raise ValueError("later")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            time.after_func(1, fail)
            await time.sleep(2)
    (error,) = caught.value.exceptions
    assert str(error) == "later"
    (note,) = error.__notes__
    assert "goroutine 'fail'" in note
    assert "test_time.py" in note
    assert time.now() == 1


@in_bubble
async def test_functions_have_the_variables_of_who_set_them() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    got: list[str] = []

    def look() -> None:
        got.append(variable.get())
        variable.set("changed")

    variable.set("mine")
    timer = time.after_func(1, look)
    variable.set("other")
    await time.sleep(2)
    timer.reset(1)
    await time.sleep(2)
    assert got == ["mine", "mine"]


@in_bubble
async def test_a_function_is_called_once_for_each_setting() -> None:
    called: list[float] = []
    timer = time.after_func(1, lambda: called.append(time.now()))
    assert timer.reset(2)
    await time.sleep(3)
    assert called == [2]
    assert not timer.reset(1)
    assert timer.stop()
    assert not timer.stop()
    await time.sleep(3)
    assert called == [2]
    timer.reset(0)
    await testing.wait()
    timer.reset(-1)
    await testing.wait()
    assert called == [2, 6, 6]


@in_bubble
async def test_a_call_that_comes_too_late_is_not_made() -> None:
    called: list[float] = []
    timer = time.after_func(1, lambda: called.append(time.now()))
    stale = timer._generation
    timer.reset(5)
    timer._fire(stale)
    await testing.wait()
    assert not called
    await time.sleep(6)
    assert called == [5]


@in_bubble
async def test_in_a_select_a_ticker_stands_for_its_channel() -> None:
    ticker = time.Ticker(1)
    chosen = await select(ticker, nil)
    assert chosen.index == 0
    assert chosen.value == 1
    ticker.stop()


class Gone(_waiter.Waiter):
    """Whose loop has been closed."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def wake(self) -> bool:
        self.meanwhile()
        return False


@in_bubble
async def test_who_is_gone_gives_its_tick_back() -> None:
    ticker = time.Ticker(1)
    schedule = ticker._schedule

    def wait(meanwhile: Callable[[], object]) -> None:
        with schedule.lock:
            schedule.push(Gone(meanwhile))

    # for whoever comes next
    wait(lambda: None)
    assert await ticker.c.recv() == 1
    # for nobody
    wait(lambda: None)
    await time.sleep(1.5)
    assert await ticker.c.recv() == 2
    # but not if it has been set anew meanwhile
    wait(lambda: ticker.reset(100))
    await time.sleep(1.5)
    assert select_nowait(ticker) is None
    assert await ticker.c.recv() == 103
    # and if all have given up, whoever looks next has it
    wait(lambda: None)
    node: Any = schedule.head
    node.for_select()
    node.waiter = node
    assert node.claim()
    await time.sleep(100.5)
    assert ticker.c.recv_nowait() == 203


def test_functions_set_and_stopped_by_threads(backend: dict[str, Any]) -> None:
    async def main() -> None:
        called = Chan[int](10)

        def in_thread() -> None:
            time.after_func(0.001, lambda: called.send_nowait(1))
            stopped = time.after_func(3600, lambda: called.send_nowait(2))
            assert stopped.stop()

        async with scope():
            await go(in_thread, on=gochan.threads)
            assert await called.recv() == 1
        assert len(called) == 0

    run(main, **backend)


def test_a_function_whose_loop_is_gone(backend: dict[str, Any]) -> None:
    """A thread that outlives its run: nothing is called, and nothing is raised."""
    timers: list[time.FuncTimer] = []

    async def main() -> None:
        timers.append(time.after_func(3600, print))

    run(main, **backend)
    (timer,) = timers
    assert timer.reset(1)
    assert timer.stop()
    assert not timer.stop()
    assert not timer.reset(1)
    timer._fire(timer._generation)
    assert not timer.stop()


# What it costs, and what is left


def test_a_timer_is_freed_at_once(backend: dict[str, Any]) -> None:
    """Nothing refers to itself, also after somebody has waited for it."""

    async def main() -> None:
        gone: list[int] = []
        ready = Chan[int](1)
        for n in range(3):
            timer = time.Timer(0.0001 if n == 2 else 3600)
            weakref.finalize(timer.c._channel, gone.append, n)
            if n == 1:
                with anyio.move_on_after(0.001):
                    await select(timer, ready)
            elif n == 2:
                await timer.c.recv()
            del timer
        # asyncio lets go of a timer in its next turn
        await settle()
        assert sorted(gone) == [0, 1, 2]

    gc.disable()
    try:
        run(main, **backend)
    finally:
        gc.enable()


@pytest.mark.parametrize("waited_for", [False, True])
def test_abandoned_timers_pin_nothing(
    backend: dict[str, Any], waited_for: bool
) -> None:
    async def main() -> None:
        ready = Chan[int](1)
        alive: weakref.WeakSet[Any] = weakref.WeakSet()

        async def abandon() -> None:
            timer = time.Timer(3600)
            alive.add(timer.c._channel)
            if waited_for:
                with anyio.CancelScope() as cancelled:
                    cancelled.cancel()
                    await select(timer, ready)
            else:
                time.after_func(3600, print).stop()

        for _ in range(1000):
            await abandon()
        await settle()
        gc.collect()
        assert len(alive) < 10

    run(main, **backend)


def test_many_alarms_that_were_cancelled_are_forgotten() -> None:
    alarms = _alarms.Alarms()
    kept = [alarms.add(n, print) for n in range(10)]
    for turn in range(10_000):
        alarms.cancel(alarms.add(100 + turn, print))
    assert len(alarms._heap) < 200
    assert alarms.next() == 0
    alarms.cancel(kept[0])
    assert alarms.next() == 1
    assert alarms.due(0.5) is None
    assert alarms.due(1) is print
    alarms.cancel(kept[1])
    for entry in kept:
        alarms.cancel(entry)
    assert alarms.next() == inf


@in_bubble
async def test_100_000_pending() -> None:
    """They come in the order of their times, each at its time."""
    clock = _backends.clock()
    times: list[float] = []

    def fire() -> None:
        times.append(time.now())

    alarms = [clock.call_at(1 + (n * 7919) % 1000, fire) for n in range(100_000)]
    for n, alarm in enumerate(alarms):
        if n % 20:
            alarm.cancel()
    await time.sleep(1001)
    assert len(times) == 5_000
    assert times == sorted(times)
    assert set(times) == {1 + (n * 7919) % 1000 for n in range(0, 100_000, 20)}


def test_a_plain_run_is_left_as_it_was(backend: dict[str, Any]) -> None:
    """In a loop that is not ours: nothing runs on, and nothing is reported."""

    async def plain() -> None:
        async with scope():
            time.after_func(3600, print)
            pending = time.Timer(3600)
            waiting = go(select, pending, time.after(0.001))
            assert (await waiting).index == 1
            await time.sleep(0.001)
        with anyio.move_on_after(0.001):
            await time.sleep(inf)

    before = threading.enumerate()
    anyio.run(plain, **backend)
    assert threading.enumerate() == before


def test_two_runs_one_after_the_other(backend: dict[str, Any]) -> None:
    """A timer belongs to the loop where it was made: its time stops with that."""
    timers: list[time.Timer] = []

    async def make() -> None:
        timers.append(time.Timer(0))
        timers.append(time.Timer(3600))

    async def use() -> None:
        due, pending = timers
        # what is due is there for all
        await due.c.recv()
        assert pending.stop()
        with pytest.raises(WouldBlock):
            pending.c.recv_nowait()
        pending.reset(3600)
        with anyio.move_on_after(0.001) as within:
            await pending.c.recv()
        assert within.cancelled_caught

    run(make, **backend)
    run(use, **backend)


@in_bubble
async def test_an_infinite_timer_is_pending_for_ever() -> None:
    timer = time.Timer(inf)
    assert (await select(timer, time.after(1e12))).index == 1
    assert timer.stop()
    function = time.after_func(inf, print)
    await time.sleep(1)
    assert function.stop()


async def test_a_receiver_whose_loop_has_been_closed_is_passed_over() -> None:
    """Its tick goes to the next one."""
    timer = time.Timer(3600)
    loop = asyncio.new_event_loop()

    def wait_elsewhere() -> None:
        task = loop.create_task(timer.c.recv())
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    await anyio.to_thread.run_sync(wait_elsewhere)
    timer.reset(0)
    assert await timer.c.recv() <= time.now()
    # it is not heard of again, not even as garbage
    gc.collect()


def test_iteration_does_not_end(backend: dict[str, Any]) -> None:
    async def main() -> int:
        count = 0
        async for _ in time.tick(0.0001):
            count += 1
            if count == 3:
                break
        return count

    assert run(main, **backend) == 3
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(next, iter(time.tick(0.0001))).result() > 0


async def test_sleeping_is_a_checkpoint() -> None:
    for seconds in (0, -1, 0.001):
        with anyio.CancelScope() as cancelled:
            cancelled.cancel()
            await time.sleep(seconds)
            pytest.fail("not a checkpoint")
    other: list[int] = []

    async def run_meanwhile() -> None:
        other.append(1)

    async with scope():
        go(run_meanwhile)
        await time.sleep(0)
        await yield_()
    assert other


def test_panics_are_of_their_kind() -> None:
    with pytest.raises(Panic):
        time.Ticker(0)
