"""Timers: what it costs to set one, to stop it, and to let it fire."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import Sample

if TYPE_CHECKING:
    from benchmarks.contestants.base import Coroutines

__all__ = ("timers",)


class Fired:
    """How many have."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def timers(c: Coroutines, n: int, count: int) -> Sample:
    """Set ``count`` calls for later, stop them; set as many for now, let them fire."""
    del n
    fired = Fired()
    started = perf_counter()
    stops = [c.call_later(100 + i * 1e-3, fired) for i in range(count)]
    set_all = perf_counter() - started
    started = perf_counter()
    for stop in stops:
        stop()
    stop_all = perf_counter() - started
    started = perf_counter()
    for _ in range(count):
        c.call_later(1e-6, fired)
    while fired.count < count:
        await c.pause()
    fire_all = perf_counter() - started
    values = {"set": set_all, "stop": stop_all, "fire": fire_all}
    return Sample(
        set_all + stop_all + fire_all,
        {metric: seconds / count * 1e9 for metric, seconds in values.items()},
    )
