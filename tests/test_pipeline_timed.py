"""Stages that look at the clock, publish and subscribe, and adapters."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gochan import (
    Chan,
    SendOnClosed,
    context,
    go,
    pipeline,
    run,
    scope,
    testing,
    threads,
    time,
)
from gochan.buffers import Sliding, Unbounded
from support.idle import settle
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gochan import RecvChan, SendChan


async def feed(numbers: SendChan[int], *gaps: float) -> None:
    """0, 1, 2 ..., each after its gap, then the end."""
    for number, gap in enumerate(gaps):
        await time.sleep(gap)
        await numbers.send(number)
    numbers.close()


async def timed(channel: RecvChan[Any]) -> list[tuple[float, Any]]:
    return [(round(time.now(), 6), value) async for value in channel]


# batch


@in_bubble
async def test_batch() -> None:
    async def of(length: int, n: int) -> list[list[int]]:
        return await pipeline.collect(pipeline.batch(pipeline.source(range(length)), n))

    assert await of(7, 3) == [[0, 1, 2], [3, 4, 5], [6]]
    assert await of(6, 3) == [[0, 1, 2], [3, 4, 5]]
    assert await of(3, 1) == [[0], [1], [2]]
    assert await of(0, 3) == []


@in_bubble
async def test_batch_within() -> None:
    numbers = Chan[int]()
    go(feed, numbers, 1, 1, 1, 10, 1, 20)
    got = await timed(pipeline.batch(numbers, 2, within=5))
    # full at 2; late at 3 + 5; full at 14; the end at 34
    assert got == [(2, [0, 1]), (8, [2]), (14, [3, 4]), (34, [5])]


@in_bubble
async def test_batch_waits_from_the_first_value_on() -> None:
    numbers = Chan[int]()
    go(feed, numbers, 100, 3, 3, 3)
    got = await timed(pipeline.batch(numbers, 10, within=5))
    assert got == [(105, [0, 1]), (109, [2, 3])]


# rate_limit


@in_bubble
async def test_rate_limit() -> None:
    got = await timed(pipeline.rate_limit(pipeline.source(range(5)), per_second=2))
    assert got == [(0, 0), (0.5, 1), (1, 2), (1.5, 3), (2, 4)]


@in_bubble
async def test_rate_limit_with_a_burst() -> None:
    limited = pipeline.rate_limit(pipeline.source(range(6)), per_second=1, burst=3)
    assert await timed(limited) == [(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5)]


@in_bubble
async def test_rate_limit_saves_up_no_more_than_the_burst() -> None:
    numbers = Chan[int]()
    go(feed, numbers, 0, 100, 0, 0, 0)
    limited = pipeline.rate_limit(numbers, per_second=1, burst=2)
    assert await timed(limited) == [(0, 0), (100, 1), (100, 2), (101, 3), (102, 4)]


# debounce


@in_bubble
async def test_debounce() -> None:
    numbers = Chan[int]()
    go(feed, numbers, 1, 1, 1, 10, 10, 1)
    got = await timed(pipeline.debounce(numbers, 5))
    # the last one at once, since the channel was closed
    assert got == [(8, 2), (18, 3), (24, 5)]


@in_bubble
async def test_debounce_of_nothing() -> None:
    numbers = Chan[int]()
    go(feed, numbers)
    assert await timed(pipeline.debounce(numbers, 5)) == []


# or_done


@in_bubble
async def test_or_done() -> None:
    ctx, _ = context.with_timeout(context.background(), 3.5)
    ticks = time.tick(1)
    assert await timed(pipeline.or_done(ctx, ticks)) == [(1, 1), (2, 2), (3, 3)]


@in_bubble
async def test_or_done_while_nobody_receives() -> None:
    ctx, cancel = context.with_cancel(context.background())
    output = pipeline.or_done(ctx, pipeline.source(range(9)))
    await testing.wait()
    cancel()
    await testing.wait()
    assert output.closed


@in_bubble
async def test_or_done_ends_with_its_input() -> None:
    output = pipeline.or_done(context.background(), pipeline.source(range(3)))
    assert await pipeline.collect(output) == [0, 1, 2]


# PubSub


async def test_subscribers_get_what_is_published_under_their_topic() -> None:
    async with scope():
        news = pipeline.PubSub[str]()
        a1 = news.subscribe("a", cap=10)
        a2 = news.subscribe("a", cap=10)
        b = news.subscribe("b", cap=10)
        assert await news.publish("a", "one") == 2
        assert await news.publish("b", "two") == 1
        assert await news.publish("c", "three") == 0
        news.close()
        assert await pipeline.collect(a1) == ["one"]
        assert await pipeline.collect(a2) == ["one"]
        assert await pipeline.collect(b) == ["two"]
        with pytest.raises(SendOnClosed):
            await news.publish("a", "late")
        with pytest.raises(SendOnClosed):
            news.subscribe("a")
        news.close()


async def test_all_subscribers_get_the_same_order() -> None:
    async with scope():
        news = pipeline.PubSub[int]()
        subscriptions = [news.subscribe("n") for _ in range(3)]
        readers = [go(pipeline.collect, each) for each in subscriptions]
        del subscriptions

        async def publish(first: int) -> None:
            for n in range(first, first + 20):
                assert await news.publish("n", n) == 3

        async with scope():
            for first in (0, 100, 200):
                go(publish, first)
        news.close()
        got = [await reader for reader in readers]
    assert len(got[0]) == 60
    assert got[0] == got[1] == got[2]


async def test_a_subscription_ends() -> None:
    async with scope():
        news = pipeline.PubSub[int]()
        slow, other = news.subscribe("n"), news.subscribe("n", cap=10)
        publishing = go(news.publish, "n", 1)
        await settle()
        # it waits for the slow one, which leaves
        news.unsubscribe(slow)
        assert await publishing == 1
        assert slow.closed
        news.unsubscribe(slow)
        # so does one that nobody refers to any more
        del slow
        gone = news.subscribe("n")
        publishing = go(news.publish, "n", 2)
        await settle()
        del gone
        assert await publishing == 1
        assert len(other) == 2


async def test_a_subscriber_that_need_not_keep_up() -> None:
    async with scope():
        news = pipeline.PubSub[int]()
        latest = news.subscribe("n", buffer=Sliding(2))
        for n in range(10):
            await news.publish("n", n)
        assert [await latest.recv(), await latest.recv()] == [8, 9]


# Adapters


async def test_streams_there_and_back() -> None:
    sending, receiving = anyio.create_memory_object_stream[int](3)
    async with scope():

        async def forward() -> None:
            async with sending:
                await pipeline.to_stream(pipeline.source(range(10)), sending)

        go(forward)
        got = await pipeline.collect(pipeline.from_stream(receiving))
        receiving.close()
    assert got == list(range(10))


async def test_from_async_iterable() -> None:
    async def numbers() -> AsyncIterator[int]:
        for n in range(3):
            yield n

    async with scope():
        channel = pipeline.from_async_iterable(numbers())
        assert channel.name == "from_async_iterable"
        assert await pipeline.collect(channel) == [0, 1, 2]
        wrong: Any = [1]
        with pytest.raises(TypeError, match="wants what `async for` iterates over"):
            pipeline.from_async_iterable(wrong)
        with pytest.raises(TypeError, match=r"from_stream\(\) wants what"):
            pipeline.from_stream(wrong)


def test_queues_of_asyncio() -> None:
    async def main() -> None:
        q: asyncio.Queue[int] = asyncio.Queue(2)
        async with scope():
            go(pipeline.to_queue, pipeline.source(range(10)), q)
            got = pipeline.from_queue(q)
            assert await pipeline.collect(pipeline.take(got, 10)) == list(range(10))

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="asyncio's cannot be shut down")
def test_a_queue_of_asyncio_that_is_shut_down() -> None:
    async def main() -> None:
        q: Any = asyncio.Queue[int]()
        q.put_nowait(1)
        q.shutdown()
        async with scope():
            assert await pipeline.collect(pipeline.from_queue(q)) == [1]

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="queues cannot be shut down")
async def test_a_queue_of_threads_that_is_shut_down() -> None:
    q: Any = queue.Queue[int]()
    q.put(1)
    async with scope():
        got = pipeline.from_queue(q)
        assert await got.recv() == 1
        await settle()
        q.shutdown()
        assert await pipeline.collect(got) == []


@pytest.mark.parametrize("kind", [queue.Queue, queue.PriorityQueue])
async def test_queues_of_threads(kind: type[queue.Queue[int]]) -> None:
    q = kind(2)

    def put() -> None:
        for n in range(20):
            q.put(n)

    thread = threading.Thread(target=put)
    thread.start()
    async with scope():
        got = pipeline.take(pipeline.from_queue(q), 20)
        assert sorted(await pipeline.collect(got)) == list(range(20))
    thread.join()

    q = kind(2)
    received: list[int] = []

    def get() -> None:
        for _ in range(20):
            received.append(q.get())
            q.task_done()

    thread = threading.Thread(target=get)
    thread.start()
    async with scope():
        await pipeline.to_queue(pipeline.source(range(20)), q)
    thread.join()
    q.join()
    assert sorted(received) == list(range(20))


async def test_waiting_for_a_queue_of_threads_can_be_cancelled() -> None:
    empty: queue.Queue[int] = queue.Queue()
    full: queue.Queue[int] = queue.Queue(1)
    full.put(0)
    async with scope() as s:
        output = pipeline.from_queue(empty)
        filling = go(pipeline.to_queue, pipeline.source([1, 2]), full)
        await settle()
        s.cancel()
        await output.recv()
    assert filling.state == "done"
    # nobody takes what comes now
    empty.put(1)
    assert empty.get_nowait() == 1
    assert full.get_nowait() == 0
    assert full.empty()


async def test_a_thread_with_a_value_that_nobody_wants() -> None:
    q: queue.Queue[int] = queue.Queue()
    for n in range(3):
        q.put(n)
    with anyio.fail_after(10):
        async with scope():
            output = pipeline.from_queue(q)
            assert await output.recv() == 0
            await settle()
            del output
    # the one that it had in its hand is lost
    assert q.get_nowait() == 2


async def test_other_queues_are_refused() -> None:
    simple: Any = queue.SimpleQueue[int]()
    async with scope():
        with pytest.raises(TypeError, match="wants an asyncio.Queue or queue.Queue"):
            pipeline.from_queue(simple)
        with pytest.raises(
            TypeError, match=r"to_queue\(ch, q\) wants an asyncio.Queue"
        ):
            await pipeline.to_queue(pipeline.source([1]), simple)


async def test_map_on_threads() -> None:
    here = threading.get_ident()

    def where(n: int) -> tuple[int, bool]:
        return n, threading.get_ident() == here

    async with scope():
        output = pipeline.map(where, pipeline.source(range(20)), workers=3, on=threads)
        got = await pipeline.collect(output)
    assert got == [(n, False) for n in range(20)]


async def test_bad_use() -> None:
    numbers = Chan[int](buffer=Unbounded())
    wrong: Any = "5"
    with pytest.raises(TypeError, match="per_second must be a number, not '5'"):
        pipeline.rate_limit(numbers, wrong)
    with pytest.raises(ValueError, match="per_second must be more than 0, not 0"):
        pipeline.rate_limit(numbers, 0)
    with pytest.raises(ValueError, match="burst must be at least 1"):
        pipeline.rate_limit(numbers, 1, 0)
    with pytest.raises(ValueError, match="within must be more than 0, not -1"):
        pipeline.batch(numbers, 3, -1)
    with pytest.raises(ValueError, match="the size of a batch must be at least 1"):
        pipeline.batch(numbers, 0)
    with pytest.raises(ValueError, match="seconds must be more than 0"):
        pipeline.debounce(numbers, 0)
