"""The standard library's queues for threads."""

from __future__ import annotations

import queue
from typing import Any

from .base import BlockingEnds, Unsupported
from .threads import Threads

__all__ = ("Queue", "SimpleQueue", "make")


class Queue(Threads):
    """``queue.Queue`` between threads."""

    smallest = 1

    def channel(self, cap: int | None) -> BlockingEnds:
        q = queue.Queue[Any](0 if cap is None else cap or 1)
        return BlockingEnds(q.put, q.get)


class SimpleQueue(Threads):
    """``queue.SimpleQueue``, which is written in C and has no bound."""

    def channel(self, cap: int | None) -> BlockingEnds:
        if cap is not None:
            raise Unsupported("no bound")
        q = queue.SimpleQueue[Any]()
        return BlockingEnds(q.put, q.get)


def make(variant: str) -> Threads:
    return SimpleQueue() if variant == "SimpleQueue" else Queue()
