"""What the primitives order, and what they must not.

Vector clocks, which know only what an instrument is told, tell. The rules are D, E and
I of Go's memory model, by their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, atomic, go, semaphore, singleflight, sync
from support.idle import settle
from support.seeing import Clocks, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


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


@pytest.mark.parametrize("waits", [True, False])
def test_d5_a_once_that_was_given_up(backend: dict[str, Any], waits: bool) -> None:
    # what was left half done comes before the next attempt
    async def main(clocks: Clocks) -> None:
        once = sync.Once()

        async def half() -> None:
            try:
                await gochan.nil.recv()
            finally:
                clocks.mark("half done")

        async def do() -> None:
            await once.do(lambda: clocks.mark("done"))

        async with gochan.scope():
            first = go(once.do, half)
            await settle()
            if waits:
                go(do)
                await settle()
            first.cancel()
            await settle()
            if not waits:
                go(do)

    assert ordered(backend, main).before("half done", "done")


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
