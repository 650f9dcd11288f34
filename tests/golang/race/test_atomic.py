"""Go's src/runtime/race/testdata/atomic_test.go.

Its four programs that access a word both atomically and plainly cannot be written: an
atomic of gochan's has atomic operations alone. What can go wrong in their place is that
one goroutine replaces the whole atomic, by a plain assignment, while another uses it.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Literal

import pytest

import gochan
from gochan import Chan, atomic, go
from gochan.atomic import Int
from gochan.race import Var
from gochan.sync import Mutex
from golang.race.helpers import check, programs

if TYPE_CHECKING:
    from collections.abc import Callable

    from golang.race.helpers import Program


async def _add(bits: Literal[32, 64], acts_on: int) -> None:
    x1, x2, s, ch = Var(0), Var(0), Int(bits=bits), Chan[bool](2)

    async def child(mine: Var[int], other: Var[int]) -> None:
        mine.value = 1
        if s.add(1) == acts_on:
            other.value = 1
        await ch.send(True)

    go(child, x1, x2)
    go(child, x2, x1)
    await ch.recv()
    await ch.recv()


async def no_race_atomic_add_int64() -> None:
    await _add(64, 2)


async def race_atomic_add_int64() -> None:
    await _add(64, 1)


async def no_race_atomic_add_int32() -> None:
    await _add(32, 2)


async def _publish(sets: Callable[[], object], sees: Callable[[], bool]) -> None:
    x = Var(0)

    async def child() -> None:
        x.value = 2
        sets()

    go(child)
    while not sees():
        await gochan.yield_()
    x.value = 1


def _cas(s: Int) -> Callable[[], None]:
    def swap() -> None:
        assert s.compare_and_swap(0, 1)

    return swap


async def no_race_atomic_load_add_int32() -> None:
    s = Int(bits=32)
    await _publish(lambda: s.add(1), lambda: s.load() == 1)


async def no_race_atomic_load_store_int32() -> None:
    s = Int(bits=32)
    await _publish(lambda: s.store(1), lambda: s.load() == 1)


async def no_race_atomic_store_cas_int32() -> None:
    s = Int(bits=32)
    await _publish(lambda: s.store(1), lambda: s.compare_and_swap(1, 0))


async def no_race_atomic_cas_load_int32() -> None:
    s = Int(bits=32)
    await _publish(_cas(s), lambda: s.load() == 1)


async def no_race_atomic_cas_cas_int32() -> None:
    s = Int(bits=32)
    await _publish(_cas(s), lambda: s.compare_and_swap(1, 0))


async def no_race_atomic_cas_cas_int32_2() -> None:
    x1, x2, s, ch = Var(0), Var(0), Int(bits=32), Chan[bool](2)

    async def child(mine: Var[int], other: Var[int]) -> None:
        mine.value = 1
        if not s.compare_and_swap(0, 1):
            other.value = 1
        await ch.send(True)

    go(child, x1, x2)
    go(child, x2, x1)
    await ch.recv()
    await ch.recv()


async def no_race_atomic_load_int64() -> None:
    s = Int()
    await _publish(lambda: s.add(1), lambda: s.load() == 1)


async def no_race_atomic_cas_cas_uint64() -> None:
    s = Int()
    await _publish(_cas(s), lambda: s.compare_and_swap(1, 0))


async def no_race_atomic_load_store_pointer() -> None:
    s, y = atomic.Pointer[object](), object()
    await _publish(lambda: s.store(y), lambda: s.load() is y)


async def no_race_atomic_store_cas_uint64() -> None:
    s = Int()
    await _publish(lambda: s.store(1), lambda: s.compare_and_swap(1, 0))


async def _replaced(use: Callable[[Int], object]) -> None:
    c, a = Chan[bool](), Var(Int())

    async def child() -> None:
        use(a.value)
        await c.send(True)

    go(child)
    a.value = Int(42)
    await c.recv()


async def race_atomic_store_load() -> None:
    await _replaced(lambda a: a.store(1))


async def race_atomic_load_store() -> None:
    await _replaced(lambda a: a.load())


async def race_atomic_add_load() -> None:
    await _replaced(lambda a: a.compare_and_swap(0, 1))


async def race_atomic_add_store() -> None:
    await _replaced(lambda a: a.add(1))


async def no_race_atomic_crash() -> None:
    panics, mutex = Var(0), Mutex()
    nilptr: Any = None
    with pytest.raises(AttributeError):
        nilptr.add(1)
    async with mutex:
        panics.value += 1


async def no_race_defer_atomic_store() -> None:
    async def fork(f: Int, depth: int) -> None:
        f.store(1)
        try:
            if depth > 0:
                for _ in range(2):
                    go(fork, Int(), depth - 1)
            gc.collect(0)
        finally:
            f.store(0)

    async with gochan.scope():
        await fork(Int(), 5)


@programs(globals(), 19)
def test_atomic(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)


def test_an_atomic_has_no_plain_access() -> None:
    public = [name for name in dir(Int) if not name.startswith("_")]
    assert all(callable(getattr(Int, name)) for name in public)
