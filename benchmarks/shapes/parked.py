"""Many goroutines that wait: what they weigh, and what it costs to end them."""

from __future__ import annotations

import gc
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import Sample

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.contestants.base import Coroutines

__all__ = ("Waiting", "parked", "resident", "summary")

_STATUS = Path("/proc/self/status")


def resident() -> int | None:
    """The bytes of memory that this process occupies; None if nobody tells."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in lines if "VmRSS:" in line) * 1024


class Waiting:
    """How many have begun to wait."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = 0

    async def wait(self, wait: Callable[[], Awaitable[object]]) -> None:
        self.begun += 1
        await wait()


def summary(
    count: int, weight: int | None, spawn: float, wake: float, cancel: float
) -> Sample:
    values = {"bytes": weight / count} if weight is not None else {}
    for metric, seconds in (("spawn", spawn), ("wake", wake), ("cancel", cancel)):
        values[metric] = seconds / count * 1e9
    return Sample(spawn + wake + cancel, values)


async def parked(c: Coroutines, n: int, count: int) -> Sample:
    """Park ``count`` goroutines and wake all; park them again and cancel all.

    Spawning is timed until all are parked, the rest until all have ended.
    """
    del n
    gc.collect()
    before = resident()
    gate, waiting = c.gate(), Waiting()
    started = perf_counter()
    async with c.group() as group:
        for _ in range(count):
            group.spawn(waiting.wait, gate.wait)
        while waiting.begun < count:
            await c.pause()
        spawn = perf_counter() - started
        after = resident()
        started = perf_counter()
        gate.open()
    wake = perf_counter() - started
    weight = None if before is None or after is None else after - before
    gate, waiting = c.gate(), Waiting()
    async with c.group() as group:
        for _ in range(count):
            group.spawn(waiting.wait, gate.wait)
        while waiting.begun < count:
            await c.pause()
        started = perf_counter()
        group.cancel()
    cancel = perf_counter() - started
    return summary(count, weight, spawn, wake, cancel)
