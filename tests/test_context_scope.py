"""Contexts as cancel scopes, and cancel scopes as contexts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import (
    Chan,
    GoroutineCancelled,
    _budget,
    context,
    go,
    recv,
    run,
    scope,
    select,
    testing,
    time,
    yield_,
)
from gochan.context import Canceled, Context, DeadlineExceeded
from support.idle import settle
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def forever() -> None:
    await Chan[None]().recv()


# A context as a scope

WAITS: dict[str, Callable[[], Awaitable[object]]] = {
    "a channel": lambda: Chan[None]().recv(),
    "a select": lambda: select(recv(Chan[None]()), recv(Chan[None]())),
    "a sleep": lambda: time.sleep(3600),
    "anyio's sleep": lambda: anyio.sleep(3600),
    "anyio's event": lambda: anyio.Event().wait(),
}


@pytest.mark.parametrize("what", WAITS)
async def test_what_is_awaited_is_cancelled(what: str) -> None:
    """And the scope is left silently."""
    ctx, cancel = context.with_cancel(context.background())
    reached: list[str] = []

    async def work() -> None:
        with ctx.scope():
            reached.append("inside")
            await WAITS[what]()
            reached.append("not here")
        reached.append("after")
        # outside nothing is cancelled
        await yield_()
        reached.append("later")

    async with scope():
        go(work)
        await settle()
        cancel()
    assert reached == ["inside", "after", "later"]


async def test_every_await_is_cancelled_and_not_just_the_first() -> None:
    ctx, cancel = context.with_cancel(context.background())
    cancel()
    raised = 0
    with ctx.scope():
        for _ in range(5):
            try:
                await anyio.sleep(0)
            except anyio.get_cancelled_exc_class():
                raised += 1
                if raised == 5:
                    raise
        pytest.fail("not cancelled")
    assert raised == 5


async def test_nothing_happens_if_it_is_not_done() -> None:
    ctx, cancel = context.with_cancel(context.background())
    with ctx.scope():
        await yield_()
        await Chan[int](1).send(1)
    # it has been left: whatever comes later does not concern this task
    cancel()
    await anyio.sleep(0)
    await yield_()
    # and it may be entered again
    with ctx.scope():
        await anyio.sleep(0)
        pytest.fail("not cancelled")


async def test_errors_leave_it() -> None:
    ctx, cancel = context.with_cancel(context.background())
    with pytest.raises(ZeroDivisionError), ctx.scope():
        cancel()
        raise ZeroDivisionError
    assert ctx.err() == Canceled()


async def test_of_the_background_it_never_ends() -> None:
    with context.background().scope():
        await anyio.sleep(0)
    with context.without_cancel(context.background()).scope():
        await anyio.sleep(0)


@in_bubble
async def test_it_has_the_deadline_of_the_context() -> None:
    ctx, _ = context.with_timeout(context.background(), 5)
    with anyio.CancelScope(deadline=100), ctx.scope():
        assert anyio.current_effective_deadline() == 5
        try:
            await anyio.sleep_forever()
        finally:
            # it is known why at once
            assert ctx.err() == DeadlineExceeded()
    assert time.now() == 5
    assert ctx.err() == DeadlineExceeded()


@in_bubble
async def test_a_scope_that_ends_by_its_deadline_says_why() -> None:
    """Though the context's clock, of another loop, is not so far."""
    ctx, _ = context.with_timeout(context.background(), 5)
    # Any: what is inside
    real: Any = ctx
    clock = real._clock

    class Behind:
        stands_still = True
        call_at = clock.call_at
        first = True

        def now(self) -> float:
            late, self.first = 0 if self.first else 0.001, False
            return float(clock.now()) - late

    real._alarm.cancel()
    real._clock = Behind()
    with ctx.scope():
        await forever()
    assert time.now() == pytest.approx(5)
    assert ctx.err() == DeadlineExceeded()


@in_bubble
async def test_nested_scopes() -> None:
    outer, cancel = context.with_timeout(context.background(), 5)
    inner, _ = context.with_timeout(outer, 1)
    left: list[str] = []
    with outer.scope():
        with inner.scope():
            await time.sleep(10)
        left.append("inner")
        assert time.now() == 1
        await time.sleep(10)
        left.append("not here")
    assert left == ["inner"]
    assert time.now() == 5
    cancel()


@in_bubble
async def test_a_shield_holds() -> None:
    ctx, _ = context.with_timeout(context.background(), 1)
    with ctx.scope():
        with anyio.CancelScope(shield=True):
            await time.sleep(5)
        assert time.now() == 5
        await yield_()
        pytest.fail("not cancelled")


def test_cancelled_by_a_thread(backend: dict[str, Any]) -> None:
    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())

        async def work() -> str:
            with ctx.scope():
                await forever()
            await yield_()
            return "left"

        working = go(work)
        await settle()
        thread = threading.Thread(target=cancel)
        thread.start()
        assert await working == "left"
        thread.join()

    run(main, **backend)


