"""The primitives between threads and several loops at the same time."""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import go, scope, singleflight, sync
from gochan.semaphore import Weighted
from support.threads import TOGETHER, Preempted, Worker, frequent_switches, start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("one_budget")


# Preemption: a thread stands still before each line of gochan in turn


def held(locker: sync.Locker) -> Callable[[], object]:
    """Lock it; how to let others in."""
    locker.blocking_lock()
    return locker.unlock


def rw_held_for_reading() -> tuple[Callable[[], object], Callable[[float], object]]:
    rw = sync.RWMutex()
    rw.blocking_rlock()
    return rw.runlock, rw.blocking_lock


def rw_held_for_writing() -> tuple[Callable[[], object], Callable[[float], object]]:
    rw = sync.RWMutex()
    return held(rw), rw.blocking_rlock


def mutex() -> tuple[Callable[[], object], Callable[[float], object]]:
    mu = sync.Mutex()
    return held(mu), mu.blocking_lock


def mutex_with_a_queue() -> tuple[Callable[[], object], Callable[[float], object]]:
    mu = sync.Mutex()
    undo = held(mu)

    def other() -> None:
        mu.blocking_lock(10)
        mu.unlock()

    def lock(timeout: float) -> None:
        mu.blocking_lock(timeout)
        mu.unlock()

    start(other)
    until(lambda: mu._waiters)
    return undo, lock


def weighted() -> tuple[Callable[[], object], Callable[[float], object]]:
    w = Weighted(2)
    w.blocking_acquire(2)
    return functools.partial(w.release, 2), functools.partial(w.blocking_acquire, 1)


def wait_group() -> tuple[Callable[[], object], Callable[[float], object]]:
    wg = sync.WaitGroup()
    wg.add(1)
    return wg.done, wg.blocking_wait


def condition() -> tuple[Callable[[], object], Callable[[float], object]]:
    cond = sync.Cond(sync.Mutex())
    ready = False

    def announce() -> None:
        nonlocal ready
        with cond:
            ready = True
            cond.signal()

    def is_ready() -> bool:
        return ready

    def wait(timeout: float) -> None:
        with cond:
            cond.blocking_wait_for(is_ready, timeout)

    return announce, wait


def once() -> tuple[Callable[[], object], Callable[[float], object]]:
    do = sync.Once().blocking_do
    return functools.partial(do, lambda: None), functools.partial(do, lambda: None)


def flight() -> tuple[Callable[[], object], Callable[[float], object]]:
    do = singleflight.Group().blocking_do

    def ask(timeout: float) -> object:
        return do("key", lambda: 7, timeout)

    return functools.partial(ask, 10), ask


PAIRS = {
    "Mutex": mutex,
    "Mutex with a queue": mutex_with_a_queue,
    "RWMutex, reader first": rw_held_for_reading,
    "RWMutex, writer first": rw_held_for_writing,
    "Weighted": weighted,
    "WaitGroup": wait_group,
    "Cond": condition,
    "Once": once,
    "Group": flight,
}
pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


@pairs
def test_a_thread_is_preempted_while_it_lets_another_go_on(pair: Any) -> None:
    line = 0
    while True:
        let_on, wait = pair()
        thread = Preempted(line, let_on, patience=0.002)
        assert thread.paused.wait(10)
        # it may have to wait for a lock that the first one holds
        other = start(wait, 10)
        other.thread.join(0.001)
        thread.join()
        other.join()
        if not thread.reached:
            break
        line += 1
    assert line > 3


@pairs
def test_a_thread_is_preempted_while_it_goes_to_wait(pair: Any) -> None:
    line = 0
    while True:
        let_on, wait = pair()
        thread = Preempted(line, wait, 10, patience=0.002)
        # it may park before it gets there
        thread.paused.wait(0.003)
        other = start(let_on)
        other.thread.join(0.001)
        thread.join()
        other.join()
        if not thread.reached:
            break
        line += 1
    assert line > 3


