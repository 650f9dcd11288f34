"""run() and arun(): results, errors, the end of a run, Ctrl-C, other loops around."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

import gochan
from gochan import (
    Chan,
    GoroutineCancelled,
    arun,
    go,
    recv,
    run,
    scope,
    select,
    send,
    yield_,
)
from support.idle import settle
from support.ledger import at_rest
from support.native import LOOPS, new_loop


async def forever() -> None:
    await Chan[None]().recv()


async def fail(text: str = "failed") -> None:
    raise ValueError(text)


# Results and errors


def test_the_result_of_main(backend: dict[str, Any]) -> None:
    async def main(a: int, b: int) -> int:
        await yield_()
        return a + b

    assert run(main, 1, 2, **backend) == 3


def test_many_runs_one_after_the_other(backend: dict[str, Any]) -> None:
    ch = Chan[int](1)

    async def main(number: int) -> int:
        await ch.send(number)
        go(forever)
        return await ch.recv()

    for number in range(20):
        assert run(main, number, **backend) == number


def test_what_main_raises_leaves_bare(backend: dict[str, Any]) -> None:
    async def main() -> None:
        go(forever)
        await yield_()
        raise ValueError("bare")

    with pytest.raises(ValueError, match="bare") as caught:
        run(main, **backend)
    # no goroutine of the user's failed, so there is nothing to say about one
    assert not hasattr(caught.value, "__notes__")
    assert "main" in [entry.name for entry in caught.traceback]


def test_a_group_that_main_raises_leaves_as_it_is(backend: dict[str, Any]) -> None:
    group = ExceptionGroup("own", [ValueError(1)])

    async def main() -> None:
        raise group

    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    assert caught.value is group


def test_what_a_goroutine_raises_leaves_as_a_group(backend: dict[str, Any]) -> None:
    async def main() -> None:
        go(fail, "one", name="worker-3")
        await forever()

    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    (error,) = caught.value.exceptions
    assert str(error) == "one"
    (note,) = error.__notes__
    assert "worker-3" in note
    assert "test_run.py" in note


def test_mains_error_is_in_the_group_of_a_failed_goroutine(
    backend: dict[str, Any],
) -> None:
    async def main() -> None:
        go(fail, "goroutine")
        try:
            await forever()
        finally:
            raise KeyError("main")

    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    assert caught.group_contains(ValueError, match="goroutine", depth=1)
    assert caught.group_contains(KeyError, match="main", depth=1)
    assert len(caught.value.exceptions) == 2


def test_main_has_returned_when_a_goroutine_fails(backend: dict[str, Any]) -> None:
    # its result is lost: an error must not be
    async def fail_in_cleanup() -> None:
        try:
            await forever()
        finally:
            raise ValueError("in cleanup")

    async def main() -> int:
        go(fail_in_cleanup)
        await settle()
        return 7

    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    assert caught.group_contains(ValueError, match="in cleanup", depth=1)


def test_main_raises_what_a_goroutine_of_an_inner_scope_raised(
    backend: dict[str, Any],
) -> None:
    async def main() -> None:
        async with scope():
            go(fail)

    # that scope's group is what main raises
    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    assert caught.group_contains(ValueError, depth=1)


@dataclass(frozen=True)
class Frozen(Exception):
    """Takes no note: its attributes cannot be set."""

    code: int


def test_an_error_that_takes_no_notes(backend: dict[str, Any]) -> None:
    async def work() -> None:
        raise Frozen(7)

    async def main() -> None:
        go(work)
        await forever()

    async def program() -> None:
        with anyio.fail_after(5):
            await arun(main)

    with pytest.raises(ExceptionGroup) as caught:
        run(program, **backend)
    assert caught.group_contains(Frozen)


# The end of main


def test_the_rest_is_cancelled_when_main_returns(backend: dict[str, Any]) -> None:
    steps: list[str] = []
    reasons: list[gochan.Goroutine[None]] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            steps.append("finally")
            with anyio.CancelScope(shield=True):
                await yield_()
                await anyio.lowlevel.checkpoint()
            steps.append("shielded")

    async def main() -> str:
        reasons.append(go(work))
        await settle()
        return "main"

    assert run(main, **backend) == "main"
    assert steps == ["finally", "shielded"]
    with pytest.raises(GoroutineCancelled, match="main has returned"):
        reasons[0].blocking_join()


def test_one_that_has_not_begun_when_main_returns(backend: dict[str, Any]) -> None:
    # it gets as far as its first wait, on both runtimes
    steps: list[str] = []

    async def work() -> None:
        steps.append("began")
        await forever()

    async def main() -> None:
        go(work)

    run(main, **backend)
    assert steps == ["began"]


def test_async_generators_and_context_managers_are_left(
    backend: dict[str, Any],
) -> None:
    steps: list[str] = []

    async def main() -> None:
        async def work() -> None:
            async with scope():
                try:
                    go(forever)
                    await forever()
                finally:
                    steps.append("left")

        go(work)
        await settle()

    run(main, **backend)
    assert steps == ["left"]


def test_a_thousand_are_left_behind(backend: dict[str, Any]) -> None:
    ends = 0

    async def work() -> None:
        nonlocal ends
        try:
            await forever()
        finally:
            ends += 1

    async def main() -> None:
        for _ in range(1000):
            go(work)
        await settle()

    run(main, **backend)
    assert ends == 1000


def test_main_is_the_first_goroutine() -> None:
    program = """
        import gochan

        async def main() -> str:
            async def other() -> None:
                pass
            assert gochan.go(other).id == 2
            from gochan._instrument import current_party
            me = current_party()
            return f"{me.name} {me.id} {me.state}"

        print(gochan.run(main))
    """
    assert output(program) == "main 1 running\n"


# Other loops around it


@pytest.mark.parametrize("loop", LOOPS)
def test_arun_in_a_plain_asyncio_loop(loop: str) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            steps.append("cancelled")

    async def main(number: int) -> int:
        go(work)
        await settle()
        return number + 1

    async def program() -> None:
        task = asyncio.create_task(forever())
        assert await arun(main, 1) == 2
        # its goroutines are gone, other tasks are not
        assert steps == ["cancelled"]
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])

    with asyncio.Runner(loop_factory=lambda: new_loop(loop)) as runner:
        runner.run(program())


async def test_arun_in_a_loop_of_either_kind() -> None:
    async def main(number: int) -> int:
        async with scope():
            g = go(main, number - 1) if number else None
        return number + (await g if g else 0)

    assert await arun(main, 4) == 10


async def test_arun_raises_as_run_does() -> None:
    async def bare() -> None:
        go(forever)
        raise ValueError("bare")

    with pytest.raises(ValueError, match="bare"):
        await arun(bare)

    async def grouped() -> None:
        go(fail)
        await forever()

    with pytest.raises(ExceptionGroup):
        await arun(grouped)
    await anyio.lowlevel.checkpoint()


async def test_several_runs_in_one_loop() -> None:
    ch = Chan[int]()
    total = 0

    async def produce() -> None:
        for number in range(10):
            await ch.send(number)

    async def consume() -> None:
        nonlocal total
        for _ in range(10):
            total += await ch.recv()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(arun, produce)
        tasks.start_soon(arun, consume)
    assert total == 45


async def test_arun_in_a_task_group_that_is_cancelled() -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                await yield_()
            steps.append("work")

    async def main() -> None:
        go(work)
        try:
            await forever()
        finally:
            steps.append("main")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(arun, main)
        await settle()
        tasks.cancel_scope.cancel()
    assert sorted(steps) == ["main", "work"]


async def test_arun_under_a_deadline() -> None:
    steps: list[str] = []

    async def main() -> None:
        try:
            await forever()
        finally:
            steps.append("main")

    with anyio.move_on_after(0.001) as outer:
        await arun(main)
    assert outer.cancelled_caught
    assert steps == ["main"]
    # nothing stray is left
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("loop", LOOPS)
def test_asyncio_cancels_arun(loop: str) -> None:
    steps: list[str] = []

    async def main() -> None:
        try:
            await forever()
        finally:
            steps.append("main")

    async def program() -> None:
        task = asyncio.create_task(arun(main))
        await settle()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert task.cancelling() == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await arun(main)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(arun(main), 0.001)
        me = asyncio.current_task()
        assert me is not None
        assert me.cancelling() == 0
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=lambda: new_loop(loop)) as runner:
        runner.run(program())
    assert steps == ["main"] * 3


def test_a_run_in_a_thread_of_a_run(backend: dict[str, Any]) -> None:
    async def inner() -> str:
        async with scope():
            g = go(yield_)
        await g
        return "inner"

    async def main() -> str:
        return await anyio.to_thread.run_sync(lambda: run(inner, **backend))

    assert run(main, **backend) == "inner"


def test_the_instruments_of_a_run_are_gone_after_it(backend: dict[str, Any]) -> None:
    class Count(gochan.Instrument):
        created = 0

        def goroutine_created(self, party: object, parent: object) -> None:
            self.created += 1

    count = Count()

    async def main() -> None:
        async with scope():
            go(yield_)

    run(main, instruments=[count], **backend)
    seen = count.created
    assert seen >= 1
    with pytest.raises(ValueError):
        run(fail, instruments=[count], **backend)
    after = count.created
    run(main, **backend)
    assert count.created == after


# Ctrl-C and exit


def program_file(program: str, folder: Path) -> Path:
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program))
    return path


def environment() -> dict[str, str]:
    # where gochan is, if it is not installed
    root = str(Path(gochan.__file__).parent.parent)
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}


def output(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env=environment(),
    )
    assert not done.stderr
    return done.stdout


INTERRUPTED = """
    import sys

    import anyio
    import gochan
    from gochan import Chan, go, run

    BACKEND = {backend!r}

    async def work(name):
        try:
            await Chan().recv()
        finally:
            print("cleaning", name, flush=True)
            with anyio.CancelScope(shield=True):
                {cleanup}
            print("cleaned", name, flush=True)

    async def main():
        go(work, "goroutine")
        await gochan.yield_()
        try:
            async with gochan.scope():
                go(work, "scope")
                print("ready", flush=True)
                {wait}
        finally:
            print("main", flush=True)

    try:
        # it waits for nothing but the interrupt
        run(main, deadlock=False, **BACKEND)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    except BaseException as error:
        print("not interrupted but", repr(error), flush=True)
        raise
    # the interpreter goes on as if nothing had been
    async def again():
        async with gochan.scope():
            return await go(gochan.yield_)
    run(again, **BACKEND)
    print("went on", flush=True)
