"""Thousands of random races of the primitives with each kind of cancellation.

A lock that was returned is held, one that raised is not, nobody waits who could go
on, and in the end nothing is left behind. Seeded: a failing round can be run alone.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from gochan import Goroutine, go, scope, yield_
from support.idle import settle
from support.native import on_asyncio
from support.sync_storm import STORMS, Storm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WORKERS = 5

storms = pytest.mark.parametrize("what", STORMS)
rounds = pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(60), id="60 rounds"),
        pytest.param(range(100, 350), id="250 rounds", marks=pytest.mark.slow),
    ],
)


async def tick(rng: random.Random) -> None:
    """Let the others run, in one of the ways there are."""
    if rng.random() < 0.7:
        await anyio.lowlevel.checkpoint()
    else:
        await yield_()


async def play(
    what: str, seeds: range, one_round: Callable[[Storm], Awaitable[None]]
) -> None:
    operations = disturbed = 0
    for seed in seeds:
        storm = STORMS[what](random.Random(seed))
        try:
            with anyio.fail_after(20):
                await one_round(storm)
            storm.check()
        except BaseException as error:
            error.add_note(f"{what}, seed {seed}")
            raise
        operations += storm.operations
        disturbed += storm.disturbed
    # both happened, and often
    assert operations > 3 * len(seeds)
    assert disturbed > len(seeds)


@storms
@rounds
@on_asyncio
async def test_task_cancel(what: str, seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        async def worker() -> None:
            task = asyncio.current_task()
            assert task is not None
            while not over:
                try:
                    await storm.operate()
                    await anyio.lowlevel.checkpoint()
                except asyncio.CancelledError:
                    while task.cancelling():
                        task.uncancel()

        over = False
        tasks = [asyncio.create_task(worker()) for _ in range(WORKERS)]
        for _ in range(15):
            await tick(storm.rng)
            storm.drive(lambda: storm.rng.choice(tasks).cancel())
        over = True
        await settle()
        storm.quiet()
        while alive := [task for task in tasks if not task.done()]:
            for task in alive:
                task.cancel()
            await tick(storm.rng)
        for task in tasks:
            assert task.cancelled() or task.exception() is None

    await play(what, seeds, one_round)


@storms
@rounds
@on_asyncio
async def test_timeouts_scopes_and_task_cancel_at_once(what: str, seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        now = asyncio.get_running_loop().time
        timeouts: dict[int, asyncio.Timeout] = {}
        scopes: dict[int, anyio.CancelScope] = {}

        async def worker(number: int) -> None:
            task = asyncio.current_task()
            assert task is not None
            while not over:
                try:
                    async with asyncio.timeout(None) as timeouts[number]:
                        with anyio.CancelScope() as scopes[number]:
                            for _ in range(rng.randint(1, 3)):
                                await storm.operate()
                        if rng.random() < 0.5:
                            await storm.operate()
                    await anyio.lowlevel.checkpoint()
                except TimeoutError:
                    pass
                except asyncio.CancelledError:
                    while task.cancelling():
                        task.uncancel()

        def disturb() -> None:
            number = rng.randrange(WORKERS)
            how = rng.randrange(3)
            if how == 0:
                tasks[number].cancel()
            elif how == 1:
                scopes[number].cancel()
            else:
                try:
                    timeouts[number].reschedule(now() - 1)
                except RuntimeError:
                    pass

        over = False
        tasks = [asyncio.create_task(worker(number)) for number in range(WORKERS)]
        # until all have begun
        while len(scopes) < WORKERS:
            await asyncio.sleep(0)
        for _ in range(15):
            await tick(rng)
            storm.drive(disturb)
        over = True
        while alive := [task for task in tasks if not task.done()]:
            for task in alive:
                task.cancel()
            await tick(rng)
        for task in tasks:
            assert task.cancelled() or task.exception() is None

    await play(what, seeds, one_round)


@storms
@rounds
async def test_anyio_scope(what: str, seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        scopes: dict[int, anyio.CancelScope] = {}
        running = WORKERS

        async def worker(number: int) -> None:
            nonlocal running
            while not over:
                with anyio.CancelScope() as scopes[number]:
                    for _ in range(rng.randint(1, 3)):
                        await storm.operate()
                # what is outside of the scope is not cancelled
                await anyio.lowlevel.checkpoint()
            running -= 1

        def disturb() -> None:
            scopes[rng.randrange(WORKERS)].cancel()

        over = False
        async with anyio.create_task_group() as tasks:
            for number in range(WORKERS):
                tasks.start_soon(worker, number)
            while len(scopes) < WORKERS:
                await anyio.lowlevel.checkpoint()
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
            over = True
            await settle()
            storm.quiet()
            while running:
                for number in range(WORKERS):
                    scopes[number].cancel()
                await anyio.lowlevel.checkpoint()

    await play(what, seeds, one_round)


@storms
@rounds
async def test_goroutine_cancel(what: str, seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        handles: list[Goroutine[None]] = []

        async def worker() -> None:
            while True:
                await storm.operate()
                await yield_()

        def disturb() -> None:
            index = rng.randrange(WORKERS)
            handles[index].cancel()
            if rng.random() < 0.8:
                handles[index] = go(worker)

        async with scope() as s:
            handles += [go(worker) for _ in range(WORKERS)]
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
            storm.act()
            s.cancel()
            storm.act()

    await play(what, seeds, one_round)
