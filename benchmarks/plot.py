"""The results as pictures: figures side by side, and the curves of growth."""

from __future__ import annotations

from importlib import import_module
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .contestants import CONTESTANTS
from .report import machine_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
OURS, PEERS, LIMITS = "#00758f", "#8d9aa0", "#d9a32f"


def draw(results: Results, folder: Path) -> None:
    """Write ``benchmarks.svg`` and, for the curves, ``benchmarks-growth.svg``.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    # the same results give the same file
    matplotlib.rcParams.update(
        {"svg.hashsalt": "gochan", "svg.fonttype": "none", "font.size": 8}
    )
    dots = [row for row in map(results.row, DOTS) if row is not None]
    curves = [row for row in results.rows if row.is_curve]
    for name, columns, rows, one in (
        ("benchmarks.svg", 3, dots, _dots),
        ("benchmarks-growth.svg", 2, curves, _lines),
    ):
        if rows:
            _draw(results, folder / name, columns, rows, one)


def _draw(
    results: Results,
    path: Path,
    columns: int,
    rows: Sequence[RowResult],
    one: Callable[[Any, RowResult], None],
) -> None:
    pyplot: Any = import_module("matplotlib.pyplot")
    deep = -(-len(rows) // columns)
    figure = pyplot.figure(figsize=(12, 3.4 * deep), layout="constrained")
    for place, row in enumerate(rows, 1):
        one(figure.add_subplot(deep, columns, place), row)
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
        text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        axes.annotate(
            text,
            (value, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
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
