"""What timers cost, what is left of them, and who they do not disturb."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

import anyio
import anyio.to_thread
import pytest

from gochan import (
    Chan,
    Panic,
    WouldBlock,
    _backends,
    go,
    run,
    scope,
    select,
    time,
    yield_,
)
from gochan._backends import _alarms
from support.idle import settle
from support.virtual import in_bubble


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
