"""asyncio, on its own loop or uvloop's."""

from __future__ import annotations

import asyncio
import sys
from asyncio import _get_running_loop as get_running_loop
from functools import partial
from typing import TYPE_CHECKING, Any

from ._asyncio_anyio import ear_of, under_cancelled_scope
from ._asyncio_clock import clock, poster
from ._asyncio_nursery import Nursery
from ._asyncio_sleep import Sleep
from ._asyncio_waiter import firm_waiter, waiter, yield_now

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._parts import Ear

__all__ = (
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


def nursery() -> Nursery:
    return Nursery()


def running() -> bool:
    return get_running_loop() is not None


current_task: Callable[[], asyncio.Task[Any] | None] = asyncio.current_task
if sys.version_info < (3, 12):
    # there it is written in Python, and instruments ask often
    _current_tasks: Any = vars(asyncio.tasks)["_current_tasks"]

    def current_task() -> asyncio.Task[Any] | None:
        return _current_tasks.get(get_running_loop())  # type: ignore[no-any-return]

    def asker() -> Callable[[], asyncio.Task[Any] | None]:
        return partial(_current_tasks.get, get_running_loop())

else:

    def asker() -> Callable[[], asyncio.Task[Any] | None]:
        return partial(asyncio.current_task, get_running_loop())


def is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and under_cancelled_scope(task)


def ear() -> Ear:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a callback of the loop is in no cancel scope")
    return ear_of(task)


def same_again() -> tuple[str, dict[str, Any]]:
    loop = asyncio.get_running_loop()
    kind = type(loop)
    if getattr(loop, "stands_still", False):
        # the time of one loop alone: others are real
        kind = asyncio.SelectorEventLoop
    return "asyncio", {"debug": loop.get_debug(), "loop_factory": kind}


def blocked_on(task: asyncio.Task[Any]) -> object | None:
    # private, though anyio reads it as well
    waits: Any = getattr(task, "_fut_waiter", None)
    # a waiter is done once it has been claimed
    return None if waits is None or waits.done() else waits


def coroutine_of(task: asyncio.Task[Any]) -> Coroutine[Any, Any, Any]:
    coroutine: Coroutine[Any, Any, Any] = task.get_coro()  # type: ignore[assignment]  # a generator of old, perhaps
    return coroutine
