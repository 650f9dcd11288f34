"""Go's test/chan/fifo.go.

A buffered channel is first in, first out; goroutines linked by signals see the
sends of an unbuffered channel in order.
"""

from __future__ import annotations

import gochan
from gochan import Chan, RecvChan, SendChan, go
from golang.helpers import WHERE, Face, Threads, World

N = 10


async def test_buffered() -> None:
    ch = Chan[int](N)
    for i in range(N):
        await ch.send(i)
    assert [await ch.recv() for _ in range(N)] == list(range(N))


def test_buffered_on_a_thread() -> None:
    ch = Chan[int](N)
    for i in range(N):
        ch.blocking_send(i)
    ch.close()
    assert list(ch) == list(range(N))


async def link(
    my: Face, ch: RecvChan[int], value: int, before: RecvChan[int], after: SendChan[int]
) -> None:
    """Receive ``value`` from ``ch`` once ``before`` says so."""
    await my.recv(before)
    assert await my.recv(ch) == value
    await my.send(after, 1)


async def feed(my: Face, ch: SendChan[int], start: SendChan[int]) -> None:
    await my.send(start, 0)
    for i in range(N):
        await my.send(ch, i)


async def finish(my: Face, last: RecvChan[int]) -> None:
    await my.recv(last)


@WHERE
async def test_unbuffered_through_a_chain(where: str) -> None:
    ch = Chan[int]()
    start = before = Chan[int]()
    async with World(where) as world:
        for i in range(N):
            after = Chan[int]()
            world.go(link, ch, i, before, after)
            before = after
        world.go(feed, ch, start)
        world.go(finish, before)


async def test_unbuffered() -> None:
    ch = Chan[int]()

    async def produce() -> None:
        for i in range(N):
            await ch.send(i)
        ch.close()

    async with gochan.scope():
        go(produce)
        assert [i async for i in ch] == list(range(N))


def test_unbuffered_between_threads() -> None:
    ch = Chan[int]()

    def produce() -> None:
        for i in range(1000):
            ch.blocking_send(i)
        ch.close()

    with Threads() as threads:
        threads.start(produce)
        assert list(ch) == list(range(1000))
