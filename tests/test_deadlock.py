"""Deadlocks: reported when they are certain, and never when they are not.

The programs are in ``deadlock/``. They run in a process of their own, all of one kind
one after the other.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

import gochan
from gochan import Chan, DeadlockError, run

FOLDER = Path(__file__).parent / "deadlock"
TEXT = "all goroutines are asleep - deadlock!"

# counting the threads of a process is only possible there
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="deadlocks are not noticed here"
)


def names(file: str) -> list[str]:
    source = (FOLDER / file).read_text().split("@program\nasync def ")[1:]
    return [part.partition("(")[0] for part in source]


HANGING = names("hanging.py")
WAITING = names("waiting.py")


@functools.cache
def outcomes(file: str, backend: str, *programs: str) -> dict[str, dict[str, Any]]:
    root = str(Path(gochan.__file__).parent.parent)
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(FOLDER / file), backend, *programs],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"},
    )
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {outcome["name"]: outcome for outcome in found}


@pytest.fixture
def hung(
    request: pytest.FixtureRequest, backend: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    if backend["backend_options"]:
        pytest.skip("uvloop does not tell when it falls asleep")
    return outcomes("hanging.py", backend["backend"])


@pytest.mark.parametrize("program", HANGING)
def test_it_ends_with_a_deadlock_error(
    hung: dict[str, dict[str, Any]], program: str
) -> None:
    outcome = hung[program]
    assert outcome["error"] == "DeadlockError"
    assert outcome["text"] == TEXT


CLEANED_UP = {
    "main_receives",
    "main_awaits_a_goroutine",
    "main_selects_a_goroutine",
    "one_awaits_who_waits_for_it",
    "in_a_task_group",
    "a_goroutine_on_the_runtimes_own_terms",
    "after_a_worker_thread",
    "a_run_in_a_loop",
}


def test_finally_blocks_have_run(hung: dict[str, dict[str, Any]]) -> None:
    assert [hung[name]["steps"] for name in sorted(CLEANED_UP)] == [
        ["cleaned up"] for _ in CLEANED_UP
    ]
    assert hung["two_wait_for_each_other"]["steps"] == ["cleaned up"] * 2
    assert hung["a_result_while_unwinding"]["steps"] == ["swallowed"]


def test_what_is_raised_while_unwinding_is_the_cause(
    hung: dict[str, dict[str, Any]],
) -> None:
    assert "ValueError('while unwinding')" in hung["errors_while_unwinding"]["cause"]
    assert hung["main_receives"]["cause"] == "None"


def test_one_that_cannot_unwind_is_reported_at_once(
    hung: dict[str, dict[str, Any]],
) -> None:
    told, unwound = hung["cannot_unwind"]["steps"]
    assert unwound == "unwound"
    assert told.startswith(f"{TEXT}\n\n  goroutine ")
    again = told.partition("\nThe run has been cancelled, and cannot end:\n\n")[2]
    assert again.startswith("in a circle:\n  goroutine ")
    assert "waits to receive from chan 'written'; goroutine " in again


def test_the_traceback_shows_the_report_and_no_loop(
    hung: dict[str, dict[str, Any]],
) -> None:
    outcome = hung["main_receives"]
    lines = outcome["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line.startswith("  File")][1:] == []
    start = lines.index(f"gochan.DeadlockError: {TEXT}")
    assert "\n".join(lines[start + 2 :]) == outcome["report"]


# Who waits for whom. Goroutines' numbers depend on what ran before, and are left out.
GRAPHS = {
    "main_receives": """
  main waits to receive from chan 'ch', which nobody else here has
""",
    "main_sends": """
  main waits to send to chan 'ch', which nobody else here has
""",
    "main_sends_to_a_full_buffer": """
  main waits to send to chan 'ch' (1/1), which nobody else here has
""",
    "main_iterates": """
  main waits to receive from chan 'ch', which nobody else here has
""",
    "main_selects": """
  main waits to receive from chan 'a', which nobody else here has, or to send to chan \
'b', which nobody else here has
""",
    "main_selects_nothing": """
  main waits for ever
""",
    "main_selects_nil": """
  main waits for ever
""",
    "main_receives_from_nil": """
  main waits for ever
""",
    "main_sends_to_nil": """
  main waits for ever
""",
    "two_wait_for_each_other": """
in a circle:
  left waits to receive from chan 'a'; right could send or close
  right waits to receive from chan 'b'; left could send or close
besides:
  main waits for the end of left and right
""",
    "main_awaits_a_goroutine": """
  main waits for the end of receive
  receive waits to receive from chan 'ch', which nobody else here has
""",
    "main_selects_a_goroutine": """
  main waits for the end of receive
  receive waits to receive from chan 'ch', which nobody else here has
