"""Go's src/sync/mutex_test.go.

Of Go's program that dies there remains an exception: Go cannot recover from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from gochan import Chan, select_nowait
from gochan.semaphore import Weighted
from gochan.sync import Mutex, RWMutex, UnlockOfUnlocked
from golang.helpers import WHERE, Face, World
from golang.sync_helpers import acquire, lock

if TYPE_CHECKING:
    from collections.abc import Callable

# Go: 1000
LOOPS = 200


@WHERE
async def test_semaphore(where: str) -> None:
    # TestSemaphore, of the runtime's own semaphore
    w = Weighted(1)

    async def hammer(my: Face) -> None:
        for _ in range(LOOPS):
            await acquire(my, w, 1)
            w.release(1)

    async with World(where) as world:
        for _ in range(10):
            world.go(hammer)
    assert w.try_acquire(1)


@WHERE
async def test_mutex(where: str) -> None:
    # TestMutex
    mu = Mutex()
    await mu.lock()
    assert not mu.try_lock()
    mu.unlock()
    assert mu.try_lock()
    mu.unlock()

    async def hammer(my: Face) -> None:
        for i in range(LOOPS):
            if i % 3 == 0:
                if mu.try_lock():
                    mu.unlock()
                continue
            await lock(my, mu)
            mu.unlock()

    async with World(where) as world:
        for _ in range(10):
            world.go(hammer)
    assert mu.try_lock()


def mutex_unlock() -> None:
    Mutex().unlock()


def mutex_unlock_2() -> None:
    mu = Mutex()
    mu.try_lock()
    mu.unlock()
    mu.unlock()


def rwmutex_unlock() -> None:
    RWMutex().unlock()


def rwmutex_unlock_2() -> None:
    rw = RWMutex()
    rw.try_rlock()
    rw.unlock()


def rwmutex_unlock_3() -> None:
    rw = RWMutex()
    rw.try_lock()
    rw.unlock()
    rw.unlock()


def rwmutex_runlock() -> None:
    RWMutex().runlock()


def rwmutex_runlock_2() -> None:
    rw = RWMutex()
    rw.try_lock()
    rw.runlock()


def rwmutex_runlock_3() -> None:
    rw = RWMutex()
    rw.try_rlock()
    rw.runlock()
    rw.runlock()


@pytest.mark.parametrize(
    "misuse",
    [
        mutex_unlock,
        mutex_unlock_2,
        rwmutex_unlock,
        rwmutex_unlock_2,
        rwmutex_unlock_3,
        rwmutex_runlock,
        rwmutex_runlock_2,
        rwmutex_runlock_3,
    ],
)
def test_mutex_misuse(misuse: Callable[[], None]) -> None:
    # TestMutexMisuse
    with pytest.raises(UnlockOfUnlocked, match="unlocked"):
        misuse()


@pytest.mark.parametrize("where", ["loop", "threads"])
async def test_mutex_fairness(where: str) -> None:
    # TestMutexFairness: whoever keeps taking it does not keep others from it
    mu = Mutex()
    stop = Chan[None]()

    async def pause(my: Face) -> None:
        # Go sleeps for 100 microseconds
        for _ in range(20):
            await my.yield_()

    async def hog(my: Face) -> None:
        while select_nowait(stop) is None:
            await lock(my, mu)
            await pause(my)
            mu.unlock()

    async def modest(my: Face) -> None:
        for _ in range(10):
            await pause(my)
            await lock(my, mu)
            mu.unlock()
        stop.close()

    with anyio.fail_after(10):
        async with World(where) as world:
            world.go(hog)
            world.go(modest)
