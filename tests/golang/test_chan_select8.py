"""Go's test/chan/select8.go.

``break`` in a case of a select. Python has ``match`` and ``if`` in that place, and
``break`` there leaves the loop around the select: for selects of one, two and three
cases, with a default and without.
"""

from __future__ import annotations

import pytest

import gochan
from gochan import Chan, RecvCase, SendCase, go, recv, select, select_nowait, send
from support.idle import settle


async def fives(ch: Chan[int]) -> None:
    while True:
        await ch.send(5)


async def test_break_out_of_a_loop_of_selects() -> None:
    ch = Chan[int]()
    async with gochan.scope() as scope:
        go(fives, ch)

        # one case
        rounds = 0
        while True:
            match await select(recv(ch)):
                case RecvCase(value=5):
                    rounds += 1
                    if rounds == 3:
                        break
                case _:
                    pytest.fail("a case that was not given")
        assert rounds == 3

        # a default alone
        while True:
            match select_nowait():
                case None:
                    break
                case _:
                    pytest.fail("nothing was ready")

        # a case and a default
        while True:
            await settle()
            match select_nowait(recv(ch)):
                case RecvCase(channel=source, value=5):
                    assert source is ch
                    break
                case _:
                    pytest.fail("a sender waits")

        # two cases and a default: it cannot send, for no one receives
        while True:
            await settle()
            match select_nowait(recv(ch), send(ch, 10)):
                case RecvCase(value=5):
                    break
                case SendCase():
                    pytest.fail("nobody receives")
                case _:
                    pytest.fail("a sender waits")
        scope.cancel()


async def test_break_out_of_a_range_leaves_the_rest() -> None:
    ch = Chan[int](3)
    for i in range(3):
        await ch.send(i)
    async for value in ch:
        if value == 1:
            break
    assert len(ch) == 1
    assert await ch.recv() == 2
