"""Threads for tests: failures come out at the join, and a join never hangs."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple, Unpack

import gochan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import FrameType

__all__ = (
    "TOGETHER",
    "Preempted",
    "Worker",
    "frequent_switches",
    "start",
    "start_loop",
    "until",
)

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# the loops that run at the same time, each in its own thread
TOGETHER = ["asyncio", "asyncio"]
if importlib.util.find_spec("trio") is not None:
    TOGETHER.append("trio")

_PACKAGE = str(Path(gochan.__file__).parent)


class Worker(Generic[R]):
    """``fn(*args)`` in a thread of its own, which has been started."""

    def __init__(self, fn: Callable[..., R], args: tuple[Any, ...]) -> None:
        self.fn = fn
        self.args = args
        self.error: BaseException | None = None
        # a test that fails must not hang the whole run: daemon
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self.fn(*self.args)
        except BaseException as error:
            self.error = error

    def join(self, timeout: float = 30) -> R:
        """Its result, or the exception it raised.

        Raises:
            AssertionError: it is not done after ``timeout`` seconds.
        """
        self.thread.join(timeout)
        assert not self.thread.is_alive(), f"{self.fn} hangs"
        if self.error is not None:
            raise self.error
        return self.result


def start(fn: Callable[[Unpack[Ts]], R], *args: *Ts) -> Worker[R]:
    """Run ``fn(*args)`` in a thread."""
    return Worker(fn, args)


def start_loop(name: Any, main: Callable[[], Coroutine[Any, Any, Any]]) -> Worker[Any]:
    """Run ``main`` on a loop of its own, in a thread of its own."""
    return start(functools.partial(gochan.run, main, backend=name))


@contextlib.contextmanager
def frequent_switches() -> Generator[None]:
    """Let threads of this process take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def until(condition: Callable[[], object]) -> None:
    """Let other threads run until ``condition()`` is true, such as that one waits."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0)


class Preempted(Generic[R]):
    """``fn(*args)`` in a thread that stops before the ``line``-th line of gochan.

    ``paused`` is set when it stands there, or is done. It goes on at ``resume``,
    and by itself if that does not come within ``patience`` seconds: somebody may
    wait for a lock that it holds.
    """

    def __init__(
        self, line: int, fn: Callable[..., R], *args: Any, patience: float = 30
    ) -> None:
        self.line = line
        self.patience = patience
        # whether it got as far as that line
        self.reached = False
        self.where = "the end"
        self.paused = threading.Event()
        self.resume = threading.Event()
        self.worker = start(self._run, fn, args)

    def _run(self, fn: Callable[..., R], args: tuple[Any, ...]) -> R:
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            return fn(*args)
        finally:
            sys.settrace(before)
            self.paused.set()

    def _call(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            return self._line
        return None

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line" and not self.reached:
            self.line -= 1
            if self.line < 0:
                self.reached = True
                name = Path(frame.f_code.co_filename).name
                self.where = f"{name}:{frame.f_lineno}"
                self.paused.set()
                self.resume.wait(self.patience)
        return self._line

    def join(self) -> R:
        self.resume.set()
        return self.worker.join()
