"""Go's src/sync/cond_test.go."""

from __future__ import annotations

import copy

import pytest

import gochan
from gochan import Chan, WouldBlock, go
from gochan.sync import Cond, CondCopied, Mutex
from golang.helpers import WHERE, Face, World
from golang.sync_helpers import lock, wait_on
from support.idle import settle


async def nothing_on(ch: Chan[int]) -> None:
    """Everybody else waits, and nobody has sent."""
    await settle()
    with pytest.raises(WouldBlock):
        ch.recv_nowait()


async def test_cond_signal() -> None:
    # TestCondSignal
    mu = Mutex()
    cond = Cond(mu)
    n = 2
    running, awake = Chan[int](n), Chan[int](n)

    async def wait() -> None:
        async with mu:
            await running.send(1)
            await cond.wait()
            await awake.send(1)

    async with gochan.scope():
        for _ in range(n):
            go(wait)
        for _ in range(n):
            await running.recv()
        for _ in range(n):
            await nothing_on(awake)
            async with mu:
                cond.signal()
            await awake.recv()
            await nothing_on(awake)
        cond.signal()


@WHERE
async def test_cond_signal_generations(where: str) -> None:
    # TestCondSignalGenerations
    mu = Mutex()
    cond = Cond(mu)
    n = 100
    running, awake = Chan[int](n), Chan[int](n)

    async def wait(my: Face, number: int) -> None:
        await lock(my, mu)
        await my.send(running, 1)
        await wait_on(my, cond)
        await my.send(awake, number)
        mu.unlock()

    async with World(where) as world:
        for number in range(n):
            world.go(wait, number)
            if number > 0:
                assert await awake.recv() == number - 1
            await running.recv()
            async with mu:
                cond.signal()


@WHERE
async def test_cond_broadcast(where: str) -> None:
    # TestCondBroadcast; Go: 200 goroutines and as many rounds
    n, rounds = (30, 20) if where == "loop" else (8, 10)
    mu = Mutex()
    cond = Cond(mu)
    running, awake = Chan[int](n), Chan[int](n)
    leave = False

    async def wait(my: Face, number: int) -> None:
        await lock(my, mu)
        while not leave:
            await my.send(running, number)
            await wait_on(my, cond)
            await my.send(awake, number)
        mu.unlock()

    async with World(where) as world:
        for number in range(n):
            world.go(wait, number)
        for i in range(rounds):
            for _ in range(n):
                await running.recv()
            if i == rounds - 1:
                async with mu:
                    leave = True
            with pytest.raises(WouldBlock):
                awake.recv_nowait()
            async with mu:
                cond.broadcast()
            assert sorted([await awake.recv() for _ in range(n)]) == list(range(n))
    with pytest.raises(WouldBlock):
        running.recv_nowait()
    cond.broadcast()


@WHERE
async def test_race(where: str) -> None:
    # TestRace
    x = 0
    mu = Mutex()
    cond = Cond(mu)

    async def first(my: Face) -> None:
        nonlocal x
        await lock(my, mu)
        x = 1
        await wait_on(my, cond)
        assert x == 2
        x = 3
        cond.signal()
        mu.unlock()

    async def second(my: Face) -> None:
        nonlocal x
        await lock(my, mu)
        while x != 1:
            mu.unlock()
            await my.yield_()
            await lock(my, mu)
        x = 2
        cond.signal()
        mu.unlock()

    async def third(my: Face) -> None:
        await lock(my, mu)
        while True:
            if x == 2:
                await wait_on(my, cond)
                assert x == 3
                break
            if x == 3:
                break
            mu.unlock()
            await my.yield_()
            await lock(my, mu)
        mu.unlock()

    async with World(where) as world:
        world.go(first)
        world.go(second)
        world.go(third)


@WHERE
async def test_cond_signal_stealing(where: str) -> None:
    # TestCondSignalStealing; Go: 1000 times
    for _ in range(100 if where == "loop" else 30):
        mu = Mutex()
        cond = Cond(mu)
        ch = Chan[None]()
        done: list[bool] = []

        async def wait(
            my: Face, mu: Mutex = mu, cond: Cond = cond, ch: Chan[None] = ch
        ) -> None:
            await lock(my, mu)
            await my.send(ch, None)
            await wait_on(my, cond)
            mu.unlock()
            await my.send(ch, None)

        async def broadcast(_: Face, cond: Cond = cond) -> None:
            cond.broadcast()

        async def steal(
            my: Face, mu: Mutex = mu, cond: Cond = cond, done: list[bool] = done
        ) -> None:
            await lock(my, mu)
            while not done:
                await wait_on(my, cond)
            mu.unlock()

        async with World(where) as world:
            world.go(wait)
            await ch.recv()
            async with mu:
                # now it waits
                pass
            world.go(broadcast)
            world.go(steal)
            await ch.recv()
            async with mu:
                done.append(True)
            cond.broadcast()


def test_cond_copy() -> None:
    # TestCondCopy: Go notices when the copy is used
    cond = Cond(Mutex())
    cond.signal()
    with pytest.raises(CondCopied, match="^sync.Cond is copied$"):
        copy.copy(cond)
