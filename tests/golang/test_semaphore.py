"""semaphore_test.go of golang.org/x/sync."""

from __future__ import annotations

import anyio
import pytest

import gochan
from gochan import go, scope
from gochan.semaphore import ReleasedTooMuch, Weighted
from golang.helpers import WHERE, Face, World
from golang.sync_helpers import acquire
from support.idle import settle


@WHERE
async def test_weighted(where: str) -> None:
    # TestWeighted; Go: 10,000 times in all
    n, loops = 4, 50
    w = Weighted(n)

    async def hammer(my: Face, weight: int) -> None:
        for _ in range(loops):
            await acquire(my, w, weight)
            await my.yield_()
            w.release(weight)

    async with World(where) as world:
        for weight in range(n):
            world.go(hammer, weight)
    assert w.try_acquire(n)


def test_weighted_panic() -> None:
    # TestWeightedPanic
    with pytest.raises(ReleasedTooMuch):
        Weighted(1).release(1)


async def test_weighted_try_acquire() -> None:
    # TestWeightedTryAcquire
    w = Weighted(2)
    tries: list[bool] = []
    await w.acquire(1)
    tries.append(w.try_acquire(1))
    tries.append(w.try_acquire(1))
    w.release(2)
    tries.append(w.try_acquire(1))
    await w.acquire(1)
    tries.append(w.try_acquire(1))
    assert tries == [True, False, True, False]


async def test_weighted_acquire() -> None:
    # TestWeightedAcquire
    w = Weighted(2)

    async def try_acquire(n: int) -> bool:
        with anyio.move_on_after(0.001):
            await w.acquire(n)
            return True
        return False

    tries: list[bool] = []
    await w.acquire(1)
    tries.append(await try_acquire(1))
    tries.append(await try_acquire(1))
    w.release(2)
    tries.append(await try_acquire(1))
    await w.acquire(1)
    tries.append(await try_acquire(1))
    assert tries == [True, False, True, False]


@WHERE
async def test_weighted_doesnt_block_if_too_big(where: str) -> None:
    # TestWeightedDoesntBlockIfTooBig
    n = 2
    w = Weighted(n)

    async def use(my: Face) -> None:
        await acquire(my, w, 1)
        await my.yield_()
        w.release(1)

    async with scope():
        hopeless = go(w.acquire, n + 1)
        await settle()
        async with World(where) as world:
            for _ in range(n * 3):
                world.go(use)
        assert hopeless.state == "parked"
        hopeless.cancel()


@WHERE
async def test_large_acquire_doesnt_starve(where: str) -> None:
    # TestLargeAcquireDoesntStarve
    n = 4
    w = Weighted(n)
    running = True

    async def churn(my: Face) -> None:
        while running:
            await my.yield_()
            w.release(1)
            await acquire(my, w, 1)
        w.release(1)

    async with World(where) as world:
        for _ in range(n):
            await w.acquire(1)
            world.go(churn)
        await w.acquire(n)
        running = False
        w.release(n)


async def test_alloc_cancel_doesnt_starve() -> None:
    # TestAllocCancelDoesntStarve
    w = Weighted(10)
    await w.acquire(1)
    async with scope():
        # as a writer that gives up
        large = go(w.acquire, 10)
        await settle()

        async def read() -> None:
            await w.acquire(1)
            w.release(1)

        small = go(read)
        await settle()
        assert small.state == "parked"
        large.cancel()
        with anyio.fail_after(1):
            await small


async def test_acquire_canceled() -> None:
    # TestWeightedAcquireCanceled: in Go a context that is done is looked at first; in
    # a scope that is cancelled either may happen, but never both
    w = Weighted(2)
    got = False
    with anyio.CancelScope() as cancelled:
        cancelled.cancel()
        await w.acquire(1)
        got = True
    if got:
        w.release(1)
    assert w.try_acquire(2)
    w.release(2)
    # with nothing left it certainly raises
    await w.acquire(2)
    with anyio.CancelScope() as cancelled:
        cancelled.cancel()
        await w.acquire(1)
    assert cancelled.cancelled_caught
    await gochan.yield_()
    w.release(2)
    assert w.try_acquire(2)
