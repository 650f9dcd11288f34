"""Go's src/sync/waitgroup_test.go; TestWaitGroupAlign is about Go's memory layout."""

from __future__ import annotations

import pytest

import gochan
from gochan import Chan, WouldBlock, run
from gochan.atomic import Int
from gochan.sync import NegativeCounter, WaitGroup
from golang.helpers import WHERE, Face, World
from golang.sync_helpers import wait


@WHERE
async def test_wait_group(where: str) -> None:
    # TestWaitGroup: eight times, with the same two
    wg1, wg2 = WaitGroup(), WaitGroup()
    n = 16
    for _ in range(8):
        exited = Chan[bool](n)
        wg1.add(n)
        wg2.add(n)

        async def member(my: Face, exited: Chan[bool] = exited) -> None:
            wg1.done()
            await wait(my, wg2)
            await my.send(exited, True)

        async with World(where) as world:
            for _ in range(n):
                world.go(member)
            await wg1.wait()
            for _ in range(n):
                with pytest.raises(WouldBlock):
                    exited.recv_nowait()
                wg2.done()
            for _ in range(n):
                await exited.recv()


def test_wait_group_misuse() -> None:
    # TestWaitGroupMisuse
    wg = WaitGroup()
    wg.add(1)
    wg.done()
    with pytest.raises(NegativeCounter, match="^sync: negative WaitGroup counter$"):
        wg.done()


@WHERE
async def test_wait_group_race(where: str) -> None:
    # TestWaitGroupRace; Go: 1000 times
    for _ in range(200 if where == "loop" else 30):
        wg, n = WaitGroup(), Int()

        async def work(_: Face, wg: WaitGroup = wg, n: Int = n) -> None:
            n.add(1)
            wg.done()

        async with World(where) as world:
            for _ in range(2):
                wg.add(1)
                world.go(work)
            await wg.wait()
            assert n.load() == 2


async def test_wait_group_go() -> None:
    # TestWaitGroupGo
    wg = WaitGroup()
    i = 0

    async def work() -> None:
        nonlocal i
        i += 1

    async with gochan.scope():
        wg.go(work)
        await wg.wait()
        assert i == 1


def test_issue_76126(backend: dict[str, object]) -> None:
    # TestIssue76126: a panic in f does not let Wait return before the crash
    async def fail() -> None:
        raise ValueError("test")

    async def main() -> None:
        wg = WaitGroup()
        wg.go(fail)
        await wg.wait()
        returned.append("Wait returned")

    returned: list[str] = []
    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)  # type: ignore[arg-type]
    assert caught.group_contains(ValueError, match="test")
    assert returned == []