@pairs
def test_a_thread_is_preempted_while_its_time_runs_out(pair: Any) -> None:
    """It has what it waited for, or has left no trace of that."""
    line = 0
    while True:
        let_on, wait = pair()
        thread = Preempted(line, wait, 0.0005, patience=0.002)
        thread.paused.wait(0.003)
        other = start(let_on)
        other.thread.join(0.001)
        try:
            thread.join()
        except TimeoutError:
            # then it is there for others, once it has been let go
            other.join()
            wait(10)
        other.join()
        if not thread.reached:
            break
        line += 1
    assert line > 3


# Threads and loops hammer one primitive


class Both:
    """The same body for a thread and for a coroutine."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.workers: list[Worker[Any]] = []

    def go(self, rounds: int, blocking: Callable[[], object], awaits: Any) -> None:
        def thread() -> None:
            for _ in range(rounds):
                blocking()

        async def one() -> None:
            for _ in range(rounds):
                await awaits()
                await anyio.lowlevel.checkpoint()

        async def main() -> None:
            async with scope():
                for _ in range(3):
                    go(one)

        for _ in range(2):
            self.workers.append(start(thread))
        for name in TOGETHER:
            backend: Any = name
            self.workers.append(
                start(functools.partial(gochan.run, main, backend=backend))
            )
        for worker in self.workers:
            worker.join(60)


@pytest.fixture(params=[100, pytest.param(2000, marks=pytest.mark.slow)])
def rounds(request: pytest.FixtureRequest) -> Iterator[int]:
    with frequent_switches():
        yield request.param


def test_mutex(rounds: int) -> None:
    mu, inside, total = sync.Mutex(), 0, 0
    rng = random.Random(1)

    def check() -> None:
        nonlocal inside, total
        assert inside == 0
        inside += 1
        total += 1
        inside -= 1

    def blocking() -> None:
        try:
            mu.blocking_lock(rng.choice((None, None, 0, 1e-5)))
        except TimeoutError:
            return
        try:
            check()
        finally:
            mu.unlock()
        if mu.try_lock():
            check()
            mu.unlock()

    async def awaits() -> None:
        nonlocal inside
        with anyio.move_on_after(rng.choice((10, 10, 1e-5))):
            async with mu:
                check()
                inside += 1
                try:
                    await anyio.lowlevel.checkpoint()
                finally:
                    inside -= 1

    Both(1).go(rounds, blocking, awaits)
    assert repr(mu) == "<Mutex, unlocked>"
    assert not mu._waking
    assert total > rounds


def test_rwmutex(rounds: int) -> None:
    rw = sync.RWMutex()
    readers = sync.WaitGroup()
    writing = 0
    rng = random.Random(2)

    def read() -> None:
        readers.add(1)
        assert writing == 0
        readers.done()

    def write() -> None:
        nonlocal writing
        assert readers._count == 0
        assert writing == 0
        writing += 1
        writing -= 1

    def blocking() -> None:
        timeout = rng.choice((None, None, 0, 1e-5))
        try:
            if rng.random() < 0.5:
                rw.blocking_rlock(timeout)
                read()
                rw.runlock()
            else:
                rw.blocking_lock(timeout)
                write()
                rw.unlock()
        except TimeoutError:
            pass

    async def awaits() -> None:
        with anyio.move_on_after(rng.choice((10, 10, 1e-5))):
            if rng.random() < 0.5:
                async with rw.rlocker():
                    read()
                    await anyio.lowlevel.checkpoint()
            else:
                async with rw:
                    write()
                    await anyio.lowlevel.checkpoint()

    Both(2).go(rounds, blocking, awaits)
    assert repr(rw) == "<RWMutex, unlocked>"


def test_weighted(rounds: int) -> None:
    w = Weighted(3)
    rng = random.Random(3)

    def blocking() -> None:
        n = rng.randint(1, 3)
        try:
            w.blocking_acquire(n, rng.choice((None, None, 0, 1e-5)))
        except TimeoutError:
            return
        assert 0 < w._held <= 3
        w.release(n)

    async def awaits() -> None:
        with anyio.move_on_after(rng.choice((10, 10, 1e-5))):
            async with w.hold(rng.randint(1, 3)):
                assert 0 < w._held <= 3
                await anyio.lowlevel.checkpoint()

    Both(3).go(rounds, blocking, awaits)
    assert repr(w) == "<Weighted, 0 of 3 held>"


def test_cond(rounds: int) -> None:
    """Each uses up what another one has made: a lost signal would stop them all."""
    cond = sync.Cond(sync.Mutex())
    things = 0
    rng = random.Random(4)

    def any_things() -> bool:
        return things > 0

    def make() -> None:
        nonlocal things
        things += 1
        cond.signal()

    def blocking() -> None:
        nonlocal things
        with cond:
            make()
        with cond:
            try:
                cond.blocking_wait_for(any_things, rng.choice((None, None, 1e-5)))
            except TimeoutError:
                return
            things -= 1

    async def awaits() -> None:
        nonlocal things
        async with cond:
            make()
        with anyio.move_on_after(rng.choice((10, 10, 1e-5))):
            async with cond:
                await cond.wait_for(any_things)
                things -= 1

    Both(4).go(rounds, blocking, awaits)
    assert things >= 0
    assert not cond._waiters
    assert cond.locker.try_lock()


def test_wait_group(rounds: int) -> None:
    """Each adds and takes away, and waits for the others now and then."""
    wg = sync.WaitGroup()

    def blocking() -> None:
        wg.add(1)
        wg.done()
        try:
            wg.blocking_wait(1e-4)
        except (TimeoutError, sync.WaitGroupReused):
            pass

    async def awaits() -> None:
        wg.add(1)
        await anyio.lowlevel.checkpoint()
        wg.done()
        try:
            with anyio.move_on_after(1e-4):
                await wg.wait()
        except sync.WaitGroupReused:
            pass

    Both(5).go(rounds, blocking, awaits)
    assert repr(wg) == "<WaitGroup, 0 to be done>"


def test_once(rounds: int) -> None:
    """One after the other; the runner may be cancelled or stopped in the middle."""
    onces = [sync.Once() for _ in range(rounds)]
    runs = [0] * rounds
    rng = random.Random(6)

    def blocking() -> None:
        number = rng.randrange(rounds)

        def fn() -> None:
            runs[number] += 1

        onces[number].blocking_do(fn)
        assert runs[number] == 1

    async def awaits() -> None:
        number = rng.randrange(rounds)

        async def fn() -> None:
            await anyio.lowlevel.checkpoint()
            runs[number] += 1

        with anyio.move_on_after(rng.choice((10, 10, 0))):
            await onces[number].do(fn)
            assert runs[number] == 1

    Both(6).go(rounds, blocking, awaits)
    assert set(runs) <= {0, 1}
    assert not any(one._call._running or one._call._waiters for one in onces)


def test_group(rounds: int) -> None:
    group = singleflight.Group()
    running = dict.fromkeys("ab", 0)
    rng = random.Random(7)

    def blocking() -> None:
        key = rng.choice("ab")

        def fn() -> str:
            assert running[key] == 0
            running[key] += 1
            running[key] -= 1
            return key

        try:
            value, _ = group.blocking_do(key, fn, rng.choice((None, 1e-5)))
        except TimeoutError:
            return
        assert value == key

    async def awaits() -> None:
        key = rng.choice("ab")

        async def fn() -> str:
            assert running[key] == 0
            running[key] += 1
            try:
                await anyio.lowlevel.checkpoint()
            finally:
                running[key] -= 1
            return key

        with anyio.move_on_after(rng.choice((10, 10, 0))):
            value, _ = await group.do(key, fn)
            assert value == key

    Both(7).go(rounds, blocking, awaits)
    assert repr(group) == "<singleflight Group, 0 under way>"
