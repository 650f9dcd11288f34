"""What the figures were measured on, and what else ran there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

__all__ = ("Others", "describe")

_ROOT = Path(__file__).parent.parent


def describe() -> dict[str, Any]:
    """The machine, the Python and the commit; nothing that names the host."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "implementation": platform.python_implementation()
        + ("" if gil else ", no GIL"),
        "commit": _commit(),
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(*args: str) -> str:
    try:
        done = subprocess.run(
            ["git", *args], cwd=_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _commit() -> str:
    commit = _git("rev-parse", "--short=10", "HEAD")
    if not commit:
        return "unknown"
    changed = _git("status", "--porcelain", "--", "gochan", "benchmarks")
    return f"{commit} and changes" if changed else commit


class Others:
    """How many cores other programs kept busy since this was made.

    What our own children used counts once they have been waited for.
    """

    def __init__(self) -> None:
        self._at = perf_counter()
        self._all = _all_cores()
        self._own = _own_share()

    def busy(self) -> float | None:
        """Cores, on average; None if the system does not tell."""
        now = _all_cores()
        if now is None or self._all is None:
            return None
        theirs = (now - self._all) - (_own_share() - self._own)
        return max(theirs / (perf_counter() - self._at), 0.0)


def _all_cores() -> float | None:
    """The seconds that all cores have been busy."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    busy = user + nice + system + irq + softirq + steal
    return busy / os.sysconf("SC_CLK_TCK")


def _own_share() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
