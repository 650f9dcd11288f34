"""Cancellation on trio itself: nurseries, scopes, deadlines, its clock.

Trio's rule is the one that the library follows everywhere: an operation that has
happened returns, and the cancellation comes at the next checkpoint.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

import gochan
from gochan import Chan, GoroutineCancelled, arun, go, recv, scope, select, send, yield_
from support.ledger import at_rest
from support.parked import Parked, operations
from support.storm import Storm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.trio

ORDERS = ("cancel first", "peer first")
in_both_orders = pytest.mark.parametrize("order", ORDERS)

settle = trio.testing.wait_all_tasks_blocked


async def forever() -> None:
    await Chan[None]().recv()


class Body:
    """A task that does one operation in a cancel scope, and perhaps goes on."""

    def __init__(self, p: Parked, *, goes_on: bool) -> None:
        self.p = p
        self.goes_on = goes_on
        self.went_on = False
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    async def run(self) -> None:
        with self.scope:
            await self.p.operate()
            if self.goes_on:
                await forever()
                self.went_on = True
        # outside of the scope nothing is cancelled
        await trio.lowlevel.checkpoint()
        await yield_()
        self.ended.set()


@operations
@in_both_orders
@pytest.mark.parametrize("goes_on", [False, True])
async def test_scope_cancelled_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str, *, goes_on: bool
) -> None:
    p = Parked(kind, cap)
    body = Body(p, goes_on=goes_on)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.run)
        await settle()
        assert p.waits()
        if order == "peer first":
            assert p.peer()
            body.scope.cancel()
        else:
            body.scope.cancel()
            # it has left at once
            p.unchanged()
            assert p.peer() == (cap > 0)
        await body.ended.wait()
    assert p.completed == (order == "peer first")
    assert body.scope.cancelled_caught == (goes_on or order == "cancel first")
    assert not body.went_on
    await p.check()


@operations
async def test_cancelled_before_it_waits(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    with trio.CancelScope() as cancel:
        cancel.cancel()
        await p.operate()
    assert cancel.cancelled_caught
    p.unchanged()
    await p.check()


@operations
async def test_cancelled_after_it_returned(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    body = Body(p, goes_on=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.run)
        await settle()
        p.peer()
        await settle()
        assert p.completed
        body.scope.cancel()
    await p.check()


@operations
@in_both_orders
async def test_deadline_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str, autojump_clock: trio.testing.MockClock
) -> None:
    # both become due at the same instant
    p = Parked(kind, cap)
    body = Body(p, goes_on=False)
    body.scope.deadline = trio.current_time() + 10

    async def peer() -> None:
        await trio.sleep_until(body.scope.deadline)
        p.peer()

    async with trio.open_nursery() as nursery:
        if order == "cancel first":
            nursery.start_soon(body.run)
            nursery.start_soon(peer)
        else:
            nursery.start_soon(peer)
            nursery.start_soon(body.run)
        await body.ended.wait()
    assert trio.current_time() == body.scope.deadline
    assert body.scope.cancelled_caught != p.completed
    await p.check()


@operations
@in_both_orders
async def test_deadline_moved_into_the_past_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str
) -> None:
    # unlike cancel(), it takes effect when the loop looks at its deadlines
    p = Parked(kind, cap)
    body = Body(p, goes_on=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.run)
        await settle()
        if order == "peer first":
            p.peer()
            body.scope.deadline = -1
        else:
            body.scope.deadline = -1
            p.peer()
        await body.ended.wait()
    assert p.completed
    assert body.scope.cancelled_caught
    await p.check()


@operations
async def test_nursery_aborted_by_a_sibling(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await forever()

    async def fail() -> None:
        await settle()
        assert p.peer()
        raise ValueError("sibling")

    with pytest.raises(ExceptionGroup):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operate)
            nursery.start_soon(fail)
    assert p.completed
    await p.check()


@operations
async def test_shielded(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    steps: list[str] = []

    async def operate() -> None:
        with cancel:
            with trio.CancelScope(shield=True):
                await p.operate()
                await trio.lowlevel.checkpoint()
                steps.append("shielded")
            await trio.lowlevel.checkpoint()
            steps.append("not cancelled")

    cancel = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(operate)
        await settle()
        cancel.cancel()
        await settle()
        assert p.waits()
        assert p.peer()
    assert p.completed
    assert steps == ["shielded"]
    await p.check()


@operations
async def test_cancelled_late_then_shielded(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    steps: list[str] = []

    async def operate() -> None:
        with cancel:
            await p.operate()
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
                steps.append("dealt with")
            await trio.lowlevel.checkpoint()
            steps.append("not cancelled")

    cancel = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(operate)
        await settle()
        assert p.peer()
        cancel.cancel()
    assert steps == ["dealt with"]
    assert p.completed
    await p.check()


@operations
async def test_goroutine_cancelled_in_a_trio_nursery(kind: str, cap: int) -> None:
    # goroutines and nurseries inside of each other
    p = Parked(kind, cap)

    async def operate() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(p.operate)

    async with trio.open_nursery() as around:
        async with scope():
            g = go(operate)
            await settle()
            p.peer()
            g.cancel()
            # the operation has happened, and nothing was left to cancel
            try:
                await g
            except GoroutineCancelled:
                pass
        around.cancel_scope.cancel()
    assert p.completed
    await p.check()


@operations
async def test_close_and_cancel_in_the_same_tick(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    body = Body(p, goes_on=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.run)
        await settle()
        p.channel.close()
        body.scope.cancel()
    assert p.closed
    assert not p.completed
    await p.check()


async def test_the_reason_of_a_cancellation_is_trios() -> None:
    reasons: list[str | None] = []

    async def work() -> None:
        try:
            await forever()
        except trio.Cancelled as cancelled:
            reasons.append(cancelled.reason)
            raise

    async with scope() as s:
        g = go(work)
        await settle()
        g.cancel("enough")
        await settle()
        go(work)
        await settle()
        s.cancel("all of it")
    assert reasons == ["enough", "all of it"]


async def test_a_group_with_a_cancellation_in_it() -> None:
    # an operation is cancelled while a sibling in the same nursery fails
    async def fail_in_cleanup() -> None:
        try:
            await forever()
        finally:
            raise ValueError("in cleanup")

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forever)
            nursery.start_soon(fail_in_cleanup)

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g = go(work)
            await settle()
            g.cancel()
    assert caught.group_contains(ValueError, match="in cleanup")
    assert not caught.group_contains(trio.Cancelled)


async def test_scopes_inside_of_a_cancelled_scope() -> None:
    # trio gathers what leaves them in groups; it is a cancellation all the same
    with trio.CancelScope() as outer:
        async with scope(), scope(), trio.open_nursery() as nursery:
            nursery.start_soon(forever)
            go(forever)
            await settle()
            outer.cancel()
    assert outer.cancelled_caught


async def test_a_scope_cancelled_inside_of_its_inner_scopes() -> None:
    async with scope() as s, scope(), scope():
        go(forever)
        await settle()
        s.cancel()
        await forever()


async def test_a_run_cancelled_from_outside() -> None:
    ends: list[str] = []

    async def main() -> None:
        try:
            async with scope():
                go(forever)
                await forever()
        finally:
            ends.append("main")

    with trio.move_on_after(0):
        await arun(main)
    assert ends == ["main"]


# Checkpoints, as trio's instruments see them


class Steps(trio.abc.Instrument):
    """Counts the steps of one task."""

    def __init__(self) -> None:
        self.task = trio.lowlevel.current_task()
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += task is self.task

    async def of(self, operation: Callable[[], Awaitable[object]]) -> int:
        before = self.steps
        await operation()
        return self.steps - before


async def test_what_is_ready_is_no_checkpoint() -> None:
    counter = Steps()
    trio.lowlevel.add_instrument(counter)
    ch = Chan[int](10)
    await yield_()
    assert await counter.of(lambda: ch.send(1)) == 0
    assert await counter.of(ch.recv) == 0
    assert await counter.of(lambda: ch.send(1)) == 0
    assert await counter.of(ch.recv_ok) == 0
    assert await counter.of(lambda: select(send(ch, 1))) == 0
    assert await counter.of(lambda: select(recv(ch))) == 0
    assert await counter.of(yield_) == 1
    trio.lowlevel.remove_instrument(counter)


async def test_every_64th_operation_is_one() -> None:
    counter = Steps()
    trio.lowlevel.add_instrument(counter)
    ch = Chan[int](10_000)
    await yield_()
    before = counter.steps
    for number in range(640):
        await ch.send(number)
    assert 9 <= counter.steps - before <= 10
    trio.lowlevel.remove_instrument(counter)


async def test_waiting_costs_one_step() -> None:
    # nobody is woken in vain
    counter = Steps()
    trio.lowlevel.add_instrument(counter)
    ch = Chan[int]()

    async def peer() -> None:
        await settle()
        ch.send_nowait(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer)
        assert await counter.of(ch.recv) == 1
    trio.lowlevel.remove_instrument(counter)


async def test_only_the_one_that_gets_the_value_runs() -> None:
    scheduled: list[trio.lowlevel.Task] = []

    class Scheduled(trio.abc.Instrument):
        def task_scheduled(self, task: trio.lowlevel.Task) -> None:
            scheduled.append(task)

    ch = Chan[int]()
    tasks: list[trio.lowlevel.Task] = []
    got: list[int] = []

    async def receive() -> None:
        tasks.append(trio.lowlevel.current_task())
        got.append(await ch.recv())

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(receive)
        await settle()
        instrument = Scheduled()
        trio.lowlevel.add_instrument(instrument)
        ch.send_nowait(1)
        assert scheduled == [tasks[0]]
        trio.lowlevel.remove_instrument(instrument)
        nursery.cancel_scope.cancel()
    at_rest(ch)


async def test_a_cancelled_ready_operation_may_happen() -> None:
    # and then the cancellation waits for a checkpoint
    ch = Chan[int](1)
    with trio.CancelScope() as cancel:
        cancel.cancel()
        await ch.send(1)
        assert await ch.recv() == 1
        await yield_()
    assert cancel.cancelled_caught


# Trio's clock


async def test_deadlines_and_channels_on_a_clock_that_jumps(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ch = Chan[float]()

    async def tick() -> None:
        for _ in range(5):
            await trio.sleep(1)
            await ch.send(trio.current_time())
        ch.close()

    start = trio.current_time()
    async with scope():
        go(tick)
        with trio.move_on_after(2.5) as cancel:
            async for _ in ch:
                pass
        assert cancel.cancelled_caught
        assert trio.current_time() - start == 2.5
        rest = [at - start async for at in ch]
    assert rest == [3, 4, 5]
    at_rest(ch)


# Many races


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(100), id="100 rounds"),
        pytest.param(range(100, 1100), id="1000 rounds", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("how", ["scope", "deadline", "nursery", "goroutine"])
async def test_random_races(seeds: range, how: str) -> None:
    operations = disturbed = 0
    for seed in seeds:
        storm = Storm(random.Random(seed))
        try:
            with trio.fail_after(20):
                await one_round(storm, how)
            storm.check()
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        operations += storm.operations
        disturbed += storm.disturbed
    assert operations > 5 * len(seeds)
    assert disturbed > len(seeds)


async def one_round(storm: Storm, how: str) -> None:
    rng = storm.rng
    scopes = [trio.CancelScope() for _ in range(6)]
    handles: list[gochan.Goroutine[None]] = []

    async def worker(number: int) -> None:
        while True:
            with trio.CancelScope() as scopes[number]:
                for _ in range(rng.randint(1, 3)):
                    await storm.operate()
            await trio.lowlevel.checkpoint()

    def disturb() -> None:
        number = rng.randrange(6)
        if how == "scope":
            scopes[number].cancel()
        elif how == "deadline":
            scopes[number].deadline = trio.current_time() + rng.choice((-1, 0, 1e-5))
        elif how == "nursery":
            storm.act()
        else:
            handles[number].cancel()
            handles[number] = go(worker, number)

    async with scope(), trio.open_nursery() as nursery:
        for number in range(6):
            if how == "goroutine":
                handles.append(go(worker, number))
            else:
                nursery.start_soon(worker, number)
        for _ in range(15):
            await trio.lowlevel.checkpoint()
            storm.drive(disturb)
        storm.act()
        nursery.cancel_scope.cancel()
        for handle in handles:
            handle.cancel()
        storm.act()
