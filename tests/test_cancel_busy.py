"""Cancellation of asyncio's tasks that keep each other busy."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from gochan import Chan, recv, select, send
from support.ledger import at_rest
from support.native import on_asyncio
from support.tasks import Deadline, Held


class Busy:
    """Two tasks that never wait long: each is woken as soon as it waits."""

    def __init__(self, *, selects: bool) -> None:
        self.ping, self.pong = Chan[int](), Chan[int]()
        self.selects = selects
        self.rounds = 0
        # a player that never notices must not hang the test as well
        self.over = False

    async def play(self) -> None:
        while not self.over:
            await self.ping.send(1)
            await self.pong.recv()
            self.rounds += 1

    async def reply(self) -> None:
        while not self.over:
            if self.selects:
                await select(recv(self.ping))
                await select(send(self.pong, 1))
            else:
                await self.ping.recv()
                await self.pong.send(1)


async def ends_soon(task: asyncio.Task[Any], busy: Busy) -> bool:
    """Whether ``task`` ends before the two have played for long."""
    begun = busy.rounds
    for _ in range(1000):
        await asyncio.sleep(0)
        if task.done():
            return busy.rounds - begun < 500
    return False


@pytest.mark.parametrize("how", ["cancel", "timeout", "scope", "again and again"])
@pytest.mark.parametrize("who", ["first", "second"])
@pytest.mark.parametrize("selects", [False, True])
@pytest.mark.parametrize("late", range(3))
@on_asyncio
async def test_a_task_that_is_always_woken_at_once(
    how: str, who: str, late: int, *, selects: bool
) -> None:
    # the peer is faster than the cancellation each time; that must not last
    busy = Busy(selects=selects)
    deadline, held = Deadline(), Held()

    async def victim() -> None:
        work = busy.play if who == "first" else busy.reply
        if how == "timeout":
            async with asyncio.timeout(None) as deadline.timeout:
                await work()
        elif how == "scope":
            with anyio.CancelScope() as held.scope:
                await work()
        else:
            await work()

    task = asyncio.create_task(victim())
    other = asyncio.create_task(busy.reply() if who == "first" else busy.play())
    for _ in range(10 + late):
        await asyncio.sleep(0)
    try:
        if how == "timeout":
            deadline.expire()
        elif how == "scope":
            held.scope.cancel()
        elif how == "cancel":
            task.cancel()
        else:
            for _ in range(10):
                task.cancel()
                await asyncio.sleep(0)
        assert await ends_soon(task, busy), "it goes on for ever"
    finally:
        busy.over = True
        other.cancel()
        await asyncio.wait([other])
        task.cancel()
        await asyncio.wait([task])
    if how == "timeout":
        assert isinstance(task.exception(), TimeoutError)
    at_rest(busy.ping, busy.pong)
