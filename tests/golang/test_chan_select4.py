"""Go's test/chan/select4.go.

Go does not evaluate where the value of a receive case goes unless the case is
chosen. Here: only the chosen case has a value; one that was not has none, or keeps
the one it had.
"""

from __future__ import annotations

import pytest

from gochan import Chan, recv, select


async def test_only_the_chosen_case_has_a_value() -> None:
    busy, quiet = Chan[int](1), Chan[int]()
    await busy.send(42)
    from_quiet, from_busy = recv(quiet), recv(busy)
    chosen = await select(from_quiet, from_busy)
    assert chosen is from_busy
    assert from_busy.value == 42
    assert from_busy.ok
    assert not from_quiet.ok
    with pytest.raises(RuntimeError, match="not been chosen"):
        from_quiet.value  # noqa: B018


async def test_a_case_keeps_its_value_while_another_is_chosen() -> None:
    a, b = Chan[int](1), Chan[int](1)
    from_a, from_b = recv(a), recv(b)
    await a.send(1)
    assert await select(from_a, from_b) is from_a
    await b.send(2)
    assert await select(from_a, from_b) is from_b
    assert (from_a.value, from_b.value) == (1, 2)
