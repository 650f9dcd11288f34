"""The programs in the README run, and print what they seem to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from gochan import Chan

README = Path(__file__).resolve().parent.parent / "README.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_first_program(anyio_backend_name: str, tmp_path: Path) -> None:
    program = PROGRAMS[0]
    assert program.count("run(main)") == 1
    assert len(program.splitlines()) < 20
    file = tmp_path / "program.py"
    call = f"run(main, backend={anyio_backend_name!r})"
    file.write_text(program.replace("run(main)", call))
    done = subprocess.run(
        [sys.executable, str(file)], check=True, capture_output=True, text=True
    )
    lines = [f"{n} x {n} = {n * n}" for n in range(10)]
    # in which order the workers finish is not promised
    assert sorted(done.stdout.splitlines()) == lines
    assert not done.stderr


async def test_the_select(capsys: Any) -> None:
    assert len(PROGRAMS) == 2
    namespace: dict[str, Any] = {}
    exec(PROGRAMS[1], namespace)
    a, b = Chan[int](1), Chan[str](1)
    await namespace["either"](a, b)
    assert b.recv_nowait() == "hello"
    await a.send(7)
    await b.send("full")
    await namespace["either"](a, b)
    assert capsys.readouterr().out == "sent hello\nreceived 7\n"
