"""The physical limits: what merely giving way costs.

For the shapes that move items they do one switch per item, for ``ping_pong`` two
per round trip, and for ``skynet`` and the like nothing.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .base import Contestant, Sample, Unsupported, per

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

__all__ = ("Limit", "make")

# how many switches an operation of the shape cannot do without
SWITCHES = {"spsc": 1, "ping_pong": 2}


class Limit(Contestant):
    """So many bare switches: ``switch(n)`` returns the seconds of ``n``."""

    def __init__(self, switch: Callable[[int], float]) -> None:
        self._switch = switch

    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        del params
        if shape not in SWITCHES:
            raise Unsupported(f"nothing to compare {shape} with")
        return per(n, self._switch(n * SWITCHES[shape]))


def _asyncio(n: int) -> float:
    async def main() -> float:
        sleep = asyncio.sleep
        started = perf_counter()
        for _ in range(n):
            await sleep(0)
        return perf_counter() - started

    return asyncio.run(main())


def _trio(n: int) -> float:
    import trio

    async def main() -> float:
        checkpoint = trio.lowlevel.checkpoint
        started = perf_counter()
        for _ in range(n):
            await checkpoint()
        return perf_counter() - started

    return trio.run(main)


def _generator(n: int) -> float:
    def forever() -> Generator[None, None, None]:
        while True:
            yield

    switch = forever().__next__
    started = perf_counter()
    for _ in range(n):
        switch()
    return perf_counter() - started


def make(variant: str) -> Limit:
    if variant == "trio":
        import trio as trio

        return Limit(_trio)
    return Limit(_asyncio if variant == "asyncio" else _generator)
