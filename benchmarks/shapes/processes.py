"""From another process to this one."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.contestants.base import per

if TYPE_CHECKING:
    from benchmarks.contestants.base import Blocking, Coroutines, Sample

__all__ = ("blocking_process_parent", "process_parent")


async def process_parent(c: Coroutines, n: int, cap: int, size: int) -> Sample:
    """A process sends ``size`` bytes at a time. The first item starts the clock."""
    async with c.process(cap, n + 1, size) as recv:
        await recv()
        started = perf_counter()
        for _ in range(n):
            await recv()
        seconds = perf_counter() - started
    return per(n, seconds)


def blocking_process_parent(c: Blocking, n: int, cap: int, size: int) -> Sample:
    """As :func:`process_parent`."""
    with c.process(cap, n + 1, size) as recv:
        recv()
        started = perf_counter()
        for _ in range(n):
            recv()
        seconds = perf_counter() - started
    return per(n, seconds)
