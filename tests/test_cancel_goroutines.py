"""Cancelling goroutines and scopes: level-triggered, and shields are respected.

Each operation against the cancellation of its goroutine, of a scope, and of the
run, in each order with the peer's operation.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    go,
    recv,
    run,
    scope,
    select,
    send,
    yield_,
)
from support.idle import settle
from support.parked import Parked, operations

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS = ("cancel first", "peer first")
in_both_orders = pytest.mark.parametrize("order", ORDERS)


def in_order(order: str, cancel: Callable[[], object], p: Parked) -> None:
    """Both happen before any goroutine runs."""
    if order == "cancel first":
        cancel()
        p.peer()
    else:
        assert p.peer()
        cancel()


async def forever() -> None:
    await Chan[None]().recv()


async def reason_of(g: Goroutine[Any]) -> str | None:
    with pytest.raises(GoroutineCancelled) as caught:
        await g
    return caught.value.reason


@operations
@in_both_orders
async def test_goroutine_cancelled_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str
) -> None:
    p = Parked(kind, cap)
    went_on: list[str] = []

    async def operate() -> None:
        await p.operate()
        went_on.append("after the operation")
        await forever()
        went_on.append("after a checkpoint")

    async with scope():
        g = go(operate)
        await settle()
        assert p.waits()
        in_order(order, lambda: g.cancel("enough"), p)
        assert await reason_of(g) == "enough"
    assert p.completed == (order == "peer first")
    assert went_on == (["after the operation"] if p.completed else [])
    await p.check()


@operations
async def test_goroutine_that_is_nothing_but_the_operation(kind: str, cap: int) -> None:
    p = Parked(kind, cap)
    async with scope():
        g = go(p.coroutine)
        await settle()
        assert p.peer()
        g.cancel()
        # it has returned, so it was not cancelled
        p.record(await g)
    assert p.completed
    await p.check()


@operations
@in_both_orders
async def test_scope_cancelled_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str
) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await forever()

    async with scope() as s:
        g = go(operate)
        await settle()
        in_order(order, lambda: s.cancel("enough"), p)
    # left silently
    assert await reason_of(g) == "enough"
    assert p.completed == (order == "peer first")
    await p.check()


@operations
@in_both_orders
async def test_body_of_a_scope_cancelled_in_the_tick_of_the_peer(
    kind: str, cap: int, order: str
) -> None:
    p = Parked(kind, cap)
    left = False

    async def operate() -> None:
        nonlocal left
        async with scope() as inner:
            held.append(inner)
            await p.operate()
            await forever()
        left = True
        await anyio.lowlevel.checkpoint()

    held: list[gochan.Scope] = []
    async with scope():
        g = go(operate)
        await settle()
        in_order(order, held[0].cancel, p)
        await g
    assert left
    assert p.completed == (order == "peer first")
    await p.check()


@operations
async def test_a_sibling_fails_in_the_tick_of_the_peer(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await forever()

    async def fail() -> None:
        assert p.peer()
        raise ValueError("sibling")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(operate)
            await settle()
            go(fail)
    assert caught.group_contains(ValueError, depth=1)
    assert p.completed
    await p.check()


@operations
def test_the_run_ends_in_the_tick_of_the_peer(
    backend: dict[str, Any], kind: str, cap: int
) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await forever()

    async def main() -> None:
        go(operate)
        await settle()
        assert p.peer()

    run(main, **backend)
    assert p.completed
    run(p.check, **backend)


@operations
def test_the_run_ends_while_it_waits(
    backend: dict[str, Any], kind: str, cap: int
) -> None:
    p = Parked(kind, cap)

    async def main() -> None:
        go(p.operate)
        await settle()

    run(main, **backend)
    p.unchanged()
    run(p.check, **backend)


# Shields


@operations
async def test_cancelled_late_then_shielded(kind: str, cap: int) -> None:
    # receive, then deal with it in peace: the pattern shields are for
    p = Parked(kind, cap)
    seen: list[str] = []

    async def operate() -> None:
        await p.operate()
        with anyio.CancelScope(shield=True):
            for _ in range(5):
                await yield_()
                await anyio.lowlevel.checkpoint()
            seen.append("dealt with")
        await forever()
        seen.append("not cancelled")

    async with scope():
        g = go(operate)
        await settle()
        assert p.peer()
        g.cancel()
        await reason_of(g)
    assert p.completed
    assert seen == ["dealt with"]
    await p.check()


@operations
async def test_operation_inside_a_shield(kind: str, cap: int) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        with anyio.CancelScope(shield=True):
            await p.operate()
        await forever()

    async with scope():
        g = go(operate)
        await settle()
        g.cancel()
        await settle()
        assert p.waits()
        assert p.peer()
        await reason_of(g)
    assert p.completed
    await p.check()


async def test_a_shield_in_cleanup() -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(3):
                    await yield_()
                    await anyio.lowlevel.checkpoint()
                steps.append("cleaned")
            await anyio.lowlevel.checkpoint()
            steps.append("not cancelled")

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        await reason_of(g)
    assert steps == ["cleaned"]


async def test_a_shield_in_cleanup_inside_an_older_cancel_scope() -> None:
    # the goroutine has scopes of its own when it is cancelled
    steps: list[str] = []

    async def work() -> None:
        with anyio.CancelScope(), anyio.CancelScope() as own:
            try:
                await forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await yield_()
                    await anyio.lowlevel.checkpoint()
                    steps.append("cleaned")
                await anyio.lowlevel.checkpoint()
                steps.append("not cancelled")
        assert not own.cancelled_caught
        steps.append("scope swallowed it")

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        await reason_of(g)
    assert steps == ["cleaned"]


async def test_shielded_when_cancelled_and_not_after() -> None:
    steps: list[str] = []
    release = Chan[None]()

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            await release.recv()
            steps.append("released")
        await yield_()
        steps.append("not cancelled")

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        await settle()
        assert steps == []
        release.send_nowait(None)
        await reason_of(g)
    assert steps == ["released"]


async def test_a_shielded_scope_keeps_its_goroutines() -> None:
    # the goroutines inside are not cancelled before the shield ends
    steps: list[str] = []
    release = Chan[None]()

    async def inner() -> None:
        await release.recv()
        steps.append("inner")

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            async with scope():
                go(inner)
        await yield_()
        steps.append("not cancelled")

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        await settle()
        release.send_nowait(None)
        await reason_of(g)
    assert steps == ["inner"]


# Cancelled means at every checkpoint

CHECKPOINTS: dict[str, Callable[[], Any]] = {
    "recv": lambda: Chan[int]().recv(),
    "send": lambda: Chan[int]().send(1),
    "select": gochan.select,
    "yield_": yield_,
    "sleep": lambda: anyio.sleep(1000),
    "checkpoint": anyio.lowlevel.checkpoint,
    "event": lambda: anyio.Event().wait(),
}


@pytest.mark.parametrize("first", CHECKPOINTS)
@pytest.mark.parametrize("again", CHECKPOINTS)
async def test_cancelled_again_at_each_checkpoint(first: str, again: str) -> None:
    cancelled = anyio.get_cancelled_exc_class()
    times = 0

    async def work() -> None:
        nonlocal times
        try:
            while True:
                await CHECKPOINTS[first]()
        finally:
            for _ in range(4):
                try:
                    await CHECKPOINTS[again]()
                except cancelled:
                    times += 1

    async with scope():
        g = go(work)
        for _ in range(3):
            await yield_()
        g.cancel("enough")
        assert await reason_of(g) == "enough"
    assert times == 4


@pytest.mark.parametrize("scopes", [0, 1, 3])
@pytest.mark.parametrize("what", ["goroutine", "scope", "run", "sibling"])
def test_cleanup_without_a_shield_is_cancelled(
    backend: dict[str, Any], what: str, scopes: int
) -> None:
    # with and without cancel scopes of its own
    steps: list[str] = []

    async def work() -> None:
        with anyio.CancelScope(), anyio.CancelScope():
            pass
        entered = [anyio.CancelScope() for _ in range(scopes)]
        for each in entered:
            each.__enter__()
        try:
            await forever()
        finally:
            steps.append("cleanup")
            try:
                await anyio.sleep(1000)
                steps.append("not cancelled")
            finally:
                for each in reversed(entered):
                    each.__exit__(None, None, None)

    async def fail() -> None:
        raise ValueError("sibling")

    async def main() -> None:
        async with scope() as s:
            g = s.go(work)
            if what == "run":
                return
            await settle()
            if what == "goroutine":
                g.cancel()
            elif what == "scope":
                s.cancel()
            else:
                go(fail)

    async def outer() -> None:
        go(work)
        await settle()

    if what == "sibling":
        with pytest.raises(ExceptionGroup):
            run(main, **backend)
    else:
        run(outer if what == "run" else main, **backend)
    assert steps == ["cleanup"]


async def ends_soon(g: Goroutine[Any], count: Callable[[], int]) -> bool:
    """Whether ``g`` ends before all have done much more."""
    begun = count()
    for _ in range(1000):
        await anyio.lowlevel.checkpoint()
        if g.state == "done":
            return count() - begun < 1000
    return False


@pytest.mark.parametrize("who", ["first", "second"])
@pytest.mark.parametrize("late", range(3))
@pytest.mark.parametrize("scopes", [0, 1])
@pytest.mark.parametrize("selects", [False, True])
async def test_one_that_is_always_woken_at_once(
    who: str, late: int, scopes: int, *, selects: bool
) -> None:
    # the peer is faster than the cancellation each time; that must not last
    ping, pong = Chan[int](), Chan[int]()
    rounds = 0
    over = False

    async def play() -> None:
        nonlocal rounds
        with anyio.CancelScope() if scopes else contextlib.nullcontext():
            while not over:
                await ping.send(1)
                await pong.recv()
                rounds += 1

    async def reply() -> None:
        with anyio.CancelScope() if scopes else contextlib.nullcontext():
            while not over:
                if selects:
                    await select(recv(ping))
                    await select(send(pong, 1))
                else:
                    await ping.recv()
                    await pong.send(1)

    async with scope() as s:
        handles = [go(play), go(reply)]
        for _ in range(10 + late):
            await anyio.lowlevel.checkpoint()
        g = handles[who == "second"]
        try:
            g.cancel()
            assert await ends_soon(g, lambda: rounds), "it goes on for ever"
        finally:
            # a player that never notices must not hang the test as well
            over = True
            s.cancel()


@pytest.mark.parametrize("cap", [0, 1, 100])
async def test_one_that_always_finds_a_value_and_handles_it_in_a_shield(
    cap: int,
) -> None:
    # its only waits are shielded, and what is ready need not notice: in time it must
    ch = Chan[int](cap)
    handled = 0
    over = False

    async def produce() -> None:
        while not over:
            await ch.send(1)

    async def handle() -> None:
        nonlocal handled
        async for _ in ch:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            handled += 1
            if over:
                break

    async with scope() as s:
        go(produce)
        g = go(handle)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        try:
            g.cancel()
            assert await ends_soon(g, lambda: handled), "it goes on for ever"
        finally:
            over = True
            s.cancel()


async def test_cancelled_before_it_starts_runs_to_its_first_checkpoint() -> None:
    steps: list[str] = []

    async def work() -> None:
        steps.append("started")
        await yield_()
        steps.append("not cancelled")

    async with scope():
        g = go(work)
        g.cancel("early")
        assert await reason_of(g) == "early"
    assert steps == ["started"]


async def test_cancels_itself() -> None:
    steps: list[str] = []
    handle: list[Goroutine[None]] = []
    ready = Chan[int](1)

    async def work() -> None:
        handle[0].cancel("myself")
        steps.append("still here")
        await ready.send(1)
        steps.append("what is ready still may happen")
        await yield_()
        steps.append("not cancelled")

    async with scope():
        handle.append(go(work))
        assert await reason_of(handle[0]) == "myself"
    assert steps[0] == "still here"
    assert "not cancelled" not in steps


async def test_cancelled_twice_keeps_the_first_reason() -> None:
    async with scope():
        g = go(forever)
        await settle()
        g.cancel("first")
        g.cancel("second")
        assert await reason_of(g) == "first"


async def test_cancel_of_what_has_ended_does_nothing() -> None:
    async def work() -> int:
        return 7

    async with scope():
        g = go(work)
        assert await g == 7
        g.cancel()
        await settle()
        assert await g == 7


async def test_it_may_return_a_value_in_spite_of_being_cancelled() -> None:
    async def work() -> str:
        try:
            await forever()
        except anyio.get_cancelled_exc_class():
            pass
        return "all the same"

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        assert await g == "all the same"


async def test_what_it_raises_while_being_cancelled_is_a_failure() -> None:
    async def work() -> None:
        try:
            await forever()
        finally:
            raise ValueError("in cleanup")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g = go(work)
            await settle()
            g.cancel()
    assert caught.group_contains(ValueError, match="in cleanup", depth=1)


async def test_cancel_reaches_what_the_goroutine_waits_for() -> None:
    # its own scope, and anyio's task groups
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await forever()
        finally:
            ended.append(name)

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child, "task")
            async with scope():
                go(child, "goroutine")

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        await reason_of(g)
        assert sorted(ended) == ["goroutine", "task"]


async def test_a_goroutine_of_its_own_scope_shields_its_cleanup() -> None:
    # nested: the outer one is cancelled, and waits for the inner one's cleanup
    steps: list[str] = []

    async def inner() -> None:
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await yield_()
                    await anyio.lowlevel.checkpoint()
            steps.append("inner cleaned")

    async def work() -> None:
        try:
            async with scope():
                go(inner)
        finally:
            steps.append("scope left")

    async with scope():
        g = go(work)
        await settle()
        g.cancel()
        await reason_of(g)
    assert steps == ["inner cleaned", "scope left"]


@pytest.mark.parametrize("how", ["goroutine", "scope", "anyio"])
async def test_go_in_the_cleanup_of_a_cancelled_scope(how: str) -> None:
    # the new one is cancelled as well: nothing is left behind, nothing hangs
    ends: list[str] = []

    async def late() -> None:
        try:
            await forever()
        finally:
            ends.append("late")

    async def work() -> None:
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await yield_()
                    await anyio.lowlevel.checkpoint()
            go(late)
            ends.append("work")

    async def fail() -> None:
        raise ValueError("sibling")

    with anyio.fail_after(5):
        if how == "scope":
            async with scope() as s:
                go(work)
                await settle()
                s.cancel()
        elif how == "goroutine":
            with pytest.raises(ExceptionGroup):
                async with scope():
                    go(work)
                    await settle()
                    go(fail)
        else:
            with anyio.CancelScope() as outer:
                async with scope():
                    go(work)
                    await settle()
                    outer.cancel()
    assert ends == ["work", "late"]


def test_go_in_the_cleanup_at_the_end_of_a_run(backend: dict[str, Any]) -> None:
    ends: list[str] = []

    async def late() -> None:
        try:
            await forever()
        finally:
            ends.append("late")

    async def work() -> None:
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(5):
                    await yield_()
                    await anyio.lowlevel.checkpoint()
            go(late)

    async def main() -> None:
        go(work)
        await settle()

    async def outer() -> None:
        with anyio.fail_after(5):
            await gochan.arun(main)

    run(outer, **backend)
    assert ends == ["late"]


async def test_go_in_a_scope_that_was_cancelled() -> None:
    started: list[str] = []

    async def work() -> None:
        started.append("started")
        await forever()

    with anyio.fail_after(5):
        async with scope() as s:
            s.cancel("over")
            g = s.go(work)
    assert await reason_of(g) is not None or started in ([], ["started"])


async def test_anyio_scope_around_a_scope() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ends.append("work")

    with anyio.CancelScope() as outer:
        async with scope():
            go(work)
            await settle()
            outer.cancel()
        ends.append("went on")
    assert outer.cancelled_caught
    assert ends == ["work"]


async def test_deadline_around_a_scope_that_waits() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                await yield_()
            ends.append("work")

    with anyio.move_on_after(0.001) as outer:
        async with scope():
            go(work)
    assert outer.cancelled_caught
    assert ends == ["work"]


async def test_thousands_are_cancelled_and_clean_up() -> None:
    cleaned = 0

    async def work(shielded: bool) -> None:
        nonlocal cleaned
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=shielded):
                await yield_()
                cleaned += 1

    async with scope() as s:
        for number in range(2000):
            go(work, number % 2 == 0)
        await settle()
        s.cancel()
    assert cleaned == 1000


@pytest.mark.parametrize("what", ["goroutine", "scope", "anyio", "main"])
@pytest.mark.parametrize("cap", [0, 1])
async def test_goroutines_that_keep_each_other_busy_can_be_cancelled(
    what: str, cap: int
) -> None:
    # whenever the loop could deliver it, they have just been woken again
    there, back = Chan[int](cap), Chan[int](cap)

    async def first() -> None:
        while True:
            await there.send(1)
            await back.recv()

    async def second() -> None:
        while True:
            await there.recv()
            await back.send(1)

    async def work() -> None:
        async with scope():
            go(first)
            go(second)

    with anyio.fail_after(10):
        if what == "main":

            async def main() -> None:
                go(first)
                go(second)
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()

            await gochan.arun(main)
        elif what == "anyio":
            with anyio.CancelScope() as outer:
                async with scope():
                    go(work)
                    for _ in range(10):
                        await anyio.lowlevel.checkpoint()
                    outer.cancel()
        else:
            async with scope() as s:
                busy = [go(first), go(second)]
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
                if what == "scope":
                    s.cancel()
                for g in busy:
                    g.cancel()
