"""Go's src/runtime/race/testdata/select_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan, go, recv, select, select_nowait, send
from gochan.race import Var
from golang.race.helpers import check, programs

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def no_race_select1() -> None:
    x, compl, c, c1 = Var(0), Chan[bool](), Chan[bool](), Chan[bool]()

    async def child() -> None:
        x.value = 1
        await select(send(c, True), send(c1, True))
        await compl.send(True)

    go(child)
    await select(recv(c), send(c1, True))
    x.value = 2
    await compl.recv()


async def no_race_select2() -> None:
    x, compl, c, c1 = Var(0), Chan[bool](), Chan[bool](), Chan[bool]()

    async def child() -> None:
        await select(recv(c), recv(c1))
        x.value = 1
        await compl.send(True)

    go(child)
    x.value = 2
    c.close()
    await gochan.yield_()
    await compl.recv()


async def no_race_select3() -> None:
    x, compl, c, c1 = Var(0), Chan[bool](), Chan[bool](10), Chan[bool]()

    async def child() -> None:
        x.value = 1
        await select(send(c, True), recv(c1))
        await compl.send(True)

    go(child)
    await c.recv()
    x.value = 2
    await compl.recv()


async def no_race_select4() -> None:
    queue, dummy, x = Chan[Any](), Chan[bool](), Var(0)

    async def server() -> None:
        while True:
            got = await select(recv(queue))
            task, done = got.value
            task()
            await done.send(True)

    async def do(task: Any) -> None:
        done = Chan[bool](1)
        await select(send(queue, (task, done)), recv(dummy))
        await select(recv(done), recv(dummy))

    go(server)
    await do(lambda: x.store(1))
    x.load()


async def no_race_select5() -> None:
    async def one(by_select: bool, scheduled: bool) -> None:
        x, ch, c1, done = Var(0), Chan[bool](), Chan[bool](), Chan[bool](2)

        async def sender() -> None:
            if scheduled:
                await gochan.yield_()
            x.value = 1
            if by_select:
                await select(send(ch, True), recv(c1))
            else:
                await ch.send(True)
            await done.send(True)

        async def receiver() -> None:
            if by_select:
                await select(recv(ch), recv(c1))
            else:
                await ch.recv()
            x.value = 1
            await done.send(True)

        go(sender)
        go(receiver)
        await done.recv()
        await done.recv()

    for by_select in (True, False):
        for scheduled in (True, False):
            await one(by_select, scheduled)


async def race_select1() -> None:
    x, compl, c, c1 = Var(0), Chan[bool](2), Chan[bool](), Chan[bool]()

    async def receiver() -> None:
        await c.recv()
        await c.recv()

    async def f() -> None:
        await select(send(c, True), send(c1, True))
        x.value = 1
        await compl.send(True)

    go(receiver)
    go(f)
    go(f)
    await compl.recv()
    await compl.recv()


async def race_select2() -> None:
    x, compl, c, c1 = Var(0), Chan[bool](), Chan[bool](), Chan[bool]()

    async def child() -> None:
        x.value = 1
        await select(recv(c), recv(c1))
        await compl.send(True)

    go(child)
    c.close()
    x.value = 2
    await compl.recv()


async def race_select3() -> None:
    x, compl, c, c1 = Var(0), Chan[bool](), Chan[bool](), Chan[bool]()

    async def child() -> None:
        x.value = 1
        await select(send(c, True), send(c1, True))
        await compl.send(True)

    go(child)
    x.value = 2
    await select(recv(c))
    await compl.recv()


async def race_select4() -> None:
    done, x = Chan[bool](1), Var(0)

    async def child() -> None:
        assert select_nowait() is None
        x.value = 2
        await done.send(True)

    go(child)
    x.load()
    await done.recv()


async def race_select5() -> None:
    done, c1, c2, x, y = Chan[bool](1), Chan[bool](1), Chan[bool](), Var(0), Var(0)

    async def child() -> None:
        chosen = await select(send(c1, True), send(c2, True))
        if chosen.index == 0:
            x.value = 1
        else:
            y.value = 1
        await done.send(True)

    go(child)
    x.load()
    y.load()
    await done.recv()


@programs(globals(), 10)
def test_select(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
