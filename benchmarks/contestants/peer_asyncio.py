"""asyncio's queue."""

from __future__ import annotations

import asyncio
from typing import Any

from .base import Ends
from .tasks import Tasks

__all__ = ("AsyncioQueue", "make")


class AsyncioQueue(Tasks):
    """``asyncio.Queue`` between tasks; many wait in an ``asyncio.Event``."""

    smallest = 1

    def channel(self, cap: int | None) -> Ends:
        q: asyncio.Queue[Any] = asyncio.Queue(0 if cap is None else cap or 1)
        return Ends(q.put, q.get, q)


def make(variant: str) -> AsyncioQueue:
    return AsyncioQueue(variant)
