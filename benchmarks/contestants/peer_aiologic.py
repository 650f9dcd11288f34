"""aiologic: synchronization for threads, loops and greenlets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import BlockingEnds, Ends
from .tasks import Tasks
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Contestant, Recv

__all__ = ("Aiologic", "AiologicThreads", "make")

aiologic: Any = import_module("aiologic")


def _queue(cap: int | None) -> Any:
    return aiologic.SimpleQueue() if cap is None else aiologic.Queue(cap or 1)


class Aiologic(Tasks):
    """Its queue between tasks, and from threads to tasks."""

    smallest = 1
    crosses_loops = True

    def channel(self, cap: int | None) -> Ends:
        q = _queue(cap)
        if cap is None:
            # nobody waits to put
            async def put(value: Any) -> None:
                q.put(value)

            return Ends(put, q.async_get)
        return Ends(q.async_put, q.async_get)

    def mutex(self) -> Any:
        return aiologic.Lock()

    def crossing(self, cap: int) -> tuple[Callable[[Any], object], Recv]:
        q = _queue(cap)
        return q.green_put, q.async_get


class AiologicThreads(Threads):
    """Its queue between threads."""

    smallest = 1

    def channel(self, cap: int | None) -> BlockingEnds:
        q = _queue(cap)
        return BlockingEnds(q.put if cap is None else q.green_put, q.green_get)

    def mutex(self) -> Any:
        return aiologic.Lock()


def make(variant: str) -> Contestant:
    return AiologicThreads() if variant == "threads" else Aiologic()