def test_cancelled_by_another_loop(backend: dict[str, Any]) -> None:
    """Which must not cancel it from there, though it has the same time."""

    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())
        here = threading.get_ident()
        ended: list[int] = []

        async def work() -> None:
            with ctx.scope():
                try:
                    await forever()
                finally:
                    ended.append(threading.get_ident())

        async def elsewhere() -> None:
            assert threading.get_ident() != here
            cancel()

        async with scope():
            go(work)
            await settle()
            async with gochan.executors.loops(1) as loops:
                await go(elsewhere, on=loops)
        assert ended == [here]

    run(main, **backend)


async def test_it_does_not_swallow_another_cancellation() -> None:
    ctx, _ = context.with_cancel(context.background())
    left = False

    async def work() -> None:
        nonlocal left
        with ctx.scope():
            await forever()
        left = True

    async with scope():
        working = go(work)
        await settle()
        working.cancel()
        with pytest.raises(GoroutineCancelled):
            await working
    assert not left
    assert ctx.err() is None


async def test_an_operation_that_has_happened_returns() -> None:
    """The value is not lost: cancelled at the next checkpoint."""
    ctx, cancel = context.with_cancel(context.background())
    ch = Chan[int]()
    got: list[int] = []

    async def receive() -> None:
        with ctx.scope():
            got.append(await ch.recv())
            await forever()
            got.append(-1)

    async with scope():
        go(receive)
        await settle()
        ch.send_nowait(7)
        cancel()
    assert got == [7]

    ctx, cancel = context.with_cancel(context.background())
    async with scope():
        go(receive)
        await settle()
        cancel()
        await settle()
        # who was cancelled takes nothing
        with pytest.raises(gochan.WouldBlock):
            ch.send_nowait(8)
    assert got == [7]


def test_a_thread_is_told_to_look_at_done(backend: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match=r"look at ctx.done\(\) instead"):
        context.background().scope().__enter__()


def test_in_a_fiber(backend: dict[str, Any]) -> None:
    pytest.importorskip("greenback")

    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())

        def work() -> str:
            with ctx.scope():
                Chan[None]().blocking_recv()
            return "left"

        working = go(work, on=gochan.fibers)
        await settle()
        cancel()
        assert await working == "left"

    run(main, **backend)


# A scope as a context


async def test_of_a_scope_that_is_cancelled() -> None:
    async with scope() as s:
        ctx = context.from_scope()
        assert str(ctx) == "context.FromScope.WithCancel"
        assert ctx.deadline() is None
        child, _ = context.with_cancel(ctx)
        assert child.err() is None
        s.cancel()
        assert child.err() == ctx.err() == Canceled()
        assert context.cause(child) == Canceled()


async def test_of_a_scope_in_which_somebody_fails() -> None:
    async def fail() -> None:
        raise ValueError("failed")

    made: list[Context] = []
    with pytest.raises(ExceptionGroup):
        async with scope():
            made.append(context.from_scope())
            go(fail)
            await forever()
    assert made[0].err() == Canceled()


async def test_of_a_scope_that_ends() -> None:
    async with scope():
        ctx = context.from_scope()
        await yield_()
        assert ctx.err() is None
    assert ctx.err() == Canceled()


async def test_of_a_goroutine_that_is_cancelled() -> None:
    made: dict[str, Context] = {}

    async def work(name: str) -> None:
        made[name] = context.from_scope()
        await forever()

    async with scope() as s:
        working, other = go(work, "this"), go(work, "other")
        await settle()
        ctx, others = made["this"], made["other"]
        assert ctx.err() is None
        assert ctx is not others
        working.cancel()
        # at once, before it has had a chance to end
        assert ctx.err() == Canceled()
        assert others.err() is None
        with pytest.raises(GoroutineCancelled):
            await working
        assert other.state == "parked"
        s.cancel()
        assert others.err() == Canceled()


async def test_of_a_goroutine_that_ends() -> None:
    async def work() -> Context:
        return context.from_scope()

    async with scope():
        ctx = await go(work)
        await settle()
        assert ctx.err() == Canceled()


async def test_of_anyios_scopes() -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            ctx = context.from_scope()
            inner.cancel()
            assert ctx.err() == Canceled()
        with anyio.CancelScope():
            ctx = context.from_scope()
            with anyio.CancelScope(shield=True):
                shielded = context.from_scope()
                outer.cancel()
                assert ctx.err() == Canceled()
                assert shielded.err() is None
    await yield_()


async def test_cancelled_already() -> None:
    with anyio.CancelScope() as cancelled:
        cancelled.cancel()
        ctx = context.from_scope()
        assert ctx.err() == Canceled()
        await yield_()
    await yield_()


async def test_the_same_one_as_long_as_nothing_changes() -> None:
    async with scope() as s:
        ctx = context.from_scope()
        assert context.from_scope() is ctx
        with anyio.CancelScope() as inner:
            within = context.from_scope()
            assert within is not ctx
            assert context.from_scope() is within
            inner.deadline = anyio.current_time() + 3600
            assert context.from_scope() is not within
            assert within.err() is None
        assert context.from_scope() is ctx
        s.cancel()
        assert context.from_scope() is ctx


