"""What is left when a run with processes ends, however it ends: nothing."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, go, scope
from support import in_processes as there
from support.census import alive, census, children
from support.threads import until

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOWLY = pytest.param("forkserver", marks=pytest.mark.slow)
METHODS = ["spawn", SLOWLY]


@pytest.fixture(autouse=True)
def _own_folder(  # pyright: ignore[reportUnusedFunction]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Other tests may run at the same time, and use the usual one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield


@functools.cache
def warm_up(method: Any) -> None:
    """Have multiprocessing start what it keeps for the whole program."""

    async def main() -> None:
        await go(there.pid, on=gochan.executors.processes(1, method))

    gochan.run(main)


class Seen:
    """What there is while it runs."""

    semaphores: frozenset[str] = frozenset()

    def look(self) -> None:
        now = census()
        assert now.temporary
        assert len(now.threads) > 3
        assert now.processes
        self.semaphores = now.semaphores

    def gone(self) -> bool:
        return not any(map(os.path.exists, self.semaphores))


@pytest.mark.parametrize("method", METHODS)
def test_after_success(method: Any, backend: dict[str, Any]) -> None:
    warm_up(method)
    before, seen = census(), Seen()

    async def main() -> list[int]:
        source, between, sink = Chan[int](), Chan[int](3), Chan[int]()
        pool = gochan.executors.processes(2, method)
        go(there.forward, source, between, on=pool)
        go(there.aforward, between, sink, on=pool)
        await source.send(1)
        seen.look()
        source.close()
        return [value async for value in sink]

    gochan.run(main, **backend)
    assert census() == before
    assert seen.gone()


@pytest.mark.parametrize("method", METHODS)
def test_after_an_error(method: Any, backend: dict[str, Any]) -> None:
    warm_up(method)
    before, seen = census(), Seen()

    async def main() -> None:
        ch, started = Chan[int](), Chan[int]()
        pool = gochan.executors.processes(2, method)
        go(there.wait_after, started, ch, on=pool)
        await started.recv()
        seen.look()
        go(there.fail, ValueError(), on=pool)
        await ch.recv()

    with pytest.raises(ExceptionGroup):
        gochan.run(main, **backend)
    assert census() == before
    assert seen.gone()


@pytest.mark.slow
def test_after_processes_have_died(backend: dict[str, Any]) -> None:
    warm_up("forkserver")
    before, seen = census(), Seen()

    async def main() -> None:
        pool = gochan.executors.processes(2, "forkserver")
        for _ in range(3):
            with pytest.raises(ExceptionGroup):
                async with scope():
                    go(there.kill_myself, on=pool)
        assert await go(there.double, 1, on=pool) == 2
        seen.look()

    gochan.run(main, **backend)
    assert census() == before
    assert seen.gone()


def test_after_an_entered_pool(backend: dict[str, Any]) -> None:
    warm_up("forkserver")
    before = census()

    async def main(pool: Any) -> int:
        async with gochan.executors.processes(1, "forkserver") as inner:
            assert await go(there.double, 2, on=inner) == 4
        inside = census()
        assert inside.processes == between.processes
        return await go(there.double, 1, on=pool)

    with gochan.executors.processes(1, "forkserver") as pool:
        gochan.run(main_of(pool), **backend)
        between = census()
        assert gochan.run(main, pool, **backend) == 2
    assert census() == before


def main_of(pool: Any) -> Any:
    async def main() -> int:
        return await go(there.pid, on=pool)

    return main


async def test_after_the_outermost_scope_where_there_is_no_run() -> None:
    async with scope():
        pid = await go(there.pid, on=gochan.processes)
        assert pid in children()
    assert pid not in children()


async def test_a_pool_lasts_as_long_as_the_run() -> None:
    async with scope():
        async with scope():
            pid = await go(there.pid, on=gochan.processes)
        assert await go(there.pid, on=gochan.processes) == pid


# Programs that are ended from outside

PROGRAM = """
import os, sys
sys.path.insert(0, {tests!r})
import gochan
from gochan import Chan, go
from support import in_processes as there

async def main():
    ch, started = Chan[int](), Chan[int]()
    for fn in ({functions}):
        go(there.say_and, started, fn, ch, on=gochan.executors.processes(1, {method!r}))
        await started.recv()
    print("ready", flush=True)
    await Chan[None]().recv()

if __name__ == "__main__":
    try:
        gochan.run(main, backend={backend!r})
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


class Program:
    """A program with two processes that wait, or compute."""

    def __init__(
        self, folder: Path, backend: dict[str, Any], method: str, *functions: str
    ) -> None:
        source = PROGRAM.format(
            tests=str(Path(__file__).parent),
            functions=", ".join(f"there.{name}" for name in functions) + ",",
            method=method,
            backend=backend["backend"],
        )
        (folder / "program.py").write_text(source)
        self.folder = folder / "tmp"
        self.folder.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "program.py"],
            cwd=folder,
            env=os.environ | {"TMPDIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # so that Ctrl-C goes to all of them, as on a terminal
            process_group=0,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.children = children(self.process.pid)
        assert list(self.folder.iterdir())

    def end(self) -> tuple[str, str]:
        output, errors = self.process.communicate(timeout=30)
        return output, errors

    def alive(self) -> list[int]:
        return [pid for pid in self.children if alive(pid)]


@pytest.mark.parametrize("method", ["spawn", SLOWLY])
@pytest.mark.parametrize(
    "function", ["wait_on", pytest.param("compute_on", marks=pytest.mark.slow)]
)
def test_after_ctrl_c(
    tmp_path: Path, backend: dict[str, Any], method: str, function: str
) -> None:
    program = Program(tmp_path, backend, method, "wait_on", function)
    os.killpg(program.process.pid, signal.SIGINT)
    output, errors = program.end()
    assert output == "interrupted\n"
    # the processes say nothing about it
    assert errors == ""
    until(lambda: not program.alive())
    assert not list(program.folder.glob("gochan*"))


@pytest.mark.parametrize("method", ["spawn", SLOWLY])
@pytest.mark.parametrize(
    ("number", "kill"),
    # the end of a terminal is told to all of its processes
    [
        (signal.SIGKILL, os.kill),
        pytest.param(signal.SIGHUP, os.killpg, marks=pytest.mark.slow),
    ],
)
def test_when_the_parent_is_killed(
    tmp_path: Path, backend: dict[str, Any], method: str, number: int, kill: Any
) -> None:
    program = Program(tmp_path, backend, method, "wait_on", "compute_on")
    kill(program.process.pid, number)
    begin = time.monotonic()
    program.process.wait()
    until(lambda: not program.alive())
    assert time.monotonic() - begin < 1
    assert not list(program.folder.glob("gochan*"))
    program.end()
