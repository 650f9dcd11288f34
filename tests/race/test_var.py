"""Var: a variable that costs nothing while nobody watches."""

from __future__ import annotations

from typing import Any

from gochan import go, race
from gochan.race import Var
from support.idle import settle
from support.races import found, lines


def test_loads_and_stores() -> None:
    for detector in (False, True):
        x = Var(1)
        if detector:
            with race.detector():
                x.store(x.load() + 1)
                x.value += 1
                assert x.value == 3
        else:
            x.store(x.load() + 1)
            x.value += 1
        assert x.load() == x.value == 3


def test_repr() -> None:
    assert repr(Var(1)) == "<race.Var 1>"
    assert repr(Var([], name="list")) == "<race.Var 'list', []>"


def test_plain_while_there_is_no_detector() -> None:
    """No test of a flag: the methods are other ones."""
    names = ("load", "store", "value")
    plain = [vars(Var)[name] for name in names]
    assert plain[0].__code__.co_names == ("_value",)
    assert plain[2] is vars(Var)["_value"]
    with race.detector(), race.detector():
        for name, method in zip(names, plain, strict=True):
            assert vars(Var)[name] is not method
    assert [vars(Var)[name] for name in names] == plain


def test_all_ways_are_watched(backend: dict[str, Any]) -> None:
    a, b, c, d = (Var(0, name=name) for name in "abcd")

    async def child() -> None:
        a.store(1)
        b.value = 1
        c.value = 1
        d.store(1)

    async def main() -> None:
        go(child)
        await settle()
        a.load()
        assert b.value == 1
        c.value = 2
        d.store(2)

    assert lines(found(main, backend)) == [
        "read/write Var 'a'",
        "read/write Var 'b'",
        "write/write Var 'c'",
        "write/write Var 'd'",
    ]
