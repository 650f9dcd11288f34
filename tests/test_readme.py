"""The programs in the README, in either language, run, and print what they seem to.

Its numbers are those of benchmarks/floors.toml.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gochan import Chan

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README.zh-CN.md")

# the numbers, in their order: a row of floors.toml, what it is against, and its bound
NUMBERS = (
    ("select_ready", "aiochan", 4),
    ("select_done", None, 1.3),
    ("spsc-0", "asyncio.Queue", 3.5),
    ("spsc-0", "anyio/asyncio", 8),
    ("spsc-0", "trio", 1.6),
    ("thread_thread-128", "queue.Queue", 1.5),
    ("thread_loop-128", "culsans", 2),
    ("thread_loop-128", "janus", 4),
    ("spawn_join", "asyncio tasks", 0.9),
    ("parked_100k", "asyncio tasks", 1.5),
    ("spsc-0", "Go/1 core", 8),
)


@pytest.fixture(params=READMES)
def readme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return (ROOT / name).read_text("utf-8")


def programs(readme: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", readme, re.DOTALL)


def test_its_numbers_are_floors(readme: str) -> None:
    floors = tomllib.loads((ROOT / "benchmarks" / "floors.toml").read_text("utf-8"))
    bounds = {
        (row, floor.get("against"), floor.get("at_least", floor.get("at_most")))
        for floor in floors["floor"]
        for row in ([floor["row"]] if isinstance(floor["row"], str) else floor["row"])
        if not isinstance(floor.get("at_least"), dict)
    }
    assert set(NUMBERS) <= bounds
    stated = re.findall("\\*\\*([0-9.]+)\N{MULTIPLICATION SIGN}\\*\\*", readme)
    assert stated == [f"{bound:g}" for _, _, bound in NUMBERS]


def test_the_first_program(
    readme: str, anyio_backend_name: str, tmp_path: Path
) -> None:
    program = programs(readme)[0]
    assert program.count("\nrun(main)") == 1
    assert len(program.splitlines()) < 20
    file = tmp_path / "program.py"
    call = f"run(main, backend={anyio_backend_name!r})"
    file.write_text(program.replace("run(main)", call, 1), "utf-8")
    done = subprocess.run(
        [sys.executable, str(file)], check=True, capture_output=True, text=True
    )
    lines = [f"{n} x {n} = {n * n}" for n in range(10)]
    # in which order the workers finish is not promised
    assert sorted(done.stdout.splitlines()) == lines
    assert not done.stderr


async def test_the_select(readme: str, capsys: Any) -> None:
    _, program = programs(readme)
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    a, b = Chan[int](1), Chan[str](1)
    await namespace["either"](a, b)
    assert b.recv_nowait() == "hello"
    await a.send(7)
    await b.send("full")
    await namespace["either"](a, b)
    assert capsys.readouterr().out == "sent hello\nreceived 7\n"
