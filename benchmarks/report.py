"""The results as text, and as a page of the documentation."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from .contestants import CONTESTANTS
from .floors import check
from .results import ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .floors import Floor, Verdict
    from .results import CellResult, Results, RowResult

__all__ = ("floors_text", "machine_text", "markdown", "row_text")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def machine_text(results: Results) -> Iterable[str]:
    """What it was measured on, and with what."""
    machine, effort = results.machine, results.effort
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    yield (
        f"{machine['implementation']} {machine['python']}, commit {machine['commit']}, "
        f"{machine['when']}"
    )
    yield ", ".join(f"{name} {version}" for name, version in results.versions.items())
    busy = [row.others for row in results.rows if row.others is not None]
    if busy:
        yield (
            f"other programs kept {median(busy):.2f} cores busy meanwhile, and "
            f"{max(busy):.2f} in the worst row"
        )
    yield (
        f"median of {effort['rounds']} rounds; in each, the best measurement of a turn "
        f"of about {effort['seconds'] * 1e3:.0f} ms"
    )


def row_text(row: RowResult) -> Iterable[str]:
    """A row: the figures, and how many times gochan's on the same runtime."""
    busy = "" if row.others is None else f", others kept {row.others:.2f} cores busy"
    yield f"{row.name}: {row.title} [{row.seconds:.0f} s{busy}]"
    width = max([len(cell.label) for cell in row.cells], default=0)
    for cell in row.cells:
        figures = [
            f"{_number(cell.median(metric)):>10} {unit:<8}"
            f"{_times(row.against_ours(cell, metric)):>9}"
            for metric, unit in row.metrics.items()
        ]
        yield f"  {cell.label:<{width}}{'  '.join(figures)}"


def floors_text(verdicts: Sequence[Verdict]) -> Iterable[str]:
    """Which floors hold, which fall short, which were not measured."""
    width = max(len(verdict.floor.text) for verdict in verdicts)
    for verdict in verdicts:
        floor, holds = verdict.floor, verdict.holds
        word = {True: "holds", False: "FALLS SHORT", None: "not measured"}[holds]
        bound = f"{'>=' if floor.faster else '<='} {floor.bound:g}"
        reached = _times(verdict.reached)
        yield f"  {word:<12} {floor.text:<{width}} {bound:>8} {reached:>8}"
    short = sum(verdict.holds is False for verdict in verdicts)
    missing = sum(verdict.holds is None for verdict in verdicts)
    yield (
        f"floors: {len(verdicts) - short - missing} hold, {short} fall short, "
        f"{missing} not measured"
    )


# Markdown: one table of the floors; one for each shape that comes in several sizes,
# whose columns are the sizes; one for each of the others; and one for each curve.


_HEAD = """\
<!-- written by `python -m benchmarks --markdown --plot` -->

# Benchmarks

[Performance](performance.md) says how this is measured, and how to read it.
"""

_FLOORS = """
## What is to be reached

Medians of the ratios within a round, on each Python from a run of its own. *Faster
than*: how many times gochan's time the other's is. *Of*: how many times the other's
figure gochan's is. In bold: not reached.
"""

_SIDE_BY_SIDE = """
## Side by side

![Each shape with everybody who took part](../assets/benchmarks.svg)

In brackets: how many times gochan's figure on the same runtime; more than 1 means that
gochan is faster.
\\*: has no rendezvous, and does the easier work of a buffer of 1 instead.
"""

_GROWTH = """
## Growth

What an operation costs as there is more of something else. It should not grow: only the
memory that is touched does, and with it the share of it that is in no cache.

![What an operation costs against the number of others](../assets/benchmarks-growth.svg)
"""


