"""Cancellation on asyncio: an operation either returned or changed nothing.

Each operation that can wait, against each way in which asyncio and anyio cancel,
in each order with the peer's operation. Two things happen "in the same tick" if
no task runs between them.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, GoroutineCancelled, arun, go, recv, scope, select, send
from gochan._budget import refill
from support.idle import settle
from support.ledger import at_rest, drain
from support.native import LOOPS, Clock, new_loop, on_asyncio
from support.parked import Parked, operations, works

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def quiet(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Takes reports of a loop whose end is the test."""


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The kind of event loop."""
    kind: str = request.param
    return kind


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


class Deadline:
    """An ``asyncio.timeout`` that others can let expire."""

    timeout: asyncio.Timeout

    def expire(self) -> None:
        """In the next turn of the loop, as its timer would."""
        self.timeout.reschedule(asyncio.get_running_loop().time() - 1)


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


# anyio's cancel scopes


class Held:
    """An anyio scope that others can cancel."""

    scope: anyio.CancelScope


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
@in_both_orders
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


# Tasks that are busy with each other


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


# The end of the loop


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
