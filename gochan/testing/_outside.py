"""Whether somebody waits for what is outside of the loop, as far as stacks tell.

A goroutine on a thread of gochan's is not outside while it is asleep in gochan: then
only another goroutine can wake it.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Any, Final

from .._executor import Away

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

__all__ = ("awaits_outside",)

# functions that wait for a thread, and what their files' paths end with
_OF_THREADS: Final = {
    # anyio.to_thread on asyncio; on trio it is trio's
    "run_sync_in_worker_thread": os.path.join("anyio", "_backends", "_asyncio.py"),
    # trio.to_thread
    "to_thread_run_sync": os.path.join("trio", "_threads.py"),
}
_SUPERVISE: Final = Away.supervise.__code__


def awaits_outside(coroutines: Callable[[], Iterable[Any]]) -> bool:
    """Whether one of the loop's tasks waits for something that is outside of it.

    Args:
        coroutines: gives those of all tasks.
    """
    asleep = _all_asleep(coroutines())
    if not asleep:
        return asleep is None
    # Another look: who sleeps on the very same has slept all the time in between, and
    # so have all, at one moment. None can have woken another one since.
    return asleep != _all_asleep(coroutines())


def _all_asleep(coroutines: Iterable[Any]) -> list[Hashable] | None:
    """What the goroutines on threads sleep on; None if anybody waits for what runs."""
    asleep: list[Hashable] = []
    for coroutine in coroutines:
        found = _outside(coroutine)
        if found is None:
            continue
        sleeps_on = found.asleep if isinstance(found, Away) else None
        if sleeps_on is None:
            return None
        asleep.append(sleeps_on)
    return asleep


def _outside(coroutine: Any) -> object:
    """What is outside that ``coroutine``, or what it awaits, waits for; else None."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(
            coroutine, "gi_frame", None
        )
        if frame is not None:
            code = frame.f_code
            if code is _SUPERVISE:
                return frame.f_locals["self"]
            end = _OF_THREADS.get(code.co_name)
            if end is not None and code.co_filename.endswith(end):
                return code
        coroutine = getattr(coroutine, "cr_await", None) or getattr(
            coroutine, "gi_yieldfrom", None
        )
    return None
