"""What was measured, and what is reckoned from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from .contestants import OURS, ours_for

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

__all__ = ("CellResult", "Results", "RowResult", "ratio")

# of the file's format
FORMAT = 1


@dataclass
class CellResult:
    """One contestant in one row.

    Attributes:
        contestant: who.
        at: the point of the curve, in rows that are one.
        instead_of_zero: the capacity it had where 0 was wanted, if it has no
            rendezvous.
        n: how many operations a measurement did.
        samples: one figure per round, by metric.
    """

    contestant: str
    at: int | None = None
    instead_of_zero: int | None = None
    n: int = 0
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @property
    def label(self) -> str:
        """Its name in a table."""
        cap = f"({self.instead_of_zero})" if self.instead_of_zero else ""
        at = f" at {self.at:,}" if self.at is not None else ""
        return f"{self.contestant}{cap}{at}"

    def median(self, metric: str) -> float | None:
        """The median round; None if there is no such metric."""
        samples = self.samples.get(metric)
        return median(samples) if samples else None


def ratio(one: CellResult, other: CellResult, metric: str) -> float | None:
    """The median over the rounds of ``one / other`` within a round."""
    pairs = zip(
        one.samples.get(metric, ()), other.samples.get(metric, ()), strict=False
    )
    ratios = [a / b for a, b in pairs if b]
    return median(ratios) if ratios else None


@dataclass
class RowResult:
    """One row.

    Attributes:
        name: the row's, as in ``rows``.
        title: what it is.
        metrics: what its figures are, by metric: ``ns`` → "ns per item".
        shape: the shape that was measured.
        cells: who took part.
        skipped: who did not, and why.
        versions: of the packages that took part.
        others: how many cores other programs kept busy meanwhile.
        seconds: how long it took.
    """

    name: str
    title: str
    metrics: dict[str, str]
    shape: str
    cells: list[CellResult] = field(default_factory=list[CellResult])
    skipped: list[str] = field(default_factory=list[str])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    others: float | None = None
    seconds: float = 0

    @property
    def is_curve(self) -> bool:
        """Whether its cells are points of curves."""
        return any(cell.at is not None for cell in self.cells)

    def cell(self, contestant: str, at: int | None = None) -> CellResult | None:
        """The cell of a contestant, at a point of the curve if it is one."""
        for cell in self.cells:
            if cell.contestant == contestant and cell.at == at:
                return cell
        return None

    def against_ours(self, cell: CellResult, metric: str) -> float | None:
        """How many times gochan's figure on the same runtime it is."""
        ours = self.cell(ours_for(cell.contestant), cell.at) or self.cell(OURS, cell.at)
        return None if ours is None else ratio(cell, ours, metric)


@dataclass
class Results:
    """One run of the suite.

    Attributes:
        machine: what it ran on, when, and with which Python and commit.
        effort: how hard it tried.
        rows: what was measured.
    """

    machine: dict[str, Any]
    effort: dict[str, Any]
    rows: list[RowResult] = field(default_factory=list[RowResult])

    def row(self, name: str) -> RowResult | None:
        """The row of that name, if it was measured."""
        return next((row for row in self.rows if row.name == name), None)

    @property
    def python(self) -> tuple[int, int]:
        """The version that it was measured on."""
        major, minor = str(self.machine["python"]).split(".")[:2]
        return int(major), int(minor)

    @property
    def versions(self) -> dict[str, str]:
        """Of all packages that took part."""
        found: dict[str, str] = {}
        for row in self.rows:
            found |= row.versions
        return dict(sorted(found.items()))

    def add(self, later: Results) -> None:
        """Take what a later run has measured; it was on the same machine."""
        new = {row.name: row for row in later.rows}
        self.rows = [new.pop(row.name, row) for row in self.rows]
        self.rows += new.values()
        for what in ("commit", "when"):
            both = dict.fromkeys((self.machine[what], later.machine[what]))
            self.machine[what] = ", ".join(both)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` has written.

        Raises:
            ValueError: it is of another format.
        """
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise ValueError(f"{path} was written by another version of the suite")
        rows = [RowResult(**row) for row in data.pop("rows")]
        for row in rows:
            cells: list[Any] = row.cells
            row.cells = [CellResult(**cell) for cell in cells]
        return cls(rows=rows, **data)
