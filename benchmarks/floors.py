"""What is to be reached, and whether it is: floors.toml against the results."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .results import ratio

if TYPE_CHECKING:
    from .results import Results

__all__ = ("Floor", "Verdict", "check", "load")

_FILE = Path(__file__).parent / "floors.toml"


@dataclass(frozen=True)
class Floor:
    """One bound.

    Attributes:
        rows: the row, in the sizes that it may have.
        ours: our contestant.
        against: the other one; ours at ``base`` if empty.
        metric: which figure.
        at: the point of the curve, for ours.
        base: the point of the curve, for the other.
        faster: whether ``bound`` says how many times as fast as the other ours is
            at least; else how many times the other's figure it has at most.
        bound: the bound.
    """

    rows: tuple[str, ...]
    ours: str
    against: str
    metric: str
    at: int | None
    base: int | None
    faster: bool
    bound: float

    @property
    def text(self) -> str:
        """What it asks for, in words."""
        ours = self.ours if self.at is None else f"{self.ours} at {self.at:,}"
        other = self.against or f"at {self.base:,}"
        metric = "" if self.metric == "ns" else f" {self.metric}"
        word = "faster than" if self.faster else "of"
        return f"{self.rows[0]}{metric}: {ours} {word} {other}"


@dataclass(frozen=True)
class Verdict:
    """A floor and what became of it.

    Attributes:
        floor: the floor.
        reached: what was measured; None if it was not.
        broken: the other was measured, and ours was not.
    """

    floor: Floor
    reached: float | None
    broken: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether it is reached; None if it was not measured."""
        if self.reached is None:
            return False if self.broken else None
        if self.floor.faster:
            return self.reached >= self.floor.bound
        return self.reached <= self.floor.bound


def load(
    path: Path = _FILE, python: tuple[int, int] = sys.version_info[:2]
) -> list[Floor]:
    """The floors for one version of Python."""
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text())["floor"]
    return [_floor(entry, python) for entry in entries]


def _floor(entry: dict[str, Any], python: tuple[int, int]) -> Floor:
    faster = "at_least" in entry
    bound: float | dict[str, float] = entry["at_least" if faster else "at_most"]
    if isinstance(bound, dict):
        bound = _for_version(bound, python)
    names = entry["row"]
    return Floor(
        rows=(names,) if isinstance(names, str) else tuple(names),
        ours=entry["ours"],
        against=entry.get("against", ""),
        metric=entry.get("metric", "ns"),
        at=entry.get("at"),
        base=entry.get("base"),
        faster=faster,
        bound=float(bound),
    )


def _for_version(bounds: dict[str, float], python: tuple[int, int]) -> float:
    known = sorted((tuple(map(int, text.split("."))), x) for text, x in bounds.items())
    below = [bound for version, bound in known if version <= python]
    return below[-1] if below else known[0][1]


def check(results: Results, floors: list[Floor] | None = None) -> list[Verdict]:
    """What became of each floor; of all for the Python that it was measured on."""
    if floors is None:
        floors = load(python=results.python)
    return [_verdict(results, floor) for floor in floors]


def _verdict(results: Results, floor: Floor) -> Verdict:
    row = next(filter(None, map(results.row, floor.rows)), None)
    if row is None:
        return Verdict(floor, None)
    ours = row.cell(floor.ours, floor.at)
    other = row.cell(floor.against or floor.ours, floor.base)
    if ours is None or other is None:
        return Verdict(floor, None, broken=ours is None)
    if floor.faster:
        return Verdict(floor, ratio(other, ours, floor.metric))
    return Verdict(floor, ratio(ours, other, floor.metric))
