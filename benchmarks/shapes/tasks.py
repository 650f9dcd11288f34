"""Starting goroutines and waiting for them."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.contestants.base import Sample, per

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants.base import Coroutines, Ends, Send

__all__ = ("BATCH", "FANOUT", "noop", "skynet", "spawn_join")

# how many are started before they are waited for
BATCH = 1000
FANOUT = 10


async def noop() -> None:
    pass


async def spawn_join(c: Coroutines, n: int) -> Sample:
    """Start goroutines that do nothing, a thousand at a time, and wait."""
    turns = max(n // BATCH, 1)
    each = min(n, BATCH)
    started = perf_counter()
    for _ in range(turns):
        async with c.group() as group:
            spawn = group.spawn
            for _ in range(each):
                spawn(noop)
    return per(turns * each, perf_counter() - started)


async def node(
    channel: Callable[[int], Ends],
    spawn: Callable[..., Any],
    send: Send,
    number: int,
    size: int,
) -> None:
    if size == 1:
        await send(number)
        return
    answer, recv, _ = channel(0)
    size //= FANOUT
    for i in range(FANOUT):
        spawn(node, channel, spawn, answer, number + i * size, size)
    total = 0
    for _ in range(FANOUT):
        total += await recv()
    await send(total)


async def skynet(c: Coroutines, n: int, leaves: int) -> Sample:
    """A tree of goroutines, ten under each, that add up their leaves' numbers."""
    del n
    send, recv, _ = c.channel(0)
    async with c.group() as group:
        started = perf_counter()
        group.spawn(node, c.channel, group.spawn, send, 0, leaves)
        total = await recv()
        seconds = perf_counter() - started
    assert total == leaves * (leaves - 1) // 2
    return Sample(seconds, {"ms": seconds * 1e3})
