"""Cancellation by anyio's cancel scopes, on asyncio.

Two things happen "in the same tick" if no task runs between them.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import anyio
import pytest

import gochan
from support.native import Clock, on_asyncio
from support.parked import Parked, operations
from support.tasks import Held, ended, forever, start, undisturbed


@operations
@pytest.mark.parametrize("order", ["cancel first", "peer first"])
@pytest.mark.parametrize("goes_on", [False, True])
@on_asyncio
async def test_anyio_scope_cancelled_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str, *, goes_on: bool
) -> None:
    p = Parked(kind, cap)
    held = Held()
    went_on = False

    async def operate() -> None:
        nonlocal went_on
        with anyio.CancelScope() as held.scope:
            await p.operate()
            if goes_on:
                await forever()
                went_on = True
        await undisturbed()

    task = await start(operate())
    if order == "cancel first":
        held.scope.cancel()
        p.peer()
    else:
        p.peer()
        held.scope.cancel()
    assert await ended(task)
    await task
    assert p.completed == (order == "peer first")
    assert held.scope.cancelled_caught == (goes_on or order == "cancel first")
    assert not went_on
    await p.check()


@operations
@on_asyncio
async def test_anyio_scope_cancelled_late_does_not_pierce_a_shield(
    kind: str, cap: int
) -> None:
    # what was received can be dealt with in peace
    p = Parked(kind, cap)
    held = Held()
    dealt_with = False

    async def operate() -> None:
        nonlocal dealt_with
        with anyio.CancelScope() as held.scope:
            await p.operate()
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await asyncio.sleep(0)
                    await gochan.yield_()
            dealt_with = True
            await forever()
        await undisturbed()

    task = await start(operate())
    p.peer()
    held.scope.cancel()
    assert await ended(task)
    await task
    assert p.completed
    assert dealt_with
    assert held.scope.cancelled_caught
    await p.check()


@operations
@on_asyncio
async def test_inner_anyio_scope_cancelled_late_then_the_outer_one(
    kind: str, cap: int
) -> None:
    p = Parked(kind, cap)
    inner, outer = Held(), Held()

    async def operate() -> None:
        with anyio.CancelScope() as outer.scope:
            with anyio.CancelScope() as inner.scope:
                await p.operate()
            await forever()
        await undisturbed()

    task = await start(operate())
    p.peer()
    inner.scope.cancel()
    outer.scope.cancel()
    assert await ended(task)
    await task
    assert p.completed
    assert outer.scope.cancelled_caught
    await p.check()


@operations
@on_asyncio
async def test_anyio_scope_and_task_cancelled_late(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    held = Held()

    async def operate() -> None:
        with anyio.CancelScope() as held.scope:
            await p.operate()
        await forever()

    task = await start(operate())
    p.peer()
    held.scope.cancel()
    task.cancel()
    assert await ended(task), "the task's cancellation was forgotten"
    assert task.cancelled()
    assert p.completed
    await p.check()


# Of two cancellations in one tick one error tells. Before 4.16 anyio takes it for its
# own, and swallows both, if it bears its mark.
folds = pytest.mark.skipif(
    version("anyio") < "4.16",
    reason="anyio 4.16",
)
native_first = pytest.mark.parametrize("native_first", [False, True])


@operations
@native_first
@on_asyncio
async def test_anyio_scope_and_task_cancelled_while_waiting(
    kind: str, cap: int, *, native_first: bool
) -> None:
    p = Parked(kind, cap)
    held = Held()

    async def operate() -> None:
        with anyio.CancelScope() as held.scope:
            await p.operate()
        await forever()

    task = await start(operate())
    if native_first:
        task.cancel()
    held.scope.cancel()
    if not native_first:
        task.cancel()
    assert await ended(task), "the task's cancellation was forgotten"
    assert task.cancelled()
    p.unchanged()
    await p.check()


@folds
@operations
@native_first
@pytest.mark.parametrize("late", [False, True])
@on_asyncio
async def test_anyio_scope_cancelled_in_the_tick_of_a_timeout_inside(
    kind: str, cap: int, *, native_first: bool, late: bool
) -> None:
    p = Parked(kind, cap)
    held = Held()
    timeouts: list[asyncio.Timeout] = []

    async def operate() -> None:
        with anyio.CancelScope() as held.scope:
            async with asyncio.timeout(None) as timeout:
                timeouts.append(timeout)
                await p.operate()
                await forever()
        assert held.scope.cancelled_caught
        await undisturbed()

    task = await start(operate())
    loop = asyncio.get_running_loop()
    if late:
        loop.call_soon(p.peer)
    if native_first:
        timeouts[0].reschedule(loop.time())
    loop.call_soon(held.scope.cancel)
    if not native_first:
        timeouts[0].reschedule(loop.time())
    assert await ended(task)
    # not cancelled itself
    await task
    assert p.completed == late
    await p.check()


@folds
@native_first
@on_asyncio
async def test_anyio_scope_cancelled_at_a_yield_in_the_tick_of_a_timeout_inside(
    *, native_first: bool
) -> None:
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as outer:
        async with asyncio.timeout(None) as timeout:
            # the loop's next turn comes before those of whoever is woken in it
            if native_first:
                timeout.reschedule(loop.time())
            loop.call_soon(outer.cancel)
            if not native_first:
                timeout.reschedule(loop.time())
            await gochan.yield_()
    assert outer.cancelled_caught
    await undisturbed()


@operations
@pytest.mark.parametrize("order", ["deadline first", "peer first"])
@pytest.mark.parametrize("goes_on", [False, True])
@on_asyncio
async def test_anyio_deadline_in_the_turn_of_the_peer(
    kind: str, cap: int, order: str, *, goes_on: bool
) -> None:
    p = Parked(kind, cap)
    loop, clock = asyncio.get_running_loop(), Clock()
    now = loop.time()
    held = Held()

    async def operate() -> None:
        with anyio.move_on_after(2 * clock.tick) as held.scope:
            await p.operate()
            if goes_on:
                await forever()
        await undisturbed()

    task = await start(operate())
    ticks = 3 if order == "deadline first" else 1
    loop.call_at(now + ticks * clock.tick, p.peer)
    clock.pass_by(5)
    while not task.done():
        await asyncio.sleep(0)
    await task
    assert held.scope.cancelled_caught == (goes_on or not p.completed)
    await p.check()


@operations
@on_asyncio
async def test_anyio_task_group_aborted_by_a_sibling(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await forever()

    async def fail() -> None:
        await fail_now.wait()
        assert p.peer()
        raise ValueError("sibling")

    async def group() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(operate)
            tasks.start_soon(fail)

    fail_now = anyio.Event()
    task = await start(group())
    fail_now.set()
    assert await ended(task)
    with pytest.raises(ExceptionGroup):
        await task
    assert p.completed
    await p.check()
