"""Items from producers to consumers over one channel, for coroutines."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import Unsupported, per

if TYPE_CHECKING:
    from benchmarks.contestants.base import Coroutines, Recv, Sample, Send

__all__ = ("PARTIES", "fan_in", "mpmc", "mpsc", "ping_pong", "produce", "seq", "spsc")

# producers and consumers where there are several, as in crossbeam
PARTIES = 4


async def produce(send: Send, n: int) -> None:
    for i in range(n):
        await send(i)


async def consume(recv: Recv, n: int) -> None:
    for _ in range(n):
        await recv()


async def seq(c: Coroutines, n: int, cap: int | None) -> Sample:
    """One party fills the buffer and drains it, again and again."""
    if cap == 0:
        raise Unsupported("a rendezvous needs two")
    send, recv, _ = c.channel(cap)
    fill = n if cap is None else cap
    turns = max(n // fill, 1)
    started = perf_counter()
    for _ in range(turns):
        for i in range(fill):
            await send(i)
        for _ in range(fill):
            await recv()
    return per(turns * fill, perf_counter() - started)


async def spsc(c: Coroutines, n: int, cap: int | None) -> Sample:
    """One producer, one consumer."""
    send, recv, _ = c.channel(cap)
    async with c.group() as group:
        started = perf_counter()
        group.spawn(produce, send, n)
        for _ in range(n):
            await recv()
        seconds = perf_counter() - started
    return per(n, seconds)


async def mpsc(
    c: Coroutines, n: int, cap: int | None, producers: int = PARTIES
) -> Sample:
    """Several producers, one consumer."""
    send, recv, _ = c.channel(cap)
    each = max(n // producers, 1)
    async with c.group() as group:
        started = perf_counter()
        for _ in range(producers):
            group.spawn(produce, send, each)
        for _ in range(each * producers):
            await recv()
        seconds = perf_counter() - started
    return per(each * producers, seconds)


async def fan_in(c: Coroutines, n: int, cap: int | None) -> Sample:
    """A hundred producers, one consumer."""
    return await mpsc(c, n, cap, producers=100)


async def mpmc(c: Coroutines, n: int, cap: int | None) -> Sample:
    """Several producers, several consumers."""
    send, recv, _ = c.channel(cap)
    each = max(n // PARTIES, 1)
    started = perf_counter()
    async with c.group() as group:
        for _ in range(PARTIES):
            group.spawn(produce, send, each)
            group.spawn(consume, recv, each)
    return per(each * PARTIES, perf_counter() - started)


async def ping_pong(c: Coroutines, n: int) -> Sample:
    """A value there and back over two channels: one operation is a round trip."""
    ping, pinged, _ = c.channel(0)
    pong, ponged, _ = c.channel(0)

    async def answer() -> None:
        for _ in range(n):
            await pong(await pinged())

    async with c.group() as group:
        started = perf_counter()
        group.spawn(answer)
        for i in range(n):
            await ping(i)
            await ponged()
        seconds = perf_counter() - started
    return per(n, seconds)
