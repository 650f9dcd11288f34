"""The blocking face of the primitives in goroutines on threads and in fibers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

import gochan
from gochan import Goroutine, GoroutineCancelled, fibers, go, nil, scope, singleflight
from gochan.semaphore import Weighted
from gochan.sync import Cond, Mutex, Once, RWMutex, WaitGroup
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from gochan._waiter import WaitQueue


class Subject:
    """Something that a blocking call waits for."""

    def __init__(self) -> None:
        self.queues: list[WaitQueue] = []

    def wait(self) -> None:
        """The call; it has to wait."""
        raise NotImplementedError

    def let_on(self) -> None:
        """Let it go on."""
        raise NotImplementedError

    def waits(self) -> int:
        """How many wait."""
        return sum(len(queue) for queue in self.queues)


class OfMutex(Subject):
    def __init__(self) -> None:
        self.thing = Mutex()
        assert self.thing.try_lock()
        self.queues = [self.thing._waiters]

    def wait(self) -> None:
        self.thing.blocking_lock()

    def let_on(self) -> None:
        self.thing.unlock()


class OfWriter(Subject):
    def __init__(self) -> None:
        self.thing = RWMutex()
        assert self.thing.try_rlock()
        self.queues = [self.thing._waiting_writers]

    def wait(self) -> None:
        self.thing.blocking_lock()

    def let_on(self) -> None:
        self.thing.runlock()


class OfReader(Subject):
    def __init__(self) -> None:
        self.thing = RWMutex()
        assert self.thing.try_lock()
        self.queues = [self.thing._waiting_readers]

    def wait(self) -> None:
        self.thing.blocking_rlock()

    def let_on(self) -> None:
        self.thing.unlock()


class OfWaitGroup(Subject):
    def __init__(self) -> None:
        self.thing = WaitGroup()
        self.thing.add(1)
        self.queues = [self.thing._waiters]

    def wait(self) -> None:
        self.thing.blocking_wait()

    def let_on(self) -> None:
        self.thing.done()


class OfCond(Subject):
    def __init__(self) -> None:
        self.thing = Cond(Mutex())
        self.queues = [self.thing._waiters]

    def let_on(self) -> None:
        self.thing.signal()

    def wait(self) -> None:
        with self.thing:
            self.thing.blocking_wait()


class OfOnce(Subject):
    def __init__(self) -> None:
        self.thing = Once()
        assert self.thing._call.reserve()
        self.queues = [self.thing._call._waiters]

    def let_on(self) -> None:
        self.thing._call.abandon()

    def wait(self) -> None:
        self.thing.blocking_do(lambda: None)


class OfWeighted(Subject):
    def __init__(self) -> None:
        self.thing = Weighted(2)
        assert self.thing.try_acquire(2)
        self.queues = [self.thing._waiters]

    def wait(self) -> None:
        self.thing.blocking_acquire()

    def let_on(self) -> None:
        self.thing.release(2)


class OfGroup(Subject):
    def __init__(self) -> None:
        self.thing = singleflight.Group()
        self.flight = self.thing._join("key").flight
        assert self.flight.reserve()
        self.queues = [self.flight._waiters]

    def let_on(self) -> None:
        self.flight.abandon()

    def wait(self) -> None:
        self.thing.blocking_do("key", lambda: None)


SUBJECTS = [
    OfMutex,
    OfWriter,
    OfReader,
    OfWaitGroup,
    OfCond,
    OfOnce,
    OfWeighted,
    OfGroup,
]
subjects = pytest.mark.parametrize("make", SUBJECTS)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not condition():
            await anyio.lowlevel.checkpoint()


@subjects
async def test_it_waits_and_goes_on(on: Any, make: type[Subject]) -> None:
    subject = make()
    async with scope():
        g: Goroutine[Any] = go(subject.wait, on=on)
        await until(subject.waits)
        # the loop is not held up
        await gochan.yield_()
        subject.let_on()
        await g
    assert subject.waits() == 0


@subjects
async def test_it_is_cancelled_while_it_waits(on: Any, make: type[Subject]) -> None:
    subject = make()
    async with scope():
        g: Goroutine[Any] = go(subject.wait, on=on)
        await until(subject.waits)
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
        assert subject.waits() == 0
        # nothing has happened: the next one has it
        g = go(subject.wait, on=on)
        await until(subject.waits)
        subject.let_on()
        await g


@subjects
async def test_what_was_given_first_is_not_lost(on: Any, make: type[Subject]) -> None:
    subject = make()
    returned = False

    def wait() -> None:
        nonlocal returned
        subject.wait()
        returned = True
        nil.blocking_recv()

    async with scope():
        g: Goroutine[Any] = go(wait, on=on)
        await until(subject.waits)
        subject.let_on()
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    assert returned


async def test_a_cancelled_wait_on_a_cond_holds_the_lock_before_it_raises(
    on: Any,
) -> None:
    cond = Cond(Mutex())
    steps: list[str] = []

    def wait() -> None:
        cond.locker.blocking_lock()
        try:
            cond.blocking_wait()
        finally:
            steps.append("raised")
            cond.locker.unlock()

    async with scope():
        g: Goroutine[Any] = go(wait, on=on)
        await until(lambda: cond._waiters)
        await cond.locker.lock()
        g.cancel()
        await until(lambda: "waiting" in repr(cond.locker))
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        steps.append("unlocked")
        cond.locker.unlock()
        with pytest.raises(GoroutineCancelled):
            await g
    assert steps == ["unlocked", "raised"]
    assert cond.locker.try_lock()


async def test_a_cancelled_runner_of_a_once_leaves_it_to_others(on: Any) -> None:
    once = Once()
    ran: list[str] = []

    async with scope():
        g: Goroutine[Any] = go(once.blocking_do, nil.blocking_recv, on=on)
        await until(lambda: once._call._running)
        other = go(once.do, lambda: ran.append("other"))
        await until(lambda: once._call._waiters)
        g.cancel()
        await other
    assert ran == ["other"]


async def test_a_wait_group_counts_goroutines_of_all_kinds(on: Any) -> None:
    wg, mu = WaitGroup(), Mutex()
    total = 0

    def plain(number: int) -> None:
        nonlocal total
        with mu:
            total += number

    async def awaits(number: int) -> None:
        nonlocal total
        async with mu:
            total += number

    async with scope():
        for number in range(10):
            wg.go(plain, number, on=on)
            wg.go(awaits, number)
        cancelled = wg.go(nil.blocking_recv, on=on)
        await gochan.yield_()
        cancelled.cancel()
        await wg.wait()
        assert total == 90


async def test_a_fiber_has_a_timeout() -> None:
    mu, w = Mutex(), Weighted(1)
    assert mu.try_lock()

    def wait() -> None:
        with pytest.raises(TimeoutError):
            mu.blocking_lock(0.001)
        with pytest.raises(TimeoutError):
            mu.blocking_lock(0)
        with pytest.raises(TimeoutError):
            w.blocking_acquire(2, 0.001)

    async with scope():
        await go(wait, on=fibers)
        await settle()
    assert repr(mu) == "<Mutex, locked>"
    assert repr(w) == "<Weighted, 0 of 1 held>"
