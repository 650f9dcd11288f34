"""Goroutines on event loops in threads of their own.

A goroutine is placed on the loop that has the fewest, and stays there. Each loop
runs its goroutines in a nursery, as a scope does; what they raise, and their
cancellation, is the business of the scope that owns them, on its own loop.
"""

from __future__ import annotations

import inspect
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from .. import _backends, _budget, _instrument
from .._backends import backend
from .._callable import coroutine_of
from .._executor import Away, Executor, here
from ._crew import Crew, Sized, check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Literal

    from .._backends._parts import AsyncWaiter, Nursery
    from .._goroutine import Goroutine

__all__ = ("Loops",)


class _Loop(Executor):
    """One loop, in a thread that is started with its first goroutine.

    As an executor, it is where goroutines run that those it has start.
    """

    def __init__(self, group: Group, number: int) -> None:
        self.group = group
        self.number = number
        # goroutines that are placed here, for the next to be placed
        self.load = 0
        self.thread: threading.Thread | None = None
        # all under the group's lock: what is to run, until there is a nursery;
        # what has been given to it; what waits for the end, and whether that is due
        self.coming: list[_OnLoop] | None = []
        self.jobs: set[_OnLoop] = set()
        self.idle: AsyncWaiter | None = None
        self.over = False

    def start(self, job: _OnLoop) -> None:
        """Run ``job`` there. On the loop of its scope."""
        lock = self.group._lock
        with lock:
            if self.over:
                raise RuntimeError(f"the event loop of {self.group.name} has failed")
            self.jobs.add(job)
            if self.thread is None:
                name, options = backend().same_again()
                self.thread = threading.Thread(
                    target=self.work,
                    args=(name, options),
                    name=f"{self.group.name} loop {self.number}",
                )
                self.thread.start()
            if self.coming is not None:
                self.coming.append(job)
                return
        job.there.run(self.nursery.start_soon, job)

    def work(self, name: str, options: dict[str, Any]) -> None:
        """What the thread does."""
        ident = threading.get_ident()
        here[ident] = self
        failure: BaseException | None = None
        try:
            begin = _backends.passing_options(anyio.run, name, options)
            begin(self.serve, backend=name, backend_options=options)
        except BaseException as error:
            failure = error
        finally:
            del here[ident]
            _budget.ended_on_thread()
        with self.group._lock:
            self.over = True
            left, self.jobs = self.jobs, set()
        for job in left:
            job.lose(failure)
        # its traceback leads to this frame: no cycle
        del failure

    async def serve(self) -> None:
        """Run what is given to :meth:`start` until it is dismissed."""
        self.nursery: Nursery = backend().nursery()
        await self.nursery.open()
        idle = backend().waiter()
        idle.for_select()
        with self.group._lock:
            coming, self.coming = self.coming or [], None
            self.idle = idle
            dismissed = self.over
        for job in coming:
            job.there.run(self.nursery.start_soon, job)
        if not dismissed:
            await idle.park()
        await self.nursery.close(None)

    def dismiss(self) -> None:
        """Nobody wants it any more: let the thread end."""
        with self.group._lock:
            self.over = True
            waiter = self.idle
        if waiter is not None and waiter.claim():
            waiter.wake()

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        # called on this loop, by a goroutine that runs there
        return self.group.supervise(goroutine, coroutine_of(fn, args), self)


class Group(Crew):
    """The loops of one executor."""

    def __init__(self, count: int, name: str) -> None:
        super().__init__(name)
        self._loops = [_Loop(self, number) for number in range(1, count + 1)]

    def supervise(
        self,
        goroutine: Goroutine[Any],
        coroutine: Coroutine[Any, Any, Any],
        loop: _Loop | None,
    ) -> Coroutine[Any, Any, Any]:
        """Run the coroutine on ``loop``, or on the one that has the least to do."""
        try:
            self.enter(late=loop is not None)
        except RuntimeError:
            coroutine.close()
            raise
        with self._lock:
            if loop is None:
                loop = min(self._loops, key=_load)
            loop.load += 1
        goroutine.away = away = _OnLoop(goroutine, coroutine, loop)
        return away.supervise()

    def release(self, loop: _Loop) -> None:
        with self._lock:
            loop.load -= 1
        self.leave()

    def _dismiss(self) -> None:
        for loop in self._loops:
            loop.dismiss()

    def _join(self) -> None:
        for loop in self._loops:
            if loop.thread is not None:
                loop.thread.join()


