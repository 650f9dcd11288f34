"""The one seam to the runtimes: how a party sleeps and how it is woken.

A backend is a module with a ``Waiter`` subclass whose ``wake()`` works from any
thread, and a ``Nursery`` that runs goroutines. To add a runtime, add a module
and let :func:`backend` find it. Backends are imported on first use, so that
``import gochan`` loads neither asyncio nor trio.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .. import _budget
from .._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import (
        Awaitable,
        Callable,
        Collection,
        Coroutine,
        Generator,
        Hashable,
        Mapping,
    )
    from types import FrameType

    from .._waiter import WaitQueue

__all__ = (
    "Alarm",
    "AsyncWaiter",
    "Backend",
    "Clock",
    "Ear",
    "Job",
    "LoopClock",
    "Nursery",
    "Sleep",
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


class AsyncWaiter(Waiter):
    """A waiter that a coroutine awaits."""

    __slots__ = ()

    def park(self) -> Awaitable[None]:
        """Sleep until woken.

        Returns if a peer has claimed the waiter, even if a cancellation came
        after that: it is delivered at the next checkpoint. Raises the runtime's
        cancelled exception only when the waiter was withdrawn.
        """
        raise NotImplementedError

    def park_thread(self, timeout: float | None) -> bool:
        """:meth:`park` for a blocking call in a fiber.

        False if ``timeout`` seconds passed before it was woken: then it has
        withdrawn.
        """
        from . import _fiber

        return _fiber.park(self, timeout)


class Job(Protocol):
    """What a nursery runs: a goroutine, as far as a backend knows it."""

    id: int
    name: str
    coroutine: Coroutine[Any, Any, Any] | None
    handle: Any
    # the id of the job that started it, if the nursery knows
    parent: int
    # not None: it has been cancelled
    reason: str | None
    # the nursery's, for its turn to begin
    context: Any
    callback: Any
    argument: Any

    def finished(self, result: Any, error: BaseException | None) -> None:
        """It has returned or raised."""

    def cancelled(self) -> None:
        """It has ended because it was cancelled."""


class Nursery(Protocol):
    """Runs the goroutines of one scope on the loop that opened it."""

    @property
    def clock(self) -> Clock:
        """That of the loop."""
        ...

    def running(self, task: Any) -> Job | None:
        """The job that ``task``, which is the current one, runs."""
        ...

    def here(self) -> bool:
        """Whether the calling thread runs the loop that opened it."""
        ...

    @property
    def cancelled(self) -> type[BaseException]:
        """The runtime's cancelled exception."""
        ...

    @property
    def exits(self) -> bool:
        """Whether KeyboardInterrupt and SystemExit leave the loop from any task."""
        ...

    async def open(self) -> None:
        """Begin, in the scope's own task."""

    def start_soon(self, job: Job, background: bool = False) -> None:
        """Run ``job``; from any thread.

        One in the background does not keep the scope open: it is cancelled once
        the body and all that is not in the background have ended.
        """

    def soon(self, call: Callable[[], object]) -> None:
        """Call on the loop, in a while; from any thread, also from ``__del__``."""

    def members(self) -> list[tuple[Job, Any]]:
        """Its jobs and their tasks, None for one that has not begun.

        From any thread; what another thread does meanwhile may be missing.
        """
        ...

    def enclose(self, job: Job) -> object:
        """See that ``job``, which runs here, is in a scope of its own."""

    def cancel_one(self, job: Job) -> None:
        """Cancel ``job`` at its next checkpoint and at all that follow."""

    def cancel(self, reason: str | None) -> None:
        """Cancel all jobs and the body of the scope; from any thread."""

    async def close(self, error: BaseException | None) -> bool:
        """Wait for all jobs. True if ``error`` is the scope's own cancellation."""
        ...


class Ear:
    """Hears when the code under some cancel scope is cancelled, or that has ended.

    A scope tells only its own tasks and the scopes below it. This takes the place of
    one of them.

    Attributes:
        contexts: what is to be cancelled then; kept here by ``gochan.context``.
    """

    __slots__ = ("contexts",)

    def __init__(self) -> None:
        self.contexts: list[Any] = []

    def hear(self) -> None:
        """It is so: from the thread that cancels."""
        # another one may come meanwhile, from another thread
        for context in tuple(self.contexts):
            context.ended()


