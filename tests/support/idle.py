"""Wait until everybody else waits, without sleeping."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import anyio

__all__ = ("settle",)


async def settle() -> None:
    """Return when every other task of this loop is parked.

    trio knows when that is. On asyncio: when a turn of the loop has passed in
    which no task was ready to run.
    """
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_task():
            await trio.testing.wait_all_tasks_blocked()
            return
    me = asyncio.current_task()
    idle = 0
    while idle < 3:
        await asyncio.sleep(0)
        waits: list[Any] = [
            task._fut_waiter  # type: ignore[attr-defined]  # as anyio does
            for task in asyncio.all_tasks()
            if task is not me
        ]
        ready = any(wait is None or wait.done() for wait in waits)
        idle = 0 if ready else idle + 1
    await anyio.lowlevel.checkpoint()
