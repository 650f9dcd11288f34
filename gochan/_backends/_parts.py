"""What a backend is made of: its functions, and the parts that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable
    from types import FrameType

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
)


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
