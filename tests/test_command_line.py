"""``python -m gochan``."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import gochan
from gochan.__main__ import main

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="deadlocks are not noticed here"
)


def environment() -> dict[str, str]:
    root = str(Path(gochan.__file__).parent.parent)
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gochan", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment(),
    )


def script(folder: Path, program: str, name: str = "script.py") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(program))
    return path


def name_of(backend: dict[str, Any]) -> str:
    if backend["backend_options"]:
        pytest.skip("the command knows asyncio and trio")
    name: str = backend["backend"]
    return name


def test_version() -> None:
    done = command("version")
    assert re.fullmatch(
        r"gochan [\d.]+, anyio [\d.]+, trio ([\d.]+|\(not installed\)), "
        rf"{platform.python_implementation()} {re.escape(platform.python_version())}\n",
        done.stdout,
    )
    assert done.returncode == 0


def test_version_where_trio_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # nothing is
    monkeypatch.setattr(sys, "path", [])
    assert main(["version"]) == 0
    assert "trio (not installed)" in capsys.readouterr().out


def test_a_script_is_run_as_python_would(tmp_path: Path) -> None:
    script(tmp_path, "VALUE = 7", "neighbour.py")
    path = script(
        tmp_path,
        """
        import sys
        import neighbour
        print(__name__, __file__, sys.argv, sys.path[0], neighbour.VALUE)
        """,
    )
    done = command("run", path, "--backend", "x", "-1")
    assert done.stderr == ""
    wanted = f"__main__ {path} {[str(path), '--backend', 'x', '-1']} {tmp_path} 7\n"
    assert done.stdout == wanted
    assert done.returncode == 0


@pytest.mark.parametrize("status", [0, 3, "text", None])
def test_the_status_is_the_scripts(tmp_path: Path, status: object) -> None:
    done = command("run", script(tmp_path, f"raise SystemExit({status!r})"))
    assert done.returncode == {"text": 1, None: 0}.get(status, status)  # type: ignore[call-overload]
    assert done.stderr == ("text\n" if status == "text" else "")


def test_a_traceback_begins_in_the_script(tmp_path: Path) -> None:
    path = script(tmp_path, "def fail():\n    raise KeyError('here')\nfail()\n")
    done = command("run", path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[:2] == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 3, in <module>',
    ]
    assert lines[-1] == "KeyError: 'here'"
    assert "runpy" not in done.stderr


PROGRAM = """
    import sys
    import sniffio
    import gochan

    async def main():
        return sniffio.current_async_library()

    print(gochan.run(main))
    print(gochan.run(main, backend="asyncio"))
"""


def test_the_backend_where_the_script_names_none(
    backend: dict[str, Any], tmp_path: Path
) -> None:
    name = name_of(backend)
    done = command("run", "--backend", name, script(tmp_path, PROGRAM))
    assert (done.stdout, done.stderr) == (f"{name}\nasyncio\n", "")
    done = command("run", script(tmp_path, PROGRAM))
    assert done.stdout == "asyncio\nasyncio\n"


HANGS = """
    import gochan
    from gochan import Chan, go

    async def worker(jobs):
        async for job in jobs:
            pass

    async def main():
        await go(worker, Chan(name="jobs"))

    gochan.run(main)
"""


@needs_proc
def test_a_deadlock(backend: dict[str, Any], tmp_path: Path) -> None:
    path = script(tmp_path, HANGS)
    done = command("run", "--backend", name_of(backend), path)
    # as in Go
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("  File")] == [
        f'  File "{path}", line 12, in <module>'
    ]
    assert (
        "gochan.DeadlockError: all goroutines are asleep - deadlock!\n" in done.stderr
    )
    assert "goroutine 2 [chan receive]: worker, on chan 'jobs'\n" in done.stderr


LEFT = """
    import gochan
    from gochan import Chan, go

    async def worker():
        await Chan(name="jobs").recv()

    async def main():
        go(worker)

    gochan.run(main)
    print("over")
