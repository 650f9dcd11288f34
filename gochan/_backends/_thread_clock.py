"""The clock of plain threads, for which one thread of the process keeps the time.

It is started when it is first needed, and ends when it has nothing to do for some
seconds; it is a daemon, so it does not hold up the end of the program.
"""

from __future__ import annotations

import _thread
import os
import threading
from math import inf
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Final

from ._alarms import Alarms

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ._alarms import Entry
    from ._parts import Clock

__all__ = ("DAEMONS", "ThreadClock", "clock", "like", "post", "serve_posts")

# Whether threads may be daemons: not in the other interpreters of a process, which wait
# at their end for all that they have started. Asked for since 3.12.
DAEMONS: Final[bool] = getattr(_thread, "daemon_threads_allowed", lambda: True)()

# seconds without anything to do, after which the thread ends
_IDLE: Final = 1.0


class Alarm:
    """A call that a thread will make."""

    __slots__ = ("_clock", "_entry")

    def __init__(self, clock: ThreadClock, entry: Entry) -> None:
        self._clock = clock
        self._entry = entry

    def cancel(self) -> None:
        with self._clock.changed:
            self._clock.alarms.cancel(self._entry)


class ThreadClock:
    """``time.monotonic``, with calls made on a thread of its own."""

    def __init__(self) -> None:
        self.alarms = Alarms()
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        self.now: Callable[[], float] = monotonic
        self.stands_still = False

    def call_at(self, when: float, call: Callable[[], object]) -> Alarm:
        with self.changed:
            sooner = when < self.alarms.next()
            entry = self.alarms.add(when, call)
            if self.thread is None:
                self.thread = threading.Thread(
                    target=self._serve, name="gochan clock", daemon=DAEMONS
                )
                self.thread.start()
            elif sooner:
                self.changed.notify()
        return Alarm(self, entry)

    def idles(self, thread: int, last: FrameType) -> bool:
        """Whether that thread, with this innermost frame, keeps this time in vain."""
        with self.changed:
            return (
                self.thread is not None
                and self.thread.ident == thread
                # otherwise it makes a call
                and last.f_code is threading.Condition.wait.__code__
                and self.alarms.next() == inf
            )

    def _serve(self) -> None:
        while True:
            with self.changed:
                call = self.alarms.due(monotonic())
                if call is None:
                    when = self.alarms.next()
                    left = _IDLE if when == inf else when - monotonic()
                    woken = self.changed.wait(min(left, threading.TIMEOUT_MAX))
                    if not woken and when == inf and self.alarms.next() == inf:
                        self.thread = None
                        return
                    continue
            call()
            # nothing of it is kept until the next one
            del call


clock = ThreadClock()


class _Shifted:
    """The thread's clock, with the time of a loop whose time begins elsewhere."""

    stands_still = False

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def call_at(self, when: float, call: Callable[[], object]) -> Alarm:
        return clock.call_at(monotonic() + (when - self.now()), call)


def like(home: Clock | None) -> Clock:
    """A clock for a thread that works for the loop of ``home``.

    It does not depend on whether the loop has time for it, unless the loop's time is
    not real.
    """
    if home is None or home.now is monotonic:
        return clock
    return home if home.stands_still else _Shifted(home.now)


# What is put here, a thread calls. SimpleQueue may be put to where a signal has
# interrupted the same thread in the middle of it.
_posted: SimpleQueue[Callable[[], object]] = SimpleQueue()
_posting = threading.Lock()
_serving: list[threading.Thread] = []


def post(call: Callable[[], object]) -> bool:
    """Have a thread make a call, soon; also from a signal handler."""
    _posted.put(call)
    return True


def serve_posts() -> None:
    """Start the thread for :func:`post`, if it does not run. Not from a handler."""
    with _posting:
        if not _serving:
            thread = threading.Thread(target=_serve, name="gochan posts", daemon=True)
            _serving.append(thread)
            thread.start()


def _serve() -> None:
    while True:
        _posted.get()()


def _forked() -> None:  # pragma: no cover  # in a child that leaves no data
    """In the child of a fork there are no threads but the one that has forked."""
    global _posted, _posting
    clock.__init__()  # type: ignore[misc]  # whoever held its lock is not there
    fresh: SimpleQueue[Callable[[], object]] = SimpleQueue()
    _posted, _posting = fresh, threading.Lock()
    _serving.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # not on Windows
    os.register_at_fork(after_in_child=_forked)
