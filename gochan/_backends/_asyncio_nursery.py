"""asyncio: goroutines are native tasks, cancelled the way anyio cancels.

A task costs what ``asyncio.create_task`` costs: no cancel scope is made for it.
Only when it is cancelled and does not end at the first ``CancelledError`` is it
put under an ``anyio.CancelScope``, as if it had run inside one from its start.
From then on anyio repeats the cancellation at every checkpoint and holds it back
while the task is in a shielded scope. That needs names that anyio keeps private
(see :func:`_graft`); they are the same from anyio 4.12 to 4.16, and the tests
run against both ends.
"""

from __future__ import annotations

import asyncio
from _thread import get_ident
from asyncio import CancelledError, current_task
from asyncio import _get_running_loop as get_running_loop
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, cast

import anyio

from .. import _budget
from . import discard
from ._asyncio_anyio import ear_below, graft, task_states
from ._asyncio_clock import clock
from ._asyncio_eager import begin, can_begin, new_task
from ._asyncio_mailbox import after_woken, mailbox
from ._asyncio_waiter import waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._parts import Job

__all__ = ("Nursery",)

Task = asyncio.Task[Any]


class Nursery:
    """The goroutines of one scope, as tasks of one loop."""

    cancelled = CancelledError
    exits = True

    def __init__(self) -> None:
        loop = get_running_loop()
        assert loop is not None
        self.loop = loop
        self.clock = clock()
        self.jobs: dict[Task | Job, Job] = {}
        # those of them that do not keep the scope open
        self.background: set[Job] = set()
        # tasks told to end, with the scope that insists if that was needed
        self.grafts: dict[Task, anyio.CancelScope | None] = {}
        self.body = anyio.CancelScope()
        self.mailbox = mailbox()
        self.eager = can_begin(loop)
        # the job whose first step runs now
        self.starting: Job | None = None
        self.idle: Any = None
        self.cancelling = False
        # the body has ended
        self.closing = False
        self.closed = False
        self.on_done = self._done
        self.on_turn = self._start_now
        # for done callbacks, which otherwise copy the context
        self.context = Context()

    async def open(self) -> None:
        self.body.__enter__()

    def start_soon(self, job: Job, background: bool = False) -> None:
        if background:
            self.background.add(job)
        box = self.mailbox
        # in a drain there is no need to ask which loop runs: 3.11 asks the kernel
        if not (box.draining == get_ident() or get_running_loop() is self.loop):
            # an entry until it has begun, so that close() waits for it
            self.jobs[job] = job
            self.loop.call_soon_threadsafe(self._arrive, job, context=copy_context())
            return
        creator = self.jobs.get(current_task(self.loop)) or self.starting  # type: ignore[arg-type]  # None has no entry
        if creator is not None:
            job.parent = creator.id
        if self.eager:
            # it takes its turn among the woken goroutines
            job.handle = copy_context()
            job.context = self.context
            job.callback = self.on_turn
            job.argument = job
            # post(job), in place
            box.ready.append(job)
            self.jobs[job] = job
            if not box.draining:
                try:
                    box.ask()
                except RecursionError:
                    box.ready.remove(job)
                    del self.jobs[job]
                    raise
        else:
            self._start(job)

    def soon(self, call: Callable[[], object]) -> None:
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:
            # closed: there is nothing to be done on it any more
            pass

    def members(self) -> list[tuple[Job, Any]]:
        # list(): in one step, should another thread change it
        found: list[tuple[Job, Any]] = [
            (job, None if task is job else task)
            for task, job in list(self.jobs.items())
        ]
        if (starting := self.starting) is not None:
            found.append((starting, None))
        return found

    def _arrive(self, job: Job) -> None:
        """It was started on another thread."""
        del self.jobs[job]
        if self.closed:
            # too late
            self.background.discard(job)
            discard(job)
        else:
            self._start(job)

    def _start(self, job: Job) -> None:
        """Make a task, which the loop will start."""
        task: Task = self.loop.create_task(job.coroutine, name=job.name)  # type: ignore[arg-type]  # not None yet
        self._watch(job, task)

    def _start_now(self, job: Job) -> None:
        """Make a task and run its first step: a short goroutine costs no more."""
        job.argument = None
        del self.jobs[job]
        if self.closed:
            self.background.discard(job)
            discard(job)
            return
        self.starting = job
        # no task yet, should it cancel itself
        context, job.handle = job.handle, None
        task = new_task()
        try:
            begin(task, job.coroutine, self.loop, job.name, context)
        except BaseException as error:
            # KeyboardInterrupt and SystemExit come out of a task
            if task.done():
                # it has been seen: the loop need not report it
                task.exception()
            job.finished(None, error)
            self._look()
            raise
        finally:
            self.starting = None
        if task.done():
            self._ended(job, task)
            # this frame is behind those of its error's traceback: no cycle
            del task, job
        else:
            self._watch(job, task)

    def _watch(self, job: Job, task: Task) -> None:
        job.handle = task
        self.jobs[task] = job
        task.add_done_callback(self.on_done, context=self.context)
        if self.cancelling or job.reason is not None:
            self._cancel_job(job)

    def _done(self, task: Task) -> None:
        job = self.jobs.pop(task)
        if self.grafts and task in self.grafts:
            over = self.grafts.pop(task)
            _budget.cancelled(-1)
            if over is not None:
                # older anyio goes on delivering to a task that is done
                over._tasks.discard(task)  # type: ignore[attr-defined]
        self._ended(job, task)

    def _ended(self, job: Job, task: Task) -> None:
        job.handle = None
        try:
            if task.cancelled():
                job.cancelled()
            elif (error := task.exception()) is None:
                job.finished(task.result(), None)
            else:
                job.finished(None, error)
        finally:
            if self.background:
                self.background.discard(job)
                self._end_background()
            if not self.jobs:
                self._look()

    def _look(self) -> None:
        """Wake the end of the scope if nothing runs any more."""
        if not self.jobs and self.idle is not None and self.idle.claim():
            self.idle.wake()

    def _end_background(self) -> None:
        """Cancel what is left if that is in the background and the body has ended."""
        if self.closing and len(self.jobs) == len(self.background):
            for job in list(self.background):
                job.reason = job.reason or "the scope has ended"
                self._cancel_job(job)

    def here(self) -> bool:
        return get_running_loop() is self.loop

    def running(self, task: object) -> Job | None:
        """The job that ``task``, which is the current one, runs."""
        # another loop's task may ask in another thread
        return self.jobs.get(cast("Task", task)) or (
            self.starting if self.here() else None
        )

    def cancel_one(self, job: Job) -> None:
        self._on_loop(self._cancel_job, job)

    def cancel(self, reason: str | None) -> None:
        self._on_loop(self._cancel_all, reason)

    def _on_loop(self, call: Callable[..., object], *args: Any) -> None:
        if get_running_loop() is self.loop:
            call(*args)
            return
        try:
            self.loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            # The loop is closed: nothing of it runs any more.
            if not self.loop.is_closed():
                raise

    def _cancel_all(self, reason: str | None) -> None:
        if self.cancelling:
            # all are, and what starts from now on
            return
        self.cancelling = True
        self.body.cancel(reason)
        for job in list(self.jobs.values()):
            job.reason = job.reason or reason or ""
            self._cancel_job(job)

    def _cancel_job(self, job: Job) -> None:
        # Any: _fut_waiter is private, though anyio reads it as well
        task: Any = job.handle
        if task is None or job in self.jobs or task.done() or task in self.grafts:
            # not begun: that will see to it; or ended, or told already
            return
        _budget.cancelled(1)
        waiting = task._fut_waiter
        if task in task_states() or waiting is None or waiting.done():
            # It has cancel scopes of its own, perhaps shielded, or has not begun,
            # or is about to go on: anyio finds the point where it may be cancelled.
            self.grafts[task] = graft(task, job.reason)
            return
        # Nearly every goroutine ends from one CancelledError. Look again when it
        # has had its turn; that keeps cancelling n goroutines linear in n.
        self.grafts[task] = None
        task.cancel(job.reason)

        def insist() -> None:
            if not task.done():
                self.grafts[task] = graft(task, job.reason)

        after_woken(insist)

    def enclose(self, job: Job) -> None:
        """Nothing to do: see ``_asyncio_anyio.ear_of``."""

    async def close(self, error: BaseException | None) -> bool:
        self.closing = True
        if error is not None:
            self._cancel_all(None)
        self._end_background()
        with anyio.CancelScope() as waiting:
            while self.jobs:
                self.idle = waiter()
                self.idle.for_select()
                try:
                    await self.idle.park()
                except CancelledError as cancelled:
                    error = error or cancelled
                    self._cancel_all(None)
                    # what is repeated at every checkpoint must not spin here
                    waiting.shield = True
        self.idle = None
        self.closed = True
        # nothing begins any more; they lead back here
        del self.on_done, self.on_turn
        if (ear := ear_below(self.body)) is not None:
            ear.hear()
        own = self.body.__exit__(type(error) if error else None, error, None)
        try:
            if isinstance(error, CancelledError) and not own:
                raise error
        finally:
            # its traceback may lead to this frame: no cycle
            del error
        return own
