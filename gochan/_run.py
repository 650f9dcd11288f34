"""Running a program: the root scope, and the loop under it."""

from __future__ import annotations

import itertools
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, TypeVarTuple

import anyio

from . import _backends, _instrument
from ._backends import running_loop, uninterrupted
from ._callable import coroutine_of, refuse_uncallable
from ._deadlock import Watch
from ._errors import DeadlockError
from ._live import live
from ._parked import FOREIGN
from ._scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from types import FrameType

    from ._goroutine import Goroutine
    from ._instrument import Instrument
    from ._live import Look

__all__ = ("arun", "run")

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# What wants to see what is left when a run ends: called before that is cancelled, with
# whether main has returned.
at_end: list[Callable[[bool], None]] = []

# for how long goroutines that are about to end are given the time to, in seconds
PATIENCE: Final = 1.0


def run(
    main: Callable[[*Ts], Coroutine[Any, Any, R]],
    /,
    *args: *Ts,
    backend: Literal["asyncio", "trio"] = "asyncio",
    backend_options: Mapping[str, Any] | None = None,
    instruments: Iterable[Instrument] = (),
    deadlock: bool = True,
) -> R:
    """Run ``main(*args)`` as goroutine 1 and return its result.

    As in Go, the run ends when ``main`` returns: goroutines that still run are
    cancelled. If one raises, all are cancelled and an ``ExceptionGroup`` comes
    out; what ``main`` itself raises comes out bare as long as no goroutine failed.

    Blocks until the run has ended. Ctrl-C cancels it and raises
    ``KeyboardInterrupt``.

    Args:
        main: an async function.
        args: its arguments.
        backend: the runtime.
        backend_options: for ``anyio.run``, such as ``{"use_uvloop": True}``.
        instruments: what is to see the run's events.
        deadlock: end the run with DeadlockError when none of its goroutines can ever go
            on. That is only done when it is certain: the page "It hangs" says what
            keeps it from being noticed.

    Raises:
        DeadlockError: all goroutines waited for each other. They have been cancelled,
            and have unwound.
        RuntimeError: a loop runs on this thread: write ``await arun(main)``.
        LookupError: the backend is not installed.
        TypeError: ``main`` is not an async function.
    """
    started_by = sys._getframe(1)
    running = running_loop()
    if running is not None:
        refuse_uncallable(main, "run")
        raise RuntimeError(
            f"an event loop ({running}) already runs on this thread: write "
            "`await gochan.arun(main)`, or `async with gochan.scope():` around go()"
        )
    coroutine: Coroutine[Any, Any, R] = coroutine_of(main, args, "run")
    root = Scope("run")
    # what this thread did comes before the run, what the run did before its return
    if (seen := _instrument.active) is not None:
        seen.release_merge(_instrument.current_party(), root)
    begin = _backends.passing_options(anyio.run, backend, backend_options)
    try:
        return begin(  # type: ignore[no-any-return]
            _run,
            coroutine,
            root,
            tuple(instruments),
            started_by,
            deadlock,
            backend=backend,
            backend_options=dict(backend_options or {}),
        )
    except DeadlockError as error:
        if error.report:
            # where it came out of the loop has nothing to do with it
            error.__traceback__ = None
        raise
    finally:
        # if the backend could not even start: nobody has awaited it
        coroutine.close()
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), root)


async def arun(
    main: Callable[[*Ts], Coroutine[Any, Any, R]],
    /,
    *args: *Ts,
    instruments: Iterable[Instrument] = (),
    deadlock: bool = True,
) -> R:
    """:func:`run` inside a running loop: in notebooks, servers, Pyodide.

    Cancellation: cancels ``main`` and all goroutines, and waits for their end.
    """
    coroutine: Coroutine[Any, Any, R] = coroutine_of(main, args, "arun")
    root = Scope("run")
    started_by = sys._getframe(1)
    return await _run(coroutine, root, tuple(instruments), started_by, deadlock)


@uninterrupted
async def _run(
    main: Coroutine[Any, Any, R],
    root: Scope,
    instruments: tuple[Instrument, ...],
    started_by: FrameType,
    deadlock: bool,
) -> R:
    with ExitStack() as watched:
        for instrument in instruments:
            watched.enter_context(instrument)
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), root)
        watch: Watch | None = None
        body: Goroutine[R] | None = None
        try:
            async with root:
                body = root._start_main(main, started_by)
                if deadlock:
                    watch = Watch(root)
                returned = False
                try:
                    await body._ended().recv_ok()
                    returned = body._error is None
                    if at_end and returned:
                        await settle(live)
                finally:
                    for call in tuple(at_end):
                        call(returned)
                    # main has returned, or the run is being cancelled
                    root.cancel("main has returned")
        except BaseExceptionGroup as group:
            if watch is not None and watch.error is not None:
                # what its goroutines raised as they unwound
                raise watch.error from group
            own = None if body is None else body._error
            if own is not None and group.exceptions == (own,):
                # nobody but main failed
                raise own from None
            raise
        finally:
            if watch is not None:
                watch.stop()
        if watch is not None and watch.error is not None:
            raise watch.error
        return body._outcome()


async def settle(looks: Callable[[], Iterable[Look]]) -> None:
    """Wait until these goroutines have ended, or wait for one another.

    Not longer than :data:`PATIENCE`, should they run on.
    """
    deadline = time.monotonic() + PATIENCE
    # a turn of the loop each, as long as that may do
    pauses = itertools.chain(itertools.repeat(0, 100), itertools.repeat(0.01))
    while not all_asleep(looks()) and time.monotonic() < deadline:
        await anyio.sleep(next(pauses))


def all_asleep(looks: Iterable[Look]) -> bool:
    """Whether each is parked by gochan."""
    return all(look.wait is not None and look.wait is not FOREIGN for look in looks)
