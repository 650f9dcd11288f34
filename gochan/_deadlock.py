"""Deadlock: every goroutine of a run waits for another one, so none can go on.

Reported only if it is certain, otherwise not at all. It is certain if the loop of the
run is about to sleep with no timer set and no I/O waited for, and whatever else could
wake it is seen to be asleep as well:
1. every task of the loop, a goroutine or not, is parked by gochan, or waits for the
   end of others that are;
2. every other thread of the process is parked by gochan with no timeout, or runs a
   loop that sleeps in the same way, or belongs to a pool and has nothing to do; and
   there are no threads that Python does not know;
3. no handler of a signal is set that could do more than end the program.

A goroutine that is parked by gochan can only be woken by a party that runs. If no party
runs, and nothing from outside makes one run, then none ever will.

The threads are looked at twice. Whoever sleeps on the very same waiter both times, or
in the very same call, has slept all the time in between, and all of them together at
that moment: no thread can have woken another one and have gone to sleep since. What one
has asked of a loop before would be due now, so that is looked at last. Garbage is
collected in between, in case a finalizer is what others wait for.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from _thread import get_ident
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from . import _instrument
from ._errors import DeadlockError
from ._frames import frames_of, package_of, thread_frames
from ._graph import report
from ._live import Look, Party, live
from ._parked import FOREIGN, for_ever, is_idle, waiter_of_thread
from ._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Collection

    from ._backends._parts import Sleep
    from ._scope import Scope

__all__ = ("Watch",)

# How long a loop sleeps before threads are looked at again, in seconds: they may run
# into the deadlock later, and nothing would tell. Doubled each time.
_SOON: Final = 0.01
_LATEST: Final = 1.0

# The modules whose signal handlers wake nobody: they end the program or the test, or
# write something.
_HARMLESS: Final = frozenset(
    {
        "_signal",
        "asyncio.runners",
        "gochan._seeing",
        "pytest_timeout",
        "signal",
        "trio._core._ki",
    }
)


class Watch:
    """Ends a run that is deadlocked: cancels its goroutines.

    From when it is made, in the run's own task, while ``root`` is open; until
    :meth:`stop`.

    Attributes:
        error: what is to be raised once they have unwound; None if there is none.
    """

    def __init__(self, root: Scope) -> None:
        self.root = root
        self.error: DeadlockError | None = None
        # the goroutines that were told to end are asleep again
        self.stuck = False
        self.nap = _SOON
        # a task that could be woken when it was looked at last
        self.lively: Any = None
        self.backend = root._backend
        self.sleep = self.backend.Sleep()
        self.sleep.watch(self.ask)

    def stop(self) -> None:
        self.sleep.unwatch()

    def ask(self) -> float | None:
        """The loop is about to sleep with no timer set; see ``Sleep.watch``."""
        if self.stuck or not self._tasks_asleep() or not _signals_harmless():
            return None
        threads = self._threads()
        if threads is None:
            return self._later()
        # what a finalizer does may be what others wait for
        gc.collect()
        if (
            threads != self._threads()
            or not self._tasks_asleep()
            or not self.sleep.quiet()
        ):
            return self._later()
        return self._end()

    def _later(self) -> float:
        self.nap = min(2 * self.nap, _LATEST)
        return self.nap

    def _tasks_asleep(self) -> bool:
        # the same one is awake as last time, as a rule: no need to look at all of them
        if (
            self.lively is not None
            and self.backend.blocked_on(self.lively) is not None
            and self._joined(self.lively, self.sleep) is None
        ):
            return False
        self.lively = self._awake_in(self.sleep)
        return self.lively is None

    def _awake_in(self, sleep: Sleep) -> Any:
        """A task of the loop that may go on; None if there is none."""
        tasks = sleep.tasks()
        for task in tasks:
            joined = self._joined(task, sleep)
            if joined is None or not all(other in tasks for other in joined):
                return task
        return None

    def _joined(self, task: Any, sleep: Sleep) -> Collection[Any] | None:
        """The tasks for whose end it waits; none if gochan has parked it.

        None if it can run, or something outside of gochan may wake it.
        """
        blocked = self.backend.blocked_on(task)
        if isinstance(blocked, Waiter):
            return ()
        return None if blocked is None else sleep.joins(task)

    def _threads(self) -> dict[int, object] | None:
        """How each other thread sleeps: the same twice if it has not woken between.

        None if one may go on.
        """
        threads: dict[int, object] = {}
        frames = sys._current_frames()
        # those that Python does not know may call it at any time
        if _threads_of_process() != len(frames):
            return None
        for thread, last in frames.items():
            if thread == get_ident():
                continue
            waiter = waiter_of_thread(last)
            other = None if waiter is not None else self.sleep.other(last)
            if waiter is not None and for_ever(last):
                threads[thread] = waiter
            elif other is not None and other.quiet() and self._awake_in(other) is None:
                # the call in which it sleeps
                threads[thread] = last
            elif is_idle(last) or self.sleep.idle(thread, last):
                # for how often it has slept
                threads[thread] = _switches(thread)
            if threads.get(thread) is None:
                return None
        return threads

    def _end(self) -> float | None:
        if self.error is None:
            self.error = error = DeadlockError()
            error.report = report(self._parties())
            error.add_note(f"\n{error.report}")
            self.root.cancel(str(error))
            return 0
        # Those that were cancelled wait again, where they cannot be cancelled: the
        # error will never come out.
        self.stuck = True
        sys.stderr.write(
            f"{self.error}\n\n{self.error.report}\nThe run has been cancelled, and "
            f"cannot end:\n\n{report(self._parties())}"
        )
        return None

    def _parties(self) -> list[Party]:
        """All that wait: goroutines, and who else is parked in gochan."""
        looks = live()
        parties: list[Party] = [*looks]
        known = [look.task for look in looks]
        for task in self.sleep.tasks():
            if task not in known:
                frames = frames_of(self.backend.coroutine_of(task))
                parties.append(Party("task", self.sleep.name(task), frames))
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for thread, last in sys._current_frames().items():
            if thread not in _instrument.parties and waiter_of_thread(last) is not None:
                name = names.get(thread, str(thread))
                parties.append(Party("thread", name, thread_frames(last)))
        # what a run does of itself says nothing
        return [party for party in parties if _shows(party)]


def _shows(party: Party) -> bool:
    """Whether it is more than what serves a run."""
    return isinstance(party, Look) or (
        party.wait is not None
        and party.wait is not FOREIGN
        and any(package_of(frame) not in _OURS for frame in party.frames)
    )


_OURS: Final = frozenset({"anyio", "gochan", "trio"})


def _threads_of_process() -> int | None:
    """How many there are, or None if the system does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


def _switches(thread: int) -> str | None:
    """How often a thread has gone to sleep, in the system's words."""
    natives = {known.ident: known.native_id for known in threading.enumerate()}
    try:
        with open(f"/proc/self/task/{natives.get(thread)}/status") as status:
            return "".join(line for line in status if "ctxt_switches" in line) or None
    except OSError:
        return None


def _signals_harmless() -> bool:
    """Whether no signal that may come has a handler that could wake somebody."""
    # both runtimes have loaded it
    signal: Any = sys.modules["signal"]
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        if isinstance(handler, partial):
            handler = handler.func
        # those that are no functions are the system's own
        if callable(handler) and getattr(handler, "__module__", "") not in _HARMLESS:
            return False
    return True
