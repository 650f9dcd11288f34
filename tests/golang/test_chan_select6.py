"""Go's test/chan/select6.go (issue 2075).

A select that stands last in a channel's queue and is won by another case must be
taken out of that queue so that those who come later are found behind the others.
"""

from __future__ import annotations

import gochan
from gochan import Chan, blocking_select, go, recv, select, send
from golang.helpers import PATIENCE, Threads, until
from support.idle import settle


async def test_a_select_that_lost_at_the_end_of_the_queue() -> None:
    c1, c2, c3 = Chan[bool](), Chan[bool](), Chan[bool]()

    async def first() -> None:
        await c1.recv()

    async def second() -> None:
        from_c1, from_c2 = recv(c1), recv(c2)
        assert await select(from_c1, from_c2) is from_c2
        await c3.send(True)
        await c1.recv()

    async with gochan.scope():
        go(first)
        await settle()
        go(second)
        await settle()
        assert c1.stats().waiting_receivers == 2
        await c2.send(True)
        assert await c3.recv()
        await settle()
        assert c1.stats().waiting_receivers == 2
        await c1.send(True)
        await c1.send(True)


async def test_the_same_for_senders() -> None:
    c1, c2, c3 = Chan[int](), Chan[int](), Chan[bool]()

    async def first() -> None:
        await c1.send(1)

    async def second() -> None:
        to_c1, to_c2 = send(c1, 2), send(c2, 2)
        assert await select(to_c1, to_c2) is to_c2
        await c3.send(True)
        await c1.send(3)

    async with gochan.scope():
        go(first)
        await settle()
        go(second)
        await settle()
        assert await c2.recv() == 2
        assert await c3.recv()
        await settle()
        assert [await c1.recv(), await c1.recv()] == [1, 3]


async def test_a_select_that_lost_anywhere_in_the_queue() -> None:
    """Of three in the queue, each in turn is a select that is won elsewhere."""
    for place in range(3):
        ch, other = Chan[int](), Chan[int]()
        got: list[int] = []

        async def plain(ch: Chan[int] = ch, got: list[int] = got) -> None:
            got.append(await ch.recv())

        async def selects(ch: Chan[int] = ch, other: Chan[int] = other) -> None:
            chosen = await select(recv(ch), recv(other))
            assert chosen.channel is other

        async with gochan.scope():
            for i in range(3):
                go(selects if i == place else plain)
                await settle()
            await other.send(0)
            assert ch.stats().waiting_receivers == 2
            go(plain)
            await settle()
            for i in range(3):
                await ch.send(i)
        assert sorted(got) == [0, 1, 2]


def test_on_threads() -> None:
    c1, c2 = Chan[int](), Chan[int]()

    def waiting() -> int:
        return c1.stats().waiting_receivers

    def second() -> None:
        chosen = blocking_select(recv(c1), recv(c2), timeout=PATIENCE)
        assert chosen.channel is c2
        assert c1.blocking_recv(PATIENCE) == 2

    with Threads() as threads:
        threads.start(c1.blocking_recv, PATIENCE)
        until(lambda: waiting() == 1, "the first waits")
        threads.start(second)
        until(lambda: waiting() == 2, "the second waits")
        c2.blocking_send(0)
        until(lambda: waiting() == 2, "the second waits again")
        c1.blocking_send(1, timeout=PATIENCE)
        c1.blocking_send(2, timeout=PATIENCE)
