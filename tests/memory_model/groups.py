"""Litmus tests of errgroup, semaphore and singleflight: rules I."""

from __future__ import annotations

from typing import Any

import pytest

from gochan import Chan, context, errgroup, semaphore, singleflight
from support.litmus import OK, RACE, World, litmus

# where a group starts its goroutines
LOOPS = ("asyncio", "trio")


@litmus("I1", OK, only=LOOPS)
async def a_group_then_wait(w: World) -> None:
    g = errgroup.Group()

    async def works() -> None:
        w.x.write()

    await g.go(works)
    await g.wait()
    w.x.write()


@litmus("I1", OK, only=LOOPS)
async def a_group_that_fails_then_wait(w: World) -> None:
    g = errgroup.Group()

    async def fails() -> None:
        w.x.write()
        raise ValueError

    await g.go(fails)
    with pytest.raises(ValueError):
        await g.wait()
    w.x.write()


@litmus("I2", OK, only=LOOPS)
async def a_group_of_one_at_a_time(w: World) -> None:
    g = errgroup.Group(limit=1)

    async def works() -> None:
        w.x.write(w.x.read() + 1)

    for _ in range(4):
        await g.go(works)
    await g.wait()


@litmus("I2", RACE, only=LOOPS)
async def a_group_of_two_at_a_time(w: World) -> None:
    g = errgroup.Group(limit=2)

    async def works() -> None:
        w.x.write(w.x.read() + 1)

    for _ in range(4):
        await g.go(works)
    await g.wait()


@litmus("I3", OK, only=LOOPS)
async def the_first_error_then_done(w: World) -> None:
    g, ctx = errgroup.with_context(context.background())

    async def fails() -> None:
        w.x.write()
        raise ValueError

    await g.go(fails)
    await ctx.done().recv_ok()
    w.x.write()
    with pytest.raises(ValueError):
        await g.wait()


@litmus("I4", OK)
async def release_then_acquire(w: World) -> None:
    s = semaphore.Weighted(1)

    async def other() -> None:
        await w(s.acquire, 1)
        w.x.write(w.x.read() + 1)
        s.release(1)

    for _ in range(3):
        w.go(other)
    await w(s.acquire, 1)
    w.x.write()
    s.release(1)


@litmus("I4", OK)
async def two_releases_then_acquire(w: World) -> None:
    s = semaphore.Weighted(2)
    assert s.try_acquire(2)

    async def other(mine: Any) -> None:
        mine.write()
        s.release(1)

    w.go(other, w.x)
    w.go(other, w.y)
    await w.settle()
    await w(s.acquire, 2)
    w.x.write()
    w.y.write()


@litmus("I4", RACE)
async def a_semaphore_of_two(w: World) -> None:
    s = semaphore.Weighted(2)

    async def other() -> None:
        await w(s.acquire, 1)
        w.x.write()

    w.go(other)
    w.go(other)


@litmus("I5", OK)
async def a_flight_then_those_who_share_it(w: World) -> None:
    g, done = singleflight.Group(), Chan[None](2)

    def compute() -> int:
        w.x.write()
        return 1

    async def other() -> None:
        assert (await w(g.do, "key", compute))[0] == 1
        w.x.read()
        await w(done.send, None)

    # one after the other: each with a flight of its own, and ordered by done
    w.go(other)
    await w(done.recv)
    w.go(other)
    await w(done.recv)


@litmus("I5", OK, only=LOOPS)
async def a_flight_that_another_one_waits_for(w: World) -> None:
    g, go_on = singleflight.Group(), Chan[None]()

    async def compute() -> int:
        w.x.write()
        await go_on.recv()
        return 1

    async def other() -> None:
        await g.do("key", compute)
        w.x.read()

    w.go(other)
    await w.settle()
    w.go(other)
    await w.settle()
    await go_on.send(None)
