"""asyncio-channel: queues that can be selected on."""

from __future__ import annotations

from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .base import Ends, Unsupported
from .tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("AsyncioChannel", "make")

# without types
asyncio_channel: Any = import_module("asyncio_channel")


class AsyncioChannel(Tasks):
    """Its channel between tasks."""

    smallest = 1

    def channel(self, cap: int | None) -> Ends:
        if cap is None:
            raise Unsupported("no unbounded channel")
        ch = asyncio_channel.create_channel(cap or 1)
        return Ends(ch.put, ch.take, ch)

    async def receive_any(self, channels: Sequence[Any], n: int) -> None:
        select = asyncio_channel.complete_one
        for _ in range(n):
            await select(*channels)

    async def send_any(self, channels: Sequence[Any], n: int) -> None:
        select, cases = asyncio_channel.complete_one, [(ch, 1) for ch in channels]
        for _ in range(n):
            await select(*cases)

    async def take_ready(self, n: int) -> float:
        a, b = asyncio_channel.create_channel(1), asyncio_channel.create_channel(1)
        a.offer(1)
        b.offer(2)
        select = asyncio_channel.complete_one
        started = perf_counter()
        for _ in range(n):
            value, chosen = await select(a, b)
            chosen.offer(value)
        return perf_counter() - started


def make(variant: str) -> AsyncioChannel:
    del variant
    return AsyncioChannel()
