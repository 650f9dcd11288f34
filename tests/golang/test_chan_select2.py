"""Go's test/chan/select2.go.

Very many selects between a busy channel and one where nothing ever happens use no
more memory than few: what waits on the quiet channel is taken out again.
"""

from __future__ import annotations

import gc
import sys

from gochan import Chan, recv
from golang.helpers import WHERE, Face, World

N = 4000


async def sender(my: Face, ch: Chan[int], n: int) -> None:
    for _ in range(n):
        await my.send(ch, 1)


async def receiver(my: Face, ch: Chan[int], quiet: Chan[int], n: int) -> None:
    for _ in range(n):
        chosen = await my.select(recv(ch), recv(quiet))
        assert chosen.channel is ch
        assert quiet.stats().waiting_receivers == 0


def blocks_in_use() -> int:
    gc.collect()
    return sys.getallocatedblocks()


@WHERE
async def test_nothing_stays_on_the_quiet_channel(where: str) -> None:
    ch, quiet = Chan[int](), Chan[int]()

    async def many(n: int) -> int:
        async with World(where) as world:
            world.go(sender, ch, n)
            world.go(receiver, ch, quiet, n)
        return blocks_in_use()

    await many(200)
    before = await many(200)
    after = await many(N)
    # one waiter that stays behind for each select would be N and more
    assert after - before < N / 2, f"{after - before} blocks of memory for {N} selects"
