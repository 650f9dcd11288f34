"""Where goroutines run: what ``go(..., on=...)`` is given.

- ``gochan.threads``, ``threads(n)``: plain functions in threads.
- ``gochan.fibers``: plain functions on the loop's own thread, which do not block it.
- ``loops(n)``: async functions on several event loops, each in its own thread.
- ``gochan.processes``, ``processes(n)``: functions in other processes.
- Any ``concurrent.futures.Executor``: plain functions where that one runs them.

Plain functions use the blocking face of channels, ``ch.blocking_send(v)`` and the
like, in threads and fibers alike. The scope, the handle, the errors and the
cancellation of a goroutine are the same wherever it runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from .. import _executor
from .._executor import Executor
from ._fibers import Fibers
from ._processes import Processes, SizedProcesses
from ._threads import DEFAULT, SizedThreads, Threads

if TYPE_CHECKING:
    from typing import Literal

    from ._loops import Loops

__all__ = ("Executor", "loops", "processes", "threads")


def threads(n: int) -> SizedThreads:
    """A pool of threads for plain functions, ``n`` of which run at a time.

    One that waits in a channel operation or in another blocking call of gochan's
    does not count: its place goes to the next one, in a thread more if need be. So
    a small pool does not deadlock on its size.

    ``with threads(4) as pool:`` or ``async with`` keeps one pool from its beginning
    to its end, where it waits for the goroutines that it still has; ``with`` on a
    thread that runs an event loop does not wait. Without either there is one for
    each run that uses it, until the end of the run.

    Args:
        n: how many goroutines run at a time; what does not wait in gochan runs.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1.
    """
    return SizedThreads(n)


def loops(n: int) -> Loops:
    """Event loops for async functions, ``n`` of them, each in its own thread.

    They are of the same kind as the one of the run. A goroutine is placed on the
    loop that has the fewest, and stays on it; those that it starts without ``on``
    run on the same one. This is Go's GOMAXPROCS on a free-threaded Python. With the
    GIL nothing is faster for it.

    Lasts as long as :func:`threads` says.

    Args:
        n: how many loops; as many as there are cores.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1.
    """
    from ._loops import Loops

    return Loops(n)


def processes(
    n: int, start_method: Literal["spawn", "forkserver"] = "spawn"
) -> SizedProcesses:
    """Processes for functions that compute, plain or async, ``n`` at a time.

    Function, arguments and result are pickled, so the function has to be one that
    can be imported. A channel in them, at any depth, is the same channel there:
    every operation is done in the process where it was made. Values that are sent
    are pickled on their way.

    A goroutine has a process to itself from its first step to its end; those beyond
    ``n`` wait for one, so goroutines that wait for each other need enough. A plain
    function gets ``gochan.Cancelled`` from the next operation when it is cancelled.
    One that comes to none within a second is killed, and its process is replaced. A
    process that dies takes its goroutine with it, and nothing else: what was parked
    there is withdrawn, and a value that was on its way there goes back to the front
    of its channel.

    Lasts as long as :func:`threads` says.

    Args:
        n: how many processes there are at most.
        start_method: as in multiprocessing; not "fork", which would copy locks.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1, or there is no such ``start_method``.
    """
    return SizedProcesses(n, start_method)


_default_threads: Final = Threads(DEFAULT, "gochan.threads")
_default_fibers: Final = Fibers()
_default_processes: Final = Processes(None, "spawn", "gochan.processes")


def _adapt(on: object) -> Executor:
    if "concurrent.futures" in sys.modules:
        from concurrent.futures import Executor as FuturesExecutor

        if isinstance(on, FuturesExecutor):
            from ._futures import adapt

            return adapt(on)
    return _refuse(on)


_refuse = _executor.adapt
_executor.adapt = _adapt

Executor.__module__ = "gochan.executors"
