"""Run a program under a race detector, and look at what it found."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import gochan
from gochan import race
from gochan.race import _hook

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from gochan.race._detector import Mode

__all__ = ("found", "lines", "rewritten")


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


def rewritten(source: str, tmp_path: Path, **names: Any) -> dict[str, Any]:
    """Execute a module that is rewritten for the race detector."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(source))
    namespace: dict[str, Any] = {"__name__": "program", **names}
    exec(_hook.compile_source(path.read_bytes(), str(path)), namespace)
    return namespace
