"""Contexts and wait groups in other processes."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, context, go, scope, sync, time
from gochan.context import Canceled, DeadlineExceeded, Key
from support import in_processes as there
from support.blocking import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

go_: Any = go


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with gochan.executors.processes(2, "forkserver") as pool:
        yield pool


async def call(fn: Any, *args: Any, on: Any) -> Any:
    async with scope():
        return await go_(fn, *args, on=on)


# Contexts


async def test_what_a_context_knows_there(pool: Any) -> None:
    ctx = context.with_value(context.background(), there.USER, "alice")
    with context.with_timeout(context.with_value(ctx, "text", 5), 60) as derived:
        for each in (derived, derived[0]):
            told = await call(there.look_at_context, each, 0, on=pool)
            assert 50 < told.pop("left") <= 60
            assert told == {
                "err": None,
                "user": "alice",
                "text": 5,
                "missing": None,
                "closed": told["closed"],
                "cause": None,
            }
            assert told["closed"][0] is TimeoutError


async def test_contexts_that_never_end(pool: Any) -> None:
    for ctx in (context.background(), context.todo()):
        assert await call(there.same, ctx, on=pool) is ctx
    told = await call(there.look_at_context, context.background(), 0, on=pool)
    assert (told["left"], told["err"]) == (None, None)


async def test_the_end_is_seen_there(pool: Any) -> None:
    told = Chan[str]()
    async with scope():
        ctx, cancel = context.with_cancel_cause(context.background())
        inner, _ = context.with_cancel(ctx)
        g = go(there.until_done, inner, told, on=pool)
        await told.recv()
        cancel(KeyError("enough"))
        err, cause, derived, why = await g
        assert err == derived == Canceled()
        assert isinstance(cause, KeyError)
        assert isinstance(why, KeyError)
        # also of one that has ended before it is passed on
        err, cause, _, _ = await _ended(pool, ctx, told)
        assert err == Canceled()
        assert isinstance(cause, KeyError)


async def _ended(pool: Any, ctx: Any, told: Chan[str]) -> Any:
    g = go(there.until_done, ctx, told, on=pool)
    await told.recv()
    return await g


async def test_a_deadline_is_seen_there(pool: Any) -> None:
    told = Chan[str]()
    async with scope():
        with context.with_timeout(context.background(), 0.05) as ctx:
            err, cause, derived, _ = await _ended(pool, ctx, told)
        assert err == cause == derived == DeadlineExceeded()


async def test_a_scope_of_a_context_there(pool: Any) -> None:
    told = Chan[str]()
    async with scope():
        ctx, cancel = context.with_cancel(context.background())
        g = go(there.auntil_done, ctx, told, on=pool)
        await told.recv()
        cancel()
        assert await g == (Canceled(), False)


async def test_a_context_that_comes_back_is_itself(pool: Any) -> None:
    ctx, _ = context.with_cancel(context.background())
    assert await call(there.same, ctx, on=pool) is ctx
    sink = Chan[Any](1)
    await call(there.pass_on, ctx, sink, on=pool)
    assert sink.recv_nowait() is ctx


async def test_from_process_to_process(pool: Any) -> None:
    sink, told = Chan[Any](1), Chan[str]()
    async with scope():
        ctx, cancel = context.with_cancel(context.background())
        await go(there.pass_on, ctx, sink, on=pool)
        g = go(there.until_done, sink.recv_nowait(), told, on=pool)
        await told.recv()
        cancel()
        assert (await g)[0] == Canceled()


async def test_a_context_is_let_go_of(pool: Any) -> None:
    ctx, _ = context.with_cancel(context.background())
    for _ in range(30):
        await call(there.look_at_context, ctx, 0, on=pool)
    await call(there.collect, on=pool)
    await call(there.collect, on=pool)
    gc.collect()
    own: Any = ctx
    await eventually(lambda: len(own._children) < 10)


async def test_the_process_of_a_context_dies(pool: Any) -> None:
    sink = Chan[Any](1)
    async with scope():
        await go(there.make_context, sink, on=pool)
        ctx = sink.recv_nowait()
        assert ctx.err() is None
        os.kill(ctx.value("pid"), signal.SIGKILL)
        await ctx.done().recv_ok()
    assert ctx.err() == Canceled()
    assert isinstance(context.cause(ctx), gochan.BrokenWorkerProcess)


async def test_keys_and_values_that_cannot_be_passed(pool: Any) -> None:
    local = Key[int]("local")
    for ctx, text in (
        (
            context.with_value(context.background(), local, 1),
            "Key('local') is not found",
        ),
        (
            context.with_value(context.background(), "lock", there.Locked()),
            "cannot pickle '_thread.lock' object",
        ),
    ):
        async with scope():
            with pytest.raises(TypeError) as caught:
                go(there.same, ctx, on=pool)
            assert text in str(caught.value)
    assert pickle.loads(pickle.dumps(there.USER)) is there.USER


def test_contexts_are_not_copied() -> None:
    ctx, _ = context.with_cancel(context.background())
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a context is passed on only as"):
            attempt(ctx)


# Wait groups


async def test_a_wait_group_there(pool: Any) -> None:
    wg = sync.WaitGroup()
    told = Chan[str]()
    wg.add(2)
    async with scope():
        g = go(there.await_group, wg, told, on=pool)  # pyright: ignore[reportUnknownVariableType]
        assert await told.recv() == f"<WaitGroup of process {os.getpid()}>"
        wg.done()
        timeout, late = await go(there.be_done, wg, 1, on=pool)
        assert timeout is None
        assert (late[0], late[1]) == (
            sync.NegativeCounter,
            "sync: negative WaitGroup counter",
        )
        assert await g == "waited"
        wg.add(1)
        timeout, _ = await go(there.be_done, wg, 0, on=pool)
        assert timeout[0] is TimeoutError
        assert "not zero within 0.01 seconds: <WaitGroup of process" in timeout[1]


async def test_it_counts_goroutines_there(pool: Any) -> None:
    wg, ch = sync.WaitGroup(), Chan[int]()
    async with scope():
        wg.add(1)
        g = go(there.go_in_group, wg, ch, on=pool)  # pyright: ignore[reportUnknownVariableType]
        assert {await ch.recv(), await ch.recv()} == {1, 2}
        wg.done()
        await wg.wait()
        await g


async def test_a_wait_group_that_comes_back_is_itself(pool: Any) -> None:
    wg = sync.WaitGroup()
    assert await call(there.same, wg, on=pool) is wg


async def test_locks_stay_at_home(pool: Any) -> None:
    async with scope():
        with pytest.raises(
            TypeError, match=r"args\[0\]: .* cannot be copied or pickled"
        ):
            go(there.same, sync.Mutex(), on=pool)
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            pickle.dumps(sync.WaitGroup())
    assert time.now() > 0
