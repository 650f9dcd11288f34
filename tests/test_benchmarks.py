"""The benchmark suite works: every shape runs, and every floor can be looked up.

Nothing here is timed. The contestants other than gochan are optional, and not run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
# at the end: what is installed comes before the checkout
sys.path.append(str(ROOT))

from benchmarks import floors, report, rows, worker  # noqa: E402
from benchmarks.contestants import (  # noqa: E402
    CONTESTANTS,
    base,
    make,
    ours,
    ours_threads,
)
from benchmarks.results import CellResult, Results, RowResult, ratio  # noqa: E402
from benchmarks.shapes import BLOCKING, COROUTINES, PROCESSES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALL_ROWS = [
    *rows.rows(quick=True),
    *rows.rows(quick=False),
    *rows.rows(quick=False, big=True),
]

# for the shapes that have parameters; tiny
FLOWS = ("spsc", "mpsc", "mpmc", "select_rx", "select_both", "fan_in")
SIZES: dict[str, list[dict[str, Any]]] = {
    **{flow: [{"cap": cap} for cap in (0, 1, 3, None)] for flow in FLOWS},
    "seq": [{"cap": 1}, {"cap": 3}, {"cap": None}],
    "sieve": [{"primes": 5}],
    "skynet": [{"leaves": 100}],
    "parked": [{"count": 10}],
    "timers": [{"count": 10}],
    "thread_loop": [{"cap": 0}, {"cap": 3}],
    "loop_loop": [{"cap": 0}, {"cap": 3}],
    "threadring": [{"size": 5}],
    "select_done": [{"count": 20}],
    "among_waiters": [{"count": 20}],
    "among_channels": [{"count": 20}],
    "among_goroutines": [{"count": 20}],
}


def check(contestant: base.Contestant, shape: str) -> None:
    for params in SIZES.get(shape, [{}]):
        sample = contestant.measure(shape, 200, params)
        assert sample.seconds > 0
        assert sample.values
        assert all(value >= 0 or key == "bytes" for key, value in sample.values.items())


@pytest.mark.parametrize("shape", COROUTINES)
def test_every_shape_runs_on_a_loop(shape: str, backend: dict[str, Any]) -> None:
    check(ours.Gochan(backend["backend"], backend["backend_options"]), shape)


# the others need tasks that can be cancelled, or too many threads
@pytest.mark.parametrize(
    "shape",
    sorted(set(BLOCKING) - {"sieve", "skynet", "parked", "fan_in"}),
)
def test_every_shape_runs_between_threads(shape: str) -> None:
    check(ours_threads.make(""), shape)


@pytest.mark.parametrize("name", ["gochan/processes", "multiprocessing.Queue"])
def test_every_shape_runs_between_processes(name: str) -> None:
    contestant: Any = make(name)
    for shape in PROCESSES:
        sample = contestant.measure(shape, 10, {"cap": 8, "size": 100_000})
        assert sample.values["ns"] > 0
    with pytest.raises(base.Unsupported):
        contestant.measure("spsc", 10, {"cap": 8, "size": 1})
    contestant.close()


@pytest.mark.parametrize("where", ["the loop", "loops(2)", "threads", "processes"])
def test_computing(where: str) -> None:
    contestant: Any = make(f"on {where}")
    assert contestant.measure("computing", 10, {"steps": 10}).values["ns"] > 0
    with pytest.raises(base.Unsupported):
        contestant.measure("spsc", 10, {"cap": 8})
    contestant.close()


def test_what_a_contestant_cannot_do_is_said() -> None:
    with pytest.raises(base.Unsupported, match="rendezvous"):
        ours_threads.make("").measure("seq", 1, {"cap": 0})
    with pytest.raises(base.Unsupported, match="cancelled"):
        ours_threads.make("").measure("skynet", 1, {"leaves": 10})


def cells() -> Iterator[tuple[str, str, int | None]]:
    for row in ALL_ROWS:
        for cell in row.cells:
            yield row.name, cell.contestant, cell.at


def test_rows_name_shapes_and_contestants_that_there_are() -> None:
    for row in ALL_ROWS:
        assert row.shape in {*COROUTINES, *BLOCKING, *PROCESSES, "computing"}
        assert {cell.contestant for cell in row.cells} <= CONTESTANTS.keys()


def test_a_quick_run_measures_every_floor() -> None:
    quick = {row.name for row in rows.rows(quick=True)}
    known = set(cells())
    for floor in floors.load():
        name = next(name for name in floor.rows if name in quick)
        assert (name, floor.ours, floor.at) in known
        assert (name, floor.against or floor.ours, floor.base) in known


@pytest.mark.parametrize(
    ("python", "bound"),
    [((3, 10), 1.1), ((3, 11), 1.1), ((3, 13), 1.1), ((3, 14), 1.25), ((3, 15), 1.25)],
)
def test_a_floor_may_depend_on_the_python(
    python: tuple[int, int], bound: float, tmp_path: Path
) -> None:
    path = tmp_path / "floors.toml"
    path.write_text(
        '[[floor]]\nrow = "r"\nours = "a"\nagainst = "b"\n'
        'at_least = { "3.11" = 1.1, "3.14" = 1.25 }\n'
    )
    (floor,) = floors.load(path, python)
    assert floor.bound == bound


def results() -> Results:
    """gochan takes 2 in every round; the queue 4, 8 and 6."""
    machine: dict[str, Any] = dict.fromkeys(
        ("cpu", "cores", "system", "implementation", "commit", "when"), "?"
    )
    machine["python"] = "3.11.0"
    effort = {"rounds": 3, "seconds": 0.1}
    row = RowResult("spsc-0", "flow, unbuffered: per item", {"ns": "ns"}, "spsc")
    row.cells = [
        CellResult("gochan/asyncio", samples={"ns": [2.0, 2.0, 2.0]}),
        CellResult("asyncio.Queue", instead_of_zero=1, samples={"ns": [4.0, 8.0, 6.0]}),
    ]
    curve = RowResult("curve", "curve: per operation", {"ns": "ns"}, "select_done")
    curve.cells = [
        CellResult("gochan/asyncio", at=10, samples={"ns": [2.0, 2.0]}),
        CellResult("gochan/asyncio", at=1000, samples={"ns": [4.0, 2.0]}),
    ]
    return Results(machine, effort, [row, curve])


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="no core can be chosen here"
)
def test_threads_that_share_a_core() -> None:
    class Cores(base.Contestant):
        def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> base.Sample:
            assert (shape, n, params) == ("s", 1, {"cap": 0})
            return base.Sample(1.0, {"cores": float(len(os.sched_getaffinity(0)))})

    before = os.sched_getaffinity(0)
    for one_core, cores in ((True, 1), (False, len(before))):
        params = {"cap": 0, "one_core": one_core}
        answer = worker.answer(Cores(), {"shape": "s", "n": 1, "params": params})
        assert answer["values"] == {"cores": cores}
        assert os.sched_getaffinity(0) == before


def test_ratios_are_taken_within_a_round() -> None:
    one = CellResult("a", samples={"ns": [1.0, 10.0, 100.0]})
    other = CellResult("b", samples={"ns": [2.0, 10.0, 50.0]})
    assert ratio(one, other, "ns") == 1.0
    assert ratio(one, other, "bytes") is None


def floor(bound: float, *, faster: bool, **what: Any) -> floors.Floor:
    known: dict[str, Any] = {
        "rows": ("spsc-0",),
        "ours": "gochan/asyncio",
        "against": "asyncio.Queue",
        "metric": "ns",
        "at": None,
        "base": None,
    }
    return floors.Floor(**{**known, **what}, faster=faster, bound=bound)


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (floor(3.0, faster=True), True),
        (floor(3.1, faster=True), False),
        (floor(0.4, faster=False), True),
        (floor(0.3, faster=False), False),
        (floor(1.5, faster=False, rows=("curve",), against="", at=1000, base=10), True),
        (
            floor(1.4, faster=False, rows=("curve",), against="", at=1000, base=10),
            False,
        ),
        (floor(1.0, faster=True, against="janus"), None),
        (floor(1.0, faster=True, rows=("no such",)), None),
        # ours is what must not be missing
        (floor(1.0, faster=True, ours="gochan/trio"), False),
    ],
)
def test_a_floor_holds_or_not(asked: floors.Floor, holds: bool | None) -> None:
    (verdict,) = floors.check(results(), [asked])
    assert verdict.holds is holds
    assert list(report.floors_text([verdict]))


def test_results_survive_being_written(tmp_path: Path) -> None:
    before = results()
    before.save(tmp_path / "r.json")
    assert Results.load(tmp_path / "r.json") == before


def test_what_a_later_run_has_measured_counts() -> None:
    both, later = results(), results()
    later.machine["commit"] = "abc"
    later.rows = later.rows[:1]
    later.rows[0].cells[0].samples["ns"] = [1.0]
    both.add(later)
    assert [row.name for row in both.rows] == ["spsc-0", "curve"]
    row = both.row("spsc-0")
    assert row is not None
    assert row.cells[0].median("ns") == 1.0
    assert both.machine["commit"] == "?, abc"


def test_the_tables_tell_who_had_it_easier() -> None:
    text = report.markdown([results()])
    assert "| **gochan/asyncio** | 2 |" in text
    assert "| asyncio.Queue\\* | 6 (3.00x) |" in text


def test_the_page_tells_what_has_grown_and_which_floors_hold() -> None:
    elsewhere = results()
    elsewhere.machine["python"] = "3.14.1"
    elsewhere.rows[0].cells[1].samples["ns"] = [8.0, 8.0, 8.0]
    lines = report.markdown([results(), elsewhere]).splitlines()
    assert "| **gochan/asyncio** | 2 | 3 | 1.50x |" in lines
    assert "|  | at | 3.11.0 | 3.14.1 |" in lines
    queue = "spsc-0: gochan/asyncio faster than asyncio.Queue"
    assert f"| {queue} | least 3.5 | **3.00x** | 4.00x |" in lines
    buffered = "spsc-128: gochan/asyncio faster than asyncio.Queue"
    assert f"| {buffered} | least 1.1, 1.25 | - | - |" in lines


def test_pictures_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.plot import draw

    draw(results(), tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["benchmarks-growth.svg", "benchmarks.svg"]


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    """A process per contestant, in turns; one that is not there is skipped."""
    out = tmp_path / "r.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--rounds", "2"),
            *("--seconds", "0.002", "--rows", "spsc-0", "--json", str(out)),
            *("--only", "gochan/asyncio", "asyncio.Queue", "--check"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not measured" in run.stdout, run.stdout + run.stderr
    (row,) = Results.load(out).rows
    assert [cell.label for cell in row.cells] == ["gochan/asyncio", "asyncio.Queue(1)"]
    assert all(len(cell.samples["ns"]) == 2 for cell in row.cells)
