"""What an operation costs as the number of others grows: it should not.

All of these set up ``count`` of something and then do ``n`` operations.
"""

from __future__ import annotations

from itertools import cycle, islice
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import per

if TYPE_CHECKING:
    from benchmarks.contestants.base import Coroutines, Recv, Sample

__all__ = ("among_channels", "among_goroutines", "among_waiters", "select_done")


async def drain(recv: Recv) -> None:
    while True:
        await recv()


async def settle(c: Coroutines) -> None:
    """Let everybody park who has just been started."""
    for _ in range(3):
        await c.pause()


async def select_done(c: Coroutines, n: int, count: int) -> Sample:
    """``count`` goroutines select over one shared done channel and their own.

    One operation is a value for one of them, whose select it ends; it then parks
    in the next. A few of them, all over the line, get all the values, so that
    what grows is the line and not the memory that is touched.
    """
    done = c.channel(0).channel
    work = [c.channel(0) for _ in range(count)]
    step = max(count // 10, 1)
    busy = [end.send for end in work[::step]]
    async with c.group() as group:
        for end in work:
            group.spawn(c.until_done, done, end.channel)
        await settle(c)
        started = perf_counter()
        for send in islice(cycle(busy), n):
            await send(0)
        seconds = perf_counter() - started
        c.close(done)
    return per(n, seconds)


async def among_waiters(c: Coroutines, n: int, count: int) -> Sample:
    """``count`` goroutines wait on one channel; each value wakes one of them."""
    send, recv, _ = c.channel(0)
    async with c.group() as group:
        for _ in range(count):
            group.spawn(drain, recv)
        await settle(c)
        started = perf_counter()
        for i in range(n):
            await send(i)
        seconds = perf_counter() - started
        group.cancel()
    return per(n, seconds)


async def among_channels(c: Coroutines, n: int, count: int) -> Sample:
    """One value into and out of each of ``count`` channels in turn."""
    ends = [c.channel(1) for _ in range(count)]
    started = perf_counter()
    for send, recv, _ in islice(cycle(ends), n):
        await send(0)
        await recv()
    return per(n, perf_counter() - started)


async def among_goroutines(c: Coroutines, n: int, count: int) -> Sample:
    """One producer and one consumer, while ``count`` others wait elsewhere."""
    _, idle, _ = c.channel(0)
    send, recv, _ = c.channel(0)

    async def produce() -> None:
        for i in range(n):
            await send(i)

    async with c.group() as group:
        for _ in range(count):
            group.spawn(drain, idle)
        await settle(c)
        started = perf_counter()
        group.spawn(produce)
        for _ in range(n):
            await recv()
        seconds = perf_counter() - started
        group.cancel()
    return per(n, seconds)