@in_bubble
async def test_a_deadline_is_seen_by_the_other() -> None:
    made: list[Context] = []
    with anyio.move_on_after(5):
        ctx = context.from_scope()
        assert ctx.deadline() == 5
        child, _ = context.with_timeout(ctx, 60)
        assert child.deadline() == 5
        made += [ctx, child]
        with child.scope():
            assert anyio.current_effective_deadline() == 5
        await anyio.sleep_forever()
    assert [each.err() for each in made] == [DeadlineExceeded()] * 2
    assert time.now() == 5


@in_bubble
async def test_a_deadline_of_a_context_around_it() -> None:
    ctx, _ = context.with_timeout(context.background(), 5)
    made: list[Context] = []
    with ctx.scope():
        made.append(context.from_scope())
        assert made[0].deadline() == 5
        await forever()
    assert made[0].err() == DeadlineExceeded()


def test_a_bridge_to_a_thread(backend: dict[str, Any]) -> None:
    """Which cannot be cancelled, and is waited for."""
    begun = threading.Event()

    def work(ctx: Context) -> str:
        begun.set()
        ctx.done().blocking_recv_ok()
        return "stopped"

    async def main() -> None:
        results: list[str] = []

        async def bridge(around: anyio.CancelScope) -> None:
            with around:
                ctx = context.from_scope()
                results.append(await anyio.to_thread.run_sync(work, ctx))

        for how in ("the goroutine", "its scope", "one of anyio's"):
            async with scope() as s:
                around = anyio.CancelScope()
                working = go(bridge, around)
                await anyio.to_thread.run_sync(begun.wait)
                begun.clear()
                match how:
                    case "the goroutine":
                        working.cancel()
                    case "its scope":
                        s.cancel()
                    case _:
                        around.cancel()
        assert results == ["stopped"] * 3

    run(main, **backend)


def test_of_goroutines_elsewhere(backend: dict[str, Any], on: Any) -> None:
    async def main() -> None:
        made = Chan[Context](1)

        def work() -> None:
            made.blocking_send(context.from_scope())
            assert context.from_scope() is context.from_scope()
            Chan[None]().blocking_recv()

        working = go(work, on=on)
        ctx = await made.recv()
        await settle()
        assert ctx.err() is None
        working.cancel()
        with pytest.raises(GoroutineCancelled):
            await working
        assert ctx.err() == Canceled()

        def short() -> Context:
            return context.from_scope()

        ctx = await go(short, on=on)
        await settle()
        assert ctx.err() == Canceled()

    run(main, **backend)


def test_of_goroutines_on_other_loops(backend: dict[str, Any]) -> None:
    async def main() -> None:
        made = Chan[Context](1)

        async def work() -> None:
            await made.send(context.from_scope())
            await forever()

        async with gochan.executors.loops(1) as loops:
            working = go(work, on=loops)
            ctx = await made.recv()
            assert ctx.err() is None
            working.cancel()
            with pytest.raises(GoroutineCancelled):
                await working
            assert ctx.err() == Canceled()

    run(main, **backend)


def test_outside_of_everything() -> None:
    with pytest.raises(RuntimeError, match="no goroutine runs on this thread"):
        context.from_scope()


async def test_in_a_task_that_is_no_goroutine() -> None:
    made: list[Context] = []

    async def work() -> None:
        made.append(context.from_scope())
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await settle()
        (ctx,) = made
        assert ctx.err() is None
        group.cancel_scope.cancel()
        assert ctx.err() == Canceled()


async def test_many_in_one_goroutine_leave_nothing() -> None:
    """A server's goroutine makes one for each request."""
    made: list[Context] = []

    async def serve() -> None:
        own = context.from_scope()
        for _ in range(50):
            with anyio.move_on_after(3600):
                made.append(context.from_scope())
                await yield_()
            assert context.from_scope() is own

    async with scope():
        await go(serve)
    assert len(set(map(id, made))) == 50


async def test_the_budget_is_told_of_cancelled_goroutines_once() -> None:
    before = _budget.budget.cancelled

    async def work() -> None:
        context.from_scope()
        await forever()

    async with scope() as s:
        workers = [go(work) for _ in range(3)]
        await settle()
        workers[0].cancel()
        workers[0].cancel()
        await settle()
        s.cancel()
    assert _budget.budget.cancelled == before


@in_bubble
async def test_select_on_it_in_a_bubble() -> None:
    async def work() -> str:
        ctx = context.from_scope()
        chosen = await select(recv(ctx.done()), recv(time.after(100)))
        return "done" if chosen.index == 0 else "late"

    with anyio.move_on_after(5):
        async with scope():
            working = go(work)
            await testing.wait()
            with pytest.raises(GoroutineCancelled):
                await working
    assert time.now() == 5
