"""Timers, tickers and sleeps: what Go's own tests do not ask."""

from __future__ import annotations

import itertools
import threading
import time as real_time
from math import inf, nan
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from gochan import (
    Chan,
    GoroutineCancelled,
    WouldBlock,
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
