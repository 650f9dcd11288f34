"""Thousands of random races between blocking operations and their cancellation.

Every value is accounted for: a send that returned is one value received or still
buffered, a send that raised is none. In threads no round is like the other.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gochan import Chan, Goroutine, go, scope, yield_
from support.blocking import BlockingStorm, eventually
from support.threads import frequent_switches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gochan.executors import Executor

WORKERS = 6

rounds = pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(15), id="15 rounds"),
        pytest.param(range(15, 75), id="60 rounds", marks=pytest.mark.slow),
    ],
)


async def play(
    seeds: range, one_round: Callable[[BlockingStorm], Awaitable[None]]
) -> None:
    operations = disturbed = 0
    for seed in seeds:
        storm = BlockingStorm(random.Random(seed))
        try:
            with anyio.fail_after(20):
                await one_round(storm)
            storm.check()
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        operations += storm.operations
        disturbed += storm.disturbed
    # both happened, and often
    assert operations > 2 * len(seeds)
    assert disturbed > len(seeds)


async def tick(rng: random.Random) -> None:
    """Let the others run, in one of the ways there are."""
    if rng.random() < 0.7:
        await anyio.lowlevel.checkpoint()
    else:
        await yield_()


def patience(rng: random.Random) -> float | None:
    return rng.choice((None, None, None, 0, 0.0002, 0.002))


@rounds
async def test_goroutines_are_cancelled(on: Executor, seeds: range) -> None:
    async def one_round(storm: BlockingStorm) -> None:
        rng = storm.rng
        over = False
        begun: list[None] = []

        def worker() -> None:
            begun.append(None)
            while not over:
                try:
                    storm.blocking_operate(patience(rng))
                except TimeoutError:
                    pass

        workers: list[Goroutine[None]] = []

        def disturb() -> None:
            number = rng.randrange(WORKERS)
            workers[number].cancel()
            workers[number] = go(worker, on=on)

        async with scope():
            workers += [go(worker, on=on) for _ in range(WORKERS)]
            await eventually(lambda: begun)
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
            over = True
            for each in workers:
                each.cancel()

    await play(seeds, one_round)


@rounds
async def test_scopes_are_cancelled(on: Executor, seeds: range) -> None:
    # with coroutines on the same channels
    async def one_round(storm: BlockingStorm) -> None:
        rng = storm.rng
        begun: list[None] = []

        def worker() -> None:
            begun.append(None)
            while True:
                try:
                    storm.blocking_operate(patience(rng))
                except TimeoutError:
                    pass

        async def coroutine() -> None:
            while True:
                await storm.operate()
                await anyio.lowlevel.checkpoint()

        for _ in range(2):
            begun.clear()
            async with scope() as s:
                for _ in range(WORKERS // 2):
                    go(worker, on=on)
                    go(coroutine)
                await eventually(lambda: begun)
                for _ in range(rng.randrange(10)):
                    await tick(rng)
                    storm.drive(storm.act)
                s.cancel()
                storm.act()

    await play(seeds, one_round)


@pytest.mark.slow
async def test_threads_switch_all_the_time(on: Executor) -> None:
    with frequent_switches():
        await test_goroutines_are_cancelled(on, range(1000, 1020))


async def test_everything_is_passed_on(on: Executor) -> None:
    # a pipeline whose stages are cancelled and started anew
    source, sink = Chan[int](), Chan[int]()
    total = 300

    def stage() -> None:
        while True:
            # what it has taken it passes on, whatever happens
            number = source.blocking_recv()
            kept.append(number)
            sink.blocking_send(number)
            kept.remove(number)

    kept: list[int] = []
    got: list[int] = []
    luck = random.Random(1)

    async def feed() -> None:
        for number in range(total):
            await source.send(number)

    async def collect() -> None:
        async for number in sink:
            got.append(number)

    async with scope() as s:
        go(feed)
        go(collect)
        stages: list[Goroutine[Any]] = [go(stage, on=on) for _ in range(3)]
        while len({*got, *kept}) < total:
            await anyio.lowlevel.checkpoint()
            if luck.random() < 0.1:
                stages.pop(0).cancel()
                stages.append(go(stage, on=on))
        s.cancel()
    # each was taken once, and is either still held or was passed on
    assert sorted(got + kept) == list(range(total))