def _load(loop: _Loop) -> int:
    return loop.load


class _OnLoop(Away):
    """A goroutine on another loop, and the job of that loop's nursery."""

    __slots__ = (
        "argument",
        "callback",
        "context",
        "coroutine",
        "function",
        "handle",
        "id",
        "leaves",
        "loop",
        "name",
        "parent",
        "reason",
        "there",
    )

    def __init__(
        self,
        goroutine: Goroutine[Any],
        function: Coroutine[Any, Any, Any],
        loop: _Loop,
    ) -> None:
        super().__init__(goroutine)
        self.function = function
        self.loop = loop
        # what would leave the loop with everybody else on it
        self.leaves: BaseException | None = None
        # the nursery's
        self.id = goroutine.id
        self.parent = goroutine.id
        self.name = goroutine.name
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.handle: Any = None
        self.reason: str | None = None
        self.context: Any = None
        self.callback: Any = None
        self.argument: Any = None

    @property
    def state(self) -> Literal["runnable", "running", "parked"]:
        match inspect.getcoroutinestate(self.function):
            case inspect.CORO_CREATED:
                return "runnable"
            case inspect.CORO_SUSPENDED:
                return "parked"
            case _:
                return "running"

    def begin(self) -> None:
        # of the coroutine that supervises it, which is the goroutine's
        self.there = copy_context()
        self.coroutine = self._run()
        self.loop.start(self)

    def cancel(self) -> None:
        # before it is looked for: who starts it sees the one or the other
        self.reason = self.goroutine.reason or ""
        with self.loop.group._lock:
            coming = self.loop.coming is not None
        if not coming:
            self.loop.nursery.cancel_one(self)

    def enclose(self) -> None:
        self.loop.nursery.enclose(self)

    def left(self) -> None:
        super().left()
        if inspect.getcoroutinestate(self.function) == inspect.CORO_CREATED:
            # no warning that it was not awaited
            self.function.close()
        self.loop.group.release(self.loop)

    def lose(self, cause: BaseException | None) -> None:
        """Its loop has ended under it."""
        if self.coroutine is not None:
            self.coroutine.close()
        lost = RuntimeError(f"the event loop of {self.loop.group.name} has failed")
        lost.__cause__ = cause
        self.finish(None, lost)

    async def _run(self) -> Any:
        task = backend().current_task()
        _instrument.parties[task] = self.goroutine
        try:
            return await self.function
        except (KeyboardInterrupt, SystemExit) as error:
            self.leaves = error
            return None
        finally:
            del _instrument.parties[task]

    def finished(self, result: Any, error: BaseException | None) -> None:
        self._end(result, error or self.leaves)

    def cancelled(self) -> None:
        self._end(None, self.cancellation())

    def _end(self, result: Any, error: BaseException | None) -> None:
        loop = self.loop
        with loop.group._lock:
            loop.jobs.discard(self)
        self.finish(result, error)


class Loops(Sized[Group]):
    """What ``gochan.executors.loops(n)`` makes."""

    _plain = False

    def __init__(self, count: int) -> None:
        check_count(count, "loops(4)")
        super().__init__()
        self._count = count

    def _make(self) -> Group:
        return Group(self._count, f"loops({self._count})")

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        group = self._crew(goroutine)
        return group.supervise(goroutine, coroutine_of(fn, args), None)

    def __repr__(self) -> str:
        return f"<loops({self._count})>"
