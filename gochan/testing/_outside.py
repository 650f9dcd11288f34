"""Whether somebody waits for what is outside of the loop, as far as stacks tell.

A goroutine on a thread of gochan's is not outside while it is asleep in gochan: then
only another goroutine can wake it. Other threads are, if they may do something.
"""

from __future__ import annotations

import os.path
import sys
import threading
from _thread import get_ident
from typing import TYPE_CHECKING, Any, Final

from .._backends import _thread_clock
from .._core import Core
from .._executor import Away
from .._frames import package_of, thread_frames
from .._nil import nil
from .._parked import for_ever, is_idle, waiter_of_thread
from .._report import cases_of
from ..sync import WaitGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable
    from types import FrameType

    from .._backends._parts import Sleep
    from .._live import Look

__all__ = ("NAP", "awaits_outside", "others_may_come")

# When to look again, in seconds, if another thread may do something and need not: it
# may end, and nothing would tell.
NAP: Final = 0.02

# functions that wait for a thread, and what their files' paths end with
_OF_THREADS: Final = {
    # anyio.to_thread on asyncio; on trio it is trio's
    "run_sync_in_worker_thread": os.path.join("anyio", "_backends", "_asyncio.py"),
    # trio.to_thread
    "to_thread_run_sync": os.path.join("trio", "_threads.py"),
}
_SUPERVISE: Final = Away.supervise.__code__


def awaits_outside(coroutines: Callable[[], Iterable[Any]], sleep: Sleep) -> bool:
    """Whether one of the loop's tasks waits for something that is outside of it.

    Args:
        coroutines: gives those of all tasks.
        sleep: of the running loop.
    """
    frames = sys._current_frames()
    if all(_has_nothing_to_do(thread, last, sleep) for thread, last in frames.items()):
        # Nobody works for us. That is quicker to see than what many tasks wait for.
        return False
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


# What runs a test, and stops it, has nothing to send to it.
_BYSTANDERS: Final = frozenset(
    {"_pydevd_bundle", "debugpy", "execnet", "pydevd", "pytest_timeout"}
)


def others_may_come(
    goroutines: Callable[[], Iterable[Look]], made: Collection[object], sleep: Sleep
) -> bool:
    """Whether a thread that does not belong to a bubble may wake one of its goroutines.

    That is, if one waits on a channel or a wait group that was not made inside, and
    some thread runs. Those that sleep in gochan for ever do not, nor those of pools
    that have nothing to do.

    After :func:`awaits_outside`, and before looking for what threads have asked of the
    loop.

    Args:
        goroutines: a look at those of the bubble.
        made: what was made inside.
        sleep: of the running loop.
    """
    if len(sys._current_frames()) == 1:
        return False
    asleep = _sleeping_threads(sleep)
    # two looks, as above
    if asleep is not None and asleep == _sleeping_threads(sleep):
        return False
    return any(
        _waits_for_others(look, made)
        # A thread that is awake has just woken it; or has taken it from its queue, and
        # has yet to tell the loop.
        or (look.wait is None and (look.away or look.state == "runnable"))
        for look in goroutines()
    )


def _sleeping_threads(sleep: Sleep) -> dict[int, object] | None:
    """What each other thread sleeps on; None if one may go on."""
    asleep: dict[int, object] = {}
    for thread, last in sys._current_frames().items():
        waiter = waiter_of_thread(last)
        if waiter is not None and for_ever(last):
            asleep[thread] = waiter
        elif not _has_nothing_to_do(thread, last, sleep):
            return None
    return asleep


def _has_nothing_to_do(thread: int, last: FrameType, sleep: Sleep) -> bool:
    """Whether it is a thread of which the loop has nothing to expect, or our own."""
    # trio's threads outlive its runs
    of_trio: Any = sys.modules.get("gochan._backends._trio_sleep")
    return (
        thread == get_ident()
        or is_idle(last)
        or sleep.idle(thread, last)
        or (of_trio is not None and of_trio.idle_worker(thread, last))
        or _thread_clock.clock.idles(thread, last)
        or _stands_by(last)
    )


def _stands_by(last: FrameType) -> bool:
    """Whether it is one of what runs a test, as far as its innermost frames tell."""
    for frame in reversed(thread_frames(last)):
        package = package_of(frame)
        if package == "threading":
            # a Timer that has not called yet
            timer = frame.f_locals.get("self")
            if isinstance(timer, threading.Timer):
                package = str(getattr(timer.function, "__module__", "")).partition(".")[
                    0
                ]
        if package in _BYSTANDERS:
            return True
        if package not in sys.stdlib_module_names:
            return False
    return False


def _waits_for_others(look: Look, made: Collection[object]) -> bool:
    """Whether it waits on a channel or a wait group that is not among ``made``."""
    wait = look.wait
    if wait is None:
        return False
    things: list[object] = [wait.on]
    if wait.word == "select":
        things = [case._target for case in cases_of(wait)]
    return any(
        isinstance(thing, (Core, WaitGroup)) and thing is not nil and thing not in made
        for thing in (getattr(thing, "_channel", thing) for thing in things)
    )
