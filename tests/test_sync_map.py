"""Map against a dict, alone and in threads; and Pool."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gochan.sync import Map, Pool, _pool
from support.history import linearizable, record
from support.threads import start

KEY = st.sampled_from("abc")
VALUE = st.integers(0, 2)
OP = st.one_of(
    st.tuples(st.just("load"), KEY),
    st.tuples(st.just("store"), KEY, VALUE),
    st.tuples(st.just("load_or_store"), KEY, VALUE),
    st.tuples(st.just("load_and_delete"), KEY),
    st.tuples(st.just("delete"), KEY),
    st.tuples(st.just("swap"), KEY, VALUE),
    st.tuples(st.just("compare_and_swap"), KEY, VALUE, VALUE),
    st.tuples(st.just("compare_and_delete"), KEY, VALUE),
    st.tuples(st.just("clear")),
)
State = tuple[tuple[str, int], ...]


def step(state: State, op: tuple[Any, ...]) -> tuple[State, Any]:
    """What a map does, with a dict."""
    cells = dict(state)
    result: Any = None
    match op:
        case ("load", key):
            result = (cells[key], True) if key in cells else (None, False)
        case ("store", key, value):
            cells[key] = value
        case ("load_or_store", key, value):
            result = (cells[key], True) if key in cells else (value, False)
            cells.setdefault(key, value)
        case ("load_and_delete", key):
            result = (cells.pop(key), True) if key in cells else (None, False)
        case ("delete", key):
            cells.pop(key, None)
        case ("swap", key, value):
            result = (cells[key], True) if key in cells else (None, False)
            cells[key] = value
        case ("compare_and_swap", key, old, new):
            result = cells.get(key) == old
            if result:
                cells[key] = new
        case ("compare_and_delete", key, old):
            result = cells.get(key) == old
            if result:
                del cells[key]
        case _:
            cells.clear()
    return tuple(sorted(cells.items())), result


def perform(m: Map[str, int], op: tuple[Any, ...]) -> Any:
    return getattr(m, op[0])(*op[1:])


@given(st.lists(OP, max_size=40))
def test_a_map_does_what_a_dict_does(ops: list[tuple[Any, ...]]) -> None:
    m, state = Map[str, int](), State()
    for op in ops:
        state, result = step(state, op)
        assert perform(m, op) == result
        assert dict(m.range()) == dict(state)
    assert repr(m) == f"<Map of {len(state)}>"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(OP, min_size=1, max_size=5), min_size=2, max_size=3),
    st.dictionaries(KEY, VALUE),
)
def test_what_threads_do_at_the_same_time_happens_in_some_order(
    scripts: list[list[tuple[Any, ...]]], first: dict[str, int]
) -> None:
    m = Map[str, int]()
    for key, value in first.items():
        m.store(key, value)
    calls = record(scripts, lambda op: perform(m, op))
    assert linearizable(calls, tuple(sorted(first.items())), step)


def test_any_value_and_any_key() -> None:
    m = Map[Any, Any]()
    m.store(None, None)
    assert m.load(None) == (None, True)
    assert m.load_or_store(None, 1) == (None, True)
    assert m.compare_and_swap(None, None, "x")
    # not equal to itself, but the same
    nan = float("nan")
    m.store("nan", nan)
    assert m.compare_and_delete("nan", nan)
    # None does not stand for "not there"
    assert not m.compare_and_swap("missing", None, 1)
    assert not m.compare_and_delete("missing", None)
    for method in ("load", "delete", "load_and_delete"):
        with pytest.raises(TypeError, match="unhashable"):
            getattr(m, method)([])


class Nosy:
    """A key, or a value, that uses the map when it is compared."""

    def __init__(self, m: Map[Any, Any]) -> None:
        self.m = m

    def __eq__(self, other: object) -> bool:
        self.m.store("seen", True)
        return self is other

    def __hash__(self) -> int:
        return 1


def test_keys_and_values_may_use_the_map_when_they_are_compared() -> None:
    m = Map[Any, Any]()
    m.store(Nosy(m), 1)
    m.store(Nosy(m), 2)
    assert m.load("seen") == (True, True)
    m.store("a", Nosy(m))
    assert not m.compare_and_swap("a", Nosy(m), 1)
    assert not m.compare_and_delete("a", Nosy(m))


class Changing:
    """A value that is replaced in the map while it is compared."""

    def __init__(self, m: Map[str, Any]) -> None:
        self.m = m

    def __eq__(self, other: object) -> bool:
        self.m.store("a", "something else")
        return True

    def __hash__(self) -> int:
        return 1


def test_a_value_that_changes_while_it_is_compared() -> None:
    m = Map[str, Any]()
    m.store("a", Changing(m))
    assert not m.compare_and_swap("a", 7, "new")
    assert m.load("a") == ("something else", True)
    m.store("a", Changing(m))
    assert not m.compare_and_delete("a", 7)
    assert m.load("a") == ("something else", True)


def test_writing_during_a_range() -> None:
    m = Map[int, int]()
    for number in range(10):
        m.store(number, number)
    seen: list[int] = []
    for key, value in m.range():
        seen.append(key)
        assert value in (key, -key)
        m.delete((key + 1) % 10)
        m.store(100 + key, 0)
        m.swap((key + 2) % 10, -((key + 2) % 10))
    assert len(seen) == len(set(seen))
    m.clear()
    assert list(m.range()) == []


def test_ranges_while_threads_write() -> None:
    m = Map[int, int]()
    for number in range(1, 200):
        m.store(number, number)
    over: list[None] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)
        while not over:
            number = rng.randrange(1, 200)
            m.store(number, number * rng.randrange(10))
            m.store(1000 + number, 0)
            m.delete(1000 + rng.randrange(200))

    threads = [start(write, seed) for seed in range(2)]
    try:
        for _ in range(20):
            seen: list[int] = []
            for key, value in m.range():
                seen.append(key)
                assert value % key == 0
            assert len(seen) == len(set(seen))
            assert set(seen) >= set(range(1, 200))
    finally:
        over.append(None)
    for thread in threads:
        thread.join()


def test_they_cannot_be_copied_or_pickled() -> None:
    for thing in (Map[str, int](), Pool(bytearray)):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot be copied or pickled"):
                attempt(thing)


# Pool


class Thing:
    """Something that can be watched."""


def test_a_pool_gives_what_was_put_or_makes_it() -> None:
    made: list[Thing] = []

    def make() -> Thing:
        made.append(Thing())
        return made[-1]

    pool = Pool(make)
    one, two = pool.get(), pool.get()
    assert made == [one, two]
    pool.put(one)
    pool.put(two)
    assert repr(pool) == "<Pool, 2 unused>"
    assert {pool.get(), pool.get()} == {one, two}
    assert pool.get() not in (one, two)


def test_none_is_an_ordinary_thing() -> None:
    pool = Pool[int | None](lambda: 7)
    pool.put(None)
    assert pool.get() is None
    assert pool.get() == 7


@pytest.mark.parametrize("new", [None, 7, Thing()])
def test_what_cannot_make_one(new: Any) -> None:
    with pytest.raises(TypeError, match=r"write Pool\(bytearray\)"):
        Pool(new)


def test_what_the_maker_raises_is_raised() -> None:
    def fail() -> int:
        raise ValueError

    with pytest.raises(ValueError):
        Pool(fail).get()


def test_what_is_unused_outlives_one_collection() -> None:
    pool = Pool(Thing)
    thing = Thing()
    pool.put(thing)
    gc.collect()
    assert pool.get() is thing
    pool.put(thing)
    alive = weakref.ref(thing)
    del thing
    gc.collect()
    assert alive() is not None
    gc.collect()
    assert alive() is None
    assert repr(pool) == "<Pool, 0 unused>"


def test_a_pool_that_is_collected_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def valuerefs(self) -> list[Any]:
            return [lambda: None]

    monkeypatch.setattr(_pool, "_pools", Dying())
    _pool._collected("stop", {"generation": 2})


def test_a_pool_is_collected() -> None:
    pool = Pool(Thing)
    alive = weakref.ref(pool)
    del pool
    assert alive() is None
    gc.collect()


def test_nothing_is_given_to_two() -> None:
    pool = Pool(Thing)
    users: dict[Thing, int] = {}

    def use(me: int) -> None:
        for _ in range(500):
            thing = pool.get()
            assert users.setdefault(thing, me) == me
            del users[thing]
            pool.put(thing)

    threads = [start(use, me) for me in range(4)]
    for _ in range(5):
        gc.collect()
    for thread in threads:
        thread.join()
