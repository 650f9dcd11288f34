"""The results as text, and as Markdown tables for the documentation."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from .contestants import CONTESTANTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .floors import Verdict
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


# Markdown: one table for each shape that comes in several sizes, whose columns are
# the sizes; one for each curve; and one for each of the others.


_LEGEND = (
    "In brackets: how many times gochan's figure on the same runtime.",
    "\\*: has no rendezvous, and does the easier work of a buffer of 1 instead.",
)


def markdown(results: Results) -> str:
    """The tables that the documentation includes."""
    lines = ["<!-- written by `python -m benchmarks --markdown` -->", ""]
    lines += [f"{line}  " for line in machine_text(results)]
    lines += ["", *_LEGEND]
    groups: dict[str, list[RowResult]] = {}
    for row in results.rows:
        groups.setdefault(row.name.partition("-")[0], []).append(row)
    for name, rows in groups.items():
        curve = any(cell.at is not None for cell in rows[0].cells)
        lines += ["", f"### {name}", ""]
        if curve:
            lines += _curve(rows[0])
        elif len(rows) > 1:
            lines += _sizes(rows)
        else:
            lines += _single(rows[0])
    return "\n".join(lines) + "\n"


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
        f"{_sentence(row.title)}, ns.",
        "",
        *_table(
            ["", *(f"n = {count:,}" for count in counts)],
            [
                [
                    _name(name, [row]),
                    *(_figure(row, row.cell(name, count), "ns") for count in counts),
                ]
                for name in _present([row])
            ],
        ),
    ]
