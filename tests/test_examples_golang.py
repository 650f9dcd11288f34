"""The examples of Go's package documentation print what they print in Go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gochan

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "golang"
PROGRAMS = sorted(FOLDER.glob("*.py"))
SECONDS = 30


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_prints_what_go_prints(
    program: Path, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    runtime, options = anyio_backend
    if options:
        pytest.skip(f"the examples have no option for {options}")
    here = str(Path(gochan.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), "--backend", runtime],
        env={**os.environ, "PYTHONPATH": here, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == program.with_suffix(".out").read_text("utf-8")
