"""Go's test/chan/doubleselect.go.

A sender offers each value to four channels in one select. Four multiplexers carry
what they get to one receiver: no value may be delivered by two cases of the same
select, and none may be lost.
"""

from __future__ import annotations

import pytest

from gochan import Chan, send
from golang.helpers import WHERE, Face, World


async def sender(my: Face, n: int, outs: list[Chan[int]]) -> None:
    for i in range(n):
        await my.select(*[send(out, i) for out in outs])
    for out in outs:
        out.close()


async def mux(my: Face, source: Chan[int], out: Chan[int], done: Chan[None]) -> None:
    async for value in my.each(source):
        await my.send(out, value)
    await my.send(done, None)


async def closer(my: Face, done: Chan[None], n: int, out: Chan[int]) -> None:
    for _ in range(n):
        await my.recv(done)
    out.close()


async def receiver(my: Face, source: Chan[int], n: int) -> None:
    seen = [0] * n
    async for value in my.each(source):
        seen[value] += 1
        assert seen[value] == 1, f"{value} was delivered {seen[value]} times"
    assert seen == [1] * n


@WHERE
@pytest.mark.parametrize("cap", [0, 1])
async def test_a_value_goes_out_by_one_case_only(where: str, cap: int) -> None:
    n = 5000 if where == "loop" else 1000
    outs = [Chan[int](cap) for _ in range(4)]
    together = Chan[int]()
    done = Chan[None]()
    async with World(where) as world:
        world.go(sender, n, outs)
        for out in outs:
            world.go(mux, out, together, done)
        world.go(closer, done, len(outs), together)
        world.go(receiver, together, n)
