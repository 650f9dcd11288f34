"""Go-style channels, select and structured goroutines, on asyncio or trio.

    import gochan
    from gochan import Chan, go, recv, run, select, send

Where things are; each module imports only what stands below it:

    testing      virtual time              race   the race detector
    pipeline     stages between channels   errgroup  goroutines of one task
    signal       signals as values
    context      the end of a request, passed along
    time         timers and tickers as channels
    singleflight, semaphore, sync, atomic   Go's locks and what is made of them
    executors/   where goroutines run: threads, fibers, loops, processes
    _seeing      goroutines, dump, dump_on_signal
    _run         run, arun: the root scope
    _deadlock    when a run is stuck        _graph   who waits for whom
    _leaked      what nobody can wake       _live    what each goroutine does
    _go          go, yield_                 _callable  what go and run are given
    _scope       scope: who owns what runs  _tenants   what is closed at its end
    _goroutine   Goroutine
    _blocking_select   select for threads, and select_nowait
    _select      select over cases          _table   the cases of one call
    _cases       recv(ch), send(ch, v)
    _chan        the channel's faces        _nil     Go's nil channel
    _core        its state machine
    _ends        its two ends as types      buffers  Dropping, Sliding, Unbounded
    _backends/   the one seam to the runtimes: asyncio, trio, threads
    _executor    what executors have in common
    _edges       what instruments are told about channels
    _parked      why a party is parked      _frames  stacks, from outside
    _waiter      one parked operation, and the queues it waits in
    _budget      when an operation must yield
    _instrument  the one seam to the tools
    _errors      what is raised
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import buffers as buffers
from . import executors as executors
from ._blocking_select import blocking_select, select_nowait
from ._cases import Case, RecvCase, Selectable, SendCase, recv, send
from ._chan import Chan
from ._core import ChanStats
from ._ends import RecvChan, SendChan
from ._errors import (
    BrokenWorkerProcess,
    Cancelled,
    ChanClosed,
    CloseOfClosed,
    CloseOfNil,
    DeadlockError,
    GoroutineCancelled,
    Panic,
    SendOnClosed,
    WouldBlock,
)
from ._go import go, yield_
from ._goroutine import Goroutine
from ._instrument import Instrument
from ._live import GoroutineInfo
from ._nil import nil
from ._run import arun, run
from ._scope import Scope, scope
from ._seeing import dump, dump_on_signal, goroutines
from ._select import select
from .executors import _default_fibers as fibers
from .executors import _default_processes as processes
from .executors import _default_threads as threads

if TYPE_CHECKING:
    from . import atomic as atomic
    from . import context as context
    from . import errgroup as errgroup
    from . import pipeline as pipeline
    from . import race as race
    from . import semaphore as semaphore
    from . import signal as signal
    from . import singleflight as singleflight
    from . import sync as sync
    from . import testing as testing
    from . import time as time

__all__ = (
    "BrokenWorkerProcess",
    "Cancelled",
    "Case",
    "Chan",
    "ChanClosed",
    "ChanStats",
    "CloseOfClosed",
    "CloseOfNil",
    "DeadlockError",
    "Goroutine",
    "GoroutineCancelled",
    "GoroutineInfo",
    "Instrument",
    "Panic",
    "RecvCase",
    "RecvChan",
    "Scope",
    "Selectable",
    "SendCase",
    "SendChan",
    "SendOnClosed",
    "WouldBlock",
    "arun",
    "atomic",
    "blocking_select",
    "buffers",
    "context",
    "dump",
    "dump_on_signal",
    "errgroup",
    "executors",
    "fibers",
    "go",
    "goroutines",
    "nil",
    "pipeline",
    "processes",
    "race",
    "recv",
    "run",
    "scope",
    "select",
    "select_nowait",
    "semaphore",
    "send",
    "signal",
    "singleflight",
    "sync",
    "testing",
    "threads",
    "time",
    "yield_",
)


# loaded when they are first asked for
_LATER = frozenset(
    {
        "atomic",
        "context",
        "errgroup",
        "pipeline",
        "race",
        "semaphore",
        "signal",
        "singleflight",
        "sync",
        "testing",
        "time",
    }
)


if not TYPE_CHECKING:
    # type checkers would take it for a module that has any name
    def __getattr__(name: str) -> Any:
        if name in _LATER:
            return importlib.import_module(f"gochan.{name}")
        raise AttributeError(f"module 'gochan' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


# Reports, pickles and the documentation name things by where users import them.
def _rename() -> None:
    for name in set(__all__) - _LATER:
        thing = globals()[name]
        if getattr(thing, "__module__", "").startswith("gochan._"):
            try:
                thing.__module__ = "gochan"
            except AttributeError:
                # an instance, such as nil
                pass


_rename()
del _rename
