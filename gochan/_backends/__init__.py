"""The one seam to the runtimes: how a party sleeps and how it is woken.

A backend is a module with a ``Waiter`` subclass whose ``wake()`` works from any
thread, and a ``Nursery`` that runs goroutines: see ``_parts``. To add a runtime, add
a module and let :func:`backend` find it. Backends are imported on first use, so that
``import gochan`` loads neither asyncio nor trio.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _budget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from .._waiter import WaitQueue
    from ._parts import AsyncWaiter, Backend, Clock, Job

__all__ = (
    "any_waiter",
    "async_waiter",
    "backend",
    "clock",
    "firm_waiter",
    "poster",
    "running_loop",
)


_cell = _budget.budget

F = TypeVar("F", bound="Callable[..., Any]")


def running_loop() -> str | None:
    """The library whose event loop runs on this thread."""
    # Looks only at runtimes that are loaded. Another thread may be loading one just
    # now, and then parts of it are missing: it runs nothing here.
    running: Any = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    if running is not None and running() is not None:
        return "asyncio"
    running = getattr(sys.modules.get("trio.lowlevel"), "in_trio_run", None)
    return "trio" if running is not None and running() else None


def backend() -> Backend:
    """The backend of the runtime that runs the calling code.

    Raises:
        RuntimeError: no event loop runs on this thread.
    """
    # trio first: in guest mode an asyncio loop is running as well
    if "trio" in sys.modules:
        found = _on_trio or _load_trio()
        if found.running():
            return found  # type: ignore[no-any-return]
    if "asyncio" in sys.modules:
        found = _on_asyncio or _load_asyncio()
        if found.running():
            return found  # type: ignore[no-any-return]
    raise RuntimeError(
        "no event loop runs on this thread; use the blocking form, such as "
        "ch.blocking_recv(), or start one with gochan.run(main)"
    )


# The modules, once they are loaded; an import statement would cost more than what
# they are asked for. Any: their functions are what a backend has to have.
_on_trio: Any = None
_on_asyncio: Any = None


def passing_options(
    run: Callable[..., Any], backend: str, options: Mapping[str, Any] | None
) -> Callable[..., Any]:
    """``anyio.run``, or what does the same: before 4.14 it gave trio no options."""
    if backend == "trio" and options:
        return (_on_trio or _load_trio()).run  # type: ignore[no-any-return]
    return run


def _load_trio() -> Any:
    global _on_trio
    from . import _trio

    _on_trio = _trio
    return _trio


def _load_asyncio() -> Any:
    global _on_asyncio
    from . import _asyncio

    _on_asyncio = _asyncio
    return _asyncio


def clock() -> Clock:
    """The clock of the loop that runs here.

    In a thread: one with the time of the loop that its code belongs to, so that all
    goroutines of a run agree on the time.
    """
    try:
        return backend().clock()
    except RuntimeError:
        from . import _thread_clock

        return _thread_clock.like(find_home())


def _nowhere() -> Clock | None:
    return None


# replaced by the module that knows scopes
find_home: Callable[[], Clock | None] = _nowhere
"""The clock of the loop that the calling thread works for, if there is one."""


def poster() -> Callable[[Callable[[], object]], bool]:
    """Has the loop that runs here make a call, else a thread that is there for it.

    The function that is returned may be called from a signal handler.
    """
    try:
        return backend().poster()
    except RuntimeError:
        from ._thread_clock import post, serve_posts

        serve_posts()
        return post


def must_yield() -> bool:
    """Whether an operation has to give way first. Asked when no budget is left."""
    # as long as anything special is the case, ``full`` is not above 0
    if _cell.full > 0:
        return True
    if _cell.cancelled and backend().is_cancelled():
        return True
    return _budget.spent()


def discard(job: Job) -> None:
    """End a job that was started too late ever to run."""
    if job.coroutine is not None:
        job.coroutine.close()
    job.cancelled()


critical: list[Callable[..., Any]] = []
# trio's backend puts its own in place
protect: Callable[[Callable[..., Any]], object] | None = None


def uninterrupted(function: F) -> F:
    """Mark a function in which an interrupt would leave a channel locked.

    trio raises KeyboardInterrupt wherever a task happens to be; its backend asks
    it to wait for the end of these. asyncio's own handler cancels a task instead.
    """
    critical.append(function)
    if protect is not None:
        protect(function)
    return function


def any_waiter(value: Any = None) -> AsyncWaiter:
    """A waiter for the running coroutine, with the value that it sends."""
    return backend().waiter(value)


def firm_waiter(value: Any = None) -> AsyncWaiter:
    """A waiter for the running coroutine that no cancellation withdraws.

    For what has to be put right before a cancellation may be raised. Those that
    come while it waits are delivered at the next checkpoint. If the coroutine is
    closed, it is the caller who has to take the waiter out of its queue.
    """
    return backend().firm_waiter(value)


@types.coroutine
def any_park(queue: WaitQueue, value: Any = None) -> Generator[Any, Any, AsyncWaiter]:
    """Wait in ``queue``, whose key the caller holds. The waiter, once it is woken."""
    try:
        waiter = any_waiter(value)
        queue.push(waiter)
    finally:
        queue.key.append(None)  # type: ignore[union-attr]  # a channel's has one
    yield from waiter.park()  # type: ignore[misc]  # a coroutine, or like one
    return waiter


@types.coroutine
def any_yield() -> Generator[Any, Any, None]:
    """Let others run."""
    yield from backend().yield_now()


# What channels call. The backend that was used last puts its own in place, which save
# a call and come back here when they find that something else runs.
async_waiter = any_waiter
async_park = any_park
async_yield = any_yield


def prefer(waiter: Any, park: Any, yield_: Any) -> None:
    """Try these first, in place of ``any_waiter`` and the others."""
    global async_waiter, async_park, async_yield
    async_waiter, async_park, async_yield = waiter, park, yield_
