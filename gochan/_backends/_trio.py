"""trio: goroutines are the tasks of a nursery.

As on asyncio, none is made a cancel scope for: see ``_trio_private``.
"""

from __future__ import annotations

import types
from contextvars import copy_context
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

import trio
from trio.lowlevel import (
    current_task,
    current_trio_token,
    in_trio_task,
)

from .. import _backends, _budget
from .._waiter import rescue, stranded
from . import critical, discard, uninterrupted
from ._trio_clock import clock, poster
from ._trio_private import current, ear_of, graft, spawn
from ._trio_sleep import Sleep
from ._trio_waiter import Waiter, firm_waiter, waiter, yield_now

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping

    from ._parts import Ear, Job

__all__ = (
    "Nursery",
    "Sleep",
    "asker",
    "blocked_on",
    "clock",
    "coroutine_of",
    "current_task",
    "ear",
    "firm_waiter",
    "is_cancelled",
    "nursery",
    "poster",
    "running",
    "same_again",
    "waiter",
    "yield_now",
)


for _function in critical:
    trio.lowlevel.enable_ki_protection(_function)
# those that are loaded later
_backends.protect = trio.lowlevel.enable_ki_protection


def run(
    fn: Callable[..., Coroutine[Any, Any, Any]],
    *args: Any,
    backend: str,
    backend_options: Mapping[str, Any],
) -> Any:
    assert backend == "trio"
    return trio.run(fn, *args, **backend_options)


def running() -> bool:
    return in_trio_task()


def is_cancelled() -> bool:
    return trio.current_effective_deadline() == -inf


def same_again() -> tuple[str, dict[str, Any]]:
    # each run would have a clock that begins elsewhere; that of a test is its own
    clock = trio.lowlevel.current_clock()
    real = type(clock).__module__ == "trio._core._run"
    return "trio", {"clock": clock} if real else {}


def asker() -> Callable[[], trio.lowlevel.Task | None]:
    return _running_task


def _running_task() -> trio.lowlevel.Task | None:
    return current_task() if in_trio_task() else None


def ear() -> Ear:
    return ear_of(current_task())


def blocked_on(task: trio.lowlevel.Task) -> object | None:
    # private: trio offers no way to ask what a task waits for
    if task._next_send_fn is not None or getattr(task.coro, "cr_running", False):
        return None
    abort = task._abort_func
    owner = getattr(abort, "__self__", None)
    if isinstance(owner, Waiter):
        # claimed: it is about to be rescheduled
        return None if owner.claimed() else owner
    # trio forgets how to cancel a task that has not let itself be cancelled
    return abort or _UNKNOWN


_UNKNOWN: Final = object()


def coroutine_of(task: trio.lowlevel.Task) -> Coroutine[Any, Any, Any]:
    return task.coro


