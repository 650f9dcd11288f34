"""How many operations a goroutine may complete before it lets others run.

An operation that can complete does not yield, but after ``OPERATIONS`` of them
without a switch the next one yields before it takes effect. The idea is Tokio's
cooperative budget.

``budget.left`` is what the hot path reads and counts down. That is exact as long
as one thread runs event loops. While a second one does, ``left`` stays at 0, so
that every operation takes its slow path and asks :func:`spent`, which counts per
thread. While an instrument is installed ``left`` counts up, from below 0: the hot
path tells instruments nothing, and so needs no test of its own for them.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock, get_ident

__all__ = (
    "OPERATIONS",
    "budget",
    "cancelled",
    "ended_on_thread",
    "refill",
    "spent",
    "started_on_thread",
    "watch",
)

OPERATIONS = 64


class _Budget:
    __slots__ = ("cancelled", "full", "left", "loops", "threads", "watched")

    def __init__(self) -> None:
        self.left = OPERATIONS
        # what a switch sets ``left`` to; 0: always ask spent(); below 0: watched
        self.full = OPERATIONS
        # the threads that have run an event loop, and whether there are several
        self.loops: frozenset[int] = frozenset()
        self.threads = False
        self.watched = False
        # goroutines that have been cancelled and have not ended
        self.cancelled = 0


class _PerThread(threading.local):
    left = OPERATIONS


budget = _Budget()
_per_thread = _PerThread()


def started_on_thread() -> None:
    """A loop is about to park on this thread for the first time."""
    # makes threading know a thread that it has not started, too
    threading.current_thread()
    alive = vars(threading)["_active"]
    with _changing:
        # Not those that have ended: they were not ours, and have told nobody.
        # sys._current_frames() would know as well, and can hang while another thread
        # is being started.
        _loops(frozenset(one for one in budget.loops if one in alive) | {get_ident()})


def ended_on_thread() -> None:
    """This thread will run no more event loops."""
    with _changing:
        _loops(budget.loops - {get_ident()})


def _loops(threads: frozenset[int]) -> None:
    budget.loops = threads
    if budget.threads != (len(threads) > 1):
        budget.threads = not budget.threads
        _adjust()


def watch(on: bool) -> None:
    """An instrument has been installed, or the last one uninstalled."""
    budget.watched = on
    _adjust()


def cancelled(change: int) -> None:
    """So many more goroutines have been cancelled, or so many fewer are left.

    One that only ever finds its operations ready, and waits in shielded scopes alone,
    would go on for as long as others refill the budget. So while there are any, every
    operation asks whether it has to give way.
    """
    with _changing:
        budget.cancelled += change
        _adjust()


_changing = allocate_lock()


def _adjust() -> None:
    if budget.threads or budget.cancelled:
        budget.full = 0
    else:
        budget.full = -OPERATIONS if budget.watched else OPERATIONS
    budget.left = budget.full


def spent() -> bool:
    """Must the operation yield first? Asked when ``budget.left`` is 0 or less."""
    if budget.full:
        left = budget.left
        if left < 0:
            budget.left = left + 1
        return left >= 0
    left = _per_thread.left
    _per_thread.left = left - 1
    return left <= 0


def refill() -> None:
    """The goroutine gives way: the next one on this thread starts afresh."""
    budget.left = budget.full
    if not budget.full:
        _per_thread.left = OPERATIONS
