"""Go's src/runtime/proc_test.go, as far as it is about scheduling.

TestYieldProgress, TestTimerFairness(2), TestPingPongHog, TestNumGoroutine; and
TestGoNil of crash_test.go. What locks OS threads or is about preemption has no
counterpart: a goroutine on a loop gives way when it waits, and after so many
operations.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any

import anyio
import pytest

import gochan
from gochan import Chan, go, recv, run, select, select_nowait, send
from support.idle import settle


async def test_yield_progress() -> None:
    """One that polls and yields does not keep others from running."""
    ch, ack = Chan[bool](), Chan[bool]()

    async def poll() -> None:
        while select_nowait(recv(ch)) is None:
            await gochan.yield_()
        await ack.send(True)

    async with gochan.scope():
        go(poll)
        for _ in range(100):
            await gochan.yield_()
        await ch.send(True)
        assert await ack.recv()


async def tick(after: float) -> Chan[None]:
    """A channel that is closed after so many seconds: they are what is tested."""
    timer = Chan[None]()

    async def sleep() -> None:
        await anyio.sleep(after)
        timer.close()

    go(sleep)
    return timer


async def test_timer_fairness() -> None:
    """Goroutines that keep each other busy do not starve a timer."""
    ch, done = Chan[bool](), Chan[None]()

    async def busy() -> None:
        stop = recv(done)
        while await select(send(ch, True), stop) is not stop:
            pass

    async with gochan.scope():
        go(busy)
        go(busy)
        timer = recv(await tick(0.01))
        rounds = 0
        while await select(recv(ch), timer) is not timer:
            rounds += 1
            assert rounds < 1_000_000, "the timer starves"
        assert rounds > 0
        done.close()


async def test_timer_fairness_2() -> None:
    """Each of two waits for a timer of its own and for the other."""
    ch, done = Chan[bool](), Chan[int]()

    async def busy() -> None:
        timer = recv(await tick(0.01))
        for rounds in itertools.count():
            assert rounds < 1_000_000, "the timer starves"
            if await select(send(ch, True), recv(ch), timer) is timer:
                break
        await done.send(0)

    async with gochan.scope():
        go(busy)
        go(busy)
        await done.recv()
        await done.recv()


async def test_timer_fairness_without_a_peer() -> None:
    """Nor does one that never has to wait, since the buffer always has room."""
    ch = Chan[int](1)
    async with gochan.scope():
        timer = await tick(0.01)
        rounds = 0
        while not timer.closed:
            await ch.send(rounds)
            assert await ch.recv() == rounds
            rounds += 1
            assert rounds < 1_000_000, "the timer starves"


async def test_ping_pong_hog() -> None:
    """A pair that works long between hand-overs does not starve one that works little.

    Go has them count; here they do channel operations that need no waiting. The
    long turns are 100 times as long, and without a limit to them so would the work
    done be.
    """
    done = Chan[None]()
    counts = {"hog": 0, "light": 0}

    async def pair(name: str, work: int, wake: Chan[bool]) -> None:
        buffer = Chan[int](1)
        stop, woken = recv(done), recv(wake)
        while await select(stop, woken) is not stop:
            for i in range(work):
                await buffer.send(i)
                await buffer.recv()
                counts[name] += 1
            if await select(stop, send(wake, True)) is stop:
                return

    hog, light = Chan[bool](), Chan[bool]()
    async with gochan.scope():
        for _ in range(2):
            go(pair, "hog", 20_000, hog)
        for _ in range(2):
            go(pair, "light", 200, light)
        await hog.send(True)
        await light.send(True)
        while max(counts.values()) < 10_000:
            await gochan.yield_()
        assert counts["hog"] < 20 * counts["light"], counts
        assert counts["light"] < 20 * counts["hog"], counts
        done.close()


def tasks_alive() -> int:
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_task():
            return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


async def test_num_goroutine() -> None:
    """As many run as have been started and have not ended, and none is left over."""
    before = tasks_alive()
    ch = Chan[int]()
    started: list[gochan.Goroutine[int]] = []
    async with gochan.scope():
        started += [go(ch.recv) for _ in range(10)]
        assert {g.state for g in started} == {"runnable"}
        await settle()
        assert {g.state for g in started} == {"parked"}
        assert tasks_alive() >= before + 10
        for i in range(10):
            await ch.send(i)
    assert {g.state for g in started} == {"done"}
    assert sorted([await g for g in started]) == list(range(10))
    assert len({g.id for g in started}) == 10
    assert tasks_alive() == before


def test_num_goroutine_of_a_run(backend: dict[str, Any]) -> None:
    """When main returns, the program is over, whoever still runs."""
    ended: list[str] = []
    started: list[gochan.Goroutine[Any]] = []

    async def for_ever() -> None:
        try:
            await select()
        finally:
            ended.append("cancelled")

    async def main() -> str:
        started.extend(go(for_ever) for _ in range(10))
        await settle()
        return "result"

    assert run(main, **backend) == "result"
    assert ended == ["cancelled"] * 10
    assert {g.state for g in started} == {"done"}


async def test_go_nil() -> None:
    """``go nil()``: go of nil func value."""
    no_function: Any = None
    async with gochan.scope():
        with pytest.raises(TypeError, match="go wants an async function"):
            go(no_function)
