"""What a program has that the system has to give: threads, files, processes."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "METHOD",
    "Census",
    "alive",
    "census",
    "children",
    "eventually",
    "semaphores",
    "stop",
)

# How tests start processes: quickly, but for coverage, which sees nothing of those that
# the fork server forks.
METHOD: Literal["spawn", "forkserver"] = (
    "spawn" if any(name.startswith("COV") for name in os.environ) else "forkserver"
)

# What multiprocessing keeps for the whole program, if anybody has used it: what
# clears up after it, and what forks for it.
_KEPT = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


class Census(NamedTuple):
    """Whoever compares two sees what has been left behind."""

    threads: frozenset[str]
    processes: frozenset[tuple[int, str]]
    files: tuple[str, ...]
    temporary: frozenset[str]
    semaphores: frozenset[str]


def children(pid: int | None = None) -> dict[int, str]:
    """The processes that a process has started, and theirs, with what they run."""
    found: dict[int, str] = {}
    for child, command in _children(os.getpid() if pid is None else pid).items():
        found[child] = command
        found |= children(child)
    return found


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until something is the case that other processes do.

    Asks again and again, and leaves them the processor meanwhile.
    """
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.002)


async def stop(pid: int) -> None:
    """Let a process stand still, and wait until it does."""
    os.kill(pid, signal.SIGSTOP)
    await eventually(lambda: _state(pid) == "T")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _children(pid: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for word in task.read_text().split():
                command = Path(f"/proc/{word}/cmdline").read_bytes()
                found[int(word)] = command.replace(b"\0", b" ").decode()
        except OSError:
            # it has just ended
            continue
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; not one that only waits for its parent to notice."""
    try:
        return _state(pid) != "Z"
    except OSError:
        return False


def semaphores() -> frozenset[str]:
    """The files of those that this process uses."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return frozenset(line.split()[-1] for line in maps if "/dev/shm/" in line)


def census() -> Census:
    """What there is now."""
    gc.collect()
    files: list[str] = []
    kept = {
        pid
        for pid, command in _children(os.getpid()).items()
        if any(name in command for name in _KEPT)
    }
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            files.append(os.readlink(descriptor).partition(":")[0])
        except OSError:
            # that of the folder itself
            continue
    return Census(
        threads=frozenset(
            thread.name
            for thread in threading.enumerate()
            # they end a while after they were last needed
            if not thread.name.startswith(("Trio thread", "gochan clock"))
        ),
        processes=frozenset(
            (pid, command) for pid, command in children().items() if pid not in kept
        ),
        files=tuple(sorted(files)),
        temporary=frozenset(
            name for name in os.listdir(tempfile.gettempdir()) if "gochan" in name
        ),
        semaphores=semaphores(),
    )
