""":mod:`.selects` with blocking calls, for threads."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import per

from .blocking_flow import produce
from .flow import PARTIES

if TYPE_CHECKING:
    from benchmarks.contestants.base import Blocking, Sample

__all__ = ("select_both", "select_ready", "select_rx")


def select_rx(c: Blocking, n: int, cap: int | None) -> Sample:
    """Producers with a channel each; one consumer selects over the channels."""
    ends = [c.channel(cap) for _ in range(PARTIES)]
    channels = [end.channel for end in ends]
    each = max(n // PARTIES, 1)
    started = perf_counter()
    producers = [c.spawn(produce, end.send, each) for end in ends]
    c.receive_any(channels, each * PARTIES)
    seconds = perf_counter() - started
    for one in producers:
        c.join(one)
    return per(each * PARTIES, seconds)


def select_both(c: Blocking, n: int, cap: int | None) -> Sample:
    """Producers and consumers, all of which select over all channels."""
    channels = [c.channel(cap).channel for _ in range(PARTIES)]
    each = max(n // PARTIES, 1)
    started = perf_counter()
    all_of_them = [
        c.spawn(work, channels, each)
        for work in (c.send_any, c.receive_any)
        for _ in range(PARTIES)
    ]
    for one in all_of_them:
        c.join(one)
    return per(each * PARTIES, perf_counter() - started)


def select_ready(c: Blocking, n: int) -> Sample:
    """One party selects over two channels that are both ready, and refills one."""
    return per(n, c.take_ready(n))
