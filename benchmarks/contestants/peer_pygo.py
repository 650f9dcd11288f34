"""pygo-routines: Go's channels between pooled threads."""

from __future__ import annotations

from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .base import Blocking, BlockingEnds, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Pygo", "make")

pyroutine: Any = import_module("pyroutine")


class Pygo(Blocking):
    """Its channel between its routines."""

    def spawn(self, fn: Callable[..., object], *args: Any) -> Any:
        return pyroutine.go(fn, *args)

    def join(self, started: Any) -> None:
        started.join()

    def channel(self, cap: int | None) -> BlockingEnds:
        if cap is None:
            raise Unsupported("no unbounded channel")
        ch = pyroutine.Chan(cap)
        return BlockingEnds(ch.send, ch.recv, ch)

    def receive_any(self, channels: Sequence[Any], n: int) -> None:
        wait = pyroutine.Select(*map(pyroutine.recv_case, channels)).wait
        for _ in range(n):
            wait()

    def send_any(self, channels: Sequence[Any], n: int) -> None:
        cases = [pyroutine.send_case(ch, 0) for ch in channels]
        wait = pyroutine.Select(*cases).wait
        for _ in range(n):
            wait()

    def take_ready(self, n: int) -> float:
        a, b = pyroutine.Chan(1), pyroutine.Chan(1)
        a.send(1)
        b.send(2)
        wait = pyroutine.Select(pyroutine.recv_case(a), pyroutine.recv_case(b)).wait
        started = perf_counter()
        for _ in range(n):
            index, value = wait()
            (b if index else a).try_send(value)
        return perf_counter() - started


def make(variant: str) -> Pygo:
    del variant
    return Pygo()
