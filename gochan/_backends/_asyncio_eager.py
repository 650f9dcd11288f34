"""A task that runs its first step at once: ``Task(eager_start=True)``, also on 3.11.

The loop would otherwise need a Handle and an iteration for it. A goroutine that ends
in its first step needs neither these nor a done callback.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

__all__ = ("begin", "can_begin", "new_task")

# Any: eager_start is not known of before 3.12
_Task: Any = asyncio.Task


def can_begin(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the tasks of ``loop`` are those that :func:`begin` makes."""
    # a task factory must not be passed by; nor somebody who does as begin() on 3.11
    return loop.get_task_factory() is None and "call_soon" not in vars(loop)


_init: Any = _Task.__init__

# An empty task for begin(): what comes out of that must not take it along.
new_task: Callable[[], asyncio.Task[Any]] = partial(_Task.__new__, _Task)

if sys.version_info >= (3, 12):  # pragma: no cover

    def begin(
        task: asyncio.Task[Any],
        coroutine: Any,
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: Context,
    ) -> None:
        """Let ``task`` run ``coroutine`` and do its first step."""
        _init(
            task,
            coroutine,
            loop=loop,
            name=name,
            context=context,
            eager_start=True,
        )
        # what that raised leads to this frame, and the task to what it raised: no cycle
        del task

else:

    def begin(
        task: asyncio.Task[Any],
        coroutine: Any,
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: Context,
    ) -> None:
        """Catch the step that a new task schedules, and run it."""
        step: Callable[[], object] | None = None

        def catch(call: Callable[..., object], /, *args: Any, context: Any) -> Any:
            nonlocal step
            if not args and getattr(call, "__self__", None) is task:
                step = call
                return None
            # by a destructor, in between
            return type(loop).call_soon(loop, call, *args, context=context)

        loop.call_soon = catch  # type: ignore[method-assign, assignment]
        try:
            _init(task, coroutine, loop=loop, name=name, context=context)
        finally:
            del loop.call_soon
        assert step is not None
        context.run(step)
