"""Every rule of the memory model, at every place where a goroutine can live.

The rules are in ``rules.py``; the programs register themselves. Each is run once. Two
judges have to agree with the table: clocks that compare all pairs of accesses, and
``gochan.race``. Both see the model's edges alone, so an order that merely came about,
by a lock in the implementation or by the turns of a loop, does not count.
"""

from __future__ import annotations

import pytest

from memory_model.page import PAGE, with_table
from memory_model.rules import RULES
from support.litmus import ALONE, EXECUTORS, OK, TABLE, Litmus, run

# Some at a time, since what pytest does for a test takes longer than a litmus.
GROUPS = {
    "loops": ["asyncio", "trio", "bubble", *ALONE],
    "threads": ["thread", *EXECUTORS],
}


def runs_at(row: Litmus, place: str) -> bool:
    like = ALONE.get(place, place)
    if row.only is not None and like not in row.only:
        return False
    # the rules that concern channels: all others tell the detector the same
    return place not in ALONE or row.rule[0] in "ACP"


CASES = [
    pytest.param(row, at, id=f"{row.rule}-{row.name}-{group}")
    for row in TABLE
    for group, places in GROUPS.items()
    if (at := [place for place in places if runs_at(row, place)])
]


@pytest.mark.parametrize(("row", "at"), CASES)
def test_litmus(row: Litmus, at: list[str]) -> None:
    for place in at:
        by_clocks, by_detector = run(row, place)
        raced = row.expect != OK
        assert by_clocks is None or bool(by_clocks) is raced, place
        told = "\n".join([place, *map(str, by_detector)])
        assert bool(by_detector) is raced, told


def test_every_rule_has_a_litmus_and_every_litmus_a_rule() -> None:
    assert {row.rule for row in TABLE} == {rule.number for rule in RULES}


@pytest.mark.skipif(not PAGE.exists(), reason="the tests have been copied away")
def test_the_documentation_has_this_table() -> None:
    """If not: ``PYTHONPATH=tests python -m memory_model.page`` writes it anew."""
    assert with_table(PAGE.read_text()) == PAGE.read_text()
