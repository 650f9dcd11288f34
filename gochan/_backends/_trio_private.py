"""What trio keeps private, and gochan has to know.

trio has no way to put a task that runs under a cancel scope. To make a scope for each
goroutine would cost as much as the goroutine. And most of what it costs to start a
task are checks of what is started, which has been checked before.

The names used here are the same from trio 0.32 to 0.35, and the tests run against both
ends.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

# not public
from trio._core._run import GLOBAL_RUN_CONTEXT, CancelStatus, Task

from ._parts import Ear

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ("current", "ear_of", "graft", "scopes_of", "spawn")

# ``runner`` and ``task`` are what runs in this thread; missing where nothing does
current: Any = GLOBAL_RUN_CONTEXT
# Task._create(...) without the call in between, which is there to say "create"
_new_task: Any = partial(type.__call__, Task)


@trio.lowlevel.enable_ki_protection
def spawn(
    nursery: trio.Nursery,
    function: Callable[[Any], Coroutine[Any, Any, None]],
    argument: Any,
    name: str,
) -> Task:
    """``nursery.start_soon(function, argument, name=name)``, in its run.

    Only that the task begins protected from Ctrl-C.
    """
    runner = current.runner
    parent: Any = nursery
    if parent._closed or "task_spawned" in runner.instruments:
        # which raises, or tells
        plain: Task = runner.spawn_impl(function, (argument,), nursery, name)
        plain._ki_protected = True
        return plain
    task = _new_task(
        coro=function(argument),
        parent_nursery=parent,
        runner=runner,
        name=name,
        context=copy_context(),
        ki_protected=True,
    )
    runner.tasks.add(task)
    parent._children.add(task)
    # task._activate_cancel_status(status), in place: it had none, and does not wait
    task._cancel_status = status = parent._cancel_status
    status._tasks.add(task)
    runner.reschedule(task, None)
    spawned: Task = task
    return spawned


def graft(task: Task, nursery: trio.Nursery) -> trio.CancelScope:
    """Put ``task`` of ``nursery`` under a scope, above all that it has entered.

    Does what ``with trio.CancelScope()`` does on entry, only later; call the scope's
    ``__exit__()`` at the end of the task.
    """
    made = trio.CancelScope()
    scope: Any = made
    inner: Any = task
    outer: Any = nursery._cancel_status
    status: Any = CancelStatus(scope=scope, parent=outer)
    scope._has_been_entered = True
    scope._cancel_status = status
    if inner._cancel_status is outer:
        inner._activate_cancel_status(status)
    else:
        outermost = inner._cancel_status
        while outermost.parent is not outer:
            outermost = outermost.parent
        outermost.parent = status
    return made


def scopes_of(task: Task) -> Iterator[trio.CancelScope]:
    """The scopes that the task is in, innermost first."""
    inner: Any = task
    status = inner._cancel_status
    while status is not None:
        yield status._scope
        status = status.parent


class _Ear(Ear):
    """In place of a task, in a cancel status of its own."""

    __slots__ = ()

    def _attempt_delivery_of_any_pending_cancel(self) -> None:
        self.hear()


def ear_of(task: Task) -> Ear:
    """Hears when the innermost scope that ``task`` is in is cancelled, or closed."""
    inner: Any = task
    outer: Any = inner._cancel_status
    for status in outer.children:
        for member in status.tasks:
            if isinstance(member, _Ear):
                return member
    # Any: a scope that nobody has entered, and what is no task
    scope: Any = trio.CancelScope()
    status = CancelStatus(scope=scope, parent=outer)
    ear: Any = _Ear()
    status._tasks.add(ear)
    result: Ear = ear
    return result
