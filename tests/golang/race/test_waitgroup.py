"""Go's src/runtime/race/testdata/waitgroup_test.go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan, Panic, go
from gochan.race import Var
from gochan.sync import WaitGroup
from golang.race.helpers import check, later, programs
from support.idle import settle

if TYPE_CHECKING:
    from golang.race.helpers import Program

P = 3


async def _each(n: int) -> None:
    x, wg = Var(0), WaitGroup()

    async def child(j: int) -> None:
        x.value = j
        wg.done()

    for i in range(n):
        wg.add(1)
        go(child, i)
    await wg.wait()


async def no_race_wait_group() -> None:
    await _each(1)


async def race_wait_group() -> None:
    await _each(2)


async def no_race_wait_group2() -> None:
    x, wg = Var(0), WaitGroup()
    wg.add(1)

    async def child() -> None:
        x.value = 1
        wg.done()

    go(child)
    await wg.wait()
    x.value = 2


async def race_wait_group_as_mutex() -> None:
    x, wg, c = Var(0), WaitGroup(), Chan[bool](2)

    async def child() -> None:
        await wg.wait()
        await later()
        wg.add(1)
        x.value = 1
        wg.add(-1)
        await c.send(True)

    go(child)
    go(child)
    await c.recv()
    await c.recv()


async def race_wait_group_wrong_wait() -> None:
    """``add`` comes too late."""
    x, wg, c = Var(0), WaitGroup(), Chan[bool](2)

    async def child() -> None:
        wg.add(1)
        await gochan.yield_()
        x.value = 1
        wg.done()
        await c.send(True)

    go(child)
    go(child)
    await wg.wait()
    await c.recv()
    await c.recv()


async def race_wait_group_wrong_add() -> None:
    wg, c, go_on = WaitGroup(), Chan[bool](2), Chan[None]()

    async def child() -> None:
        wg.add(1)
        # until the other one waits
        await go_on.recv_ok()
        wg.done()
        await c.send(True)

    async def goes_on() -> None:
        await later()
        go_on.close()

    go(child)
    go(child)
    await settle()
    go(goes_on)
    await wg.wait()
    await c.recv()
    await c.recv()


async def no_race_wait_group_multiple_wait() -> None:
    wg, c = WaitGroup(), Chan[bool](2)

    async def child() -> None:
        await wg.wait()
        await c.send(True)

    go(child)
    go(child)
    await wg.wait()
    await c.recv()
    await c.recv()


async def no_race_wait_group_multiple_wait2() -> None:
    wg, c = WaitGroup(), Chan[bool](2)
    wg.add(2)

    async def child() -> None:
        wg.done()
        await wg.wait()
        await c.send(True)

    go(child)
    go(child)
    await wg.wait()
    await c.recv()
    await c.recv()


async def no_race_wait_group_multiple_wait3() -> None:
    data, done, wg = [Var(0) for _ in range(P)], Chan[bool](P), WaitGroup()
    wg.add(P)

    async def works(p: int) -> None:
        data[p].value = 42
        wg.done()

    async def waits() -> None:
        await wg.wait()
        for one in data:
            one.load()
        await done.send(True)

    for p in range(P):
        go(works, p)
    for _ in range(P):
        go(waits)
    for _ in range(P):
        await done.recv()


async def race_wait_group2() -> None:
    """Used as it should be, and still a race."""
    x, wg = Var(0), WaitGroup()
    wg.add(2)

    async def child() -> None:
        x.value = 1
        wg.done()

    go(child)
    go(child)
    await wg.wait()


async def no_race_wait_group_panic_recover() -> None:
    x, wg = Var(0), WaitGroup()
    x.value = 1
    try:
        wg.add(-1)
    except Panic as panic:
        assert str(panic) == "sync: negative WaitGroup counter"
        x.value = 2


async def no_race_wait_group_panic_recover2() -> None:
    x, wg, ch = Var(0), WaitGroup(), Chan[bool](1)

    async def f() -> None:
        x.value = 2
        await ch.send(True)

    async def child() -> None:
        x.value = 1
        with suppress(Panic):
            wg.add(-1)
        go(f)

    go(child)
    await ch.recv()


async def no_race_wait_group_transitive() -> None:
    x, y, wg = Var(0), Var(0), WaitGroup()
    wg.add(2)

    async def child(mine: Var[int], first: bool) -> None:
        if not first:
            await later()
        mine.value = 42
        wg.done()

    go(child, x, True)
    go(child, y, False)
    await wg.wait()
    assert (x.value, y.value) == (42, 42)


async def no_race_wait_group_reuse() -> None:
    data, wg = [Var(0) for _ in range(P)], WaitGroup()

    async def child(p: int) -> None:
        data[p].value += 1
        wg.done()

    for _ in range(3):
        wg.add(P)
        for p in range(P):
            go(child, p)
        await wg.wait()
        for one in data:
            one.value += 1


async def no_race_wait_group_reuse2() -> None:
    data, wg = [Var(0) for _ in range(P)], WaitGroup()

    async def child(p: int) -> None:
        data[p].value += 1
        wg.done()

    async def waits(done: Chan[bool]) -> None:
        await wg.wait()
        for one in data:
            one.value += 1
        await done.send(True)

    for _ in range(3):
        wg.add(P)
        for p in range(P):
            go(child, p)
        done = Chan[bool]()
        go(waits, done)
        await wg.wait()
        await done.recv()
        for one in data:
            one.value += 1


async def race_wait_group_reuse() -> None:
    """Nothing orders the next round's ``add`` with a ``wait`` of this one."""
    rounds = 3
    done, wg = Chan[bool](rounds), WaitGroup()

    async def child(one: Var[int]) -> None:
        await later()
        one.value += 1
        wg.done()

    async def waits(data: list[Var[int]]) -> None:
        await wg.wait()
        for one in data:
            one.value += 1
        await done.send(True)

    for _ in range(rounds):
        data = [Var(0) for _ in range(P)]
        wg.add(P)
        for one in data:
            go(child, one)
        go(waits, data)
        await settle()
        await wg.wait()
    for _ in range(rounds):
        await done.recv()


async def no_race_wait_group_concurrent_add() -> None:
    n = 4
    waiting, wg = Chan[bool](n), WaitGroup()

    async def child() -> None:
        wg.add(1)
        await waiting.send(True)
        wg.done()

    for _ in range(n):
        go(child)
    for _ in range(n):
        await waiting.recv()
    await wg.wait()


@programs(globals(), 17)
def test_waitgroup(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
