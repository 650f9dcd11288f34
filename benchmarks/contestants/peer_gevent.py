"""gevent: greenlets on one thread, and their queues."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import Blocking, BlockingEnds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Gevent", "make")

gevent: Any = import_module("gevent")
event: Any = import_module("gevent.event")
queue: Any = import_module("gevent.queue")


class Gevent(Blocking):
    """``gevent.queue.Channel`` and ``Queue`` between greenlets."""

    def spawn(self, fn: Callable[..., object], *args: Any) -> Any:
        return gevent.spawn(fn, *args)

    def join(self, started: Any) -> None:
        started.join()

    def kill(self, started: Sequence[Any]) -> None:
        gevent.killall(started)

    def pause(self) -> None:
        gevent.sleep(0)

    def gate(self) -> tuple[Callable[[], object], Callable[[], object]]:
        flag = event.Event()
        return flag.wait, flag.set

    def channel(self, cap: int | None) -> BlockingEnds:
        q = queue.Channel() if cap == 0 else queue.Queue(cap)
        return BlockingEnds(q.put, q.get)


def make(variant: str) -> Gevent:
    del variant
    return Gevent()