class Nursery:
    """The goroutines of one scope, in a trio nursery."""

    cancelled = trio.Cancelled
    exits = False

    def __init__(self) -> None:
        self.token = current_trio_token()
        self.runner = current.runner
        self.clock = clock()
        self.manager = trio.open_nursery(strict_exception_groups=True)
        self.jobs: dict[trio.lowlevel.Task, Job] = {}
        # what other threads have started and has not arrived
        self.coming: set[Job] = set()
        # those of both that do not keep the scope open
        self.background: set[Job] = set()
        # the body has ended
        self.closing = False
        self.closed = False
        self.cancelling = False
        # tasks that were put in a scope of their own, such as those told to end
        self.grafts: dict[trio.lowlevel.Task, trio.CancelScope] = {}
        # those of which _budget.cancelled() has been told
        self.told: set[Job] = set()
        self.on_turn = self._run

    @uninterrupted
    async def open(self) -> None:
        self.nursery = await self.manager.__aenter__()

    @uninterrupted
    def start_soon(self, job: Job, background: bool = False) -> None:
        if background:
            self.background.add(job)
        if self.here() and not self.closed:
            creator = self.jobs.get(getattr(current, "task", None))  # type: ignore[arg-type]  # None has no entry
            if creator is not None:
                job.parent = creator.id
            self._start(job)
        else:
            # until it arrives, so that close() waits for it
            self.coming.add(job)
            context = copy_context()
            self.token.run_sync_soon(lambda: context.run(self._arrive, job))

    def soon(self, call: Callable[[], object]) -> None:
        try:
            self.token.run_sync_soon(call)
        except trio.RunFinishedError:
            pass

    def members(self) -> list[tuple[Job, Any]]:
        # list(): in one step, should another thread change them
        found: list[tuple[Job, Any]] = [
            (job, task) for task, job in list(self.jobs.items())
        ]
        found.extend((job, None) for job in list(self.coming))
        return found

    def _arrive(self, job: Job) -> None:
        """It was started on another thread."""
        self.coming.discard(job)
        if self.closed:
            # too late
            self.background.discard(job)
            discard(job)
        else:
            self._start(job)

    def _start(self, job: Job) -> None:
        job.handle = task = spawn(self.nursery, self.on_turn, job, job.name)
        self.jobs[task] = job
        if job.reason is not None:
            # by another thread, before it arrived here
            self._cancel_job(job)
        elif self.cancelling:
            self._tell(job)

    async def _run(self, job: Job) -> None:
        task: Any = job.handle
        coroutine: Any = job.coroutine
        try:
            try:
                # Ctrl-C may come from here on, and until it has ended
                task._ki_protected = False
                result = await coroutine
            except KeyboardInterrupt as error:
                if coroutine.cr_frame is None:
                    raise
                # it came just when this frame was about to go on with that one
                result = await _raise_in(coroutine, error)
        except BaseException as error:
            left = self._raised(job, task, error)
            if left is error:
                raise
            if left is not None:
                raise left from None
        else:
            self._returned(job, task, result)
        finally:
            # its error's traceback leads to this frame: no cycle
            left = None
            del job

    @uninterrupted
    def _returned(self, job: Job, task: Any, result: Any) -> None:
        task._ki_protected = True
        job.finished(result, None)
        self._over(job, task)

    @uninterrupted
    def _raised(
        self, job: Job, task: Any, error: BaseException
    ) -> BaseException | None:
        """What of that the task has to raise: a cancellation that is others', too."""
        task._ki_protected = True
        left: BaseException | None = None
        if isinstance(error, trio.Cancelled):
            left = error
            job.cancelled()
        elif isinstance(error, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", error)
            left, rest = group.split(trio.Cancelled)
            if rest is None:
                job.cancelled()
            else:
                # not a copy, if there was nothing to take out
                job.finished(None, rest if left else group)
        else:
            job.finished(None, error)
        if left is not None and self._meant_alone(task, left):
            left = None
        self._over(job, task)
        return left

    def _over(self, job: Job, task: trio.lowlevel.Task) -> None:
        job.handle = None
        if stranded:
            rescue()
        del self.jobs[task]
        if self.told or self.grafts:
            self._untell(job, task)
        if self.background:
            self.background.discard(job)
            self._end_background()

    def _meant_alone(self, task: trio.lowlevel.Task, cancelled: BaseException) -> bool:
        """Whether a cancellation ends with the task that it comes out of."""
        scope = self.grafts.pop(task, None)
        return scope is not None and bool(
            scope.__exit__(type(cancelled), cancelled, cancelled.__traceback__)
        )

    def running(self, task: trio.lowlevel.Task) -> Job | None:
        return self.jobs.get(task)

    @uninterrupted
    def cancel_one(self, job: Job) -> None:
        self._on_loop(self._cancel_job, job)

    @uninterrupted
    def cancel(self, reason: str | None) -> None:
        self._on_loop(self._cancel_all, reason)

    def _cancel_job(self, job: Job) -> None:
        if job.handle is not None:
            scope = self.enclose(job)
            if not scope.cancel_called:
                self._tell(job)
                _cancel(scope, job.reason)

    def enclose(self, job: Job) -> trio.CancelScope:
        task: trio.lowlevel.Task = job.handle
        scope = self.grafts.get(task)
        if scope is None:
            self.grafts[task] = scope = graft(task, self.nursery)
        return scope

    def _tell(self, job: Job) -> None:
        if job not in self.told:
            self.told.add(job)
            _budget.cancelled(1)

    def _untell(self, job: Job, task: trio.lowlevel.Task) -> None:
        """It has ended."""
        scope = self.grafts.pop(task, None)
        if scope is not None:
            scope.__exit__(None, None, None)
        if job in self.told:
            self.told.discard(job)
            _budget.cancelled(-1)

    def _cancel_all(self, reason: str | None) -> None:
        self.cancelling = True
        for job in self.jobs.values():
            self._tell(job)
        for job in (*self.jobs.values(), *self.coming):
            job.reason = job.reason or reason or ""
        _cancel(self.nursery.cancel_scope, reason)

    def _end_background(self) -> None:
        """Cancel what is left if that is in the background and the body has ended."""
        running = len(self.jobs) + len(self.coming)
        if self.closing and running == len(self.background):
            for job in self.background:
                job.reason = job.reason or "the scope has ended"
                self._cancel_job(job)

    def here(self) -> bool:
        return getattr(current, "runner", None) is self.runner

    def _on_loop(self, call: Callable[..., object], *args: Any) -> None:
        if self.here():
            call(*args)
            return
        try:
            self.token.run_sync_soon(call, *args)
        except trio.RunFinishedError:
            pass

    @uninterrupted
    async def close(self, error: BaseException | None) -> bool:
        if error is not None:
            self._cancel_all(None)
        self.closing = True
        self._end_background()
        own: BaseException | None = None
        rest: BaseException | None = error
        if isinstance(error, trio.Cancelled):
            own, rest = error, None
        elif isinstance(error, BaseExceptionGroup):
            own, rest = cast("BaseExceptionGroup[BaseException]", error).split(
                trio.Cancelled
            )
        with trio.CancelScope(shield=True):
            while self.coming:
                # it may be on its way here from another thread
                await trio.lowlevel.checkpoint()
        try:
            swallowed = await self.manager.__aexit__(
                type(own) if own is not None else None, own, None
            )
        except BaseExceptionGroup as group:
            # Ctrl-C is no error of a goroutine
            if (interrupt := _interrupt_in(group)) is not None:
                raise interrupt from None
            raise
        finally:
            self.closed = True
            # nothing begins any more; it leads back here
            del self.on_turn
        return bool(swallowed) and rest is None


def _interrupt_in(error: BaseException) -> KeyboardInterrupt | None:
    if isinstance(error, BaseExceptionGroup):
        parts = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return next(filter(None, map(_interrupt_in, parts)), None)
    return error if isinstance(error, KeyboardInterrupt) else None


@types.coroutine
def _raise_in(coroutine: Any, error: BaseException) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that was being awaited, by raising in it."""
    step: Callable[[], Any] = partial(coroutine.throw, error)
    try:
        while True:
            message = step()
            try:
                sent = yield message
            except BaseException as thrown:
                step = partial(coroutine.throw, thrown)
            else:
                step = partial(coroutine.send, sent)
    except StopIteration as stop:
        return stop.value


def _cancel(scope: trio.CancelScope, reason: str | None) -> None:
    if reason:
        scope.cancel(reason=reason)
    else:
        scope.cancel()


def nursery() -> Nursery:
    return Nursery()
