"""What the programs of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

import gochan
from gochan import race

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Program = Callable[[], Coroutine[Any, Any, None]]

__all__ = ("check", "judge", "later", "programs")


def programs(namespace: dict[str, Any], expected: int) -> pytest.MarkDecorator:
    """All programs of a test file, of which there have to be so many."""
    found = [
        thing
        for name, thing in namespace.items()
        if name.startswith(("race_", "no_race_"))
    ]
    assert len(found) == expected
    return pytest.mark.parametrize(
        "program", [pytest.param(one, id=one.__name__) for one in found]
    )


def check(program: Program, backend: dict[str, Any]) -> None:
    """Run it once, and compare what is found with what its name promises."""
    with race.detector(report="collect") as found:
        gochan.run(program, **backend)
    judge(program, found.races)


def judge(program: Program, races: list[race.DataRace]) -> None:
    """Compare what was found with what the program's name promises."""
    text = "\n".join(map(str, races))
    assert bool(races) is program.__name__.startswith("race_"), text


async def later() -> None:
    """Let the others go first, as Go's programs do by sleeping. Orders nothing."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
