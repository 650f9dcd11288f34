"""Go's src/sync/atomic/atomic_test.go.

Its seventy tests of one operation on one type are one test for each operation here,
on both sizes. Left out: alignment (TestUnaligned64, TestAutoAligned64) and nil
pointers (TestNilDeref).
"""

from __future__ import annotations

from typing import Any

import pytest

from gochan.atomic import Int, Pointer
from golang.helpers import Face, World

sizes = pytest.mark.parametrize("bits", [32, 64])
# deltas and masks that go through all bits
STEPS = {32: [1 << n for n in range(31)], 64: [1 << n for n in range(63)]}


def limits(bits: Any) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


@sizes
def test_swap(bits: Any) -> None:
    # TestSwapInt32, ...
    x = Int(0, bits)
    j = 0
    for delta in STEPS[bits]:
        k = x.swap(delta)
        assert (x.load(), k) == (delta, j)
        j = delta


@sizes
def test_add(bits: Any) -> None:
    # TestAddInt32, ...
    x = Int(0, bits)
    j = 0
    for delta in STEPS[bits]:
        j += delta
        assert x.add(delta) == x.load() == j
    low, high = limits(bits)
    assert x.load() == high
    assert x.add(1) == low
    assert x.add(-1) == high


@sizes
def test_and(bits: Any) -> None:
    # TestAndInt32, ...: one bit after the other is cleared
    x = Int(-1, bits)
    j = -1
    for mask in STEPS[bits]:
        assert x.and_(~mask) == j
        j &= ~mask
        assert x.load() == j
    assert x.load() == limits(bits)[0]


@sizes
def test_or(bits: Any) -> None:
    # TestOrInt32, ...: one bit after the other is set
    x = Int(0, bits)
    j = 0
    for mask in STEPS[bits]:
        assert x.or_(mask) == j
        j |= mask
        assert x.load() == j
    assert x.load() == limits(bits)[1]


@sizes
def test_compare_and_swap(bits: Any) -> None:
    # TestCompareAndSwapInt32, ...
    x = Int(0, bits)
    for val in STEPS[bits]:
        x.store(val)
        assert x.compare_and_swap(val, val - 1)
        assert x.load() == val - 1
        x.store(val - 1)
        assert not x.compare_and_swap(val, 0)
        assert x.load() == val - 1


@sizes
def test_load_and_store(bits: Any) -> None:
    # TestLoadInt32, TestStoreInt32, ...
    x = Int(0, bits)
    for delta in STEPS[bits]:
        x.store(delta)
        assert x.load() == delta


def test_pointer() -> None:
    # TestSwapPointer, TestCompareAndSwapPointer, TestLoadPointer, TestStorePointer
    x = Pointer[object]()
    p, q = object(), object()
    assert x.swap(p) is None
    assert x.load() is p
    assert not x.compare_and_swap(q, None)
    assert x.compare_and_swap(p, q)
    assert x.load() is q
    x.store(None)
    assert x.load() is None


@sizes
@pytest.mark.parametrize("how", ["swap", "add", "compare_and_swap"])
async def test_hammer(bits: Any, how: str) -> None:
    # TestHammer32, TestHammer64; Go: 100,000 times on 4 cores
    x, loops, threads = Int(0, bits), 300, 4
    half = bits // 2
    mask = (1 << half) - 1

    async def swap(my: Face, me: int) -> None:
        # both halves are always the same
        for n in range(loops):
            new = n % (mask >> 1) + me
            old = x.swap((new << half) | new)
            assert old >> half == old & mask

    async def add(my: Face, me: int) -> None:
        for _ in range(loops):
            x.add(1)

    async def compare_and_swap(my: Face, me: int) -> None:
        for _ in range(loops):
            while True:
                v = x.load()
                if x.compare_and_swap(v, v + 1):
                    break
                await my.yield_()

    bodies = {"swap": swap, "add": add, "compare_and_swap": compare_and_swap}
    async with World("threads") as world:
        for me in range(threads):
            world.go(bodies[how], me)
    if how != "swap":
        assert x.load() == loops * threads


@sizes
async def test_hammer_store_load(bits: Any) -> None:
    # TestHammerStoreLoad
    x, loops = Int(0, bits), 300
    half = bits // 2
    mask = (1 << half) - 1

    async def store_and_load(my: Face) -> None:
        for _ in range(loops):
            v = x.load()
            assert v >> half == v & mask
            new = ((v & mask) + 1) % (mask >> 1)
            x.store((new << half) | new)

    async with World("threads") as world:
        for _ in range(8):
            world.go(store_and_load)


@sizes
async def test_store_load_seq_cst(bits: Any) -> None:
    # TestStoreLoadSeqCst32 and 64: Dekker's pattern; Go: 1000 times
    n = 100
    x = [Int(0, bits), Int(0, bits)]
    ack = [[Int(-1, bits) for _ in range(3)] for _ in range(2)]

    async def run(my: Face, me: int) -> None:
        he = 1 - me
        for i in range(1, n):
            x[me].store(i)
            mine = x[he].load()
            ack[me][i % 3].store(mine)
            while ack[he][i % 3].load() == -1:
                await my.yield_()
            his = ack[he][i % 3].load()
            assert mine in (i, i - 1)
            assert his in (i, i - 1)
            assert i in (mine, his), "not sequentially consistent"
            ack[me][(i - 1) % 3].store(-1)

    async with World("threads") as world:
        for me in range(2):
            world.go(run, me)


@sizes
async def test_store_load_rel_acq(bits: Any) -> None:
    # TestStoreLoadRelAcq32 and 64: message passing; Go: 1000 times
    n = 100
    signal = Int(0, bits)
    data = [0, 0.0]

    async def run(my: Face, p: int) -> None:
        for i in range(1, n):
            if (i + p) % 2 == 0:
                data[:] = [i, float(i)]
                signal.store(i)
            else:
                while signal.load() != i:
                    await my.yield_()
                assert data == [i, float(i)]

    async with World("threads") as world:
        for p in range(2):
            world.go(run, p)
