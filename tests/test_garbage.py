"""What was used is freed at once: nothing of gochan's is left for the collector."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gochan import (
    Chan,
    ChanClosed,
    GoroutineCancelled,
    go,
    recv,
    scope,
    select,
    select_nowait,
    send,
    yield_,
)
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

never = Chan[int]()


async def nothing() -> int:
    return 1


async def fail() -> None:
    raise ValueError


async def transfer() -> None:
    ch, back = Chan[int](), Chan[int](1)
    async with scope():
        go(ch.send, 1)
        await back.send(await ch.recv())
        await back.recv()


async def choose() -> None:
    ch = Chan[int]()
    async with scope():
        go(ch.send, 1)
        case = recv(ch)
        assert await select(case, never) is case
        assert select_nowait(case, send(never, 1)) is None


async def close() -> None:
    ch = Chan[int]()
    async with scope():
        go(ch.recv_ok)
        await yield_()
        ch.close()
    with pytest.raises(ChanClosed):
        await ch.recv()


async def join() -> None:
    async with scope():
        assert await go(nothing) == 1


async def join_cancelled() -> None:
    async with scope():
        goroutine = go(never.recv)
        await yield_()
        goroutine.cancel()
        with pytest.raises(GoroutineCancelled):
            await goroutine


async def fail_in_scope() -> None:
    with pytest.raises(ExceptionGroup):
        async with scope():
            go(fail)


async def fail_in_body() -> None:
    with pytest.raises(ExceptionGroup):
        async with scope():
            go(never.recv)
            raise ValueError


async def cancel_scope() -> None:
    async with scope() as s:
        go(never.recv)
        await yield_()
        s.cancel()


async def time_out() -> None:
    with anyio.move_on_after(0):
        await never.recv()
    with anyio.move_on_after(0):
        await select(never, send(never, 1))


@pytest.mark.parametrize(
    "use",
    [
        transfer,
        choose,
        close,
        join,
        join_cancelled,
        fail_in_scope,
        fail_in_body,
        cancel_scope,
        time_out,
    ],
)
async def test_no_garbage_that_only_gc_finds(use: Callable[[], Awaitable[Any]]) -> None:
    await use()
    await settle()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            await use()
        await settle()
        gc.collect()
        # of others there may be some
        kinds: set[type[object]] = {type(thing) for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert {kind for kind in kinds if kind.__module__.startswith("gochan")} == set()
