"""Cancelling plain functions wherever they run: nothing is lost, and it is exact."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import (
    Cancelled,
    Chan,
    Goroutine,
    GoroutineCancelled,
    go,
    run,
    scope,
    yield_,
)
from gochan._backends._thread import shielded
from support.blocking import BlockingParked, eventually, parked
from support.parked import operations
from support.threads import until

if TYPE_CHECKING:
    from gochan.executors import Executor


def is_cancellation(error: BaseException | None, on: Executor) -> bool:
    """Whether it is the one that belongs to that executor."""
    if on is gochan.fibers:
        return type(error).__name__ in {"CancelledError", "Cancelled"} and (
            not isinstance(error, Cancelled)
        )
    return type(error) is Cancelled


@operations
@pytest.mark.parametrize("what", ["goroutine", "scope"])
async def test_a_parked_operation_is_cancelled(
    on: Executor, kind: str, cap: int, what: str
) -> None:
    p = BlockingParked(kind, cap)
    raised: list[BaseException | None] = []

    def work() -> None:
        try:
            p.blocking_operate()
        finally:
            raised.append(sys.exc_info()[1])

    async with scope() as s:
        g = go(work, on=on)
        await parked(g)
        if what == "goroutine":
            g.cancel("not needed")
        else:
            s.cancel("not needed")
        with pytest.raises(GoroutineCancelled, match="not needed"):
            with anyio.CancelScope(shield=True):
                await g
        p.unchanged()
        # nobody is there for a rendezvous
        assert p.peer() == (cap > 0)
    (error,) = raised
    assert is_cancellation(error, on)
    if isinstance(error, Cancelled):
        assert str(error) == f"goroutine 'work' (id {g.id}) was cancelled: not needed"
    await p.check()


@operations
@pytest.mark.parametrize("order", ["cancel first", "peer first"])
async def test_a_peer_and_a_cancellation_in_the_same_tick(
    on: Executor, kind: str, cap: int, order: str
) -> None:
    p = BlockingParked(kind, cap)
    forever = Chan[int]()

    def work() -> None:
        p.blocking_operate()
        forever.blocking_recv()

    async with scope():
        g = go(work, on=on)
        await parked(g)
        if order == "cancel first":
            g.cancel()
            p.peer()
        else:
            assert p.peer()
            g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    if order == "peer first":
        assert p.completed
    await p.check()


async def test_it_is_raised_again_at_every_operation(on: Executor) -> None:
    full = Chan[int](1)
    full.send_nowait(1)
    steps: list[str] = []

    def attempt(name: str, ch: Chan[int]) -> None:
        try:
            ch.blocking_recv()
        except BaseException as error:
            assert is_cancellation(error, on)
            steps.append(name)
        else:
            steps.append(f"{name} returned")

    def work() -> None:
        try:
            Chan[int]().blocking_recv()
        finally:
            attempt("empty", Chan[int]())
            attempt("again", Chan[int]())
            # what never waits is not cancelled
            assert full.recv_nowait() == 1

    async with scope():
        g = go(work, on=on)
        await parked(g)
        g.cancel()
    assert steps == ["empty", "again"]
    assert len(full) == 0


async def test_nothing_is_cancelled_in_a_shield(on: Executor) -> None:
    last = Chan[int]()
    cancelled: list[bool] = []

    def work() -> int:
        try:
            Chan[int]().blocking_recv()
        finally:
            with shielded():
                with shielded():
                    pass
                got = last.blocking_recv()
            try:
                last.blocking_recv()
            except BaseException as error:
                cancelled.append(is_cancellation(error, on))
        return got

    async with scope():
        g = go(work, on=on)
        await parked(g)
        g.cancel()
        await eventually(lambda: last.stats().waiting_receivers)
        # a goroutine that is in one is not disturbed either
        g.cancel()
        await yield_()
        await last.send(3)
    assert cancelled == [True]


async def test_cancelled_in_a_shield(on: Executor) -> None:
    ch = Chan[int]()

    def work() -> int:
        with shielded():
            got = ch.blocking_recv()
        return got + ch.blocking_recv()

    async with scope():
        g = go(work, on=on)
        await parked(g)
        g.cancel()
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        await ch.send(1)
        with pytest.raises(GoroutineCancelled):
            await g
    assert ch.stats().waiting_receivers == 0


def test_a_shield_outside_of_goroutines() -> None:
    ch = Chan[int](1)
    with shielded():
        ch.blocking_send(1)
        assert ch.blocking_recv() == 1


async def test_it_may_return_in_spite_of_it(on: Executor) -> None:
    def work() -> str:
        try:
            Chan[int]().blocking_recv()
        except BaseException:
            return "a result"
        return "not cancelled"

    async with scope():
        g = go(work, on=on)
        await parked(g)
        g.cancel()
        assert await g == "a result"


async def test_what_it_raises_instead_is_an_error(on: Executor) -> None:
    def work() -> None:
        try:
            Chan[int]().blocking_recv()
        finally:
            raise ValueError("instead")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g = go(work, on=on)
            await parked(g)
            g.cancel()
    (error,) = caught.value.exceptions
    assert repr(error) == "ValueError('instead')"
    assert is_cancellation(error.__context__, on)


async def test_cancelled_before_it_begins(on: Executor) -> None:
    if on is gochan.fibers:
        pytest.skip("like a coroutine, a fiber is cancelled where it first waits")
    begun: list[int] = []
    async with scope():
        g = go(begun.append, 1, on=on)
        g.cancel("too early")
        with pytest.raises(GoroutineCancelled, match="too early"):
            await g
    assert begun == []


async def test_it_raises_a_cancellation_of_its_own() -> None:
    def work() -> None:
        raise Cancelled("enough")

    async with scope():
        g = go(work, on=gochan.threads)
        with pytest.raises(GoroutineCancelled, match="enough"):
            await g


async def test_cancelled_by_itself(on: Executor) -> None:
    def work() -> None:
        me[0].cancel("by itself")
        Chan[int]().blocking_recv()

    async with scope():
        me = [go(work, on=on)]
        with pytest.raises(GoroutineCancelled, match="by itself"):
            await me[0]


async def test_a_scope_waits_for_what_does_not_notice(on: Executor) -> None:
    # a function that computes is not interrupted
    if on is gochan.fibers:
        pytest.skip("nothing else runs while a fiber computes")
    steps: list[str] = []

    def work() -> None:
        steps.append("begun")
        until(lambda: "go on" in steps)
        steps.append("ended")

    async with scope() as s:
        g = go(work, on=on)
        await eventually(lambda: steps)
        s.cancel()
        with anyio.CancelScope(shield=True):
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
        assert g.state == "running"
        steps.append("go on")
    assert steps == ["begun", "go on", "ended"]
    # it has not noticed
    assert await g is None  # type: ignore[func-returns-value]


def test_the_end_of_the_run_cancels_them(on: Executor, backend: dict[str, Any]) -> None:
    raised: list[BaseException] = []

    def waits() -> None:
        try:
            Chan[int]().blocking_recv()
        except BaseException as error:
            raised.append(error)
            raise

    async def main() -> str:
        await parked(*[go(waits, on=on) for _ in range(3)])
        return "result"

    assert run(main, **backend) == "result"
    assert len(raised) == 3
    assert all(is_cancellation(error, on) for error in raised)


async def test_a_cancel_scope_around_the_scope(on: Executor) -> None:
    p = BlockingParked("recv", 0)
    started: list[Goroutine[None]] = []
    with anyio.CancelScope() as outer:
        async with scope():
            started.append(go(p.blocking_operate, on=on))
            await parked(*started)
            outer.cancel()
            await anyio.sleep_forever()
    assert outer.cancelled_caught
    assert started[0].state == "done"
    p.unchanged()
