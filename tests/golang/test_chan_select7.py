"""Go's test/chan/select7.go.

Three ways to send meet three ways to receive: plainly, in a select of one case, and
in a select of two. The value is discarded. Whoever comes second finds the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import gochan
from gochan import Chan, RecvChan, SendChan, go, recv, send
from golang.helpers import WHERE, Face, World
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def recv1(my: Face, ch: RecvChan[int]) -> None:
    await my.recv(ch)


async def recv2(my: Face, ch: RecvChan[int]) -> None:
    await my.select(recv(ch))


async def recv3(my: Face, ch: RecvChan[int]) -> None:
    await my.select(recv(ch), recv(Chan[int]()))


async def send1(my: Face, ch: SendChan[int]) -> None:
    await my.send(ch, 1)


async def send2(my: Face, ch: SendChan[int]) -> None:
    await my.select(send(ch, 1))


async def send3(my: Face, ch: SendChan[int]) -> None:
    await my.select(send(ch, 1), send(Chan[int](), 1))


@WHERE
@pytest.mark.parametrize("sends", [send1, send2, send3])
@pytest.mark.parametrize("receives", [recv1, recv2, recv3])
async def test_they_meet(
    where: str,
    sends: Callable[[Face, SendChan[int]], Awaitable[None]],
    receives: Callable[[Face, RecvChan[int]], Awaitable[None]],
) -> None:
    for receiver_first in (True, False):
        ch = Chan[int]()

        async def receiver(my: Face, ch: Chan[int] = ch) -> None:
            await receives(my, ch)

        async def sender(my: Face, ch: Chan[int] = ch) -> None:
            await sends(my, ch)

        async with World(where) as world:
            world.go(receiver if receiver_first else sender)
            if where == "loop":
                await settle()
                stats = ch.stats()
                assert stats.waiting_receivers == int(receiver_first)
                assert stats.waiting_senders == int(not receiver_first)
            world.go(sender if receiver_first else receiver)
        stats = ch.stats()
        assert (stats.waiting_receivers, stats.waiting_senders) == (0, 0)


async def test_the_first_to_come_has_not_waited_before() -> None:
    """As in Go's file: the receiver may or may not be there yet."""
    ch = Chan[int]()

    async def receiver() -> None:
        await ch.recv()

    async with gochan.scope():
        go(receiver)
        await gochan.yield_()
        await ch.send(1)
