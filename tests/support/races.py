"""Run a program under a race detector, and look at what it found."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import gochan
from gochan import go, race
from gochan.race import _hook
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from gochan.race import Var
    from gochan.race._detector import Mode

__all__ = ("found", "line_of", "lines", "rewritten", "two_writes")


def found(
    main: Callable[[], Coroutine[Any, Any, Any]],
    backend: dict[str, Any],
    mode: Mode = "strict",
) -> list[race.DataRace]:
    """The races of one run of ``main``."""
    with race.detector(report="collect", mode=mode) as detector:
        gochan.run(main, **backend)
    return detector.races


def lines(races: list[race.DataRace]) -> list[str]:
    """One line for each: ``"write/read x"``."""
    return sorted(
        f"{one.access.operation}/{one.previous.operation} {one.variable}"
        for one in races
    )


def line_of(frames: Any, index: int = -1) -> str:
    """The source of one line of a stack."""
    return str(frames[index].line)


async def two_writes(x: Var[int]) -> None:
    """A race between the goroutines ``one`` and ``two``."""

    async def write() -> None:
        x.store(1)

    go(write, name="one")
    await settle()
    go(write, name="two")
    await settle()


def rewritten(source: str, tmp_path: Path, **names: Any) -> dict[str, Any]:
    """Execute a module that is rewritten for the race detector."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(source))
    namespace: dict[str, Any] = {"__name__": "program", **names}
    exec(_hook.compile_source(path.read_bytes(), str(path)), namespace)
    return namespace
