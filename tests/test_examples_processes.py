"""The example that computes in processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).resolve().parent.parent / "examples" / "ast_pipeline.py"


@pytest.fixture
def command(anyio_backend: tuple[str, dict[str, Any]]) -> Iterator[list[str]]:
    name, options = anyio_backend
    if options:
        pytest.skip(f"the examples have no option for {options}")
    here = str(Path(gochan.__file__).parent.parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = here
    yield [sys.executable, "-W", "error", str(PROGRAM), "--backend", name]
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of very different sizes, one of which is not Python."""
    for number in range(30):
        folder = tmp_path / f"p{number % 3}"
        folder.mkdir(exist_ok=True)
        body = "def f():\n    print(len(''))\n" * (number * 7 % 90)
        (folder / f"m{number:02}.py").write_text(body)
    (tmp_path / "p1" / "broken.py").write_text("def :\n")
    (tmp_path / "p1" / "notes.txt").write_text("def f(): pass\n")
    return tmp_path


def run(command: list[str], *arguments: object) -> tuple[list[str], str]:
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), done.stderr


def test_every_file_is_parsed_in_order(command: list[str], tree: Path) -> None:
    lines, errors = run(command, tree, "--workers", 2, "--list")
    listed = [line.partition(":")[0] for line in lines[:31]]
    assert listed == sorted(str(path) for path in tree.rglob("*.py"))
    functions = sum(number * 7 % 90 for number in range(30))
    assert lines[31] == (
        f"31 files, {2 * functions:,} lines, {functions:,} functions, 0 classes, "
        "1 not parsed"
    )
    assert lines[32:] == [
        f"{name}() is called {functions:,} times" for name in ("print", "len")
    ]
    assert "broken.py: SyntaxError: " in errors
    did = re.findall(r"parser-\d did (\d+) files", errors)
    assert sum(map(int, did)) == 31
    # it has been compared, and was the same
    assert "s in one goroutine: " in errors


@pytest.mark.slow
def test_ctrl_c_ends_it(command: list[str]) -> None:
    program = subprocess.Popen(
        [*command, "--workers", "2", "--list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert program.stdout is not None
    program.stdout.readline()
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=50)
    assert program.returncode == 130
    assert errors.endswith("ast_pipeline: interrupted\n")
    assert "Traceback" not in errors
