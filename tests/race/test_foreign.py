"""What orders goroutines outside of gochan: nobody is accused who used it properly."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import go, race
from gochan.race import Var, _foreign
from support.idle import settle
from support.races import found, lines, rewritten
from support.threads import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Between goroutines: by name, something that gives and something that gets.


def _event() -> tuple[Any, Any]:
    event = anyio.Event()

    async def give() -> None:
        event.set()

    return give, event.wait


def _lock() -> tuple[Any, Any]:
    lock = anyio.Lock()
    lock.acquire_nowait()

    async def give() -> None:
        lock.release()

    async def other() -> None:
        async with lock:
            pass

    return give, other


def _semaphore() -> tuple[Any, Any]:
    semaphore = anyio.Semaphore(0)

    async def give() -> None:
        semaphore.release()

    return give, semaphore.acquire


def _limiter() -> tuple[Any, Any]:
    limiter = anyio.CapacityLimiter(1)
    limiter.acquire_on_behalf_of_nowait("me")

    async def give() -> None:
        limiter.release_on_behalf_of("me")

    async def get() -> None:
        await limiter.acquire_on_behalf_of("you")

    return give, get


def _stream() -> tuple[Any, Any]:
    sender, receiver = anyio.create_memory_object_stream[int](1)

    async def give() -> None:
        with sender:
            await sender.send(1)

    async def get() -> None:
        with receiver:
            await receiver.receive()

    return give, get


def _condition() -> tuple[Any, Any]:
    condition = anyio.Condition()
    done: list[None] = []

    async def give() -> None:
        async with condition:
            done.append(None)
            condition.notify()

    async def get() -> None:
        async with condition:
            while not done:
                await condition.wait()

    return give, get


ANYIO = [_event, _lock, _semaphore, _limiter, _stream, _condition]


@pytest.mark.parametrize("first", ["gives", "gets"])
@pytest.mark.parametrize("make", ANYIO, ids=lambda make: make.__name__)
def test_between_goroutines(
    backend: dict[str, Any], make: Callable[[], tuple[Any, Any]], first: str
) -> None:
    x = Var(0)

    async def main() -> None:
        give, get = make()

        async def gives() -> None:
            if make is _lock:
                # anyio wants it released by who has it
                return
            x.store(1)
            await give()

        async def gets() -> None:
            await get()
            x.store(2)

        if make is _lock:
            go(gets)
            await settle()
            x.store(1)
            await give()
        elif first == "gets":
            go(gets)
            await settle()
            go(gives)
        else:
            go(gives)
            await settle()
            go(gets)
        await settle()

    assert found(main, backend) == []
    assert x.load() == 2


def test_asyncio_queue() -> None:
    x = Var(0)

    async def main() -> None:
        items, condition = asyncio.Queue[int](), asyncio.Condition()

        async def puts() -> None:
            x.store(1)
            await items.put(1)

        async def gets() -> None:
            await items.get()
            x.store(2)
            async with condition:
                items.task_done()

        go(puts)
        go(gets)
        await settle()
        await items.join()
        x.store(3)

    assert found(main, {}) == []


# Between threads


def _gives_and_gets(how: str) -> tuple[Callable[[], object], Callable[[], object]]:
    if how == "event":
        event = threading.Event()
        return event.set, event.wait
    if how == "semaphore":
        semaphore = threading.Semaphore(0)
        return semaphore.release, semaphore.acquire
    if how == "bounded semaphore":
        bounded = threading.BoundedSemaphore(1)
        bounded.acquire()

        def enter() -> None:
            with bounded:
                pass

        return bounded.release, enter
    if how == "queue":
        items = queue.Queue[int]()
        return lambda: items.put(1), items.get
    if how == "future":
        future = concurrent.futures.Future[int]()
        return lambda: future.set_result(1), future.result
    if how == "barrier":
        barrier = threading.Barrier(2)
        return barrier.wait, barrier.wait
    assert how == "condition"
    condition, done = threading.Condition(), list[int]()

    def give() -> None:
        with condition:
            done.append(1)
            condition.notify()

    def get() -> None:
        with condition:
            condition.wait_for(lambda: done)

    return give, get


HOW = [
    "event",
    "semaphore",
    "bounded semaphore",
    "queue",
    "future",
    "barrier",
    "condition",
]


@pytest.mark.parametrize("how", HOW)
def test_between_threads(how: str) -> None:
    x = Var(0)
    with race.detector(report="collect") as detector:
        give, get = _gives_and_gets(how)

        def gives() -> None:
            x.store(1)
            give()

        worker = start(gives)
        get()
        x.store(2)
        worker.join()
    assert detector.races == []


def test_what_is_in_vain_orders_nothing() -> None:
    x, event, over = Var(0), threading.Event(), threading.Event()

    def work() -> None:
        x.store(1)
        # only the other one is waited for
        event.wait(0)
        event.is_set()
        over.wait(30)

    with race.detector(report="collect") as detector:
        worker = start(work)
        while worker.thread.is_alive() and not detector._parties._of_thread:
            pass
        assert not event.wait(0.01)
        x.store(2)
        over.set()
        worker.join()
    assert lines(detector.races) == ["write/write a Var"]


def test_work_for_a_pool_counts_as_its_goroutine(backend: dict[str, Any]) -> None:
    x = Var(0)

    def work(amount: int, *, more: int) -> int:
        x.store(x.load() + amount + more)
        return x.load()

    async def main() -> None:
        x.store(1)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work, 2, more=3)
            while not future.done():
                await gochan.yield_()
            x.store(x.load() + 1)
            assert future.result() == 6

    assert found(main, backend) == []
    assert x.load() == 7


def test_work_for_a_pool_from_a_thread() -> None:
    x = Var(0)
    with race.detector(), ThreadPoolExecutor(2) as pool:
        x.store(1)
        assert pool.submit(x.load).result() == 1
        x.store(2)


LOCKED = """
import threading
lock, rlock = threading.Lock(), threading.RLock()
total = 0
def bump():
    global total
    with lock:
        total += 1
    lock.acquire()
    try:
        total += 1
    finally:
        lock.release()
    with rlock, rlock:
        pass
    assert lock.acquire(timeout=1)
    assert not lock.acquire(False)
    assert lock.locked()
    lock.release()
"""


def test_locks_of_threads_in_rewritten_code(tmp_path: Path) -> None:
    bump = rewritten(LOCKED, tmp_path)["bump"]
    with race.detector():
        workers = [start(bump) for _ in range(4)]
        for worker in workers:
            while worker.thread.is_alive():
                pass
    # and without a detector
    bump()


def test_what_no_lock_guards_in_rewritten_code(tmp_path: Path) -> None:
    bump = rewritten(LOCKED.replace("with lock:", "if lock:"), tmp_path)["bump"]
    with race.detector(report="collect") as detector:
        workers = [start(bump) for _ in range(2)]
        for worker in workers:
            while worker.thread.is_alive():
                pass
    assert detector.races


def test_everything_is_as_before() -> None:
    kinds = (threading.Event, threading.Condition, queue.Queue, asyncio.Lock)
    before = [dict(vars(kind)) for kind in kinds]
    with race.detector():
        assert [dict(vars(kind)) for kind in kinds] != before
        # a second look changes nothing
        _foreign.look()
    assert [dict(vars(kind)) for kind in kinds] == before
