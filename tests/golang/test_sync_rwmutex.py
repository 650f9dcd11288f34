"""Go's src/sync/rwmutex_test.go."""

from __future__ import annotations

import pytest

import gochan
from gochan import Chan, go, select_nowait
from gochan.atomic import Int
from gochan.sync import RWMutex
from golang.helpers import WHERE, Face, World
from golang.sync_helpers import lock, rlock
from support.idle import settle


@WHERE
@pytest.mark.parametrize("readers", [1, 3, 4])
async def test_parallel_readers(where: str, readers: int) -> None:
    # TestParallelReaders
    rw = RWMutex()
    locked, unlock = Chan[bool](), Chan[bool]()

    async def read(my: Face) -> None:
        await rlock(my, rw)
        await my.send(locked, True)
        await my.recv(unlock)
        rw.runlock()

    async with World(where) as world:
        for _ in range(readers):
            world.go(read)
        # all of them have it at the same time
        for _ in range(readers):
            await locked.recv()
        for _ in range(readers):
            await unlock.send(True)


def test_rwmutex_try() -> None:
    # TestRWMutex, the first part
    rw = RWMutex()
    rw.blocking_lock()
    assert not rw.try_lock()
    assert not rw.try_rlock()
    rw.unlock()
    assert rw.try_lock()
    rw.unlock()
    assert rw.try_rlock()
    assert rw.try_rlock()
    assert not rw.try_lock()
    rw.runlock()
    rw.runlock()


@WHERE
@pytest.mark.parametrize("readers", [1, 3, 5, 10])
async def test_rwmutex_hammer(where: str, readers: int) -> None:
    # TestRWMutex, the second part: HammerRWMutex; Go: 1000 times, on 1, 4 and 10 cores
    loops = 100 if where == "loop" else 40
    # readers inside, and 10,000 for a writer
    activity = Int()
    rw = RWMutex()

    async def reader(my: Face) -> None:
        for _ in range(loops):
            await rlock(my, rw)
            assert 1 <= activity.add(1) < 10_000
            await my.yield_()
            activity.add(-1)
            rw.runlock()

    async def writer(my: Face) -> None:
        for _ in range(loops):
            await lock(my, rw)
            assert activity.add(10_000) == 10_000
            await my.yield_()
            activity.add(-10_000)
            rw.unlock()

    async with World(where) as world:
        world.go(writer)
        for _ in range(readers // 2):
            world.go(reader)
        world.go(writer)
        for _ in range(readers - readers // 2):
            world.go(reader)
    assert activity.load() == 0
    assert rw.try_lock()


async def test_rlocker() -> None:
    # TestRLocker
    wl = RWMutex()
    rl = wl.rlocker()
    wlocked, rlocked = Chan[bool](1), Chan[bool](1)
    n = 10

    async def other() -> None:
        for _ in range(n):
            await rl.lock()
            await rl.lock()
            await rlocked.send(True)
            await wl.lock()
            await wlocked.send(True)

    async with gochan.scope():
        go(other)
        for _ in range(n):
            await rlocked.recv()
            rl.unlock()
            await settle()
            assert select_nowait(wlocked) is None, "it was not read-locked"
            rl.unlock()
            await wlocked.recv()
            await settle()
            assert select_nowait(rlocked) is None, "the write lock was not respected"
            wl.unlock()