"""


def test_dump_on_exit(backend: dict[str, Any], tmp_path: Path) -> None:
    """What is left when main has returned has had its turn, and is shown."""
    path = script(tmp_path, LEFT)
    done = command("run", "--backend", name_of(backend), "--dump-on-exit", path)
    assert (done.returncode, done.stdout) == (0, "over\n")
    first, _, dumped = done.stderr.partition("\n\n")
    assert first == "main has returned, and these goroutines are left:"
    assert dumped.startswith("goroutine 2 [chan receive]: worker, on chan 'jobs'\n")
    assert dumped.count("goroutine ") == 2
    assert command("run", path).stderr == ""


def test_dump_on_exit_of_nothing(tmp_path: Path) -> None:
    program = "import gochan, anyio\ngochan.run(anyio.sleep, 0)"
    done = command("run", "--dump-on-exit", script(tmp_path, program))
    assert (done.returncode, done.stderr) == (0, "")


WAITS = """
    import anyio
    import gochan
    from gochan import Chan, go

    async def worker():
        await Chan(name="jobs").recv()

    async def main():
        go(worker)
        await anyio.sleep(0.01)
        print("ready", flush=True)
        # no deadlock
        await anyio.sleep(1000)

    gochan.run(main)
"""


def until_it_sleeps(process: subprocess.Popen[str]) -> None:
    """A handler that still runs would be interrupted by the next signal."""
    while "sleeping" not in Path(f"/proc/{process.pid}/status").read_text():
        pass


@needs_proc
def test_signals(backend: dict[str, Any], tmp_path: Path) -> None:
    r"""Ctrl-\ shows what hangs, and Ctrl-C ends it."""
    path = script(tmp_path, WAITS)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "gochan", "run"),
            *("--backend", name_of(backend), "--dump-on-exit", str(path)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "ready\n"
            until_it_sleeps(process)
            process.send_signal(signal.SIGQUIT)
            dumped = [process.stderr.readline()]
            while "worker" not in dumped[-1]:
                dumped.append(process.stderr.readline())
            until_it_sleeps(process)
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=30)
        finally:
            process.kill()
    assert dumped[0] == "goroutine 1 [await]: main\n"
    assert "the run has been cancelled, and these goroutines are left:\n" in rest
    assert ": worker, on chan 'jobs'\n" in rest
    assert rest.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode == 130


RACES = """
    import gochan
    from gochan import go, scope

    total = 0

    async def add():
        global total
        total += 1

    async def main():
        async with scope():
            go(add)
            go(add)

    gochan.run(main)
    print("total", total)
"""


def test_races(backend: dict[str, Any], tmp_path: Path) -> None:
    path = script(tmp_path, RACES)
    done = command("run", "--backend", name_of(backend), "--race", path)
    # as in Go
    assert (done.returncode, done.stdout) == (66, "total 2\n")
    assert done.stderr.startswith("data race on __main__.total\n")
    assert f'File "{path}", line 9, in add' in done.stderr
    assert "\n\ngochan: 1 data race was found. " in done.stderr
    assert done.stderr.endswith("luck.\n")
    assert command("run", path).returncode == 0


def test_races_and_an_error(tmp_path: Path) -> None:
    path = script(tmp_path, RACES + "\n    raise ValueError(total)\n")
    done = command("run", "--race", path)
    assert (done.returncode, done.stdout) == (1, "total 2\n")
    assert done.stderr.startswith("data race on __main__.total\n")
    assert "\nValueError: 2\ngochan: 1 data race was found. " in done.stderr


@pytest.mark.parametrize("options", [(), ("--race",)])
def test_a_script_that_is_no_python(options: tuple[str, ...], tmp_path: Path) -> None:
    path = script(tmp_path, "def f(:")
    done = command("run", *options, path)
    assert done.returncode == 1
    # nothing of how it was run
    assert done.stderr.startswith(f'  File "{path}", line 1\n')


def test_no_races(tmp_path: Path) -> None:
    done = command("run", "--race", script(tmp_path, LEFT))
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required: command"),
        (["walk"], "invalid choice: 'walk'"),
        (["run"], "the following arguments are required: script"),
        (["run", "--backend", "curio", "x.py"], "invalid choice: 'curio'"),
        (["run", "nowhere.py"], "there is no file 'nowhere.py'"),
        (["run", "."], "'.' is a folder: give the script in it"),
        (["run", "--trace", "out.json", "x.py"], "this version cannot record traces"),
        (["trace", "view", "out.json"], "trace: this version has no traces"),
    ],
)
def test_what_it_cannot_do(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert says in capsys.readouterr().err
