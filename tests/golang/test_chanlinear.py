"""Go's test/chanlinear.go.

Many goroutines select between a channel of their own and one that all share. Waking
one of them takes it out of the queue of the shared channel, wherever it stands, at a
cost that does not depend on how many others wait there.

Go compares the time of n with that of 2n. Here both the lines of gochan that are
executed, which is exact, and the processor's time, generously, of as many wakes among
few and among many.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, go, recv, select
from golang.helpers import Threads, until
from support.idle import settle

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = str(Path(gochan.__file__).parent)


class Lines:
    """Counts the lines of gochan that run in a ``with`` block."""

    def __init__(self) -> None:
        self.count = 0

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.count += 1
        return self._trace

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)


class Crowd:
    """Goroutines that wait for the shared channel or for their own."""

    def __init__(self, n: int) -> None:
        self.shared = Chan[bool]()
        self.own = [Chan[bool]() for _ in range(n)]

    async def wait(self, own: Chan[bool]) -> None:
        from_shared, from_own = recv(self.shared), recv(own)
        while await select(from_shared, from_own) is from_own:
            pass

    async def gather(self) -> None:
        for own in self.own:
            go(self.wait, own)
        await settle()
        self._check()

    def _check(self) -> None:
        assert self.shared.stats().waiting_receivers == len(self.own)

    async def wake(self, order: list[int]) -> None:
        """Wake these, one by one; each comes back to the end of the queue."""
        for i in order:
            await self.own[i].send(True)

    async def leave(self) -> None:
        self._check()
        self.shared.close()


WAKES = 30


def order(n: int) -> list[int]:
    """Places at the front of the queue, at its end and in between."""
    return random.Random(1).sample(range(n), WAKES)


async def lines(n: int) -> float:
    crowd = Crowd(n)
    counted = Lines()
    async with gochan.scope():
        await crowd.gather()
        with counted:
            await crowd.wake(order(n))
            # not settle(), which looks at every task
            for _ in range(5):
                await gochan.yield_()
        await crowd.leave()
    return counted.count / WAKES


async def test_lines_executed_do_not_depend_on_the_number_of_waiters() -> None:
    few, more = await lines(100), await lines(1000)
    assert few > 10
    assert more < 1.2 * few


async def seconds(crowd: Crowd) -> float:
    """Of this thread on the processor."""
    n = len(crowd.own)
    gc.disable()
    try:
        start = time.thread_time()
        for _ in range(4):
            await crowd.wake(order(n))
        return time.thread_time() - start
    finally:
        gc.enable()


@pytest.mark.slow
async def test_time_does_not_depend_on_the_number_of_waiters() -> None:
    few, more = Crowd(30), Crowd(3000)
    times: list[tuple[float, float]] = []
    async with gochan.scope():
        await few.gather()
        await more.gather()
        # alternate, so that a slow moment of the machine hits both
        for _ in range(9):
            times.append((await seconds(few), await seconds(more)))
        await settle()
        await few.leave()
        await more.leave()
    ratio = min(t[1] for t in times) / min(t[0] for t in times)
    # a scan of the queue would make it about 100
    assert ratio < 5, times


async def cancel(n: int) -> float:
    crowd = Crowd(n)
    counted = Lines()
    # in a scope of its own, so that this goroutine can trace the cancellation
    async with gochan.scope():
        owner = go(crowd_of, crowd)
        await settle()
        with counted:
            owner.cancel()
            while not ended(owner):
                await gochan.yield_()
    assert crowd.shared.stats().waiting_receivers == 0
    return counted.count / n


def ended(owner: gochan.Goroutine[None]) -> bool:
    return owner.state == "done"


async def crowd_of(crowd: Crowd) -> None:
    async with gochan.scope():
        for own in crowd.own:
            go(crowd.wait, own)


async def test_cancelling_all_at_once_is_linear() -> None:
    """Each takes itself out of the queue of the shared channel."""
    few, more = await cancel(50), await cancel(500)
    assert few > 10
    assert more < 1.2 * few


def test_threads_leave_the_queue() -> None:
    """A timed out thread is taken out from the middle of the queue."""
    ch = Chan[int]()
    timed_out: list[int] = []

    def impatient() -> None:
        try:
            ch.blocking_recv(timeout=0.01)
        except TimeoutError:
            timed_out.append(1)

    with Threads() as threads:
        threads.start(ch.blocking_recv, 30)
        until(lambda: ch.stats().waiting_receivers == 1, "the first waits")
        for _ in range(10):
            threads.start(impatient)
        until(lambda: len(timed_out) == 10, "the others have given up")
        assert ch.stats().waiting_receivers == 1
        ch.blocking_send(1)
