"""Go's src/sync/atomic/value_test.go."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gochan.atomic import Int, InvalidValue, Value
from golang.helpers import Face, World

NIL = "sync/atomic: {} of nil value into Value"
TYPE = "sync/atomic: {} of inconsistently typed value into Value"


@pytest.mark.parametrize("values", [(42, 84), ("foo", "barbaz")])
def test_value(values: tuple[Any, Any]) -> None:
    # TestValue, TestValueLarge
    v = Value()
    assert v.load() is None
    for value in values:
        v.store(value)
        assert v.load() == value


def test_value_panic() -> None:
    # TestValuePanic
    v = Value()
    with pytest.raises(InvalidValue, match=f"^{NIL.format('store')}$"):
        v.store(None)
    v.store(42)
    with pytest.raises(InvalidValue, match=f"^{TYPE.format('store')}$"):
        v.store("foo")
    with pytest.raises(InvalidValue, match=f"^{NIL.format('store')}$"):
        v.store(None)


@pytest.mark.parametrize(
    "values", [(0, 2**16 - 1, 1 + (2 << 8)), (0j, 1 + 2j, 3 + 4j), ("", "a", "b" * 100)]
)
async def test_value_concurrent(values: tuple[Any, ...]) -> None:
    # TestValueConcurrent; Go: 100,000 times, 4 for each core
    v = Value()

    async def run(my: Face, seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(200):
            v.store(rng.choice(values))
            assert v.load() in values

    async with World("threads") as world:
        for seed in range(8):
            world.go(run, seed)


@pytest.mark.parametrize(
    ("init", "new", "want", "error"),
    [
        (None, None, None, NIL),
        (None, True, None, None),
        (True, "", None, TYPE),
        (True, False, True, None),
    ],
)
def test_value_swap(init: Any, new: Any, want: Any, error: str | None) -> None:
    # TestValue_Swap
    v = Value()
    if init is not None:
        v.store(init)
    if error is not None:
        with pytest.raises(InvalidValue, match=f"^{error.format('swap')}$"):
            v.swap(new)
        return
    assert v.swap(new) == want
    assert v.load() == new


async def test_value_swap_concurrent() -> None:
    # TestValueSwapConcurrent; Go: 10,000 of each
    m, n = 8, 200
    v, count = Value(), Int()

    async def run(_: Face, first: int) -> None:
        total = 0
        for new in range(first, first + n):
            old = v.swap(new)
            if old is not None:
                total += old
        count.add(total)

    async with World("threads") as world:
        for first in range(0, m * n, n):
            world.go(run, first)
    assert count.load() + v.load() == sum(range(m * n))


CAS = "compare and swap"


@pytest.mark.parametrize(
    ("init", "new", "old", "want", "error"),
    [
        (None, None, None, None, NIL.format(CAS)),
        (None, True, "", None, f"sync/atomic: {CAS} of inconsistently typed values"),
        (None, True, True, False, None),
        (None, True, None, True, None),
        # Go: the type of old counts first; here it is that of new
        (True, "", "", None, TYPE.format(CAS)),
        (True, True, False, False, None),
        (True, True, True, True, None),
        ((0,), (1,), (0,), True, None),
    ],
)
def test_value_compare_and_swap(
    init: Any, new: Any, old: Any, want: Any, error: str | None
) -> None:
    # TestValue_CompareAndSwap
    v = Value()
    if init is not None:
        v.store(init)
    if error is not None:
        with pytest.raises(InvalidValue, match=f"^{error}$"):
            v.compare_and_swap(old, new)
        return
    assert v.compare_and_swap(old, new) is want


async def test_value_compare_and_swap_concurrent() -> None:
    # TestValueCompareAndSwapConcurrent; Go: 1000 goroutines, 100 each
    m, n = 8, 25
    v = Value()
    v.store(0)

    async def run(my: Face, i: int) -> None:
        j = i
        while j < m * n:
            if v.compare_and_swap(j, j + 1):
                j += m
            await my.yield_()

    async with World("threads") as world:
        for i in range(m):
            world.go(run, i)
    assert v.load() == m * n
