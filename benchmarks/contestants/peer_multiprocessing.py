"""The standard library's queue between processes."""

from __future__ import annotations

import multiprocessing
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .base import BlockingEnds
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ("MultiprocessingQueue", "make")


def feed(q: Any, n: int, size: int) -> None:
    for i in range(n):
        q.put(i.to_bytes(size, "big"))


class MultiprocessingQueue(Threads):
    """``multiprocessing.Queue`` from a new process to this one."""

    smallest = 1

    def channel(self, cap: int | None) -> BlockingEnds:
        q = multiprocessing.Queue[Any](0 if cap is None else cap or 1)
        return BlockingEnds(q.put, q.get)

    @contextmanager
    def process(
        self, cap: int, n: int, size: int
    ) -> Generator[Callable[[], object], None, None]:
        context = multiprocessing.get_context("spawn")
        q: Any = context.Queue(cap)
        process = context.Process(target=feed, args=(q, n, size), daemon=True)
        process.start()
        yield q.get
        process.join()
        q.close()


def make(variant: str) -> MultiprocessingQueue:
    del variant
    return MultiprocessingQueue()
