"""Select, for coroutines."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import per

from .flow import PARTIES, produce

if TYPE_CHECKING:
    from benchmarks.contestants.base import Coroutines, Sample

__all__ = ("select_both", "select_ready", "select_rx")


async def select_rx(c: Coroutines, n: int, cap: int | None) -> Sample:
    """Producers with a channel each; one consumer selects over the channels."""
    ends = [c.channel(cap) for _ in range(PARTIES)]
    channels = [end.channel for end in ends]
    each = max(n // PARTIES, 1)
    async with c.group() as group:
        started = perf_counter()
        for end in ends:
            group.spawn(produce, end.send, each)
        await c.receive_any(channels, each * PARTIES)
        seconds = perf_counter() - started
    return per(each * PARTIES, seconds)


async def select_both(c: Coroutines, n: int, cap: int | None) -> Sample:
    """Producers and consumers, all of which select over all channels."""
    channels = [c.channel(cap).channel for _ in range(PARTIES)]
    each = max(n // PARTIES, 1)
    started = perf_counter()
    async with c.group() as group:
        for _ in range(PARTIES):
            group.spawn(c.send_any, channels, each)
            group.spawn(c.receive_any, channels, each)
    return per(each * PARTIES, perf_counter() - started)


async def select_ready(c: Coroutines, n: int) -> Sample:
    """One party selects over two channels that are both ready, and refills one."""
    return per(n, await c.take_ready(n))
