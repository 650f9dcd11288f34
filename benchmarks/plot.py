"""The results as a picture: figures side by side, and the curves of growth."""

from __future__ import annotations

from importlib import import_module
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .contestants import CONTESTANTS
from .report import machine_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .results import Results, RowResult

__all__ = ("draw",)

# the rows that are shown, if they were measured
DOTS = (
    "spsc-0",
    "spsc-128",
    "ping_pong",
    "mpmc-0",
    "select_rx-0",
    "select_ready",
    "spawn_join",
    "thread_thread-128",
    "thread_loop-128",
)
COLUMNS = 3
OURS, PEERS, LIMITS = "#00758f", "#8d9aa0", "#d9a32f"


def draw(results: Results, path: Path) -> None:
    """Write the picture to ``path``.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    # the same results give the same file
    matplotlib.rcParams.update(
        {"svg.hashsalt": "gochan", "svg.fonttype": "none", "font.size": 8}
    )
    pyplot: Any = import_module("matplotlib.pyplot")
    dots = [row for row in map(results.row, DOTS) if row is not None]
    curves = [row for row in results.rows if any(c.at is not None for c in row.cells)]
    deep = -(-len(dots) // COLUMNS) + -(-len(curves) // COLUMNS)
    figure = pyplot.figure(figsize=(12, 3.4 * max(deep, 1)), layout="constrained")
    place = 0
    for row in dots:
        place += 1
        _dots(figure.add_subplot(deep, COLUMNS, place), row)
    place = -(-place // COLUMNS) * COLUMNS
    for row in curves:
        place += 1
        _lines(figure.add_subplot(deep, COLUMNS, place), row)
    figure.supxlabel("\n".join(machine_text(results)), fontsize=6)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _title(axes: Any, row: RowResult) -> None:
    what, _, unit = row.title.rpartition(":")
    axes.set_title(f"{row.name}\n{what}", fontsize=8)
    axes.set_xlabel(f"ns {unit.strip()}")


def _dots(axes: Any, row: RowResult) -> None:
    figures = [(cell.median("ns"), cell) for cell in row.cells]
    known = [(value, cell) for value, cell in figures if value is not None]
    known.sort(key=itemgetter(0), reverse=True)
    if not known:
        return
    for place, (value, cell) in enumerate(known):
        axes.plot(value, place, "o", color=_colour(cell.contestant))
        text = f"  {value:,.0f}" if value >= 100 else f"  {value:.3g}"
        axes.annotate(text, (value, place), va="center", fontsize=7)
    axes.set_yticks(range(len(known)), [cell.label for _, cell in known])
    axes.set_xscale("log")
    # room for the last figure; the figures say it, not the ticks
    axes.set_xlim(known[-1][0] / 1.6, known[0][0] * 8)
    axes.tick_params(axis="x", which="both", labelbottom=False)
    axes.grid(axis="y", alpha=0.3)
    _title(axes, row)


def _colour(name: str) -> str:
    if name.startswith("gochan/"):
        return OURS
    return LIMITS if CONTESTANTS[name].module in ("", "limits") else PEERS


def _lines(axes: Any, row: RowResult) -> None:
    for name in dict.fromkeys(cell.contestant for cell in row.cells):
        points: Sequence[tuple[int, float]] = [
            (cell.at, value)
            for cell in row.cells
            if cell.contestant == name
            and cell.at is not None
            and (value := cell.median("ns")) is not None
        ]
        axes.plot(
            [at for at, _ in points],
            [value for _, value in points],
            marker="o",
            markersize=3,
            linewidth=2 if name.startswith("gochan/") else 1,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6)
    _title(axes, row)
    axes.set_xlabel("n")
    axes.set_ylabel("ns")
