"""Cancellation by ``asyncio.timeout``, ``wait_for`` and ``TaskGroup``.

Two things happen "in the same tick" if no task runs between them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.native import Clock, on_asyncio
from support.parked import Parked, operations
from support.tasks import Deadline, ended, forever, start, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable


# asyncio.timeout

ORDERS = ("deadline first", "peer first")
in_both_orders = pytest.mark.parametrize("order", ORDERS)


def in_order(order: str, deadline: Callable[[], object], p: Parked) -> None:
    """Both happen before any task runs; what is cancelled first, is so late."""
    if order == "deadline first":
        deadline()
        assert p.peer()
    else:
        assert p.peer()
        deadline()


@operations
@on_asyncio
async def test_timeout_while_waiting(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    deadline = Deadline()

    async def operate() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as deadline.timeout:
                await p.operate()
        await undisturbed()

    task = await start(operate())
    deadline.expire()
    assert await ended(task)
    await task
    p.unchanged()
    await p.check()


@operations
@in_both_orders
@on_asyncio
async def test_timeout_block_that_ends_normally(
    kind: str, cap: int, order: str
) -> None:
    p = Parked(kind, cap)
    deadline = Deadline()

    async def operate() -> None:
        async with asyncio.timeout(None) as deadline.timeout:
            await p.operate()
        await undisturbed()

    task = await start(operate())
    in_order(order, deadline.expire, p)
    assert await ended(task)
    await task
    assert p.completed
    await p.check()


@operations
@in_both_orders
@on_asyncio
async def test_timeout_block_that_goes_on(kind: str, cap: int, order: str) -> None:
    p = Parked(kind, cap)
    deadline = Deadline()

    async def operate() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as deadline.timeout:
                await p.operate()
                await forever()
        await undisturbed()

    task = await start(operate())
    in_order(order, deadline.expire, p)
    assert await ended(task)
    await task
    assert p.completed
    await p.check()


@operations
@in_both_orders
@on_asyncio
async def test_timeout_block_that_goes_on_with_a_sleep(
    kind: str, cap: int, order: str
) -> None:
    # a checkpoint that does not park
    p = Parked(kind, cap)
    deadline = Deadline()

    async def operate() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as deadline.timeout:
                await p.operate()
                while True:
                    await asyncio.sleep(0)
        await undisturbed()

    task = await start(operate())
    in_order(order, deadline.expire, p)
    for _ in range(20):
        await asyncio.sleep(0)
    assert task.done()
    await task
    assert p.completed
    await p.check()


@operations
@on_asyncio
async def test_two_timeouts_the_inner_block_ends_normally(kind: str, cap: int) -> None:
    # both expire after the hand-over: the outer one still stands
    p = Parked(kind, cap)
    inner, outer = Deadline(), Deadline()

    async def operate() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as outer.timeout:
                async with asyncio.timeout(None) as inner.timeout:
                    await p.operate()
                await forever()
        await undisturbed()

    task = await start(operate())
    inner.expire()
    outer.expire()
    p.peer()
    assert await ended(task), "the outer timeout was forgotten"
    await task
    assert p.completed
    await p.check()


@operations
@on_asyncio
async def test_timeout_and_cancel_the_block_ends_normally(kind: str, cap: int) -> None:
    # the timeout is done with, the cancellation still stands
    p = Parked(kind, cap)
    deadline = Deadline()

    async def operate() -> None:
        async with asyncio.timeout(None) as deadline.timeout:
            await p.operate()
        await forever()

    task = await start(operate())
    deadline.expire()
    p.peer()
    task.cancel()
    assert await ended(task), "the cancellation was forgotten"
    assert task.cancelled()
    assert p.completed
    await p.check()


@operations
@on_asyncio
async def test_timeout_with_an_old_cancellation_not_taken_back(
    kind: str, cap: int
) -> None:
    # a request that was dealt with long ago must not be counted as a new one
    p = Parked(kind, cap)
    deadline = Deadline()

    async def operate() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forever()
        async with asyncio.timeout(None) as deadline.timeout:
            await p.operate()
        assert task.cancelling() == 1
        for _ in range(5):
            await asyncio.sleep(0)

    task = await start(operate())
    deadline.expire()
    p.peer()
    assert await ended(task)
    await task
    assert p.completed
    await p.check()


@operations
@in_both_orders
@on_asyncio
async def test_real_deadline_in_the_turn_of_the_peer(
    kind: str, cap: int, order: str
) -> None:
    p = Parked(kind, cap)
    loop, clock = asyncio.get_running_loop(), Clock()
    now = loop.time()
    timed_out = False

    async def operate() -> None:
        nonlocal timed_out
        try:
            async with asyncio.timeout_at(now + 2 * clock.tick):
                await p.operate()
        except TimeoutError:
            timed_out = True
        await undisturbed()

    task = await start(operate())
    ticks = 3 if order == "deadline first" else 1
    loop.call_at(now + ticks * clock.tick, p.peer)
    clock.pass_by(5)
    await ended(task)
    await task
    # one or the other
    assert timed_out != p.completed
    await p.check()


# asyncio.wait_for


@operations
@in_both_orders
@pytest.mark.parametrize("bare", [False, True])
@on_asyncio
async def test_wait_for_in_the_turn_of_the_peer(
    kind: str, cap: int, order: str, *, bare: bool
) -> None:
    p = Parked(kind, cap)
    loop, clock = asyncio.get_running_loop(), Clock()
    now = loop.time()
    timed_out = False

    async def operate() -> None:
        nonlocal timed_out
        try:
            if bare:
                p.record(await asyncio.wait_for(p.coroutine(), 2 * clock.tick))
            else:
                await asyncio.wait_for(p.operate(), 2 * clock.tick)
        except TimeoutError:
            timed_out = True
        await undisturbed()

    task = await start(operate())
    ticks = 3 if order == "deadline first" else 1
    loop.call_at(now + ticks * clock.tick, p.peer)
    clock.pass_by(5)
    await ended(task)
    await task
    assert timed_out != p.completed
    await p.check()


@operations
@on_asyncio
async def test_wait_for_cancelled_in_the_tick_of_the_peer(kind: str, cap: int) -> None:
    # wait_for of 3.11 may drop what its inner task returns, so that notes it
    p = Parked(kind, cap)
    task = await start(asyncio.wait_for(p.operate(), 1000))
    p.peer()
    task.cancel()
    assert await ended(task)
    assert p.completed
    await p.check()


# asyncio.TaskGroup


@operations
@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("order", ["abort first", "abort late", "peer first"])
@on_asyncio
async def test_task_group_aborted_by_a_sibling(
    kind: str, cap: int, order: str, *, goes_on: bool
) -> None:
    p = Parked(kind, cap)
    loop = asyncio.get_running_loop()

    async def operate() -> None:
        await p.operate()
        if goes_on:
            await forever()

    async def fail() -> None:
        await fail_now.wait()
        if order == "peer first":
            assert p.peer()
        raise ValueError("sibling")

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(operate())
            tasks.create_task(fail())

    fail_now = asyncio.Event()
    task = await start(group())
    assert p.waits()
    fail_now.set()
    if order == "abort late":
        # runs after the sibling has failed and before the group knows of it
        loop.call_soon(p.peer)
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert caught.group_contains(ValueError)
    assert p.completed == (order != "abort first")
    await p.check()


@operations
@on_asyncio
async def test_task_group_aborted_while_its_body_waits(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    loop = asyncio.get_running_loop()

    async def fail() -> None:
        await fail_now.wait()
        raise ValueError("child")

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            await p.operate()
            await forever()

    fail_now = asyncio.Event()
    task = await start(group())
    fail_now.set()
    loop.call_soon(p.peer)
    assert await ended(task)
    with pytest.raises(ExceptionGroup):
        await task
    assert p.completed
    await p.check()
