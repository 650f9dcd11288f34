"""The primitives of ``gochan.sync`` for programs that run on a loop or on threads.

Each function does the operation with the face of the channels that it is given: see
``golang.helpers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from golang.helpers import PATIENCE, THREAD, Face

if TYPE_CHECKING:
    from collections.abc import Callable

    from gochan.semaphore import Weighted
    from gochan.singleflight import Group
    from gochan.sync import Cond, Locker, Once, OnceFunction, RWMutex, WaitGroup

__all__ = ("acquire", "call", "do", "do_once", "lock", "rlock", "wait", "wait_on")

T = TypeVar("T")


async def lock(my: Face, locker: Locker) -> None:
    if my is THREAD:
        locker.blocking_lock(PATIENCE)
    else:
        await locker.lock()


async def rlock(my: Face, rw: RWMutex) -> None:
    if my is THREAD:
        rw.blocking_rlock(PATIENCE)
    else:
        await rw.rlock()


async def wait(my: Face, wg: WaitGroup) -> None:
    if my is THREAD:
        wg.blocking_wait(PATIENCE)
    else:
        await wg.wait()


async def wait_on(my: Face, cond: Cond) -> None:
    if my is THREAD:
        cond.blocking_wait(PATIENCE)
    else:
        await cond.wait()


async def do_once(my: Face, once: Once, fn: Callable[[], object]) -> None:
    if my is THREAD:
        once.blocking_do(fn, PATIENCE)
    else:
        await once.do(fn)


async def call(my: Face, function: OnceFunction[T]) -> T:
    if my is THREAD:
        return function.blocking_call(PATIENCE)
    return await function()


async def acquire(my: Face, w: Weighted, n: int) -> None:
    if my is THREAD:
        w.blocking_acquire(n, PATIENCE)
    else:
        await w.acquire(n)


async def do(
    my: Face, group: Group, key: str, fn: Callable[[], Any]
) -> tuple[Any, bool]:
    if my is THREAD:
        return group.blocking_do(key, fn, PATIENCE)
    return await group.do(key, fn)
