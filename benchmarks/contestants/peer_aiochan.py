"""aiochan: CSP after core.async."""

from __future__ import annotations

from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .base import Ends, Unsupported
from .tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Aiochan", "make")

# without types
aiochan: Any = import_module("aiochan")


class Aiochan(Tasks):
    """Its channel between tasks."""

    def channel(self, cap: int | None) -> Ends:
        if cap is None:
            raise Unsupported("no unbounded channel")
        ch = aiochan.Chan(cap) if cap else aiochan.Chan()
        return Ends(ch.put, ch.get, ch)

    async def receive_any(self, channels: Sequence[Any], n: int) -> None:
        select = aiochan.select
        for _ in range(n):
            await select(*channels)

    async def send_any(self, channels: Sequence[Any], n: int) -> None:
        select, cases = aiochan.select, [(ch, 1) for ch in channels]
        for _ in range(n):
            await select(*cases)

    async def take_ready(self, n: int) -> float:
        a, b = aiochan.Chan(1), aiochan.Chan(1)
        a.put_nowait(1)
        b.put_nowait(2)
        select = aiochan.select
        started = perf_counter()
        for _ in range(n):
            value, chosen = await select(a, b)
            chosen.put_nowait(value)
        return perf_counter() - started

    async def until_done(self, done: Any, work: Any) -> None:
        select = aiochan.select
        chosen = work
        while chosen is work:
            _, chosen = await select(done, work)

    def close(self, channel: Any) -> None:
        channel.close()


def make(variant: str) -> Aiochan:
    del variant
    return Aiochan()
