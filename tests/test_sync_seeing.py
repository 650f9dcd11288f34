"""What reports say of goroutines that wait for a primitive, on every face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

import gochan
from gochan import go, goroutines, nil, scope, singleflight
from gochan.semaphore import Weighted
from gochan.sync import (
    Cond,
    Locker,
    Mutex,
    Once,
    OnceFunction,
    RWMutex,
    WaitGroup,
    once_func,
)

if TYPE_CHECKING:
    from collections.abc import Callable


async def in_block(locker: Any) -> None:
    async with locker:
        pass


def in_plain_block(locker: Any) -> None:
    with locker:
        pass


def locked(locker: Locker, obstacle: Locker | None = None) -> Locker:
    assert (obstacle or locker).try_lock()
    return locker


def reading() -> Locker:
    rw = RWMutex()
    return locked(rw.rlocker(), rw)


def counting() -> WaitGroup:
    wg = WaitGroup()
    wg.add(1)
    return wg


async def cond_wait() -> None:
    cond = Cond(Mutex())
    async with cond:
        await cond.wait_for(lambda: False)


def cond_blocking_wait() -> None:
    cond = Cond(Mutex())
    with cond:
        cond.blocking_wait_for(lambda: False)


def running() -> Once:
    once = Once()
    assert once._call.reserve()
    return once


def taken() -> singleflight.Group:
    group = singleflight.Group()
    assert group._join("key").flight.reserve()
    return group


def running_function() -> OnceFunction[None]:
    function = once_func(lambda: None)
    assert function._call.reserve()
    return function


async def call(function: OnceFunction[None]) -> None:
    await function()


def nothing() -> None: ...


FORMS: dict[str, tuple[str, Callable[[], Any]]] = {
    "Mutex": ("sync.Mutex.Lock", lambda: locked(Mutex()).lock()),
    "async with Mutex": ("sync.Mutex.Lock", lambda: in_block(locked(Mutex()))),
    "RWMutex": ("sync.RWMutex.Lock", lambda: locked(RWMutex()).lock()),
    "async with RWMutex": ("sync.RWMutex.Lock", lambda: in_block(locked(RWMutex()))),
    "rlock": ("sync.RWMutex.RLock", lambda: reading().lock()),
    "async with rlocker": ("sync.RWMutex.RLock", lambda: in_block(reading())),
    "WaitGroup": ("sync.WaitGroup.Wait", lambda: counting().wait()),
    "Cond": ("sync.Cond.Wait", cond_wait),
    "Once": ("sync.Once.Do", lambda: running().do(nothing)),
    "once_func": ("sync.Once.Do", lambda: call(running_function())),
    "Weighted": ("semacquire", lambda: Weighted(1).acquire(2)),
    "hold": ("semacquire", lambda: in_block(Weighted(1).hold(2))),
}

BLOCKING: dict[str, tuple[str, Callable[[], object]]] = {
    "Mutex": ("sync.Mutex.Lock", lambda: locked(Mutex()).blocking_lock()),
    "with Mutex": ("sync.Mutex.Lock", lambda: in_plain_block(locked(Mutex()))),
    "RWMutex": ("sync.RWMutex.Lock", lambda: locked(RWMutex()).blocking_lock()),
    "with RWMutex": ("sync.RWMutex.Lock", lambda: in_plain_block(locked(RWMutex()))),
    "rlock": ("sync.RWMutex.RLock", lambda: reading().blocking_lock()),
    "with rlocker": ("sync.RWMutex.RLock", lambda: in_plain_block(reading())),
    "WaitGroup": ("sync.WaitGroup.Wait", lambda: counting().blocking_wait()),
    "Cond": ("sync.Cond.Wait", cond_blocking_wait),
    "Once": ("sync.Once.Do", lambda: running().blocking_do(nothing)),
    "once_func": ("sync.Once.Do", lambda: running_function().blocking_call()),
    "Weighted": ("semacquire", lambda: Weighted(1).blocking_acquire(2)),
    "with hold": ("semacquire", lambda: in_plain_block(Weighted(1).hold(2))),
}


async def wait_of(name: str, word: str) -> None:
    """Until it is parked in that wait."""
    seen: set[str | None] = set()
    with anyio.move_on_after(10):
        while True:
            for info in goroutines():
                if info.name == name:
                    seen.add(info.wait)
                    if (info.state, info.wait) == ("parked", word):
                        return
            await anyio.lowlevel.checkpoint()
    pytest.fail(f"seen only {seen}")


@pytest.mark.parametrize("form", FORMS)
async def test_of_coroutines(form: str) -> None:
    word, wait = FORMS[form]

    async def waits() -> None:
        await wait()

    async with scope() as s:
        go(waits, name="waits")
        await wait_of("waits", word)
        s.cancel()


@pytest.mark.parametrize("form", BLOCKING)
async def test_of_threads(form: str) -> None:
    word, wait = BLOCKING[form]
    async with scope() as s:
        go(wait, on=gochan.threads, name="waits")
        await wait_of("waits", word)
        s.cancel()


async def test_who_waits_for_a_function_of_its_own() -> None:
    # what the function that it runs waits for, not the Once
    async def fn() -> None:
        await nil.recv()

    async with scope() as s:
        go(Once().do, fn, name="runner")
        await wait_of("runner", "chan receive (nil chan)")
        s.cancel()


async def test_a_wait_that_locks_again_is_still_the_same_call() -> None:
    cond = Cond(Mutex())

    async def waits() -> None:
        async with cond:
            await cond.wait()

    async with scope():
        go(waits, name="waits")
        await wait_of("waits", "sync.Cond.Wait")
        await cond.locker.lock()
        cond.signal()
        while "waiting" not in repr(cond.locker):
            await anyio.lowlevel.checkpoint()
        await wait_of("waits", "sync.Cond.Wait")
        cond.locker.unlock()
