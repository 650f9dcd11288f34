"""errgroup, semaphore, singleflight, pipeline. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import anyio

from gochan import (
    Chan,
    RecvChan,
    context,
    errgroup,
    pipeline,
    semaphore,
    singleflight,
    threads,
)
from gochan.context import Context, Derived, Key

if TYPE_CHECKING:
    import asyncio
    import queue
    from collections.abc import AsyncIterator

LIMIT = Key[int]("limit")


async def fetch(ctx: Context, url: str) -> bytes:
    return url.encode()


def digest(data: bytes) -> str:
    return data.hex()


async def slow(data: bytes) -> str:
    return data.hex()


# errgroup


async def groups() -> None:
    group = errgroup.Group(limit=3)
    ctx = context.background()
    assert_type(await group.go(fetch, ctx, "a", name="a"), None)
    assert_type(group.try_go(fetch, ctx, "a"), bool)
    assert_type(await group.go(digest, b"", on=threads), None)
    assert_type(group.try_go(digest, b"", on=threads), bool)
    assert_type(await group.wait(), None)
    assert_type(group.blocking_wait(1), None)
    assert_type(group.set_limit(None), None)
    await group.go(fetch, ctx)  # type: ignore[arg-type]
    await group.go(fetch, ctx, 3)  # type: ignore[arg-type, call-arg]
    # a plain function runs elsewhere
    await group.go(digest, b"")  # type: ignore[arg-type]
    group.try_go(digest, b"")  # type: ignore[arg-type]
    errgroup.Group("3")  # type: ignore[arg-type]
    async with errgroup.Group() as entered:
        assert_type(entered, errgroup.Group)


async def groups_with_contexts(parent: Context) -> None:
    group, ctx = errgroup.with_context(parent)
    assert_type(group, errgroup.Group)
    assert_type(ctx, Context)
    async with errgroup.with_context(parent) as (group2, ctx2):
        assert_type(group2, errgroup.Group)
        assert_type(ctx2, Context)
    errgroup.with_context(None)  # type: ignore[arg-type]


# context


def contexts(parent: Context) -> None:
    assert_type(context.with_value(parent, LIMIT, 3), Context)
    assert_type(parent.value(LIMIT), int | None)
    assert_type(parent.value("limit"), Any)
    ctx, cancel = context.with_timeout(parent, 1)
    assert_type(ctx, Context)
    assert_type(cancel(), None)
    cancel(ValueError())  # type: ignore[call-arg]
    with context.with_cancel_cause(parent) as (ctx, because):
        assert_type(because(ValueError()), None)
        because("why")  # type: ignore[arg-type]
    derived = context.with_cancel(parent)
    # it is a context itself
    as_one: Context = derived
    assert_type(isinstance(as_one, Derived), bool)
    assert_type(context.cause(derived), BaseException | None)


# semaphore, singleflight


async def shared(w: semaphore.Weighted, group: singleflight.Group) -> None:
    assert_type(await w.acquire(2), None)
    assert_type(w.try_acquire(), bool)
    async with w.hold(2):
        pass
    await w.acquire("2")  # type: ignore[arg-type]

    async def load() -> list[int]:
        return []

    value, was_shared = await group.do("key", load)
    assert_type(value, list[int])
    assert_type(was_shared, bool)
    result = await group.do_chan("key", load).recv()
    assert_type(result, singleflight.Result[list[int]])
    assert_type(result.value, list[int])
    assert_type(result.error, BaseException | None)
    await group.do("key", fetch)  # type: ignore[arg-type]


# pipeline


async def rows() -> AsyncIterator[bytes]:
    yield b""


async def stages(data: RecvChan[bytes], numbers: RecvChan[int]) -> None:
    assert_type(pipeline.source([1, 2]), RecvChan[int])
    assert_type(pipeline.source(rows()), RecvChan[bytes])
    assert_type(pipeline.map(digest, data), RecvChan[str])
    assert_type(pipeline.map(slow, data, workers=3, ordered=False), RecvChan[str])
    assert_type(pipeline.map(digest, data, on=threads, cap=2), RecvChan[str])
    pipeline.map(digest, numbers)  # type: ignore[arg-type]
    pipeline.map(digest, data, caps=2)  # type: ignore[call-overload]
    assert_type(pipeline.filter(lambda n: n > 1, numbers), RecvChan[int])
    assert_type(pipeline.batch(data, 3, within=0.5), RecvChan[list[bytes]])
    assert_type(pipeline.window(data, 3), RecvChan[tuple[bytes, ...]])
    assert_type(pipeline.zip(data, numbers), RecvChan[tuple[bytes, int]])
    assert_type(pipeline.zip(data, numbers, data), RecvChan[tuple[bytes, int, bytes]])
    assert_type(pipeline.merge(data, data), RecvChan[bytes])
    assert_type(pipeline.broadcast(data, 2), list[RecvChan[bytes]])
    assert_type(pipeline.fan_out(data, 2), list[RecvChan[bytes]])
    assert_type(pipeline.take(data, 2), RecvChan[bytes])
    assert_type(pipeline.rate_limit(data, 10, burst=2), RecvChan[bytes])
    assert_type(pipeline.debounce(data, 0.1), RecvChan[bytes])
    assert_type(pipeline.or_done(context.background(), data), RecvChan[bytes])
    assert_type(await pipeline.collect(data), list[bytes])
    pipeline.take([1, 2], 1)  # type: ignore[arg-type]
    pipeline.source(3)  # type: ignore[arg-type]
    # who makes a channel may send to it; who gets a stage's may not
    pipeline.take(data, 1).send(b"")  # type: ignore[attr-defined]


async def adapters(a: asyncio.Queue[int], q: queue.Queue[str]) -> None:
    send, receive = anyio.create_memory_object_stream[int](1)
    assert_type(pipeline.from_stream(receive), RecvChan[int])
    assert_type(pipeline.from_queue(a), RecvChan[int])
    assert_type(pipeline.from_queue(q), RecvChan[str])
    assert_type(pipeline.from_async_iterable(rows()), RecvChan[bytes])
    assert_type(await pipeline.to_stream(Chan[int](), send), None)
    assert_type(await pipeline.to_queue(Chan[str](), q), None)
    await pipeline.to_queue(Chan[str](), a)  # type: ignore[misc]
    await pipeline.to_stream(Chan[str](), send)  # type: ignore[misc]


async def published(news: pipeline.PubSub[str]) -> None:
    assert_type(news.subscribe("weather", cap=3), RecvChan[str])
    assert_type(await news.publish("weather", "sunny"), int)
    await news.publish("weather", 3)  # type: ignore[arg-type]
