"""Where goroutines compute: a pipeline whose workers run on one executor or another.

The shape ``computing``: one goroutine sends items, four workers do some steps of
arithmetic for each, this one receives the results.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan, executors, go

from .base import Contestant, Sample, Unsupported, per

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

__all__ = ("Computing", "make")

WORKERS = 4
# as many as two cores have use for
PARALLEL = 2


def compute(steps: int) -> int:
    """Pure Python, as most programs are.

    No constant above 256: in free-threaded CPython 3.13 the threads would wait for each
    other to count the references to it, and two would take three times as long as one.
    """
    x = 0
    for i in range(steps):
        x = (x * 31 + i) & 255
    return x


async def serve(jobs: Chan[int], results: Chan[int]) -> None:
    async for steps in jobs:
        await results.send(compute(steps))


def serve_blocking(jobs: Chan[int], results: Chan[int]) -> None:
    for steps in jobs:
        results.blocking_send(compute(steps))


async def feed(jobs: Chan[int], n: int, steps: int) -> None:
    for _ in range(n):
        await jobs.send(steps)
    jobs.close()


class Computing(Contestant):
    """Workers in one place."""

    def __init__(
        self,
        serve: Callable[[Chan[int], Chan[int]], Any],
        pool: AbstractContextManager[executors.Executor] | None,
    ) -> None:
        self.serve = serve
        # for as long as the contestant lives
        self.pool = pool
        self.on = None if pool is None else pool.__enter__()

    def close(self) -> None:
        if self.pool is not None:
            self.pool.__exit__(None, None, None)

    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        if shape != "computing":
            raise Unsupported(f"no {shape} here")
        seconds: float = gochan.run(self.main, max(n, 1), int(params["steps"]))
        return per(max(n, 1), seconds)

    async def main(self, n: int, steps: int) -> float:
        jobs, results = Chan[int](64), Chan[int](64)
        # any of the executors, and none
        start: Any = go
        for _ in range(WORKERS):
            start(self.serve, jobs, results, on=self.on)
        # all of them are there
        for _ in range(WORKERS):
            await jobs.send(0)
        for _ in range(WORKERS):
            await results.recv()
        started = perf_counter()
        go(feed, jobs, n, steps)
        for _ in range(n):
            await results.recv()
        return perf_counter() - started


def make(variant: str) -> Computing:
    match variant:
        case "loops":
            return Computing(serve, executors.loops(PARALLEL))
        case "threads":
            return Computing(serve_blocking, executors.threads(WORKERS))
        case "processes":
            return Computing(serve_blocking, executors.processes(WORKERS))
        case _:
            return Computing(serve, None)
