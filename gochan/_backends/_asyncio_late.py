"""asyncio: cancellations that come after a peer has completed an operation."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from typing import Any, Final

from ._asyncio_anyio import folded, is_marked, under_cancelled_scope

__all__ = ("deliver_later", "due", "overdue")


class _Late:
    """Cancellations of a task that came after a peer had completed its operation.

    The operation returns. What still stands of them is delivered at the task's next
    checkpoint: when it parks here again (:func:`due`), else one loop iteration
    later, wherever it waits then. Raising at once instead would lose the value of a
    task that is nothing but ``ch.recv()``, and would leave a stray cancellation
    behind an ``asyncio.timeout`` block that ends normally. To leave it to a later
    iteration alone would never cancel two goroutines that keep each other busy: by
    then they have been woken again.

    anyio repeats its own cancellations for as long as they stand, and holds them
    back in a shielded scope. So only natives are delivered from here later.
    """

    __slots__ = ("before", "marked", "native", "task")

    def __init__(self, task: asyncio.Task[Any], before: int) -> None:
        self.task = task
        # how many requests to cancel it had before these
        self.before = before
        # the arguments of the native ones, and of anyio's
        self.native: list[tuple[Any, ...]] = []
        self.marked: list[tuple[Any, ...]] = []

    def stands(self) -> tuple[Any, ...] | None:
        """What to raise now, if anything: see ``Task.uncancel()``."""
        native = self.native[-1] if self.native_stands() else None
        under = bool(self.marked) and under_cancelled_scope(self.task)
        marked = self.marked[-1] if under else None
        if native is None or marked is None:
            return marked if native is None else native
        return folded(native, marked)

    def native_stands(self) -> bool:
        """Whether a native one has not been taken back."""
        standing = self.task.cancelling() - self.before
        if self.marked and under_cancelled_scope(self.task):
            standing -= len(self.marked)
        return bool(self.native) and standing > 0

    def taken(self) -> CancelledError:
        """It is raised at a checkpoint."""
        overdue.pop(self.task, None)
        return CancelledError(*(self.stands() or ()))

    def deliver(self) -> None:
        """The task has not parked here since: cancel it wherever it is."""
        if overdue.pop(self.task, None) is None or self.task.done():
            return
        if self.native_stands():
            args = self.stands() or ()
            self.task.uncancel()
            self.task.cancel(*args)


overdue: Final[dict[asyncio.Task[Any], _Late]] = {}


def due() -> _Late | None:
    """What the current task has to raise rather than park."""
    task = asyncio.current_task()
    late = None if task is None else overdue.get(task)
    return None if late is None or late.stands() is None else late


def deliver_later(
    loop: asyncio.AbstractEventLoop, cancellations: tuple[tuple[Any, ...], ...]
) -> None:
    """Remember that the current task was cancelled, too late for its operation."""
    task = asyncio.current_task(loop)
    assert task is not None
    late = overdue.get(task)
    if late is None:
        late = overdue[task] = _Late(task, task.cancelling() - len(cancellations))
        loop.call_soon(late.deliver)
    for args in cancellations:
        (late.marked if is_marked(args) else late.native).append(args)
