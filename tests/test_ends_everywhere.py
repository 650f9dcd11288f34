"""A run with goroutines of every kind leaves nothing behind, whatever way it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("greenback")

PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import multiprocessing
import gochan
from gochan import Chan, executors, go
from support.census import census

def wait(started, ch):
    started.blocking_send(1)
    if ch.blocking_recv_ok()[1]:
        raise ValueError("as it is to")

async def await_(started, ch):
    await started.send(1)
    if (await ch.recv_ok())[1]:
        raise ValueError("as it is to")

async def main(guests, end):
    started, ch = Chan[int](), Chan[int]()
    kinds = [
        (await_, None),
        (await_, executors.loops(2)),
        (wait, gochan.threads),
        (wait, executors.threads(1)),
        (wait, gochan.fibers),
        (wait, executors.processes(1, "spawn")),
        *((wait, guest) for guest in guests),
    ]
    for fn, on in kinds:
        go(fn, started, ch, on=on)
    for _ in kinds:
        await started.recv()
    seen = census()
    assert len(seen.threads) > 4, seen
    assert seen.processes and seen.temporary, seen
    if end == "success":
        ch.close()
    elif end == "error":
        await ch.send(1)
    else:
        print("ready", flush=True)
        await gochan.time.sleep(1000)

def one_run(end):
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(1, context) as processes:
        try:
            gochan.run(main, (threads, processes), end, backend={backend!r})
            return "returned"
        except ExceptionGroup:
            return "raised"
        except KeyboardInterrupt:
            return "was interrupted"

if __name__ == "__main__":
    # what multiprocessing and the runtimes keep for the whole program
    one_run("success")
    before = census()
    print(one_run({end!r}), flush=True)
    after = census()
    for name, one, other in zip(before._fields, before, after):
        if one != other:
            print(name, "were", one, "and are", other)
    print("compared")
"""


@pytest.mark.parametrize("end", ["success", "error", "Ctrl-C"])
def test_nothing_is_left(tmp_path: Path, backend: dict[str, Any], end: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        PROGRAM.format(
            tests=str(Path(__file__).parent), backend=backend["backend"], end=end
        )
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # so that Ctrl-C goes to all of them, as on a terminal
        process_group=0,
    ) as process:
        try:
            if end == "Ctrl-C":
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=50)
        finally:
            process.kill()
    word = {"success": "returned", "error": "raised", "Ctrl-C": "was interrupted"}[end]
    assert output == f"{word}\ncompared\n", errors
