"""Cancellation on asyncio: an operation either returned or changed nothing.

Each operation that can wait, and ``Task.cancel()``, in each order with the peer's
operation. Other ways in which asyncio and anyio cancel are in test_cancel_timeouts.py,
test_cancel_scopes.py and test_cancel_busy.py. Two things happen "in the same tick" if
no task runs between them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import gochan
from gochan import Chan, GoroutineCancelled, arun, go, recv, scope, select, send
from support.idle import settle
from support.ledger import at_rest
from support.native import on_asyncio
from support.parked import Parked, operations
from support.tasks import ended, forever, park, start, undisturbed

# Task.cancel()


@operations
@on_asyncio
async def test_cancelled_before_it_starts(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    task = asyncio.create_task(p.operate())
    task.cancel()
    await settle()
    assert task.cancelled()
    p.unchanged()
    await p.check()


@operations
@on_asyncio
async def test_cancelled_before_it_waits(kind: str, cap: int) -> None:
    # a task that cancels itself is told at its next checkpoint
    p = Parked(kind, cap)

    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await p.operate()

    task = asyncio.create_task(cancel_myself())
    assert await ended(task)
    assert task.cancelled()
    p.unchanged()
    await p.check()


@operations
@on_asyncio
async def test_ready_though_the_task_is_cancelled(kind: str, cap: int) -> None:
    # it may happen or raise, not both
    p = Parked(kind, cap)
    peer = Parked("recv" if p.sends else "send", cap)
    peer.ledger = p.ledger
    peer.value = p.ledger.new()
    peer.empty = p.full
    peer.full = p.empty
    if cap == 0:
        peer_task = await start(peer.operate())
    else:
        assert p.peer()
        peer_task = asyncio.create_task(asyncio.sleep(0))

    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await p.operate()
        await forever()

    task = asyncio.create_task(cancel_myself())
    assert await ended(task)
    assert task.cancelled()
    await ended(peer_task)
    await p.check()


@operations
@on_asyncio
async def test_cancelled_while_waiting(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    task = await park(p)
    task.cancel("enough")
    await settle()
    assert task.cancelled()
    with pytest.raises(asyncio.CancelledError, match="^enough$"):
        await task
    assert task.cancelling() == 1
    p.unchanged()
    await p.check()


@operations
@on_asyncio
async def test_cancelled_leaves_the_channel_at_once(kind: str, cap: int) -> None:
    # already when cancel() returns, not when the task has run
    p = Parked(kind, cap)
    task = await park(p)
    task.cancel()
    p.unchanged()
    await settle()
    assert task.cancelled()


@operations
@on_asyncio
async def test_cancel_then_peer_in_the_same_tick(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    task = await park(p)
    task.cancel()
    # without a buffer there is nobody left to meet
    assert p.peer() == (cap > 0)
    await settle()
    assert task.cancelled()
    assert not p.completed
    await p.check()


@operations
@pytest.mark.parametrize("requests", [1, 2])
@on_asyncio
async def test_peer_then_cancel_in_the_same_tick(
    kind: str, cap: int, requests: int
) -> None:
    p = Parked(kind, cap)
    seen: list[object] = []

    async def operate_and_go_on() -> None:
        await p.operate()
        seen.append(asyncio.current_task())
        try:
            await forever()
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise

    task = await start(operate_and_go_on())
    assert p.peer()
    for _ in range(requests):
        task.cancel("enough")
    assert await ended(task)
    # it has returned, and the cancellation came at the next checkpoint
    assert p.completed
    assert seen == [task, ("enough",)]
    assert task.cancelled()
    assert task.cancelling() == requests
    await p.check()


@operations
@on_asyncio
async def test_late_cancel_is_delivered_once(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    cancelled = 0

    async def swallow() -> str:
        nonlocal cancelled
        await p.operate()
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled += 1
        task = asyncio.current_task()
        assert task is not None
        assert task.uncancel() == 0
        await undisturbed()
        return "went on"

    task = await start(swallow())
    p.peer()
    task.cancel()
    assert await ended(task)
    assert task.result() == "went on"
    assert cancelled == 1
    assert p.completed
    await p.check()


@operations
@on_asyncio
async def test_late_cancel_that_is_taken_back(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def uncancel() -> None:
        await p.operate()
        task = asyncio.current_task()
        assert task is not None
        assert task.uncancel() == 0
        await undisturbed()

    task = await start(uncancel())
    p.peer()
    task.cancel()
    assert await ended(task)
    await task
    assert p.completed
    await p.check()


@operations
@on_asyncio
async def test_task_that_is_nothing_but_the_operation(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    task = await start(p.coroutine())
    assert p.waits()
    assert p.peer()
    task.cancel()
    await settle()
    # the value must not vanish with the task
    assert not task.cancelled()
    p.record(task.result())
    assert p.completed
    await p.check()


@operations
@on_asyncio
async def test_cancelled_after_it_returned(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def operate_and_go_on() -> None:
        await p.operate()
        await forever()

    task = await start(operate_and_go_on())
    p.peer()
    await settle()
    assert p.completed
    task.cancel()
    assert await ended(task)
    assert task.cancelled()
    await p.check()


@operations
@on_asyncio
async def test_the_late_cancel_is_raised_when_it_parks_again(
    kind: str, cap: int
) -> None:
    # rather than a turn of the loop later, when that may have been completed as well
    p = Parked(kind, cap)
    q = Parked(kind, cap)

    async def two_operations() -> None:
        await p.operate()
        await q.operate()
        await forever()

    async def follow() -> None:
        await follower.recv()
        assert not q.waits()
        q.peer()

    follower = Chan[None]()
    task = await start(two_operations())
    other = await start(follow())
    p.peer()
    follower.send_nowait(None)
    task.cancel()
    assert await ended(task)
    assert task.cancelled()
    assert await ended(other)
    await other
    assert p.completed
    assert not q.completed
    await p.check()
    await q.check()


@on_asyncio
@pytest.mark.parametrize("cap", [0, 1])
async def test_two_tasks_that_keep_each_other_busy_can_be_cancelled(cap: int) -> None:
    # whenever the loop could deliver it, the task has just been woken again
    there, back = Chan[int](cap), Chan[int](cap)

    async def first() -> None:
        while True:
            await there.send(1)
            await back.recv()

    async def second() -> None:
        while True:
            await there.recv()
            await back.send(1)

    tasks = [asyncio.create_task(first()), asyncio.create_task(second())]
    for _ in range(10):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all([await ended(task) for task in tasks])
    assert all(task.cancelled() for task in tasks)


@operations
@on_asyncio
async def test_close_then_cancel_in_the_same_tick(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    seen: list[str] = []

    async def operate_and_go_on() -> None:
        await p.operate()
        seen.append("returned")
        await forever()

    task = await start(operate_and_go_on())
    p.channel.close()
    task.cancel()
    assert await ended(task)
    assert task.cancelled()
    assert p.closed
    assert not p.completed
    assert seen == ["returned"]
    await p.check()


@operations
@on_asyncio
async def test_cancel_then_close_in_the_same_tick(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    task = await park(p)
    task.cancel()
    p.channel.close()
    assert await ended(task)
    assert task.cancelled()
    assert not p.closed
    assert not p.completed
    await p.check()


@operations
@on_asyncio
async def test_cancelled_at_the_yield_of_a_spent_budget(kind: str, cap: int) -> None:
    # the 64th operation yields before it takes effect
    p = Parked(kind, cap)
    busy = Chan[int](100)
    done = 0

    async def operate() -> None:
        nonlocal done
        task = asyncio.current_task()
        assert task is not None
        await gochan.yield_()
        task.cancel()
        for done in range(100):
            await busy.send(done)

    task = asyncio.create_task(operate())
    assert await ended(task)
    assert task.cancelled()
    assert done < 70
    assert len(busy) == done
    await p.check()


@on_asyncio
async def test_awaiting_a_case_after_cancellation_reuses_it() -> None:
    # a case that was in a cancelled select is as good as new
    a, b = Chan[int](), Chan[int]()
    in_a, out_b = recv(a), send(b, 1)
    for _ in range(50):
        task = await start(select(in_a, out_b))
        task.cancel()
        await settle()
        assert task.cancelled()
        at_rest(a, b)
    task = await start(select(in_a, out_b))
    a.send_nowait(5)
    assert await task is in_a
    assert in_a.value == 5
    task = await start(select(in_a, out_b))
    assert b.recv_nowait() == 1
    assert await task is out_b
    at_rest(a, b)


# Goroutines, natively


@operations
@pytest.mark.parametrize("order", ["cancel first", "peer first"])
@on_asyncio
async def test_native_cancel_of_a_goroutine(kind: str, cap: int, order: str) -> None:
    # by code that knows nothing of gochan
    p = Parked(kind, cap)
    tasks: list[asyncio.Task[Any] | None] = []

    async def operate() -> None:
        tasks.append(asyncio.current_task())
        await p.operate()
        await forever()

    async with scope():
        g = go(operate)
        await settle()
        (task,) = tasks
        assert task is not None
        if order == "peer first":
            p.peer()
            task.cancel()
        else:
            task.cancel()
            p.peer()
        with pytest.raises(GoroutineCancelled):
            await g
    assert p.completed == (order == "peer first")
    await p.check()


@operations
@on_asyncio
async def test_native_cancel_of_a_run_after_the_hand_over(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def main() -> None:
        await p.operate()
        await forever()

    task = await start(arun(main))
    p.peer()
    task.cancel()
    assert await ended(task)
    assert task.cancelled()
    assert p.completed
    await p.check()
