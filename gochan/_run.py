"""Running a program: the root scope, and the loop under it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple

import anyio

from . import _instrument
from ._scope import Scope, coroutine_of, refuse_uncallable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from types import FrameType

    from ._goroutine import Goroutine
    from ._instrument import Instrument

__all__ = ("arun", "run")

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


def run(
    main: Callable[[*Ts], Coroutine[Any, Any, R]],
    /,
    *args: *Ts,
    backend: Literal["asyncio", "trio"] = "asyncio",
    backend_options: Mapping[str, Any] | None = None,
    instruments: Iterable[Instrument] = (),
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

    Raises:
        RuntimeError: a loop runs on this thread: write ``await arun(main)``.
        LookupError: the backend is not installed.
        TypeError: ``main`` is not an async function.
    """
    started_by = sys._getframe(1)
    running = _running_loop()
    if running is not None:
        refuse_uncallable(main, "run")
        raise RuntimeError(
            f"an event loop ({running}) already runs on this thread: write "
            "`await gochan.arun(main)`, or `async with gochan.scope():` around go()"
        )
    coroutine: Coroutine[Any, Any, R] = coroutine_of(main, args, "run")
    try:
        return anyio.run(
            _run,
            coroutine,
            tuple(instruments),
            started_by,
            backend=backend,
            backend_options=dict(backend_options or {}),
        )
    finally:
        # if the backend could not even start: nobody has awaited it
        coroutine.close()


async def arun(
    main: Callable[[*Ts], Coroutine[Any, Any, R]],
    /,
    *args: *Ts,
    instruments: Iterable[Instrument] = (),
) -> R:
    """:func:`run` inside a running loop: in notebooks, servers, Pyodide.

    Cancellation: cancels ``main`` and all goroutines, and waits for their end.
    """
    coroutine: Coroutine[Any, Any, R] = coroutine_of(main, args, "arun")
    return await _run(coroutine, tuple(instruments), sys._getframe(1))


async def _run(
    main: Coroutine[Any, Any, R],
    instruments: tuple[Instrument, ...],
    started_by: FrameType,
) -> R:
    for instrument in instruments:
        _instrument.install(instrument)
    root = Scope("run")
    body: Goroutine[R] | None = None
    try:
        async with root:
            body = root._start_main(main, started_by)
            try:
                await body._ended().recv_ok()
            finally:
                # main has returned, or the run is being cancelled
                root.cancel("main has returned")
    except BaseExceptionGroup as group:
        own = None if body is None else body._error
        if own is not None and group.exceptions == (own,):
            # nobody but main failed
            raise own from None
        raise
    finally:
        for instrument in instruments:
            _instrument.uninstall(instrument)
    assert body is not None
    return body._outcome()


def _running_loop() -> str | None:
    """The library whose event loop runs on this thread."""
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return "asyncio"
    trio: Any = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return "trio"
    return None
