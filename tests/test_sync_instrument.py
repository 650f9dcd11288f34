"""What an instrument is told about the primitives: waits, and every edge.

Each row of the table of Go's race detector is compared event by event. Then vector
clocks, which know only those events, tell what is ordered, and what must not be: the
rules D, E and I of Go's memory model, by their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, _instrument, atomic, go, semaphore, singleflight, sync
from support.idle import settle
from support.seeing import Clocks, Recorder
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


@pytest.fixture
def seen() -> Iterator[Recorder]:
    seen = Recorder()
    _instrument.install(seen)
    yield seen
    _instrument.uninstall(seen)


def watch(
    main: Callable[[], Coroutine[Any, Any, None]],
    backend: dict[str, Any],
    seen: gochan.Instrument,
) -> None:
    gochan.run(main, **backend, instruments=[seen])


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
    assert seen.sync() == ["release thread Call"]
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


# The memory model


def ordered(
    backend: dict[str, Any], main: Callable[[Clocks], Coroutine[Any, Any, None]]
) -> Clocks:
    clocks = Clocks()

    async def body() -> None:
        await main(clocks)

    watch(body, backend, clocks)
    return clocks


def test_d1_unlock_before_lock(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        mu, other = sync.Mutex(), sync.Mutex()

        async def first() -> None:
            clocks.mark("a")
            mu.unlock()
            clocks.mark("b")

        await mu.lock()
        await other.lock()
        go(first)
        await mu.lock()
        clocks.mark("c")

    clocks = ordered(backend, main)
    assert clocks.before("a", "c")
    assert not clocks.before("b", "c")


def test_d2_and_d3_rwmutex(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        rw = sync.RWMutex()

        async def read(name: str) -> None:
            async with rw.rlocker():
                clocks.mark(name)
                await gochan.yield_()

        await rw.lock()
        clocks.mark("written")
        async with gochan.scope():
            go(read, "one")
            go(read, "two")
            await settle()
            rw.unlock()
            await settle()
            go(write, clocks, rw)

    async def write(clocks: Clocks, rw: sync.RWMutex) -> None:
        async with rw:
            clocks.mark("writes")

    clocks = ordered(backend, main)
    for name in ("one", "two"):
        assert clocks.before("written", name)
        assert clocks.before(name, "writes")
    assert not clocks.ordered("one", "two")


def test_d4_a_try_that_fails_orders_nothing(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        mu = sync.Mutex()

        async def holds() -> None:
            assert mu.try_lock()
            clocks.mark("a")

        async with gochan.scope():
            g = go(holds)
            await settle()
            assert g.state == "done"
            assert not mu.try_lock()
            clocks.mark("b")

    assert not ordered(backend, main).ordered("a", "b")


@pytest.mark.parametrize("fails", [False, True])
def test_d5_once(backend: dict[str, Any], fails: bool) -> None:
    async def main(clocks: Clocks) -> None:
        once, gate = sync.Once(), Chan[None]()

        async def fn() -> None:
            await gate.recv_ok()
            clocks.mark("fn")
            if fails:
                raise ValueError

        async def do(name: str) -> None:
            try:
                await once.do(fn)
            except ValueError:
                pass
            clocks.mark(name)

        async with gochan.scope():
            for name in ("runner", "waited"):
                go(do, name)
                await settle()
            gate.close()
        async with gochan.scope():
            go(do, "late")

    clocks = ordered(backend, main)
    assert clocks.before("fn", "waited")
    assert clocks.before("fn", "late")


def test_d6_and_d8_wait_group(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        wg = sync.WaitGroup()

        async def work(name: str) -> None:
            clocks.mark(name)
            wg.done()

        async def wait(name: str) -> None:
            await wg.wait()
            clocks.mark(name)

        wg.add(2)
        async with gochan.scope():
            for name in ("wait 1", "wait 2"):
                go(wait, name)
            await settle()
            for name in ("one", "two"):
                go(work, name)

    clocks = ordered(backend, main)
    for work in ("one", "two"):
        for wait in ("wait 1", "wait 2"):
            assert clocks.before(work, wait)
    assert not clocks.ordered("one", "two")
    assert not clocks.ordered("wait 1", "wait 2")


def test_d6_wait_group_go(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        wg = sync.WaitGroup()

        async def work(name: str) -> None:
            await gochan.yield_()
            clocks.mark(name)

        wg.go(work, "one")
        wg.go(work, "two")
        await wg.wait()
        clocks.mark("waited")

    clocks = ordered(backend, main)
    assert clocks.before("one", "waited")
    assert clocks.before("two", "waited")
    assert not clocks.ordered("one", "two")


@pytest.mark.parametrize("early", [True, False])
def test_d6_a_select_on_a_wait_group(backend: dict[str, Any], early: bool) -> None:
    async def main(clocks: Clocks) -> None:
        wg = sync.WaitGroup()

        async def work(name: str) -> None:
            clocks.mark(name)
            wg.done()

        async def wait() -> None:
            await gochan.select(wg)
            clocks.mark("selected")

        wg.add(2)
        async with gochan.scope():
            if early:
                go(wait)
                await settle()
            for name in ("one", "two"):
                go(work, name)
            await settle()
            if not early:
                go(wait)

    clocks = ordered(backend, main)
    assert clocks.before("one", "selected")
    assert clocks.before("two", "selected")
    assert not clocks.ordered("one", "two")


@pytest.mark.parametrize("how", ["signal", "broadcast"])
def test_d9_cond(backend: dict[str, Any], how: str) -> None:
    async def main(clocks: Clocks) -> None:
        # the lock is no part of it: each has its own
        cond = sync.Cond(sync.Mutex())

        async def wait() -> None:
            await cond.locker.lock()
            await cond.wait()
            clocks.mark("waited")

        async def announce() -> None:
            clocks.mark("announced")
            getattr(cond, how)()
            clocks.mark("after")

        async with gochan.scope():
            go(wait)
            await settle()
            go(announce)

    clocks = ordered(backend, main)
    assert clocks.before("announced", "waited")
    assert not clocks.ordered("after", "waited")


def test_d10_pool(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        pool = sync.Pool[list[int]](list)
        thing, other = list[int](), list[int]()

        async def put() -> None:
            pool.put(other)
            clocks.mark("put")
            pool.put(thing)

        async def get() -> None:
            while pool.get() is not thing:
                pass
            clocks.mark("got")

        async def get_another() -> None:
            assert pool.get() is other
            clocks.mark("got another")

        async with gochan.scope():
            go(put)
            await settle()
            go(get)
            await settle()
            go(get_another)

    clocks = ordered(backend, main)
    assert clocks.before("put", "got")
    assert not clocks.ordered("put", "got another")


def test_d11_map(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        m = sync.Map[str, int]()

        async def write(name: str) -> None:
            clocks.mark(name)
            m.store("key", 1)
            clocks.mark(f"after {name}")

        async def read() -> None:
            m.load("key")
            clocks.mark("read")
            m.load("another")

        async with gochan.scope():
            for name in ("one", "two"):
                go(write, name)
                await settle()
            go(read)

    clocks = ordered(backend, main)
    # what was overwritten was not observed
    assert not clocks.ordered("one", "two")
    assert not clocks.ordered("one", "read")
    assert clocks.before("two", "read")
    assert not clocks.ordered("after two", "read")


def test_e1_and_e3_atomic(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        x, y = atomic.Int(), atomic.Int()

        async def do(name: str, act: Callable[[], object]) -> None:
            clocks.mark(f"{name} before")
            act()
            clocks.mark(f"{name} after")

        async with gochan.scope():
            for name, act in (
                ("store", lambda: x.store(1)),
                ("other", y.load),
                ("load", x.load),
                ("add", lambda: x.add(1)),
                ("cas", lambda: x.compare_and_swap(2, 3)),
                ("store again", lambda: x.store(7)),
            ):
                go(do, name, act)
                await settle()

    clocks = ordered(backend, main)
    assert clocks.before("store before", "load after")
    assert clocks.before("store before", "add after")
    assert clocks.before("add before", "cas after")
    assert not clocks.ordered("store before", "other after")
    assert not clocks.ordered("store before", "store again after")
    # a load writes nothing
    assert not clocks.ordered("load before", "add after")


def test_i4_semaphore(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        w = semaphore.Weighted(1)

        async def hold() -> None:
            async with w.hold():
                await gate.recv_ok()
                clocks.mark("held")

        async def acquire() -> None:
            await w.acquire()
            clocks.mark("acquired")

        gate = Chan[None]()
        async with gochan.scope():
            for fn in (hold, acquire):
                go(fn)
                await settle()
            gate.close()

    assert ordered(backend, main).before("held", "acquired")


def test_i5_singleflight(backend: dict[str, Any]) -> None:
    async def main(clocks: Clocks) -> None:
        group, gate = singleflight.Group(), Chan[None]()

        async def fn() -> None:
            await gate.recv_ok()
            clocks.mark("fn")

        async def do(name: str) -> None:
            await group.do("key", fn)
            clocks.mark(name)

        async with gochan.scope():
            go(do, "one")
            await settle()
            go(do, "two")
            await settle()
            gate.close()

    assert ordered(backend, main).before("fn", "two")


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
