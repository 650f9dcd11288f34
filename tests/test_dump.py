"""``dump()`` and ``dump_on_signal()``: the text, and when it is written."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import gochan
from gochan import Chan, _seeing, dump, run
from support.listed import parked
from support.threads import start

GOLDEN = """\
goroutine 1 [running]: main
main(...)
	FILE:37  gochan.dump(sys.stdout)
created by <module>
	FILE:41  run(main, backend=sys.argv[1])

goroutine 2 [chan receive]: consume, on chan 'jobs'
consume(...)
	FILE:8  async for _ in jobs:
created by main in goroutine 1
	FILE:27  go(consume, jobs)

goroutine 3 [chan send]: produce, on chan 'full' (2/2)
Producer.put(...)
	FILE:13  await self.full.send(3)
produce(...)
	FILE:16  await Producer(full).put()
created by main in goroutine 1
	FILE:28  go(produce, full)

goroutine 4 [select]: choose, to receive from chan 'jobs' or send to chan 'full' (2/2) \
or receive from a nil chan
choose(...)
	FILE:19  await select(jobs, send(full, 3), None)
created by main in goroutine 1
	FILE:29  go(choose, jobs, full)

goroutine 5 [sync.WaitGroup.Wait]: collect, on scope 'all'
collect(...)
	FILE:22  async with scope(name="all") as s:
created by main in goroutine 1
	FILE:30  collecting = go(collect, jobs)

goroutine 6 [chan receive]: wait, on the end of collect
wait(...)
	FILE:33  await collecting
created by main in goroutine 1
	FILE:34  go(wait)

goroutine 7 [chan receive]: recv, on chan 'jobs'
Chan.recv(...)
created by collect in goroutine 5
	FILE:23  s.go(jobs.recv)
"""

DUMPED = """\
import sys
import gochan
from gochan import Chan, go, run, scope, select, send
from gochan.buffers import Unbounded


async def consume(jobs):
    async for _ in jobs:
        pass
class Producer:
    def __init__(self, full): self.full = full
    async def put(self):
        await self.full.send(3)

async def produce(full):
    await Producer(full).put()

async def choose(jobs, full):
    await select(jobs, send(full, 3), None)

async def collect(jobs):
    async with scope(name="all") as s:
        s.go(jobs.recv)
async def main():
    jobs, full = Chan(name="jobs"), Chan(2, name="full")
    full.send_nowait(1); full.send_nowait(2)
    go(consume, jobs)
    go(produce, full)
    go(choose, jobs, full)
    collecting = go(collect, jobs)

    async def wait():
        await collecting
    go(wait)
    import anyio
    await anyio.sleep(0.01)
    gochan.dump(sys.stdout)



run(main, backend=sys.argv[1])
"""


def execute(
    program: str, folder: Path, *args: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(program)
    root = str(Path(gochan.__file__).parent.parent)
    path_there = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(path), *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": path_there, "PYTHONWARNINGS": "error"},
    )
    assert not check or done.stderr == ""
    return done


def test_a_dump(backend: dict[str, Any], tmp_path: Path) -> None:
    done = execute(DUMPED, tmp_path, backend["backend"])
    found = done.stdout.replace(str(tmp_path / "program.py"), "FILE")
    # where a method of gochan's is, and the qualified name of an inner function
    found = re.sub(r"\n\t/.*gochan/_chan\.py.*", "", found)
    assert found.replace("main.<locals>.wait", "wait") == GOLDEN


def test_a_dump_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    dump()
    assert capsys.readouterr().err == "no goroutines\n"


async def test_a_dump_names_what_it_cannot() -> None:
    """What has no name is told apart by its address."""
    unbounded = Chan[int](buffer=gochan.buffers.Unbounded(), name="log")

    class Thing:
        pass

    from gochan._report import described

    thing = Thing()
    kind = Thing.__qualname__
    assert described(thing) == f"{kind} {id(thing):#x}"
    assert described(unbounded) == "chan 'log' (0/∞)"
    assert described(None) == "a nil chan"


def test_a_dump_takes_no_lock(backend: dict[str, Any]) -> None:
    """A signal may come while its thread has locked a channel."""
    ch = Chan[int](1, name="locked")

    async def main() -> None:
        async with parked(ch.recv):
            with ch._lock:
                file = io.StringIO()
                dump(file)
                assert "on chan 'locked' (0/1)" in file.getvalue()

    run(main, **backend)


# Signals


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "SIGQUIT"), reason="there are no such signals"
)


@needs_signals
def test_dump_on_signal(backend: dict[str, Any], tmp_path: Path) -> None:
    """In a program that hangs, which then goes on."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        import anyio, gochan

        gochan.dump_on_signal()
        gochan.dump_on_signal(signal.SIGUSR1)

        async def main():
            ch = gochan.Chan(name="ch")
            gochan.go(ch.recv)
            await anyio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGQUIT)
            os.kill(os.getpid(), signal.SIGUSR1)
            await ch.send(1)
            return "went on"

        print(gochan.run(main, backend=sys.argv[1]))
        """
    )
    done = execute(program, tmp_path, backend["backend"], check=False)
    assert done.stdout == "went on\n"
    assert done.stderr.count("[running]: main\n") == 2
    assert done.stderr.count("[chan receive]: recv, on chan 'ch'\n") == 2
    assert "os.kill(os.getpid(), signal.SIGQUIT)" in done.stderr


@needs_signals
def test_the_handler_writes_past_what_it_may_have_interrupted(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream may be in the middle of a write: the descriptor is not."""

    class Busy(io.TextIOBase):
        def fileno(self) -> int:
            return 2

        def write(self, _: str) -> int:
            raise RuntimeError("reentrant call")

    monkeypatch.setattr(sys, "stderr", Busy())
    _seeing.on_signal(signal.SIGQUIT, None)
    assert capfd.readouterr().err == "no goroutines\n"


def test_the_handler_writes_to_what_is_no_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stderr", replaced)
    _seeing.on_signal(0, None)
    assert replaced.getvalue() == "no goroutines\n"


def test_only_the_main_thread_may_ask_for_it() -> None:
    errors: list[ValueError] = []

    def ask() -> None:
        with pytest.raises(ValueError, match="main thread") as raised:
            gochan.dump_on_signal(signal.SIGTERM)
        errors.append(raised.value)

    start(ask).join()
    assert errors


def test_a_signal_that_nobody_can_handle() -> None:
    with pytest.raises(ValueError, match=r"nobody can handle signal 9: write gochan"):
        gochan.dump_on_signal(signal.SIGKILL)


def test_a_system_without_sigquit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGQUIT", raising=False)
    with pytest.raises(ValueError, match=r"write gochan.dump_on_signal\(signal\."):
        gochan.dump_on_signal()
