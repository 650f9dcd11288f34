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
from support.litmus import ALONE, OK, TABLE, Litmus, places, run

CASES = [
    pytest.param(row, place, id=f"{row.rule}-{row.name}-{place}")
    for row in TABLE
    for place in places()
    if row.only is None or place in row.only
] + [
    pytest.param(row, place, id=f"{row.rule}-{row.name}-{place}")
    for row in TABLE
    for place, like in ALONE.items()
    # the rules about channels: all others tell the detector the same
    if row.rule[0] in "AC" and (row.only is None or like in row.only)
]


@pytest.mark.parametrize(("row", "place"), CASES)
def test_litmus(row: Litmus, place: str) -> None:
    by_clocks, by_detector = run(row, place)
    if place not in ALONE:
        assert bool(by_clocks) is (row.expect != OK)
    assert bool(by_detector) is (row.expect != OK), "\n".join(map(str, by_detector))


def test_every_rule_has_a_litmus_and_every_litmus_a_rule() -> None:
    assert {row.rule for row in TABLE} == {rule.number for rule in RULES}


@pytest.mark.skipif(not PAGE.exists(), reason="the tests have been copied away")
def test_the_documentation_has_this_table() -> None:
    """If not: ``PYTHONPATH=tests python -m memory_model.page`` writes it anew."""
    assert with_table(PAGE.read_text()) == PAGE.read_text()
