"""Several loops at the same time: the first operation of each, and giving way."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from typing import Any

import anyio
import pytest

import gochan
from gochan import Chan, _budget, go
from support.idle import settle
from support.threads import TOGETHER, frequent_switches, start, start_loop

pytestmark = pytest.mark.usefixtures("one_budget")


async def hand_over() -> int:
    """The first operation here waits; not in a goroutine."""
    ch = Chan[int]()
    values: list[int] = []
    async with anyio.create_task_group() as others:

        async def give() -> None:
            await settle()
            await ch.send(7)

        others.start_soon(give)
        values.append(await ch.recv())
    return values[0]


@pytest.mark.parametrize("name", TOGETHER[1:])
@pytest.mark.parametrize("how", ["gochan", "anyio"])
def test_the_first_operation_of_a_loop_while_another_one_is_busy(
    name: Any, how: str
) -> None:
    """Nothing is known of it before that; the other loop must not be taken for it."""
    _budget.budget.loops = frozenset()
    _budget.budget.threads = False
    _budget.budget.full = _budget.budget.left = _budget.OPERATIONS
    ch = Chan[int]()

    async def busy() -> int:
        await ch.recv()
        # woken by a peer, and the loop stands still here
        start_loop = gochan.run if how == "gochan" else anyio.run
        return start(functools.partial(start_loop, hand_over, backend=name)).join()

    async def main() -> int:
        g = go(busy)
        await settle()
        await ch.send(1)
        return await g

    assert gochan.run(main) == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_first_operation_of_a_loop_in_a_forked_child() -> None:
    """The parent's loop, which was draining, does not run there."""
    ch = Chan[int]()

    async def fork() -> int:
        await ch.recv()
        child = os.fork()
        if child == 0:
            try:
                # not anyio.run(), which takes the parent's loop for running
                os._exit(asyncio.run(exchange()))
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    async def exchange() -> int:
        inner = Chan[int]()
        give = asyncio.create_task(inner.send(7))
        value = await inner.recv()
        await give
        return value

    async def main() -> int:
        g = go(fork)
        await settle()
        await ch.send(1)
        return await g

    assert gochan.run(main) == 7


@pytest.mark.slow
def test_goroutines_of_several_loops_give_way() -> None:
    """On each loop, somebody else runs at least every 64th operation."""
    together = threading.Barrier(len(TOGETHER))

    async def main() -> int:
        ch = Chan[int](1)
        turn = 0
        stop = False

        async def other() -> None:
            nonlocal turn
            while not stop:
                turn += 1
                await gochan.yield_()

        go(other)
        await gochan.yield_()
        together.wait(10)
        longest = since = 0
        last = turn
        for _ in range(3000):
            await ch.send(1)
            await ch.recv()
            since = 0 if turn != last else since + 2
            last = turn
            longest = max(longest, since)
        stop = True
        return longest

    with frequent_switches():
        workers = [start_loop(name, main) for name in TOGETHER]
        longest = [worker.join() for worker in workers]
    assert max(longest) <= 2 * _budget.OPERATIONS
