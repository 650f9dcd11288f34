"""What contestants on plain threads have in common."""

from __future__ import annotations

from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from .base import Blocking, BlockingEnds, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Threads", "make")


class Threads(Blocking):
    """``threading.Thread``."""

    def spawn(self, fn: Callable[..., object], *args: Any) -> Thread:
        thread = Thread(target=fn, args=args, daemon=True)
        thread.start()
        return thread

    def join(self, started: Thread) -> None:
        started.join()

    def mutex(self) -> Any:
        return Lock()

    def channel(self, cap: int | None) -> BlockingEnds:
        raise Unsupported("no channel")


def make(variant: str) -> Threads:
    del variant
    return Threads()
