"""What is particular to fibers: the loop's own thread, portals, a missing package."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    blocking_select,
    fibers,
    go,
    recv,
    run,
    scope,
    send,
    yield_,
)
from support.blocking import eventually, parked
from support.ledger import at_rest

greenback: Any = pytest.importorskip("greenback")


def wait(ch: Chan[int]) -> int:
    return ch.blocking_recv()


async def test_a_fiber_runs_on_the_thread_of_the_loop() -> None:
    async with scope():
        assert await go(threading.get_ident, on=fibers) == threading.get_ident()


@pytest.mark.slow
async def test_ten_thousand_fibers() -> None:
    count = 10_000
    numbers, results = Chan[int](), Chan[int](1)

    def work() -> None:
        results.blocking_send(numbers.blocking_recv() + 1)

    async def feed() -> None:
        for number in range(count):
            await numbers.send(number)

    async with scope():
        for _ in range(count):
            go(work, on=fibers)
        await eventually(lambda: numbers.stats().waiting_receivers == count)
        go(feed)
        assert sum([await results.recv() for _ in range(count)]) == sum(
            range(1, count + 1)
        )
    at_rest(numbers, results)


async def test_a_fiber_does_not_hog_the_loop() -> None:
    # what never has to wait gives way to others all the same
    ch = Chan[int](1)
    steps = 0
    over = False

    def hog() -> None:
        while not over:
            ch.blocking_send(1)
            ch.blocking_recv()

    async with scope():
        go(hog, on=fibers)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
            steps += 1
        over = True
    assert steps == 10


async def test_a_fiber_that_never_waits_is_cancelled() -> None:
    ch = Chan[int](1)

    def hog() -> None:
        while True:
            ch.blocking_send(1)
            ch.blocking_recv()

    async with scope():
        g = go(hog, on=fibers)
        await yield_()
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    assert len(ch) == 0


async def test_deep_in_plain_code() -> None:
    # whatever is between the goroutine and the operation need not know of it
    ch = Chan[str]()

    def walk(depth: int) -> list[str]:
        if not depth:
            return [ch.blocking_recv()]
        return sorted(found for found in walk(depth - 1))

    async with scope():
        g = go(walk, 50, on=fibers)
        await ch.send("deep")
        assert await g == ["deep"]


async def test_a_cancellation_unwinds_the_stack() -> None:
    unwound: list[int] = []

    def walk(depth: int) -> None:
        try:
            if depth:
                walk(depth - 1)
            else:
                Chan[int]().blocking_recv()
        finally:
            unwound.append(depth)

    async with scope():
        g = go(walk, 5, on=fibers)
        await parked(g)
        g.cancel()
    assert unwound == [0, 1, 2, 3, 4, 5]


async def test_a_select_between_two_fibers() -> None:
    a, b = Chan[int](), Chan[int]()

    def ping() -> int:
        for number in range(20):
            assert blocking_select(send(a, number), recv(b)).index == 0
            assert b.blocking_recv() == number
        return 20

    def pong() -> None:
        for value in a:
            b.blocking_send(value)

    async with scope():
        go(pong, on=fibers)
        assert await go(ping, on=fibers) == 20
        a.close()


@pytest.mark.parametrize("order", ["peer", "timeout"])
async def test_a_peer_and_a_timeout_in_the_same_tick(order: str) -> None:
    # at whichever it is, a value is not lost
    ch = Chan[int]()
    outcomes: list[object] = []

    def work() -> None:
        try:
            outcomes.append(ch.blocking_recv(0.01))
        except TimeoutError:
            outcomes.append("timeout")

    async with scope():
        g = go(work, on=fibers)
        await parked(g)
        if order == "timeout":
            # its deadline passes while the loop is held up
            time.sleep(0.02)
        try:
            ch.send_nowait(1)
        except gochan.WouldBlock:
            outcomes.append("not sent")
    assert outcomes in ([1], ["timeout", "not sent"], ["not sent", "timeout"])
    if order == "peer":
        assert outcomes == [1]


async def test_a_timeout_leaves_no_cancellation_behind() -> None:
    ch, last = Chan[int](1), Chan[int]()

    def work() -> int:
        with pytest.raises(TimeoutError):
            ch.blocking_recv(0.001)
        for _ in range(200):
            ch.blocking_send(1)
            ch.blocking_recv()
        return last.blocking_recv()

    async with scope():
        g = go(work, on=fibers)
        await last.send(7)
        assert await g == 7


async def test_a_task_with_a_portal_is_a_fiber() -> None:
    # somebody else's, such as that of an application that uses greenback
    ch = Chan[int]()

    def plain() -> int:
        return ch.blocking_recv()

    async def portal() -> int:
        await greenback.ensure_portal()
        return plain()

    async with scope():
        g = go(portal)
        await eventually(lambda: ch.stats().waiting_receivers)
        await ch.send(3)
        assert await g == 3


async def test_a_coroutine_is_no_fiber() -> None:
    # greenback is loaded, and others have portals
    async with scope():
        ch = Chan[int]()
        go(wait, ch, on=fibers)
        await eventually(lambda: ch.stats().waiting_receivers)
        with pytest.raises(RuntimeError, match=r"write: await ch\.recv\(\)"):
            ch.blocking_recv()
        await ch.send(1)


async def test_await_in_a_fiber() -> None:
    async def double(number: int) -> int:
        await yield_()
        return 2 * number

    def work() -> int:
        result: int = greenback.await_(double(4))
        return result

    async with scope():
        assert await go(work, on=fibers) == 8


def test_fibers_on_a_loop_in_a_thread(backend: dict[str, Any]) -> None:
    # that thread runs a goroutine itself: who is asked for is the fiber
    cancelled: list[str] = []

    async def inner() -> int:
        ch = Chan[int]()
        g = go(wait, ch, on=fibers)
        await parked(g)
        await ch.send(5)
        h = go(wait, ch, on=fibers, name="h")
        await parked(h)
        h.cancel()
        try:
            await h
        except GoroutineCancelled as error:
            cancelled.append(str(error))
        return await g

    async def main() -> int:
        return await go(lambda: run(inner, **backend), on=gochan.threads)

    assert run(main, **backend) == 5
    assert len(cancelled) == 1


PROGRAM = """
import sys
sys.modules["greenback"] = None
from gochan import fibers, go, run

async def main():
    go(print, on=fibers)

try:
    run(main)
except ImportError as error:
    print(error)
"""


def test_without_greenback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "fibers need the package greenback: pip install 'gochan-csp[fibers]'\n"
    )


async def test_the_state_of_a_fiber_that_runs() -> None:
    def look() -> str:
        return me[0].state

    async with scope():
        me: list[Goroutine[str]] = [go(look, on=fibers)]
        assert await me[0] == "running"
