"""Goroutines in worker processes: what ``go(..., on=processes)`` does here.

See ``_workers`` for the processes, ``_worker`` for what happens in them, ``_link`` for
what passes between. Those are imported on first use: they need multiprocessing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from .._backends import backend
from ._crew import Crewed, Sized, check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .._goroutine import Goroutine
    from ._workers import Workers

__all__ = ("Processes", "SizedProcesses")

StartMethod = Literal["spawn", "forkserver"]


def _cores() -> int:
    """How many processes can compute at the same time."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        # not on every system
        return os.cpu_count() or 1


class Processes(Crewed["Workers"]):
    """Runs goroutines in processes: a pool for each run, which ends with the run.

    Functions, arguments and results are pickled. Channels among them, at any depth,
    arrive as handles to the same channels.
    """

    def __init__(self, size: int | None, start_method: StartMethod, name: str) -> None:
        self._size = size
        self._start_method: StartMethod = start_method
        self._name = name

    def _make(self) -> Workers:
        from ._workers import Workers

        return Workers(self._size or _cores(), self._start_method, self._name)

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        from ._worker import pack_job
        from ._workers import InProcess

        # here and now, as Go evaluates the arguments of a go statement
        packed = pack_job(fn, args, goroutine.name, backend().same_again())
        pool = self._crew(goroutine)
        pool.enter()
        goroutine.away = away = InProcess(goroutine, packed, pool)
        return away.supervise()

    def __repr__(self) -> str:
        return f"<{self._name}>"


class SizedProcesses(Sized["Workers"], Processes):
    """What ``gochan.executors.processes(n)`` makes."""

    def __init__(self, size: int, start_method: StartMethod) -> None:
        check_count(size, "processes(4)")
        # whatever the types say
        wanted: str = start_method
        if wanted not in ("spawn", "forkserver"):
            reason = (
                "a forked process has the locks of its parent's threads, but not the "
                "threads that would release them"
                if wanted == "fork"
                else "there is no such start method"
            )
            raise ValueError(
                f'start_method must be "spawn" or "forkserver", not {start_method!r}: '
                f"{reason}"
            )
        Processes.__init__(self, size, start_method, f"processes({size})")
        Sized.__init__(self)  # pyright: ignore[reportUnknownMemberType]