""",
    "one_awaits_who_waits_for_it": """
in a circle:
  main waits for the end of receive
  receive waits to receive from chan 'ch'; main could send or close, but waits for it
""",
    "nobody_closes": """
in a circle:
  main waits for the end of consume
  consume waits to receive from chan 'ch'; main could send or close, but waits for it
""",
    "three_in_a_ring": """
in a circle:
  p0 waits to receive from chan 'c0'; p2 could send or close
  p2 waits to receive from chan 'c2'; p1 could send or close
  p1 waits to receive from chan 'c1'; p0 could send or close
besides:
  main waits for the end of p0, p1 and p2
""",
    "through_a_global_channel": """
  main waits to receive from chan 'shared 2', which nobody else here has
  receive waits to receive from chan 'shared'; main could send or close
""",
    "in_a_task_group": """
  main waits for tasks of its own
  task receive waits to receive from chan 'ch', which nobody else here has
""",
    "with_a_thread_that_waits": """
  main waits to receive from chan 'other', which nobody else here has
  thread blocking_recv waits to receive from chan 'ch'; main could send or close
""",
    "a_run_in_a_loop": """
  main waits to receive from chan 'ch', which nobody else here has
  task a_run_in_a_loop waits for the end of main
""",
    "locks_in_both_orders": """
in a circle:
  ab waits for Mutex, which ba holds
  ba waits for Mutex, which ab holds
besides:
  main waits for the end of ab and ba
""",
    "a_lock_it_has": """
  main waits for Mutex, which it holds itself
""",
    "a_writer_and_readers": """
in a circle:
  main waits for RWMutex, which reader and reader hold
  reader waits to receive from chan 'go on'; main could send or close
besides:
  reader waits to receive from chan 'go on'; main could send or close
""",
    "a_wait_group_that_has_started_somebody": """
in a circle:
  main waits for WaitGroup; receive could call done
  receive waits to receive from chan 'shared'; main could send or close
""",
    "a_wait_group": """
  main waits for WaitGroup, which nobody else here has
""",
    "on_threads": """
in a circle:
  left waits to receive from chan 'a'; right could send or close
  right waits to receive from chan 'b'; left could send or close
besides:
  main waits for the end of left and right
""",
    "on_fibers": """
in a circle:
  left waits to receive from chan 'a'; right could send or close
  right waits to receive from chan 'b'; left could send or close
besides:
  main waits for the end of left and right
""",
    "on_different_threads_and_loops": """
in a circle:
  thread waits to receive from chan 'a'; here could send or close
  here waits to receive from chan 'c'; loop could send or close
  loop waits to receive from chan 'b'; thread could send or close
besides:
  main waits for the end of thread, loop and here
""",
    "errors_while_unwinding": """
  main waits for the end of fail
  fail waits to receive from chan 'ch', which nobody else here has