class Alarm(Protocol):
    """A call that a clock will make."""

    def cancel(self) -> None:
        """Do not make it, if it has not been made; from any thread."""


class Clock(Protocol):
    """The time of one loop, or of plain threads. From any thread.

    Attributes:
        now: gives seconds, from some point on; never goes back.
        stands_still: it is not real time, and passes only as the loop sees fit.
    """

    now: Callable[[], float]
    stands_still: bool

    def call_at(self, when: float, call: Callable[[], object], /) -> Alarm:
        """Call at ``when``, on the loop. What is called must not raise."""
        ...


class LoopClock(Clock, Protocol):
    """The clock of a loop."""

    def here(self) -> bool:
        """Whether the loop runs on the calling thread."""
        ...

    def soon(self, call: Callable[[], object], /) -> None:
        """Call on the loop, in a while; never, once it is closed."""


class Sleep(Protocol):
    """A loop that may fall asleep for ever: the one that runs where it is made.

    It is looked at from its own thread, when it is about to sleep.
    """

    def watch(self, ask: Callable[[], float | None]) -> None:
        """Call ``ask()`` whenever the loop is about to sleep with no timer set.

        It answers in how many seconds to ask again, if nothing has happened by then;
        0 if it has given the loop something to do, None if the loop is to sleep.

        Does nothing where there is no such moment to be had.
        """

    def unwatch(self) -> None:
        """Undo :meth:`watch`."""

    def quiet(self) -> bool:
        """Whether no callback is due, no timer set, and no I/O waited for.

        I/O that a task waits for need not be counted.
        """
        ...

    def tasks(self) -> Collection[Any]:
        """All tasks of the loop but those that only serve it."""
        ...

    def name(self, task: Any) -> str:
        """The task's name."""
        ...

    def joins(self, task: Any) -> Collection[Any] | None:
        """The tasks whose end is all that ``task``, which is blocked, waits for."""
        ...

    def idle(self, thread: int, last: FrameType) -> bool:
        """Whether that thread of the runtime's pool has nothing to do.

        Args:
            thread: its ident.
            last: its innermost frame.
        """
        ...

    def other(self, last: FrameType) -> Sleep | None:
        """Another loop, if its thread, with this innermost frame, sleeps for ever.

        That is as this one would now. It can be looked at as long as it does.
        """
        ...


class Backend(Protocol):
    """The functions of a backend module."""

    def clock(self) -> LoopClock:
        """That of the running loop."""
        ...

    def ear(self) -> Ear:
        """Hears when the calling code is cancelled by a scope around it.

        The same one again for the same scope.
        """
        ...

    def poster(self) -> Callable[[Callable[[], object]], bool]:
        """A function that has the running loop make a call, soon.

        From any thread, and from signal handlers. False if the loop is closed.
        """
        ...

    def nursery(self) -> Nursery:
        """One for the scope that the running task opens."""
        ...

    def waiter(self, value: Any = None) -> AsyncWaiter:
        """A waiter for the running coroutine."""
        ...

    def firm_waiter(self, value: Any = None) -> AsyncWaiter:
        """One that no cancellation withdraws: they are delivered after the wait."""
        ...

    async def yield_now(self) -> None:
        """Let others run, deliver a cancellation that is due."""

    def current_task(self) -> Hashable:
        """The running task, or None in a callback."""

    def asker(self) -> Callable[[], Hashable]:
        """What asks which task of the running loop runs, if any; quickly, never raises.

        On the loop's own thread. From elsewhere it may be wrong.
        """
        ...

    def is_cancelled(self) -> bool:
        """Whether the running task would be cancelled at a checkpoint."""
        ...

    def same_again(self) -> tuple[str, dict[str, Any]]:
        """What gives ``anyio.run`` another loop like this one: backend, options."""
        ...

    def blocked_on(self, task: Any) -> object | None:
        """What ``task`` waits for: a :class:`Waiter`, or something of the runtime's.

        None if it can run, which includes that its waiter has been claimed. From any
        thread.
        """
        ...

    @property
    def Sleep(self) -> Callable[[], Sleep]:  # noqa: N802  # a class
        """For the running loop."""
        ...

    def coroutine_of(self, task: Any) -> Coroutine[Any, Any, Any]:
        """What ``task`` runs."""
        ...


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
