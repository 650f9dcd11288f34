"""What anyio keeps private on asyncio, and gochan has to know.

anyio has no way to put a task that runs under a cancel scope, nor to ask whether
one is cancelled. The names used here are the same from anyio 4.12 to 4.16, and the
tests run against both ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ._parts import Ear

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    import anyio

__all__ = (
    "ear_below",
    "ear_of",
    "folded",
    "graft",
    "idle_worker",
    "is_marked",
    "is_task_group",
    "scopes_of",
    "task_states",
    "under_cancelled_scope",
)

Task = asyncio.Task[Any]

# How the message of anyio's own cancellations begins.
MARK: Final = "Cancelled via cancel scope "


def task_states() -> Any:
    """anyio's record of which task is in which cancel scope."""
    global _states
    if _states is None:
        from anyio._backends import _asyncio

        private: Any = _asyncio
        _states = private._task_states
    return _states


_states: Any = None


def is_marked(args: tuple[Any, ...]) -> bool:
    """Whether a cancellation with these arguments is anyio's own."""
    return bool(args) and str(args[0]).startswith(MARK)


def folded(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of the one error that tells of two cancellations.

    Of anyio's own and a native one: anyio leaves a scope in silence only if the error
    bears its mark. Since 4.16 it lets even that pass while a native cancellation
    stands; so there the mark is right, wherever the native one came from. Before, it
    would take the native one away as well.
    """
    if is_marked(first) is is_marked(second):
        return second
    from anyio._backends._asyncio import CancelScope

    wanted = hasattr(CancelScope, "_cancelling_at_enter")
    return first if is_marked(first) is wanted else second


def is_task_group(thing: object) -> bool:
    """Whether it is a task group of anyio's."""
    from anyio._backends._asyncio import TaskGroup

    return isinstance(thing, TaskGroup)


def idle_worker(thread: int, last: FrameType) -> bool:
    """Whether a thread of anyio's pool for the running loop has nothing to do.

    Args:
        thread: its ident.
        last: its innermost frame.
    """
    import queue
    from threading import Condition

    from anyio._backends import _asyncio

    private: Any = _asyncio
    queues: Any = queue
    # it waits for work: so it has nothing to do with what it has done any more
    frame: FrameType | None = last
    for function in (Condition.wait, queues.Queue.get, private.WorkerThread.run):
        if frame is None or frame.f_code is not function.__code__:
            return False
        frame = frame.f_back
    workers = private._threadpool_idle_workers.get(())
    return any(worker.ident == thread for worker in list(workers))


def scopes_of(task: Task) -> Iterator[anyio.CancelScope]:
    """The scopes that the task is in, innermost first."""
    state = task_states().get(task)
    scope = state and state.cancel_scope
    while scope is not None:
        yield scope
        scope = scope._parent_scope


def under_cancelled_scope(task: Task) -> bool:
    """Whether anyio would cancel the task at a checkpoint now."""
    state = task_states().get(task)
    scope = state and state.cancel_scope
    return scope is not None and scope._effectively_cancelled


def graft(task: Task, reason: str | None) -> anyio.CancelScope:
    """Put ``task`` under a cancelled scope, below all that it has entered.

    Does what ``anyio.TaskGroup`` does when it starts a task, only later.
    """
    # not anyio.CancelScope: outside of a task it cannot tell which loop runs
    from anyio._backends._asyncio import CancelScope, TaskState

    scope: Any = CancelScope()
    scope.cancel(reason)
    states = task_states()
    state = states.get(task)
    if state is None:
        states[task] = TaskState(None, scope)
        scope._tasks.add(task)
    elif state.cancel_scope is None:
        state.cancel_scope = scope
        scope._tasks.add(task)
    else:
        outermost = state.cancel_scope
        while outermost._parent_scope is not None:
            outermost = outermost._parent_scope
        outermost._parent_scope = scope
        scope._child_scopes.add(outermost)
    scope._deliver_cancellation(scope)
    result: anyio.CancelScope = scope
    return result


class _Ear(Ear):
    """In place of a scope below another one, which delivers its cancellation to it."""

    __slots__ = ()

    _shield = False
    cancel_called = False

    def _deliver_cancellation(self, origin: object) -> bool:  # noqa: ARG002  # as told
        self.hear()
        # it need not be told again
        return False


def ear_of(task: Task) -> Ear:
    """Hears when the innermost scope that ``task`` is in is cancelled."""
    # not anyio.CancelScope: as in graft()
    from anyio._backends._asyncio import CancelScope, TaskState

    states = task_states()
    state = states.get(task)
    scope: Any = state and state.cancel_scope
    if scope is not None:
        return ear_below(scope) or _new_ear(scope)
    # one of its own, under which graft() puts another when it is told to end
    scope = CancelScope()
    scope._tasks.add(task)
    if state is None:
        states[task] = TaskState(None, scope)
    else:
        state.cancel_scope = scope
    ear = _new_ear(scope)

    def ended(_: object) -> None:
        # older anyio goes on delivering to a task that is done
        scope._tasks.discard(task)
        ear.hear()

    task.add_done_callback(ended)
    return ear


def ear_below(scope: Any) -> Ear | None:
    """What hears there already."""
    return next((below for below in scope._child_scopes if type(below) is _Ear), None)


def _new_ear(scope: Any) -> Ear:
    ear = _Ear()
    scope._child_scopes.add(ear)
    return ear