"""

WAITS = {
    "receiving": "await Chan().recv()",
    "sleeping": "await anyio.sleep(1000)",
    "yielding": "\n                while True: await gochan.yield_()",
    "in a select": "await gochan.select()",
    "computing": "\n                while True: pass",
}


@pytest.mark.parametrize("waiting", WAITS)
def test_interrupted(backend: dict[str, Any], tmp_path: Path, waiting: str) -> None:
    program = INTERRUPTED.format(
        backend=backend, cleanup="await anyio.sleep(0)", wait=WAITS[waiting]
    )
    path = program_file(program, tmp_path)
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            if waiting == "computing":
                # asyncio cancels main, which does not notice, and raises at the
                # next one; two that are sent at once would be one
                interrupt_until_it_says_something(process)
            lines, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert errors == ""
    steps = lines.split("\n")[:-1]
    assert steps[-2:] == ["interrupted", "went on"]
    if waiting != "computing":
        expected = ["cleaned goroutine", "cleaned scope", "main"]
        assert sorted(set(steps) & set(expected)) == expected
    assert process.returncode == 0


def interrupt_until_it_says_something(process: subprocess.Popen[str]) -> None:
    # one more, when it winds up already, would end it in another way
    assert process.stdout is not None
    with selectors.DefaultSelector() as output:
        output.register(process.stdout, selectors.EVENT_READ)
        for _ in range(100):
            if output.select(0.2):
                return
            process.send_signal(signal.SIGINT)


def test_interrupted_again_while_cleaning_up(
    backend: dict[str, Any], tmp_path: Path
) -> None:
    # asyncio does not wait for the cleanup a second time, trio does
    seconds = 0.5 if backend["backend"] == "trio" else 1000
    program = INTERRUPTED.format(
        backend=backend,
        cleanup=f"await anyio.sleep({seconds})",
        wait="await Chan().recv()",
    )
    path = program_file(program, tmp_path)
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline().startswith("cleaning")
            if backend["backend"] == "asyncio":
                # both, or the second signal is the first that the other one sees
                assert process.stdout.readline().startswith("cleaning")
            process.send_signal(signal.SIGINT)
            lines, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert "interrupted" in lines.split("\n")
    assert "went on" in lines.split("\n")
    assert process.returncode == 0


def test_not_caught_it_ends_the_program_as_python_does(
    backend: dict[str, Any], tmp_path: Path
) -> None:
    program = f"""
        import gochan

        async def main():
            gochan.go(gochan.nil.recv)
            print("ready", flush=True)
            await gochan.nil.recv()

        gochan.run(main, deadlock=False, **{backend!r})
    """
    path = program_file(program, tmp_path)
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert errors.rstrip().split("\n")[-1] == "KeyboardInterrupt"
    assert "never retrieved" not in errors
    assert "never awaited" not in errors
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("where", ["main", "goroutine", "scope"])
def test_a_signal_raised_inside(backend: dict[str, Any], where: str) -> None:
    steps: list[str] = []
    ch = Chan[None]()

    async def work() -> None:
        try:
            await ch.recv()
        finally:
            steps.append("work")

    async def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)
        await select(recv(ch), send(ch, None))

    async def main() -> None:
        go(work)
        await settle()
        if where == "main":
            await interrupt()
        elif where == "goroutine":
            go(interrupt)
            await ch.recv()
        else:
            async with scope():
                go(interrupt)

    with pytest.raises(KeyboardInterrupt):
        run(main, **backend)
    assert steps == ["work"]
    # what was parked has been withdrawn
    at_rest(ch)


@pytest.mark.parametrize("where", ["main", "goroutine", "scope", "body of a scope"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exits_leave_bare(
    backend: dict[str, Any], where: str, kind: type[BaseException]
) -> None:
    # from wherever they are raised, and the rest is cancelled
    steps: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            steps.append("work")

    async def leave() -> None:
        raise kind(3)

    async def main() -> None:
        go(work)
        await settle()
        if where == "main":
            await leave()
        elif where == "goroutine":
            go(leave)
            await forever()
        elif where == "scope":
            async with scope():
                go(leave)
        else:
            async with scope():
                go(work)
                await settle()
                await leave()

    with pytest.raises(kind) as caught:
        run(main, **backend)
    assert caught.value.args == (3,)
    assert set(steps) == {"work"}


@pytest.mark.parametrize("where", ["main", "goroutine"])
def test_sys_exit_says_nothing_and_sets_the_status(
    backend: dict[str, Any], where: str
) -> None:
    program = f"""
        import sys
        import gochan

        async def leave():
            sys.exit(3)

        async def main():
            if {where!r} == "main":
                sys.exit(3)
            gochan.go(leave)
            await gochan.nil.recv()

        gochan.run(main, **{backend!r})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment(),
    )
    assert done.returncode == 3
    assert done.stderr == ""


def test_a_program_that_fails_says_which_goroutine(backend: dict[str, Any]) -> None:
    program = f"""
        import gochan

        async def work():
            raise ValueError("broken")

        async def main():
            gochan.go(work, name="worker-3")
            await gochan.nil.recv()

        gochan.run(main, **{backend!r})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment(),
    )
    assert done.returncode == 1
    assert "ValueError: broken" in done.stderr
    assert "goroutine 'worker-3' (id 2) started at <string>:8 in main" in done.stderr
    assert "never retrieved" not in done.stderr
