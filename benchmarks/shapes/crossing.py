"""From a thread to a loop, and from loop to loop."""

from __future__ import annotations

from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.contestants.base import Unsupported, per

from .flow import produce

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants.base import Coroutines, Sample

__all__ = ("loop_loop", "thread_loop")


def feed(send: Callable[[Any], object], n: int) -> None:
    for i in range(n):
        send(i)


async def thread_loop(c: Coroutines, n: int, cap: int) -> Sample:
    """A thread produces, the loop consumes. The first item starts the clock."""
    send, recv = c.crossing(cap)
    thread = Thread(target=feed, args=(send, n + 1), daemon=True)
    thread.start()
    await recv()
    started = perf_counter()
    for _ in range(n):
        await recv()
    seconds = perf_counter() - started
    thread.join()
    return per(n, seconds)


async def loop_loop(c: Coroutines, n: int, cap: int) -> Sample:
    """A loop in another thread produces, this loop consumes."""
    if not c.crosses_loops:
        raise Unsupported("its channel belongs to one loop")
    send, recv, _ = c.channel(cap)

    async def main() -> None:
        await produce(send, n + 1)

    thread = Thread(target=c.run, args=(main,), daemon=True)
    thread.start()
    await recv()
    started = perf_counter()
    for _ in range(n):
        await recv()
    seconds = perf_counter() - started
    thread.join()
    return per(n, seconds)
