"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from . import floors
from .machine import describe
from .process import Go
from .report import floors_text, machine_text, markdown, row_text
from .results import Results
from .rotation import measure_row
from .rows import FULL, QUICK, Row, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)

_DOCS = Path(__file__).parent.parent / "docs"
_PAGE = _DOCS / "internals" / "benchmarks.md"


def _say(text: str = "") -> None:
    print(text, flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure gochan side by side with what one would use instead.",
        epilog="The exit status is 1 if --check finds a floor that is not reached.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="the rows of the floors: 2 minutes")
    add("--big", action="store_true", help="skynet with 1,000,000, sieve with 500")
    add("--list", action="store_true", help="print the rows and who takes part")
    add("--rows", nargs="+", metavar="ROW", help="only these; * and ? as in a shell")
    add("--only", nargs="+", metavar="WHO", help="only these contestants")
    add("--rounds", type=int, help="how often everybody takes a turn")
    add("--seconds", type=float, help="how long a turn should be")
    add("--check", action="store_true", help="compare with floors.toml")
    add("--json", type=Path, metavar="FILE", help="write the results, row by row")
    add(
        "--load",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="do not measure: read results; of several runs, the later ones count",
    )
    add("--markdown", action="store_true", help="write docs/internals/benchmarks.md")
    add("--plot", action="store_true", help="write its pictures, in docs/assets")
    add(
        "--beside",
        nargs="+",
        type=Path,
        metavar="FILE",
        default=[],
        help="results on other Pythons, for the page's table of floors",
    )
    return parser.parse_args(argv)


def _wanted(table: list[Row], options: argparse.Namespace) -> list[Row]:
    if options.rows:
        table = [
            row for row in table if any(fnmatch(row.name, p) for p in options.rows)
        ]
    if options.only:
        table = [
            replace(
                row,
                cells=[
                    cell
                    for cell in row.cells
                    if any(fnmatch(cell.contestant, p) for p in options.only)
                ],
            )
            for row in table
        ]
    return [row for row in table if row.cells]


def _measure(options: argparse.Namespace, table: list[Row]) -> Results:
    effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)
    if options.seconds:
        effort = replace(effort, seconds=options.seconds)
    results = Results(describe(), asdict(effort))
    started = perf_counter()
    with Go() as go:
        for row in table:
            result = measure_row(row, effort, go, _say)
            results.rows.append(result)
            if options.json:
                results.save(options.json)
            for line in row_text(result):
                _say(line)
    _say()
    for line in machine_text(results):
        _say(line)
    _say(f"{perf_counter() - started:.0f} seconds")
    return results


def _plot(results: Results) -> None:
    from .plot import draw

    try:
        draw(results, _DOCS / "assets")
    except ModuleNotFoundError as error:
        _say(f"SKIPPED the plot: {error}")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say."""
    options = _arguments(argv)
    table = _wanted(rows(quick=options.quick, big=options.big), options)
    if options.list:
        for row in table:
            names = dict.fromkeys(cell.contestant for cell in row.cells)
            _say(f"{row.name}: {row.title}\n    {', '.join(names)}")
        return 0
    if options.load:
        results, *more = map(Results.load, options.load)
        for each in more:
            results.add(each)
        for line in (line for row in results.rows for line in row_text(row)):
            _say(line)
    else:
        if not table:
            _say("no such row: see --list")
            return 2
        results = _measure(options, table)
    if options.markdown:
        everywhere = [results, *map(Results.load, options.beside)]
        _PAGE.write_text(markdown(everywhere), encoding="utf-8")
    if options.plot:
        _plot(results)
    if options.check:
        verdicts = floors.check(results)
        _say()
        for line in floors_text(verdicts):
            _say(line)
        if any(verdict.holds is False for verdict in verdicts):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
