"""gochan.atomic: what each operation does, wraps around, refuses; and in threads."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gochan
from gochan.atomic import Bool, Int, InvalidValue, Pointer, Value
from support.history import linearizable, record
from support.threads import start

BITS = st.sampled_from([32, 64])
NUMBER = st.integers(-(2**70), 2**70) | st.sampled_from(
    [2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]
)


def wrapped(number: int, bits: int) -> int:
    """As a conversion to Go's int32 or int64."""
    return int.from_bytes(
        (number % 2**bits).to_bytes(bits // 8, "little"), "little", signed=True
    )


@given(BITS, NUMBER, NUMBER)
def test_an_int_wraps_around(bits: Any, a: int, b: int) -> None:
    first, second = wrapped(a, bits), wrapped(b, bits)
    x = Int(a, bits)
    assert x.load() == first
    assert x.add(b) == x.load() == wrapped(a + b, bits)
    x.store(a)
    assert x.and_(b) == first
    assert x.load() == wrapped(a & b, bits)
    x.store(a)
    assert x.or_(b) == first
    assert x.swap(b) == wrapped(a | b, bits)
    assert x.load() == second
    assert x.compare_and_swap(b, a)
    assert x.load() == first
    assert x.compare_and_swap(b, 7) is (first == second)


def test_an_int_at_first() -> None:
    assert Int().load() == 0
    assert Int(7).load() == 7
    assert repr(Int(7)) == "<atomic.Int 7>"
    assert Int(2**31).load() == 2**31
    assert Int(2**31, bits=32).load() == -(2**31)
    assert Int(True).load() == 1
    assert type(Int(True).load()) is int


@pytest.mark.parametrize("method", ["store", "add", "swap", "and_", "or_"])
@pytest.mark.parametrize("thing", [1.0, "1", None])
def test_an_int_holds_ints(method: str, thing: Any) -> None:
    x = Int(5)
    with pytest.raises(TypeError, match="holds ints"):
        getattr(x, method)(thing)
    with pytest.raises(TypeError, match="holds ints"):
        x.compare_and_swap(5, thing)
    with pytest.raises(TypeError, match="holds ints"):
        Int(thing)
    assert x.load() == 5


@pytest.mark.parametrize("bits", [0, 16, 128, "64", None])
def test_other_sizes(bits: Any) -> None:
    with pytest.raises(ValueError, match="64 or 32 bits"):
        Int(0, bits)


def test_bool() -> None:
    x = Bool()
    assert x.load() is False
    x.store(True)
    assert x.load() is True
    assert x.swap(False) is True
    assert not x.compare_and_swap(True, True)
    assert x.compare_and_swap(False, True)
    assert x.load() is True
    something: Any = 7
    assert Bool(something).load() is True
    assert repr(x) == "<atomic.Bool True>"


def test_pointer() -> None:
    one, equal = [1], [1]
    x = Pointer[list[int]]()
    assert x.load() is None
    assert x.compare_and_swap(None, one)
    # the very same
    assert not x.compare_and_swap(equal, None)
    assert x.load() is one
    assert x.swap(equal) is one
    x.store(None)
    assert x.load() is None
    assert repr(Pointer("a")) == "<atomic.Pointer 'a'>"


def test_value() -> None:
    x = Value()
    assert x.load() is None
    assert x.swap("a") is None
    x.store("b")
    assert x.load() == "b"
    assert x.swap("c") == "b"
    assert repr(x) == "<atomic.Value 'c'>"


NIL = "sync/atomic: {} of nil value into Value"
TYPE = "sync/atomic: {} of inconsistently typed value into Value"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("store", None), NIL.format("store")),
        (("store", 1), TYPE.format("store")),
        (("swap", None), NIL.format("swap")),
        (("swap", 1), TYPE.format("swap")),
        (("compare_and_swap", "a", None), NIL.format("compare and swap")),
        (
            ("compare_and_swap", "a", 1),
            "sync/atomic: compare and swap of inconsistently typed values",
        ),
        (("compare_and_swap", 1, 1), TYPE.format("compare and swap")),
    ],
)
def test_what_a_value_refuses(call: tuple[Any, ...], text: str) -> None:
    x = Value()
    x.store("a")
    with pytest.raises(InvalidValue) as caught:
        getattr(x, call[0])(*call[1:])
    assert str(caught.value) == text
    assert isinstance(caught.value, gochan.Panic)
    assert x.load() == "a"


def test_compare_and_swap_of_a_value() -> None:
    x = Value()
    assert not x.compare_and_swap("a", "b")
    assert x.load() is None
    assert x.compare_and_swap(None, "a")
    assert not x.compare_and_swap(None, "b")
    assert not x.compare_and_swap("b", "c")
    assert x.compare_and_swap("a", "b")
    assert x.load() == "b"


class Changing:
    """A value that is replaced by an equal one when it is first compared."""

    def __init__(self, x: Value, replaced_by: Changing | None = None) -> None:
        self.x = x
        self.replaced_by = replaced_by

    def __eq__(self, other: object) -> bool:
        if self.replaced_by is not None:
            self.x.store(self.replaced_by)
        return True

    def __hash__(self) -> int:
        return 1


def test_a_value_that_changes_while_it_is_compared() -> None:
    x = Value()
    second, third = Changing(x), Changing(x)
    x.store(Changing(x, replaced_by=second))
    # it looks again, and replaces the second
    assert x.compare_and_swap(Changing(x), third)
    assert x.load() is third


def test_they_cannot_be_copied_or_pickled() -> None:
    for thing in (Int(), Bool(), Pointer[int](), Value()):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot be copied or pickled"):
                attempt(thing)


# In threads

OP = st.one_of(
    st.tuples(st.just("load")),
    st.tuples(st.just("store"), st.integers(0, 3)),
    st.tuples(st.just("add"), st.integers(-1, 2)),
    st.tuples(st.just("swap"), st.integers(0, 3)),
    st.tuples(st.just("and_"), st.integers(0, 3)),
    st.tuples(st.just("or_"), st.integers(0, 3)),
    st.tuples(st.just("compare_and_swap"), st.integers(0, 3), st.integers(0, 3)),
)


def step(state: int, op: tuple[Any, ...]) -> tuple[int, Any]:
    match op:
        case ("load",):
            return state, state
        case ("store", v):
            return v, None
        case ("add", delta):
            return state + delta, state + delta
        case ("swap", v):
            return v, state
        case ("and_", mask):
            return state & mask, state
        case ("or_", mask):
            return state | mask, state
        case (_, old, new):
            return (new, True) if state == old else (state, False)
        case _:
            raise AssertionError(op)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(OP, min_size=1, max_size=6), min_size=2, max_size=3))
def test_what_threads_do_at_the_same_time_happens_in_some_order(
    scripts: list[list[tuple[Any, ...]]],
) -> None:
    x = Int()
    calls = record(scripts, lambda op: getattr(x, op[0])(*op[1:]))
    assert linearizable(calls, 0, step)


def test_nothing_is_lost() -> None:
    x = Int()

    def count() -> None:
        for _ in range(2000):
            x.add(1)

    threads = [start(count) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert x.load() == 8000
