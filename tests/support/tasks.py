"""Tasks of asyncio for tests of cancellation: parked, timed, and undisturbed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import anyio

    from support.parked import Parked

__all__ = ("Deadline", "Held", "ended", "forever", "park", "start", "undisturbed")


async def forever() -> None:
    await Chan[None]().recv()


async def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task and wait until it waits."""
    task = asyncio.create_task(coroutine)
    await settle()
    assert not task.done()
    return task


async def park(p: Parked) -> asyncio.Task[None]:
    task = await start(p.operate())
    assert p.waits()
    return task


async def ended(task: asyncio.Task[Any]) -> bool:
    """Whether ``task`` has ended once nobody has anything left to do."""
    await settle()
    if task.done():
        return True
    task.cancel()
    await settle()
    return False


async def undisturbed() -> None:
    """No cancellation is on its way to the current task."""
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    for _ in range(5):
        await asyncio.sleep(0)
    await gochan.yield_()


class Deadline:
    """An ``asyncio.timeout`` that others can let expire."""

    timeout: asyncio.Timeout

    def expire(self) -> None:
        """In the next turn of the loop, as its timer would."""
        self.timeout.reschedule(asyncio.get_running_loop().time() - 1)


class Held:
    """An anyio scope that others can cancel."""

    scope: anyio.CancelScope
