"""A lock that several want."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.contestants.base import per

from .flow import PARTIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.contestants.base import Blocking, Coroutines, Sample

__all__ = ("blocking_mutex_contended", "mutex_contended")


async def use(mutex: Any, pause: Callable[[], Awaitable[object]], n: int) -> None:
    for _ in range(n):
        async with mutex:
            await pause()


async def mutex_contended(c: Coroutines, n: int) -> Sample:
    """Several take a lock in turn, and let the others run while they have it."""
    mutex = c.mutex()
    each = max(n // PARTIES, 1)
    started = perf_counter()
    async with c.group() as group:
        for _ in range(PARTIES):
            group.spawn(use, mutex, c.pause, each)
    return per(each * PARTIES, perf_counter() - started)


def blocking_use(mutex: Any, n: int) -> None:
    for _ in range(n):
        with mutex:
            pass


def blocking_mutex_contended(c: Blocking, n: int) -> Sample:
    """Threads take a lock again and again."""
    mutex = c.mutex()
    each = max(n // PARTIES, 1)
    started = perf_counter()
    all_of_them = [c.spawn(blocking_use, mutex, each) for _ in range(PARTIES)]
    for one in all_of_them:
        c.join(one)
    return per(each * PARTIES, perf_counter() - started)
