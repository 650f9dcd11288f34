"""gochan between threads: the blocking face."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from gochan import Chan, blocking_select, recv, send
from gochan.buffers import Unbounded
from gochan.sync import Mutex

from .base import BlockingEnds
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("GochanThreads", "make")


class GochanThreads(Threads):
    """gochan's channel between ``threading.Thread``s."""

    def channel(self, cap: int | None) -> BlockingEnds:
        ch: Chan[Any] = Chan(buffer=Unbounded()) if cap is None else Chan(cap)
        return BlockingEnds(ch.blocking_send, ch.blocking_recv, ch)

    def mutex(self) -> Mutex:
        return Mutex()

    def receive_any(self, channels: Sequence[Chan[Any]], n: int) -> None:
        cases = [recv(ch) for ch in channels]
        for _ in range(n):
            _ = blocking_select(*cases).value

    def send_any(self, channels: Sequence[Chan[Any]], n: int) -> None:
        cases = [send(ch, 0) for ch in channels]
        for _ in range(n):
            blocking_select(*cases)

    def take_ready(self, n: int) -> float:
        a, b = Chan[int](1), Chan[int](1)
        a.send_nowait(1)
        b.send_nowait(2)
        from_a, from_b = recv(a), recv(b)
        started = perf_counter()
        for _ in range(n):
            chosen = blocking_select(from_a, from_b)
            if chosen is from_a:
                a.send_nowait(from_a.value)
            else:
                b.send_nowait(from_b.value)
        return perf_counter() - started


def make(variant: str) -> GochanThreads:
    del variant
    return GochanThreads()
