"""What an instrument is told about the primitives: waits, and every event.

Each row of the table of Go's race detector is compared event by event. What follows
from them is in test_sync_edges.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import _instrument, atomic, go, semaphore, singleflight, sync
from support.idle import settle
from support.seeing import Recorder, watch
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


@pytest.fixture
def seen() -> Iterator[Recorder]:
    seen = Recorder()
    _instrument.install(seen)
    yield seen
    _instrument.uninstall(seen)


# Waits


def locked() -> sync.Mutex:
    mutex = sync.Mutex()
    assert mutex.try_lock()
    return mutex


def write_locked() -> sync.RWMutex:
    rw = sync.RWMutex()
    assert rw.try_lock()
    return rw


def counting() -> sync.WaitGroup:
    wg = sync.WaitGroup()
    wg.add(1)
    return wg


async def wait_on_a_cond() -> None:
    cond = sync.Cond(sync.Mutex())
    async with cond:
        await cond.wait()


async def wait_for_a_once() -> None:
    once = sync.Once()
    go(once.do, gochan.nil.recv, name="runner")
    while not once._call._running:
        await gochan.yield_()
    await once.do(lambda: None)


async def wait_for_a_flight() -> None:
    group = singleflight.Group()
    go(group.do, "key", gochan.nil.recv, name="runner")
    while not group._flights or not group._flights["key"]._running:
        await gochan.yield_()
    await group.do("key", lambda: None)


async def acquire_too_much() -> None:
    await semaphore.Weighted(1).acquire(2)


WAITS: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
    "sync.Mutex.Lock Mutex": lambda: locked().lock(),
    "sync.RWMutex.Lock RWMutex": lambda: write_locked().lock(),
    "sync.RWMutex.RLock RWMutex": lambda: write_locked().rlock(),
    "sync.WaitGroup.Wait WaitGroup": lambda: counting().wait(),
    "sync.Cond.Wait Cond": wait_on_a_cond,
    "sync.Once.Do Call": wait_for_a_once,
    "sync.WaitGroup.Wait _Flight": wait_for_a_flight,
    "semacquire Weighted": acquire_too_much,
}


@pytest.mark.parametrize("expected", WAITS)
def test_parked_and_woken_by_a_cancellation(
    backend: dict[str, Any], expected: str
) -> None:
    seen = Recorder()

    async def main() -> None:
        async def waits() -> None:
            await WAITS[expected]()

        g = go(waits, name="g")
        await settle()
        parked = [event for event in seen.events if event.startswith("goroutine_par")]
        assert parked[-1] == f"goroutine_parked g {expected}"
        seen.events.clear()
        g.cancel()
        await settle()
        events = seen.take("goroutine_woken", "goroutine_finished")
        assert events == ["goroutine_woken g", "goroutine_finished g"]

    watch(main, backend, seen)


def woken(seen: Recorder) -> list[str]:
    return seen.take("goroutine_parked", "goroutine_woken")


def test_woken_by_a_peer(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        mutex, rw, wg = locked(), write_locked(), counting()
        cond, w = sync.Cond(sync.Mutex()), semaphore.Weighted(1)
        assert w.try_acquire()

        async def wait() -> None:
            async with cond:
                await cond.wait()

        for wait_of, wake in (
            (mutex.lock, mutex.unlock),
            (rw.lock, rw.unlock),
            (wg.wait, wg.done),
            (wait, cond.signal),
            (w.acquire, w.release),
        ):
            g = go(wait_of, name="g")
            await settle()
            seen.events.clear()
            wake()
            assert woken(seen) == ["goroutine_woken g"]
            await g

    watch(main, backend, seen)


# Rows of the table


def test_mutex(seen: Recorder) -> None:
    mu = sync.Mutex()
    mu.blocking_lock()
    assert seen.sync() == ["acquire thread Mutex"]
    assert not mu.try_lock()
    assert seen.sync() == []
    mu.unlock()
    assert seen.sync() == ["release thread Mutex"]
    assert mu.try_lock()
    assert seen.sync() == ["acquire thread Mutex"]
    mu.unlock()


def test_a_mutex_that_is_handed_over(
    backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Recorder()
    now = 0.0
    monkeypatch.setattr(sync._mutex, "clock", lambda: now)

    async def main() -> None:
        nonlocal now
        mu = sync.Mutex()
        await mu.lock()
        for name in ("woken", "handed"):
            go(mu.lock, name=name)
            await settle()
        seen.events.clear()
        mu.unlock()
        assert seen.sync() == ["release main Mutex"]
        await settle()
        # it took it itself
        assert seen.sync() == ["acquire woken Mutex"]
        now = 1.0
        mu.unlock()
        assert seen.sync() == ["release main Mutex", "acquire handed Mutex"]
        mu.unlock()

    watch(main, backend, seen)


def test_rwmutex(seen: Recorder) -> None:
    rw = sync.RWMutex()
    rw.blocking_rlock()
    rw.runlock()
    rw.blocking_lock()
    rw.unlock()
    assert seen.sync() == [
        "acquire thread RWMutex[r]",
        "release_merge thread RWMutex[w]",
        "acquire thread RWMutex[r]",
        "acquire thread RWMutex[w]",
        "release thread RWMutex[r]",
    ]
    assert rw.try_lock()
    assert not rw.try_rlock()
    rw.unlock()
    assert seen.sync()[:2] == ["acquire thread RWMutex[r]", "acquire thread RWMutex[w]"]


def test_rwmutex_that_is_waited_for(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        rw = sync.RWMutex()
        await rw.lock()
        go(rw.rlock, name="reader")
        await settle()
        go(rw.lock, name="writer")
        await settle()
        seen.events.clear()
        rw.unlock()
        assert seen.sync() == ["release main RWMutex[r]", "acquire reader RWMutex[r]"]
        rw.runlock()
        assert seen.sync() == [
            "release_merge main RWMutex[w]",
            "acquire writer RWMutex[r]",
            "acquire writer RWMutex[w]",
        ]
        rw.unlock()

    watch(main, backend, seen)


def test_wait_group(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        wg = sync.WaitGroup()
        await wg.wait()
        assert seen.sync() == ["acquire main WaitGroup"]
        wg.add(1)
        # only from zero
        wg.add(1)
        assert seen.sync() == ["read main WaitGroup[sema]"]
        for name in ("first", "second"):
            go(wg.wait, name=name)
            await settle()
        assert seen.sync() == ["write first WaitGroup[sema]"]
        wg.done()
        assert seen.sync() == ["release_merge main WaitGroup"]
        wg.done()
        assert seen.sync() == [
            "release_merge main WaitGroup",
            "acquire first WaitGroup",
            "acquire second WaitGroup",
        ]

    watch(main, backend, seen)


def test_once(seen: Recorder) -> None:
    once = sync.Once()
    once.blocking_do(lambda: None)
    assert seen.sync() == ["acquire thread Call", "release thread Call"]
    once.blocking_do(lambda: None)
    assert seen.sync() == ["acquire thread Call"]


def test_pool(seen: Recorder) -> None:
    pool = sync.Pool[list[int]](list)
    thing = pool.get()
    assert seen.sync() == []
    pool.put(thing)
    assert pool.get() is thing
    assert seen.sync() == [
        f"release_merge thread Pool[{id(thing)}]",
        f"acquire thread Pool[{id(thing)}]",
    ]


MAP: dict[str, tuple[Callable[[sync.Map[str, int]], object], list[str]]] = {
    "load": (lambda m: m.load("a"), ["acquire"]),
    "load, key b": (lambda m: m.load("b"), ["acquire"]),
    "store": (lambda m: m.store("a", 2), ["release"]),
    "load_or_store": (lambda m: m.load_or_store("a", 2), ["acquire"]),
    "load_or_store, key b": (
        lambda m: m.load_or_store("b", 2),
        ["acquire", "release"],
    ),
    "load_and_delete": (lambda m: m.load_and_delete("a"), ["acquire", "release"]),
    "delete": (lambda m: m.delete("a"), ["release"]),
    "swap": (lambda m: m.swap("a", 2), ["acquire", "release"]),
    "compare_and_swap": (
        lambda m: m.compare_and_swap("a", 1, 2),
        ["acquire", "release"],
    ),
    "compare_and_swap of another": (
        lambda m: m.compare_and_swap("a", 7, 2),
        ["acquire"],
    ),
    "compare_and_delete": (
        lambda m: m.compare_and_delete("a", 1),
        ["acquire", "release"],
    ),
    "compare_and_delete of another": (
        lambda m: m.compare_and_delete("a", 7),
        ["acquire"],
    ),
    "range": (lambda m: list(m.range()), ["acquire"]),
    "clear": (lambda m: m.clear(), ["release"]),
}


@pytest.mark.parametrize("what", MAP)
def test_map(seen: Recorder, what: str) -> None:
    m = sync.Map[str, int]()
    m.store("a", 1)
    seen.events.clear()
    call, expected = MAP[what]
    call(m)
    assert seen.sync() == [
        f"{event} thread Map[{what.partition(', key ')[2] or 'a'}]"
        for event in expected
    ]


RMW = ["acquire", "release_merge"]
ATOMIC: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "Int load": (lambda x: x.load(), ["acquire"]),
    "Int store": (lambda x: x.store(1), ["release"]),
    "Int add": (lambda x: x.add(1), RMW),
    "Int swap": (lambda x: x.swap(1), RMW),
    "Int and": (lambda x: x.and_(1), RMW),
    "Int or": (lambda x: x.or_(1), RMW),
    "Int compare_and_swap": (lambda x: x.compare_and_swap(0, 1), RMW),
    "Int compare_and_swap in vain": (
        lambda x: x.compare_and_swap(7, 1),
        ["acquire"],
    ),
    "Bool load": (lambda x: x.load(), ["acquire"]),
    "Bool compare_and_swap": (lambda x: x.compare_and_swap(False, True), RMW),
    "Bool compare_and_swap in vain": (
        lambda x: x.compare_and_swap(True, True),
        ["acquire"],
    ),
    "Pointer store": (lambda x: x.store("a"), ["release"]),
    "Pointer compare_and_swap": (lambda x: x.compare_and_swap(None, "a"), RMW),
    "Pointer compare_and_swap in vain": (
        lambda x: x.compare_and_swap("b", "a"),
        ["acquire"],
    ),
    "Value store": (lambda x: x.store(1), ["release"]),
    "Value swap": (lambda x: x.swap(1), RMW),
    "Value compare_and_swap": (
        lambda x: x.compare_and_swap(None, 1),
        ["acquire", *RMW],
    ),
}


@pytest.mark.parametrize("what", ATOMIC)
def test_atomic(seen: Recorder, what: str) -> None:
    kind = what.split(maxsplit=1)[0]
    thing = getattr(atomic, kind)()
    call, expected = ATOMIC[what]
    call(thing)
    assert seen.sync() == [f"{event} thread {kind}" for event in expected]


def test_weighted(seen: Recorder) -> None:
    w = semaphore.Weighted(1)
    w.blocking_acquire()
    assert not w.try_acquire()
    w.release()
    assert w.try_acquire()
    assert seen.sync() == [
        "acquire thread Weighted",
        "release_merge thread Weighted",
        "acquire thread Weighted",
    ]


def test_what_threads_wait_for(seen: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    # it does not wait for long
    monkeypatch.setattr(sync._mutex, "clock", lambda: 0.0)
    mu = locked()
    seen.events.clear()
    thread = start(mu.blocking_lock)
    until(lambda: mu._waiters)
    assert "goroutine_parked thread sync.Mutex.Lock Mutex" in seen.events
    mu.unlock()
    thread.join()
    # it took it itself
    assert "acquire thread Mutex" in seen.events
