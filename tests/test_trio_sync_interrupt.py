"""Ctrl-C on trio, which raises wherever a task happens to be: never in a primitive."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio

from gochan import go, nil, run
from gochan._backends import uninterrupted
from gochan._waiter import Node, WaitQueue
from gochan.semaphore import Weighted
from gochan.sync import Cond, Mutex, Once, RWMutex, WaitGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Waits = tuple[Any, str, Callable[[], Coroutine[Any, Any, object]]]


class Interrupting(WaitQueue):
    """A queue that is interrupted when somebody joins it, with the lock held."""

    __slots__ = ()

    def push(self, node: Node) -> None:
        signal.raise_signal(signal.SIGINT)
        super().push(node)


def mutex() -> Waits:
    mu = Mutex()
    assert mu.try_lock()
    return mu, "_waiters", mu.lock


def mutex_in_a_block() -> Waits:
    mu = Mutex()
    assert mu.try_lock()

    async def wait() -> None:
        async with mu:
            pass

    return mu, "_waiters", wait


def writer() -> Waits:
    rw = RWMutex()
    assert rw.try_rlock()
    return rw, "_waiting_writers", rw.lock


def reader() -> Waits:
    rw = RWMutex()
    assert rw.try_lock()
    return rw, "_waiting_readers", rw.rlock


def wait_group() -> Waits:
    wg = WaitGroup()
    wg.add(1)
    return wg, "_waiters", wg.wait


def condition() -> Waits:
    cond = Cond(Mutex())

    async def wait() -> None:
        async with cond:
            await cond.wait()

    return cond, "_waiters", wait


def once() -> Waits:
    o = Once()
    assert o._call.reserve()
    return o._call, "_waiters", lambda: o.do(lambda: None)


def weighted() -> Waits:
    w = Weighted(1)
    return w, "_hopeless", lambda: w.acquire(2)


@pytest.mark.parametrize("where", ["main", "goroutine"])
@pytest.mark.parametrize(
    "make",
    [
        mutex,
        mutex_in_a_block,
        writer,
        reader,
        wait_group,
        condition,
        once,
        weighted,
    ],
)
def test_an_interrupt_waits_for_the_end_of_the_step(
    make: Callable[[], Waits], where: str
) -> None:
    thing, name, wait = make()
    queue = Interrupting(thing._guard)
    setattr(thing, name, queue)

    async def main() -> None:
        if where == "main":
            await wait()
        go(wait)
        await nil.recv()

    with pytest.raises(KeyboardInterrupt):
        run(main, backend="trio")
    assert not thing._guard.locked()
    assert not queue
    if isinstance(thing, Cond):
        assert thing.locker.try_lock()


class InterruptingHead:
    """In place of a queue in which nobody waits: interrupted when it is looked at.

    That is with the lock held, where ``lock`` and the like do not use ``with``.
    """

    def __init__(self) -> None:
        self.looked = 0

    @property
    def head(self) -> None:
        self.looked += 1
        signal.raise_signal(signal.SIGINT)


def free_reader() -> Waits:
    rw = RWMutex()
    return rw, "_waiting_writers", rw.rlock


def free_weighted() -> Waits:
    w = Weighted(1)
    return w, "_waiters", w.acquire


@pytest.mark.parametrize("where", ["main", "goroutine"])
@pytest.mark.parametrize("make", [free_reader, free_weighted])
def test_an_interrupt_waits_for_the_end_of_the_first_rung(
    make: Callable[[], Waits], where: str
) -> None:
    thing, name, lock = make()
    queue = InterruptingHead()
    completed = False

    async def work() -> None:
        nonlocal completed
        await lock()
        completed = True
        await nil.recv()

    async def main() -> None:
        setattr(thing, name, queue)
        if where == "main":
            await work()
        go(work)
        await nil.recv()

    with pytest.raises(KeyboardInterrupt):
        run(main, backend="trio")
    assert queue.looked
    assert not thing._guard.locked()
    assert completed


def test_functions_of_modules_that_are_imported_later_are_protected_too() -> None:
    seen: list[bool] = []

    async def main() -> None:
        @uninterrupted
        def step() -> bool:
            return trio.lowlevel.currently_ki_protected()

        seen.extend((trio.lowlevel.currently_ki_protected(), step()))

    run(main, backend="trio")
    assert seen == [False, True]
