"""Measuring a row: every contestant in turn, A B C A B C.

Each contestant has a process of its own, which lives as long as the row. First it
is found out how many operations take about the wanted time. Then, in every round,
each contestant measures a few times and the best counts: what disturbs it can only
make it slower. Rounds follow each other, so that a disturbance that lasts longer
hits everybody, and ratios are taken within a round.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from .machine import Others
from .process import Go, Process, Skipped
from .results import CellResult, RowResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rows import Cell, Effort, Row

__all__ = ("measure_row",)


def measure_row(
    row: Row, effort: Effort, go: Go, say: Callable[[str], None]
) -> RowResult:
    """Measure all cells of ``row``."""
    result = RowResult(row.name, row.title, row.metrics, row.shape)
    others, started = Others(), perf_counter()
    processes = _start(row, go, result)
    try:
        running: list[tuple[Cell, CellResult]] = []
        for cell in row.cells:
            process = processes.get(cell.contestant)
            if process is None:
                continue
            unbuffered = row.unbuffered or cell.params.get("cap") == 0
            label = (process.smallest or None) if unbuffered else None
            entry = CellResult(cell.contestant, cell.at, instead_of_zero=label)
            try:
                entry.n = _calibrate(row, cell, process, effort)
            except Skipped as why:
                _skip(result, cell.contestant, str(why))
                continue
            result.cells.append(entry)
            running.append((cell, entry))
        for _ in range(effort.rounds):
            for cell, entry in list(running):
                try:
                    _round(row, cell, entry, processes, effort, go)
                except Skipped as why:
                    _skip(result, cell.contestant, str(why))
                    running.remove((cell, entry))
                    result.cells.remove(entry)
        for process in processes.values():
            result.versions |= process.versions
    finally:
        for process in processes.values():
            process.close()
    result.others = others.busy()
    result.seconds = perf_counter() - started
    for line in result.skipped:
        say(f"  SKIPPED {line}")
    return result


def _skip(result: RowResult, name: str, why: str) -> None:
    line = f"{name}: {why}"
    if line not in result.skipped:
        result.skipped.append(line)


def _start(row: Row, go: Go, result: RowResult) -> dict[str, Process]:
    """Start everybody at once, and wait for them one after the other."""
    started: dict[str, Process] = {}
    for name in dict.fromkeys(cell.contestant for cell in row.cells):
        try:
            started[name] = Process(name, go)
        except Skipped as why:
            _skip(result, name, str(why))
    ready: dict[str, Process] = {}
    for name, process in started.items():
        try:
            process.ready()
        except Skipped as why:
            _skip(result, name, str(why))
            process.close()
        else:
            ready[name] = process
    return ready


def _calibrate(row: Row, cell: Cell, process: Process, effort: Effort) -> int:
    """How many operations take about as long as a measurement should."""
    if row.operations is not None:
        return row.operations
    n, target = row.start, effort.seconds / row.slices
    while True:
        seconds = process.measure(row.shape, n, cell.params).seconds
        if seconds >= target / 4:
            return max(int(n * target / seconds), row.start)
        n = int(n * min(max(target / max(seconds, 1e-9) / 2, 2), 32))


def _round(
    row: Row,
    cell: Cell,
    entry: CellResult,
    processes: dict[str, Process],
    effort: Effort,
    go: Go,
) -> None:
    """One cell's turn."""
    if row.fresh:
        # memory that has been used before would not be counted
        processes[cell.contestant].close()
        process = processes[cell.contestant] = Process(cell.contestant, go)
        process.ready()
    else:
        process = processes[cell.contestant]
    best: dict[str, float] = {}
    for _ in range(1 if row.operations is not None else row.slices):
        values: dict[str, Any] = process.measure(row.shape, entry.n, cell.params).values
        for metric, value in values.items():
            best[metric] = min(value, best.get(metric, value))
    for metric, value in best.items():
        entry.samples.setdefault(metric, []).append(value)
