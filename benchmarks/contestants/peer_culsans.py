"""culsans: a queue for threads, loops and greenlets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import BlockingEnds, Ends
from .tasks import Tasks
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Contestant, Recv

__all__ = ("Culsans", "CulsansThreads", "make")

culsans: Any = import_module("culsans")


def _queue(cap: int | None) -> Any:
    return culsans.Queue(0 if cap is None else cap or 1)


class Culsans(Tasks):
    """Its queue between tasks, and from threads to tasks."""

    smallest = 1
    crosses_loops = True

    def channel(self, cap: int | None) -> Ends:
        q = _queue(cap)
        return Ends(q.async_put, q.async_get)

    def crossing(self, cap: int) -> tuple[Callable[[Any], object], Recv]:
        q = _queue(cap)
        return q.sync_put, q.async_get


class CulsansThreads(Threads):
    """Its queue between threads."""

    smallest = 1

    def channel(self, cap: int | None) -> BlockingEnds:
        q = _queue(cap)
        return BlockingEnds(q.sync_put, q.sync_get)


def make(variant: str) -> Contestant:
    return CulsansThreads() if variant == "threads" else Culsans()