def markdown(everywhere: Sequence[Results]) -> str:
    """The page of the documentation.

    Args:
        everywhere: the results that it shows, then those on other Pythons, of which it
            shows the floors.
    """
    results = everywhere[0]
    lines = [_HEAD]
    lines += [f"{line}  " for line in machine_text(results)]
    lines += [_FLOORS, *_floors_table(everywhere)]
    groups: dict[str, list[RowResult]] = {}
    for row in results.rows:
        groups.setdefault(row.name.partition("-")[0], []).append(row)
    curves = {name: rows for name, rows in groups.items() if rows[0].is_curve}
    lines.append(_SIDE_BY_SIDE)
    for name, rows in groups.items():
        if name not in curves:
            lines += [f"### {name}", ""]
            lines += _sizes(rows) if len(rows) > 1 else _single(rows[0])
            lines.append("")
    lines.append(_GROWTH)
    for name, (row, *_) in curves.items():
        lines += [f"### {name}", "", *_curve(row), ""]
    return "\n".join(lines).rstrip() + "\n"


def _floors_table(everywhere: Sequence[Results]) -> list[str]:
    checked = [check(results) for results in everywhere]
    head = ["", "at", *(results.machine["python"] for results in everywhere)]
    body = [
        [
            verdicts[0].floor.text,
            _bounds([verdict.floor for verdict in verdicts]),
            *map(_reached, verdicts),
        ]
        for verdicts in zip(*checked, strict=True)
    ]
    return _table(head, body)


def _bounds(floors: Sequence[Floor]) -> str:
    word = "least" if floors[0].faster else "most"
    bounds = dict.fromkeys(f"{floor.bound:g}" for floor in floors)
    return f"{word} {', '.join(bounds)}"


def _reached(verdict: Verdict) -> str:
    reached = _times(verdict.reached) or "-"
    return f"**{reached}**" if verdict.holds is False else reached


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(line) + " |" for line in (head, rule, *body)]


def _figure(row: RowResult, cell: CellResult | None, metric: str) -> str:
    if cell is None:
        return ""
    value = _number(cell.median(metric))
    times = _times(row.against_ours(cell, metric))
    return f"{value} ({times})" if times and not _ours(cell) else value


def _sentence(title: str) -> str:
    # n is a number's name
    return title if title.startswith("n ") else title[0].upper() + title[1:]


def _ours(cell: CellResult) -> bool:
    return cell.contestant.startswith("gochan/")


def _name(cell_name: str, rows: Sequence[RowResult]) -> str:
    smallest = any(
        cell.contestant == cell_name and cell.instead_of_zero
        for row in rows
        for cell in row.cells
    )
    name = cell_name + ("\\*" if smallest else "")
    return f"**{name}**" if cell_name.startswith("gochan/") else name


def _present(rows: Sequence[RowResult]) -> list[str]:
    present = {cell.contestant for row in rows for cell in row.cells}
    return [name for name in CONTESTANTS if name in present]


def _sizes(rows: Sequence[RowResult]) -> list[str]:
    title = rows[0].title.rpartition(",")[0]
    words = [row.title.rpartition(",")[2].partition(":")[0].strip() for row in rows]
    return [
        f"{_sentence(title)}: ns per item.",
        "",
        *_table(
            ["", *words],
            [
                [
                    _name(name, rows),
                    *(_figure(row, row.cell(name), "ns") for row in rows),
                ]
                for name in _present(rows)
            ],
        ),
    ]


def _single(row: RowResult) -> list[str]:
    return [
        f"{_sentence(row.title)}.",
        "",
        *_table(
            ["", *row.metrics.values()],
            [
                [
                    _name(name, [row]),
                    *(_figure(row, row.cell(name), metric) for metric in row.metrics),
                ]
                for name in _present([row])
            ],
        ),
    ]


def _curve(row: RowResult) -> list[str]:
    counts = sorted({cell.at for cell in row.cells if cell.at is not None})
    return [
        f"{_sentence(row.title)}, ns; and how many times the first the last is.",
        "",
        *_table(
            ["", *(f"n = {count:,}" for count in counts), "growth"],
            [
                [
                    _name(name, [row]),
                    *(_figure(row, row.cell(name, count), "ns") for count in counts),
                    _grown(row, name),
                ]
                for name in _present([row])
            ],
        ),
    ]


def _grown(row: RowResult, name: str) -> str:
    cells = [cell for cell in row.cells if cell.contestant == name]
    return _times(ratio(cells[-1], cells[0], "ns"))
