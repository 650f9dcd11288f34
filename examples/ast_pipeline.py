"""Parse every Python file below a folder, in processes: a pipeline that computes.

    python examples/ast_pipeline.py                        # Python's standard library
    python examples/ast_pipeline.py ~/src --list           # a line for each file
    python examples/ast_pipeline.py ~/src --workers 8

    walk ---files---> parser 1..n ---reports---> main
    here              processes                  here, in the order of the files

Parsing is work for the processor, and with a GIL threads would not share it. Each
parser is a plain function in a process of its own: ``go(parse, files, reports,
on=pool)``. It gets the same two channels as it would in a thread. They stay here, in
the process that made them; what the parsers receive and send is pickled on its way.

- A parser asks for a file when it has done the last one, so those that are quick get
  more of them, and the walker is never more than one file ahead.
- Reports come as they are ready. ``in_order`` holds back those that are early.
- If a file cannot be parsed, that is a report like any other. If a parser fails, or
  its process is killed, or Ctrl-C is pressed, everything ends, and nothing is left.

In the end the program does the same work once more, in one goroutine on the loop, and
says how long each of the two took.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import sysconfig
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import gochan
from gochan import Chan, RecvChan, SendChan, executors, go, scope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

# in Python's library folder, but not of it, or too much for a demonstration
SKIPPED = frozenset({"__pycache__", "dist-packages", "site-packages", "test", "tests"})


@dataclass(frozen=True)
class File:
    """A file to be parsed, and its place in the order."""

    number: int
    path: str


@dataclass
class Report:
    """What a parser found in a file."""

    number: int
    path: str
    lines: int = 0
    functions: int = 0
    classes: int = 0
    # how often each function is called by its bare name
    calls: Counter[str] = field(default_factory=Counter[str])
    error: str | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.path}: {self.error}"
        return (
            f"{self.path}: {self.lines} lines, {self.functions} functions, "
            f"{self.classes} classes"
        )


# What happens in the processes.


def parse(files: RecvChan[File], reports: SendChan[Report]) -> int:
    """Parse one file after the other. Returns how many it did."""
    done = 0
    for file in files:
        reports.blocking_send(report_of(file))
        done += 1
    return done


def report_of(file: File) -> Report:
    """Parse a file, and count what is in it."""
    report = Report(file.number, file.path)
    try:
        source = Path(file.path).read_bytes()
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        report.error = f"{type(error).__name__}: {error}"
        return report
    report.lines = source.count(b"\n")
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                report.functions += 1
            case ast.ClassDef():
                report.classes += 1
            case ast.Call(func=ast.Name(id=name)):
                report.calls[name] += 1
            case _:
                pass
    return report


# What happens here.


def files_below(tree: Path) -> Iterator[File]:
    """All Python files, in order; symbolic links are not followed."""
    number = 0
    for parent, folders, names in os.walk(tree):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(names):
            if name.endswith(".py"):
                yield File(number, str(Path(parent, name)))
                number += 1


async def walk(tree: Path, files: SendChan[File]) -> None:
    """The first stage."""
    for file in files_below(tree):
        await files.send(file)
    files.close()


async def in_order(reports: RecvChan[Report]) -> AsyncGenerator[Report, None]:
    """The reports by their numbers, whatever the order in which they come."""
    early: dict[int, Report] = {}
    due = 0
    async for report in reports:
        early[report.number] = report
        while due in early:
            yield early.pop(due)
            due += 1


@dataclass
class Totals:
    """All reports together."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    calls: Counter[str] = field(default_factory=Counter[str])
    errors: list[str] = field(default_factory=list[str])

    def add(self, report: Report) -> None:
        """One more report."""
        self.files += 1
        self.lines += report.lines
        self.functions += report.functions
        self.classes += report.classes
        self.calls += report.calls
        if report.error is not None:
            self.errors.append(str(report))


async def in_processes(tree: Path, workers: int, listed: bool) -> Totals:
    """Parse everything in ``workers`` processes."""
    files, reports = Chan[File](name="files"), Chan[Report](workers, name="reports")
    totals = Totals()
    async with executors.processes(workers) as pool, scope():
        go(walk, tree, files)
        parsers = [
            go(parse, files, reports, on=pool, name=f"parser-{number + 1}")
            for number in range(workers)
        ]

        async def close_after() -> None:
            for parser in parsers:
                say(f"{parser.name} did {await parser} files")
            reports.close()

        go(close_after)
        async with aclosing(in_order(reports)) as ordered:
            async for report in ordered:
                totals.add(report)
                if listed:
                    print(report)
                if totals.files % 200 == 0:
                    say(f"{totals.files} files, {totals.lines:,} lines so far")
    return totals


async def in_one_goroutine(tree: Path) -> Totals:
    """The same on the loop: nothing else can run meanwhile."""
    totals = Totals()
    for file in files_below(tree):
        totals.add(report_of(file))
        # so that Ctrl-C is heard
        await gochan.yield_()
    return totals


def say(text: str) -> None:
    """Print a line that is not part of the result."""
    print(text, file=sys.stderr, flush=True)


async def main(tree: Path, workers: int, listed: bool, compare: bool) -> None:
    """Goroutine 1."""
    say(f"parsing {tree} in {workers} processes (Ctrl-C stops)")
    begin = time.perf_counter()
    totals = await in_processes(tree, workers, listed)
    seconds = time.perf_counter() - begin
    print(
        f"{totals.files:,} files, {totals.lines:,} lines, {totals.functions:,} "
        f"functions, {totals.classes:,} classes, {len(totals.errors)} not parsed"
    )
    for name, calls in totals.calls.most_common(5):
        print(f"{name}() is called {calls:,} times")
    for error in totals.errors:
        say(error)
    say(f"{seconds:.2f} s in {workers} processes, starting them included")
    if compare:
        begin = time.perf_counter()
        again = await in_one_goroutine(tree)
        alone = time.perf_counter() - begin
        say(f"{alone:.2f} s in one goroutine: {alone / seconds:.2f} times as long")
        assert again == totals


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Parse Python files in processes.")
    parser.add_argument("tree", nargs="?", type=Path)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        default=os.cpu_count() or 2,
        help="processes that parse (default: %(default)s)",
    )
    parser.add_argument("--list", action="store_true", help="a line for each file")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="do it again in one goroutine",
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if given.workers < 1:
        parser.error("--workers must be at least 1")
    tree: Path = given.tree or Path(sysconfig.get_path("stdlib"))
    if not tree.is_dir():
        parser.error(f"no such folder: {tree}")
    try:
        gochan.run(
            main,
            tree,
            given.workers,
            given.list,
            given.compare,
            backend=given.backend,
        )
    except KeyboardInterrupt:
        say("ast_pipeline: interrupted")
        # what a shell expects of a program that Ctrl-C ended: 128 + SIGINT
        sys.exit(130)
