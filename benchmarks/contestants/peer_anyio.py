"""anyio's memory object streams."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .base import Coroutines, Ends, Gate, Group

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ("Anyio", "make")


class Anyio(Coroutines):
    """Streams between tasks of a task group; many wait in an ``anyio.Event``."""

    def __init__(self, backend: str) -> None:
        self._backend = backend

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        return anyio.run(main, backend=self._backend)

    @asynccontextmanager
    async def group(self) -> AsyncGenerator[Group]:
        async with anyio.create_task_group() as opened:
            yield Group(opened.start_soon, opened.cancel_scope.cancel)

    def channel(self, cap: int | None) -> Ends:
        send, receive = anyio.create_memory_object_stream[Any](
            math.inf if cap is None else cap
        )
        return Ends(send.send, receive.receive)

    async def pause(self) -> None:
        await anyio.lowlevel.checkpoint()

    def gate(self) -> Gate:
        event = anyio.Event()
        return Gate(event.wait, event.set)

    def mutex(self) -> anyio.Lock:
        return anyio.Lock()


def make(variant: str) -> Anyio:
    if variant == "trio":
        import trio as trio
    return Anyio(variant)
