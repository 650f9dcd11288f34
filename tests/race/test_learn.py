"""The programs of the page about races, and the report that it shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SNIPPETS = Path(__file__).parents[2] / "docs" / "snippets"

pytestmark = pytest.mark.skipif(
    not SNIPPETS.exists(), reason="the tests have been copied away"
)


def run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gochan", "run", "--race", *options, script],
        cwd=SNIPPETS,
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_the_racy_program_and_its_report() -> None:
    """If the report has changed: write it to docs/snippets/racy.txt, and look at it."""
    done = run("racy.py")
    assert done.stderr == (SNIPPETS / "racy.txt").read_text()
    assert done.stdout == "total: 8\n"
    assert done.returncode == 66


def test_the_program_in_order(anyio_backend_name: str) -> None:
    done = run("ordered.py", "--backend", anyio_backend_name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "total: 10\n", "")
