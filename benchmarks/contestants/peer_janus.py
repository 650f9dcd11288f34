"""janus: a queue with a face for threads and one for a loop."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import Ends
from .tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .base import Recv

__all__ = ("Janus", "make")

janus: Any = import_module("janus")


class Janus(Tasks):
    """Its queue between tasks, and from threads to tasks."""

    smallest = 1

    def __init__(self) -> None:
        super().__init__()
        self._queues: list[Any] = []

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        async def closing() -> Any:
            try:
                return await main()
            finally:
                # it wants to be closed in its loop
                while self._queues:
                    await self._queues.pop().aclose()

        return super().run(closing)

    def _queue(self, cap: int | None) -> Any:
        q = janus.Queue(0 if cap is None else cap or 1)
        self._queues.append(q)
        return q

    def channel(self, cap: int | None) -> Ends:
        q = self._queue(cap).async_q
        return Ends(q.put, q.get)

    def crossing(self, cap: int) -> tuple[Callable[[Any], object], Recv]:
        q = self._queue(cap)
        return q.sync_q.put, q.async_q.get


def make(variant: str) -> Janus:
    del variant
    return Janus()
