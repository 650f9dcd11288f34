"""Rings and chains of goroutines."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import Sample, per

if TYPE_CHECKING:
    from benchmarks.contestants.base import Coroutines, Recv, Send

__all__ = ("sieve", "threadring")


async def threadring(c: Coroutines, n: int, size: int = 503) -> Sample:
    """A token goes ``n`` times from one goroutine of a ring to the next."""
    ends = [c.channel(0) for _ in range(size)]
    finish, finished, _ = c.channel(1)

    async def node(recv: Recv, send: Send) -> None:
        while True:
            left = await recv()
            if left == 0:
                await finish(left)
            else:
                await send(left - 1)

    async with c.group() as group:
        for i in range(size):
            group.spawn(node, ends[i].recv, ends[(i + 1) % size].send)
        await c.pause()
        started = perf_counter()
        await ends[0].send(n)
        await finished()
        seconds = perf_counter() - started
        group.cancel()
    return per(n, seconds)


async def generate(send: Send) -> None:
    i = 2
    while True:
        await send(i)
        i += 1


async def sift(recv: Recv, send: Send, prime: int) -> None:
    while True:
        i = await recv()
        if i % prime:
            await send(i)


async def sieve(c: Coroutines, n: int, primes: int) -> Sample:
    """The first primes by a chain of filters; ``n`` is not used."""
    send, recv, _ = c.channel(0)
    async with c.group() as group:
        started = perf_counter()
        group.spawn(generate, send)
        for _ in range(primes):
            prime = await recv()
            send, after, _ = c.channel(0)
            group.spawn(sift, recv, send, prime)
            recv = after
        seconds = perf_counter() - started
        group.cancel()
    return Sample(seconds, {"ms": seconds * 1e3})
