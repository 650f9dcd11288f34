"""Who the parties of a race are: goroutines, tasks, threads, and nobody."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest

import gochan
from gochan import Chan, _instrument, buffers, go, race
from gochan.race import Var, _active
from support.idle import settle
from support.races import found, line_of, lines, two_writes
from support.seeing import Recorder
from support.threads import start


def test_what_runs_before_it_was_entered(backend: dict[str, Any]) -> None:
    x, wake = Var(0), Chan[None]()

    async def early() -> None:
        await wake.recv()
        x.store(1)

    async def main() -> list[race.DataRace]:
        g = go(early, name="early")
        await settle()
        with race.detector(report="collect") as detector:
            await wake.send(None)
            await settle()
            x.store(2)
            g.cancel()
            await settle()
        return detector.races

    (one,) = gochan.run(main, **backend)
    assert one.previous.by.startswith("goroutine 'early'")
    assert line_of(one.previous.created) == 'g = go(early, name="early")'


def test_foreign_tasks_count_as_their_goroutine(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def child() -> None:
        x.store(x.load() + 1)

    async def main() -> None:
        x.store(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
            tasks.start_soon(child)
        x.store(1)

        async def other() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child)

        # ... and so it is another one's here
        go(other)
        x.store(1)
        await settle()

    races = found(main, backend)
    assert {one.access.by.split("'")[1] for one in races} == {"other"}


def test_worker_threads_count_as_their_goroutine(backend: dict[str, Any]) -> None:
    x = Var(0)

    def work() -> None:
        x.store(2)
        anyio.from_thread.run(again)

    async def again() -> None:
        x.store(3)

    async def main() -> None:
        x.store(1)
        await anyio.to_thread.run_sync(work)
        x.store(4)

    assert found(main, backend) == []


def test_foreign_tasks_without_a_run() -> None:
    x = Var(0)

    async def child() -> None:
        x.store(1)

    async def main() -> None:
        one, two = asyncio.create_task(child()), asyncio.create_task(child())
        await asyncio.gather(one, two)
        asyncio.get_running_loop().call_soon(x.store, 2)
        await asyncio.sleep(0)

    with race.detector():
        asyncio.run(main())


def test_threads_with_the_same_id_are_different() -> None:
    """A thread that has ended leaves its id to the next one."""
    x = Var(0, name="x")
    idents: set[int] = set()

    def work() -> None:
        idents.add(threading.get_ident())
        x.store(1)

    with race.detector(report="collect") as detector:
        for _ in range(10):
            thread = threading.Thread(target=work)
            thread.start()
            # waits for it without ordering anything
            ended = weakref.ref(thread)
            while thread.is_alive():
                pass
            del thread
            if ended() is not None:
                gc.collect()
            assert ended() is None
    assert len(idents) < 10, "they all had ids of their own"
    (one,) = detector.races
    assert one.access.by.startswith("thread 'Thread-")
    assert line_of(one.access.created) == "thread.start()"


def test_starting_and_joining_threads() -> None:
    x = Var(0)

    def work() -> None:
        x.store(x.load() + 1)

    with race.detector():
        x.store(1)
        for _ in range(3):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        x.store(x.load() + 1)
    assert x.load() == 5


def test_joining_in_vain() -> None:
    x, go_on = Var(0), threading.Event()

    def work() -> None:
        x.store(1)
        go_on.wait(30)

    with race.detector(report="collect") as detector:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.001)
        x.store(2)
        go_on.set()
        thread.join()
        # while no detector knows it: nothing to join
        threading.Thread().join  # noqa: B018
    assert len(detector.races) == 1


def test_threads_are_as_before() -> None:
    before = threading.Thread.start, threading.Thread.join
    with race.detector():
        assert threading.Thread.start is not before[0]
    assert (threading.Thread.start, threading.Thread.join) == before


def test_a_thread_that_parks_before_the_detector_comes() -> None:
    x, ch = Var(0), Chan[int]()

    def work() -> None:
        ch.blocking_recv()
        x.store(1)

    worker = start(work)
    while not ch.stats().waiting_receivers:
        pass
    with race.detector():
        x.store(2)
        ch.blocking_send(1)
        worker.join()


def test_several_instruments(backend: dict[str, Any]) -> None:
    seen = Recorder()
    x, ch = Var(0), Chan[int]()

    async def child() -> None:
        x.store(1)
        await ch.send(1)

    async def main() -> None:
        go(child)
        await ch.recv()
        x.store(2)

    gochan.run(main, **backend, instruments=[seen, race.detector()])
    assert len([event for event in seen.events if event.startswith("completed")]) >= 2


def test_acting_in_nobodys_name(backend: dict[str, Any]) -> None:
    """What is done as a party of its own is ordered with nobody else's acts."""
    x, ch = Var(0), Chan[int](1)

    class Nobody:
        pass

    async def child() -> None:
        x.store(1)
        with _instrument.acting(Nobody()):
            ch.send_nowait(1)

    async def main() -> None:
        go(child)
        await ch.recv()
        x.store(2)

    assert lines(found(main, backend)) == ["write/write a Var"]


def test_nested_detectors(backend: dict[str, Any]) -> None:
    """The inner one sees accesses, both see what synchronises."""
    x, ch = Var(0), Chan[int]()

    async def child() -> None:
        x.store(1)
        await ch.send(1)

    async def main() -> None:
        go(child)
        await ch.recv()
        x.store(2)

    with race.detector(report="collect") as outer:
        assert found(main, backend) == []
        assert _active.detector is outer
        gochan.run(_unordered, **backend)
        # those of another detector mean nothing here
        x.store(3)
    assert lines(outer.races) == ["write/write a Var"]
    assert _active.detector is None


async def _unordered() -> None:
    await two_writes(Var(0))


@pytest.mark.parametrize("kind", [buffers.Sliding, buffers.Dropping])
def test_a_buffer_that_drops(kind: Any, backend: dict[str, Any]) -> None:
    """Nobody waits for room in it, watched or not."""

    async def main() -> None:
        ch = Chan[int](buffer=kind(2))

        async def sender() -> None:
            for value in range(4):
                await ch.send(value)

        await go(sender)
        assert ch.stats().dropped == 2
        got = [await ch.recv(), await ch.recv()]
        assert got == ([2, 3] if kind is buffers.Sliding else [0, 1])

    assert found(main, backend) == []


def test_an_operation_that_no_loop_runs(backend: dict[str, Any]) -> None:
    """Driven by hand in a thread that has a goroutine's context: it counts as that."""
    x, ch = Var(0), Chan[int](2)

    def by_hand() -> None:
        for operation in (ch.send(1), ch.send(2), ch.recv()):
            with pytest.raises(StopIteration):
                operation.send(None)
        x.store(1)

    async def main() -> None:
        x.store(0)
        await anyio.to_thread.run_sync(by_hand)
        assert await ch.recv() == 2
        x.store(2)

    assert found(main, backend) == []