""",
}


def graph(report: str) -> str:
    """The first part of a report, with bare names; asyncio numbers its own tasks."""
    text = report.partition("\n\n")[0]
    text = re.sub(r"goroutine \d+ \((\w+)\)", r"\1", text)
    text = re.sub(r" 0x[0-9a-f]+", "", text)
    text = re.sub(r"task \(Task-\d+\)", "task a_run_in_a_loop", text)
    text = re.sub(r"task \((?:\w+\.)*(\w+)\)", r"task \1", text)
    return re.sub(r"thread \(Thread-\d+ \((\w+)\)\)", r"thread \1", text)


@pytest.mark.parametrize("program", GRAPHS)
def test_who_waits_for_whom(hung: dict[str, dict[str, Any]], program: str) -> None:
    found = graph(hung[program]["report"])
    assert f"\n{found}\n" == GRAPHS[program]


def test_a_long_report_is_cut(hung: dict[str, dict[str, Any]]) -> None:
    report: str = hung["many"]["report"]
    head, _, stacks = report.partition("\n\n")
    circle, rest = head.split("besides:\n")
    assert "recv), " in circle
    assert "recv) and 96 more" in circle
    assert rest.endswith("\n  ... and 78 more")
    assert stacks.count("[chan receive]: recv, on chan 'ch'") == 99
    assert stacks.endswith("\n... and 201 more\n")


def test_all_of_them_are_shown_with_their_stacks(
    hung: dict[str, dict[str, Any]],
) -> None:
    report: str = hung["two_wait_for_each_other"]["report"]
    stacks = report.split("\n\n", 1)[1].split("\n\n")
    heads = [stack.partition("\n")[0].partition(" [")[2] for stack in stacks]
    assert heads[0].startswith("sync.WaitGroup.Wait]: main, on scope 0x")
    assert heads[1:] == [
        "chan receive]: left, on chan 'a'",
        "chan receive]: right, on chan 'b'",
    ]
    lines = stacks[1].splitlines()
    assert lines[1:6:2] == [
        "receive(...)",
        "two_wait_for_each_other.<locals>.left(...)",
        f"created by two_wait_for_each_other in {stacks[0].partition(' [')[0]}",
    ]
    assert re.search(r"/hanging\.py:\d+  return await ch\.recv\(\)$", lines[2])
    assert lines[6].endswith("  go(left, a, b)")


# Silence


@pytest.fixture
def waited(backend: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if backend["backend_options"]:
        pytest.skip("uvloop does not tell when it falls asleep")
    return outcomes("waiting.py", backend["backend"])


@pytest.mark.parametrize("program", WAITING)
def test_it_is_no_deadlock(waited: dict[str, dict[str, Any]], program: str) -> None:
    outcome = waited[program]
    match program:
        case "a_thread_that_python_does_not_know":
            # not as long as that thread was there: the program has looked
            assert outcome["error"] == "DeadlockError"
            assert outcome["asked"] > 1
        case "not_watched":
            assert (outcome["error"], outcome["asked"]) == ("KeyboardInterrupt", 0)
        case _:
            assert (outcome["result"], outcome["error"]) == (7, None)


def test_it_has_been_asked_where_no_timer_was_set(
    waited: dict[str, dict[str, Any]],
) -> None:
    """Otherwise these programs would show nothing."""
    silent = {name for name, outcome in waited.items() if not outcome["asked"]}
    # asyncio does not think of sleeping then
    silent.discard("callbacks_that_call_each_other")
    assert silent == {
        "another_goroutine_sleeps",
        "the_runtimes_own_timer_will_call",
        "a_goroutine_sleeps_on_gochans_clock",
        "a_timeout_is_set",
        "a_timer_is_selected",
        "a_timer_will_call",
        "some_are_stuck_and_one_sleeps",
        "not_watched",
    }


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="needs uvloop")
def test_uvloop_is_not_watched() -> None:
    program = "a_signal_handler_will_send"
    found = outcomes("waiting.py", "uvloop", program)[program]
    assert (found["result"], found["error"], found["asked"]) == (7, None, 0)


# In this process


def test_watching_leaves_nothing_behind(backend: dict[str, Any]) -> None:
    """The loop is as it was, also when a run in it ends before another."""

    async def main() -> list[Any]:
        first, second = Chan[int](), Chan[int]()
        left = [watchers()]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gochan.arun, first.recv)
            tasks.start_soon(gochan.arun, second.recv)
            await anyio.sleep(0)
            await first.send(1)
            await second.send(2)
        left.append(watchers())
        return left

    before, after = run(main, **backend, deadlock=False)
    assert before == after


def test_somebody_else_is_around_what_watches() -> None:
    """A selector that others have wrapped meanwhile stays as they have left it."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        ours = loop._selector.select
        loop._selector.select = functools.partial(ours)
        await gochan.time.sleep(0)

    run(main, backend="asyncio")


def watchers() -> int:
    """How many runs watch the loop that runs here."""
    import sniffio

    if sniffio.current_async_library() == "trio":
        import trio

        private: Any = trio.lowlevel.current_root_task()
        return len(private._runner.instruments)
    import asyncio

    loop: Any = asyncio.get_running_loop()
    selector = getattr(loop, "_selector", None)
    return "select" in vars(selector) if selector is not None else 0


def test_a_system_that_does_not_count_threads(
    backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is certain."""
    from gochan import _deadlock

    def refuse(_: str) -> list[str]:
        raise FileNotFoundError

    ch = Chan[int](1)
    answers: list[float | None] = []
    ask = _deadlock.Watch.ask

    def asked(watch: _deadlock.Watch) -> float | None:
        answers.append(ask(watch))
        if len(answers) == 3:
            ch.send_nowait(7)
        return answers[-1]

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(_deadlock.Watch, "ask", asked)
    if backend["backend_options"]:
        pytest.skip("uvloop does not tell when it falls asleep")
    assert run(ch.recv, **backend) == 7
    assert answers == [0.02, 0.04, 0.08]


def test_the_error_can_be_pickled() -> None:
    error = DeadlockError()
    assert error.report == ""
    error.report = "who waits for whom"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.report) == (TEXT, "who waits for whom")


def test_one_that_a_program_raises_itself_keeps_its_traceback(
    backend: dict[str, Any],
) -> None:
    async def main() -> None:
        raise DeadlockError("mine")

    with pytest.raises(DeadlockError, match="mine") as raised:
        run(main, **backend)
    assert raised.traceback[-1].name == "main"
