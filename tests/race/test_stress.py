"""Threads that really run at the same time: nobody is accused, and nobody missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, atomic, executors, go, race, sync
from gochan.race import Var
from support.threads import frequent_switches, start

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS, ROUNDS = 6, 150


def _by_channel(x: Var[int]) -> Callable[[], None]:
    token = Chan[None](1)

    def once() -> None:
        token.blocking_send(None)
        x.value += 1
        token.blocking_recv()

    return once


def _by_mutex(x: Var[int]) -> Callable[[], None]:
    mutex = sync.Mutex()

    def once() -> None:
        with mutex:
            x.value += 1

    return once


def _by_rendezvous(x: Var[int]) -> Callable[[], None]:
    """Whoever gets the token from the server has it until it gives it back."""
    take, give = Chan[None](), Chan[None]()

    def serve() -> None:
        for _ in range(THREADS * ROUNDS):
            take.blocking_send(None)
            give.blocking_recv()

    start(serve)

    def once() -> None:
        take.blocking_recv()
        x.value += 1
        give.blocking_send(None)

    return once


def _by_spinning(x: Var[int]) -> Callable[[], None]:
    flag = atomic.Int()

    def once() -> None:
        while not flag.compare_and_swap(0, 1):
            pass
        x.value += 1
        flag.store(0)

    return once


ORDERED = [_by_channel, _by_mutex, _by_rendezvous, _by_spinning]


@pytest.mark.parametrize("make", ORDERED, ids=lambda make: make.__name__)
def test_threads_in_order(make: Callable[[Var[int]], Callable[[], None]]) -> None:
    x = Var(0)
    with race.detector(), frequent_switches():
        once = make(x)

        def work() -> None:
            for _ in range(ROUNDS):
                once()

        workers = [start(work) for _ in range(THREADS)]
        for worker in workers:
            worker.join()
    assert x.load() == THREADS * ROUNDS


def test_threads_out_of_order() -> None:
    x = Var(0)

    def work() -> None:
        for _ in range(ROUNDS):
            x.value += 1

    with race.detector(report="collect") as detector, frequent_switches():
        workers = [start(work) for _ in range(THREADS)]
        for worker in workers:
            worker.join()
    assert len(detector.races) == 1


def test_a_pipeline_over_threads_and_loops() -> None:
    """Each item is written by every stage, and always by one at a time."""
    items = [Var(0) for _ in range(50)]

    async def first(out: Chan[Var[int]]) -> None:
        for item in items:
            item.value += 1
            await out.send(item)
        out.close()

    def second(given: Chan[Var[int]], out: Chan[Var[int]]) -> None:
        for item in given:
            item.value += 1
            out.blocking_send(item)

    async def third(given: Chan[Var[int]], out: Chan[Var[int]]) -> None:
        async for item in given:
            item.value += 1
            await out.send(item)

    async def main() -> None:
        a, b, c = (Chan[Any](cap) for cap in (0, 3, 0))
        with executors.loops(2) as loops:
            go(first, a)
            for _ in range(3):
                go(second, a, b, on=gochan.threads)
            for _ in range(2):
                go(third, b, c, on=loops)
            for _ in items:
                item = await c.recv()
                item.value += 1
            b.close()

    with race.detector(), frequent_switches():
        gochan.run(main)
    assert all(item.load() == 4 for item in items)
