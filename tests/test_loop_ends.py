"""The end of an asyncio loop on which somebody waits."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import scope
from gochan._budget import refill
from support.idle import settle
from support.ledger import at_rest, drain
from support.native import new_loop
from support.parked import Parked, operations, works
from support.tasks import ended, forever, park, start

if TYPE_CHECKING:
    from collections.abc import Coroutine


def quiet(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Takes reports of a loop whose end is the test."""


@operations
def test_runner_ends_with_parked_tasks(loop: str, kind: str, cap: int) -> None:
    # asyncio.run cancels what is left
    p = Parked(kind, cap)
    tasks: list[object] = []

    async def main() -> None:
        tasks.append(asyncio.create_task(p.operate()))
        tasks.append(asyncio.create_task(p.coroutine()))
        await settle()

    with asyncio.Runner(loop_factory=lambda: new_loop(loop)) as runner:
        runner.run(main())
    p.unchanged()
    gochan.run(p.check)


@operations
def test_runner_ends_in_the_tick_of_the_peer(loop: str, kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    tasks: list[object] = []

    async def main() -> None:
        tasks.append(await park(p))
        assert p.peer()

    with asyncio.Runner(loop_factory=lambda: new_loop(loop)) as runner:
        runner.run(main())
    assert p.completed
    gochan.run(p.check)


def close_with(loop: str, main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` and close the loop with all that is still in it."""
    closing = new_loop(loop)
    # it reports the tasks that are destroyed with it
    closing.set_exception_handler(quiet)
    closing.run_until_complete(main)
    closing.close()


@operations
def test_loop_closed_while_a_task_is_parked(loop: str, kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    tasks: list[object] = []

    async def main() -> None:
        tasks.append(await park(p))

    close_with(loop, main())
    if p.sends:
        # what was offered can still be taken, once
        p.ledger.sent(p.value)
        assert p.peer()
    else:
        # who waits there is passed over as if he were not there
        assert p.peer() == (cap > 0)
    at_rest(*p.channels)
    assert not p.completed
    gochan.run(p.check)


@operations
def test_channel_closed_after_the_loop(loop: str, kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    tasks: list[object] = []

    async def main() -> None:
        tasks.append(await park(p))

    close_with(loop, main())
    p.channel.close()
    at_rest(*p.channels)
    gochan.run(p.check)


@operations
@pytest.mark.parametrize("by", ["loop", "thread"])
def test_loop_closed_after_the_hand_over(
    loop: str, kind: str, cap: int, by: str
) -> None:
    # the value goes with the goroutine that will never run; nobody else suffers
    p = Parked(kind, cap)
    tasks: list[object] = []

    async def main() -> None:
        tasks.append(await park(p))

    closing = new_loop(loop)
    closing.set_exception_handler(quiet)
    closing.run_until_complete(main())
    if by == "loop":
        assert p.peer()
    else:
        thread = threading.Thread(target=p.peer)
        thread.start()
        thread.join()
    closing.close()
    assert not p.completed
    at_rest(*p.channels)
    tasks.clear()
    gc.collect()
    for channel in p.channels:
        drain(channel)
        gochan.run(works, channel)


@operations
@pytest.mark.parametrize("by", ["loop", "thread"])
def test_another_one_waits_behind_one_whose_loop_was_closed(
    loop: str, kind: str, cap: int, by: str
) -> None:
    dead, p = Parked(kind, cap), Parked(kind, cap)
    p.ledger, p.value = dead.ledger, dead.ledger.new()
    p.empty, p.empty2, p.full, p.full2 = dead.channels
    tasks: list[object] = []

    async def park_dead() -> None:
        tasks.append(await park(dead))

    close_with(loop, park_dead())

    async def main() -> None:
        task = await start(p.operate())
        if p.sends:
            # first what the dead one offered
            p.ledger.sent(dead.value)
            p.peer()
        assert p.peer() if by == "loop" else await asyncio.to_thread(p.peer)
        assert await ended(task)
        assert p.completed

    with asyncio.Runner(loop_factory=lambda: new_loop(loop)) as runner:
        runner.run(main())
    assert not dead.completed
    gochan.run(p.check)


def test_go_when_the_loop_has_been_closed(loop: str) -> None:
    opened: list[gochan.Scope] = []
    tasks: list[object] = []

    async def body() -> None:
        async with scope() as s:
            opened.append(s)
            await forever()

    async def main() -> None:
        tasks.append(await start(body()))

    close_with(loop, main())
    # an error, and no warning that something was never awaited
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        opened[0].go(gochan.yield_)
    gc.collect()


@operations
def test_coroutine_closed_by_hand_while_parked(loop: str, kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def main() -> None:
        coroutine = p.coroutine()
        # with budget left: otherwise it would yield first
        refill()
        coroutine.send(None)
        assert p.waits()
        coroutine.close()
        p.unchanged()
        await p.check()

    gochan.run(main)
