"""Go's src/sync/map_test.go.

TestMapMatchesRWMutex, ...DeepCopy and ...HashTrieMap compare with other maps of Go:
here tests/test_sync_map.py compares with a dict. Left out are the allocations that Go
counts: TestMapRangeNoAllocations, TestMapClearOneAllocation.
"""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

from gochan import Chan, select_nowait
from gochan.sync import Map, WaitGroup
from golang.helpers import WHERE, Face, World


@WHERE
async def test_concurrent_range(where: str) -> None:
    # TestConcurrentRange; Go: 1024 keys, as many rounds
    size, rounds = 64, 10
    m = Map[int, int]()
    for n in range(1, size + 1):
        m.store(n, n)
    done = Chan[None]()

    async def write(my: Face, g: int) -> None:
        rng = random.Random(g)
        i = 0
        while select_nowait(done) is None:
            for n in range(1, size):
                if rng.randrange(8) == 0:
                    m.store(n, n * i * g)
                else:
                    m.load(n)
            i += 1
            await my.yield_()

    async def check(my: Face) -> None:
        for _ in range(rounds):
            seen: set[int] = set()
            for k, v in m.range():
                assert v % k == 0
                assert k not in seen, "visited twice"
                seen.add(k)
                if k % 16 == 0:
                    await my.yield_()
            assert len(seen) == size
        done.close()

    async with World(where) as world:
        for g in (1, 2):
            world.go(write, g)
        world.go(check)


class Key:
    """A key that may be collected."""


def test_issue_40999() -> None:
    # TestIssue40999: deleted keys are not kept
    m = Map[Any, None]()
    m.store(None, None)
    key = Key()
    alive = weakref.ref(key)
    m.store(key, None)
    m.delete(key)
    del key
    gc.collect()
    assert alive() is None


def test_map_range_nested_call() -> None:
    # TestMapRangeNestedCall, Issue 46399
    m = Map[int, str]()
    for i, v in enumerate(("hello", "world", "Go")):
        m.store(i, v)
    for key, _ in m.range():
        for inner, value in m.range():
            assert m.load(inner) == (value, True)
            assert m.load_or_store(42, "dummy") == ("dummy", False)
            m.store(42, "sync.Map")
            assert m.load_and_delete(42) == ("sync.Map", True)
        m.delete(key)
    assert list(m.range()) == []


def test_compare_and_swap_non_existing_key() -> None:
    # TestCompareAndSwap_NonExistingKey
    m = Map[Any, Any]()
    assert not m.compare_and_swap(m, None, 42)


@WHERE
async def test_concurrent_clear(where: str) -> None:
    # TestConcurrentClear
    m = Map[int, int]()
    wg = WaitGroup()
    wg.add(30)

    async def write(_: Face, k: int) -> None:
        m.store(k, k * 10)
        wg.done()

    async def read(_: Face, k: int) -> None:
        value, ok = m.load(k)
        assert (value, ok) in ((k * 10, True), (None, False))
        wg.done()

    async def clear(_: Face) -> None:
        m.clear()
        wg.done()

    async with World(where) as world:
        for k in range(10):
            world.go(write, k)
        for k in range(10):
            world.go(read, k)
        for _ in range(10):
            world.go(clear)
        await wg.wait()
    m.clear()
    assert list(m.range()) == []
