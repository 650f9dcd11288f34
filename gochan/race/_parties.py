"""Whose clock it is: goroutines, threads, and what counts as one of them.

Tasks and worker threads that a goroutine starts by other means
(``asyncio.create_task``, ``anyio.to_thread``) count as that goroutine. What orders
those is not known here, and so none of them is accused in vain. They are found by the
context that they inherit.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from .. import _instrument
from .._goroutine import Goroutine
from . import _foreign
from ._clock import Clock, Slots
from ._stack import capture

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._clock import Snapshot
    from ._stack import Stack

__all__ = ("Parties",)

# of any type, and nothing for type checkers to infer
_GOROUTINE: type[Any] = Goroutine


class Parties:
    """The clocks of one detector.

    Attributes:
        clocks: of goroutines that have not ended; for all others see :meth:`find`.
    """

    def __init__(self) -> None:
        self.clocks: dict[Hashable, Clock] = {}
        self._slots = Slots()
        self._ended: WeakKeyDictionary[Any, Clock] = WeakKeyDictionary()
        # the thread's own clock, and whom a thread or task, by id, counts as
        self._own = threading.local()
        self._threads: dict[int, Clock] = {}
        self._others: WeakKeyDictionary[Any, Clock] = WeakKeyDictionary()
        # by thread: its clock, and what came before its start
        self._of_thread: WeakKeyDictionary[Any, Clock] = WeakKeyDictionary()
        self._started: WeakKeyDictionary[Any, tuple[Snapshot, Stack]]
        self._started = WeakKeyDictionary()

    def running(self) -> Clock:
        """The clock of whoever runs."""
        known = _instrument.running.get()
        clock = None if known is None else self.clocks.get(known[0])
        return clock or self.find(_instrument.current_party())

    def find(self, party: Any) -> Clock:
        """The clock of a party that is not in ``clocks``.

        If nobody knows it then it is the running one, or acts in that one's place.
        """
        if isinstance(party, _GOROUTINE):
            clock = self.clocks.get(party) or self._ended.get(party)
            if clock is None:
                # it was started before the detector was
                clock = self._of_goroutine(party)
                self._catch_up(clock)
                self.clocks[party] = clock
            return clock
        if party is None:
            # a peer that had parked before
            return Clock(self._slots, "somebody")
        if isinstance(party, int):
            if party == get_ident():
                # once more: a worker thread counts as whom it works for
                clock = self._here()
            else:
                # a peer, which parked
                clock = self._threads.get(party) or Clock(self._slots, "a thread")
            self._threads[party] = clock
            return clock
        try:
            clock = self._others.get(party)
        except TypeError:
            # it allows no weak references, so nobody knows when it is gone
            return Clock(self._slots, repr(party))
        if clock is None:
            known = _instrument.running.get()
            if known is not None and known[0] is party:
                # no task: somebody acts in its name
                clock = Clock(self._slots, repr(party))
            else:
                clock = self._here()
            self._others[party] = clock
        return clock

    def _here(self) -> Clock:
        """The clock of the running code, which is no goroutine itself."""
        known = _instrument.running.get()
        if known is not None and isinstance(known[0], _GOROUTINE):
            # something that a goroutine has started
            return self.clocks.get(known[0]) or self.find(known[0])
        clock: Clock | None = getattr(self._own, "clock", None)
        if clock is None:
            clock = self._own.clock = self._new_thread(threading.current_thread())
        return clock

    def _new_thread(self, thread: threading.Thread) -> Clock:
        main = thread is threading.main_thread()
        who = "the main thread" if main else f"thread {thread.name!r}"
        clock = Clock(self._slots, who)
        started = self._started.pop(thread, None)
        if started is not None:
            snapshot, clock.created = started
            clock.absorb(snapshot)
        else:
            self._catch_up(clock)
        self._of_thread[thread] = clock
        return clock

    def _catch_up(self, clock: Clock) -> None:
        """Nobody knows where it comes from: let all that was seen come before it."""
        for other in (*list(self.clocks.values()), *list(self._of_thread.values())):
            clock.absorb((other.known, other, other.time))

    def _of_goroutine(self, goroutine: Goroutine[Any]) -> Clock:
        who = f"goroutine {goroutine.name!r} (id {goroutine.id})"
        clock = Clock(self._slots, who, goroutine.id)
        if goroutine is not goroutine._scope._main:
            clock.site = (goroutine._code, goroutine._lasti)
        return clock

    # What happens to them

    def created(self, goroutine: Goroutine[Any], parent: Hashable) -> None:
        """``parent`` starts it: all that it did comes before."""
        if goroutine is goroutine._scope._main:
            # its runtime may have been imported for it
            _foreign.look()
        clock = self.clocks.get(parent) or self.find(parent)
        child = self._of_goroutine(goroutine)
        if child.site:
            child.created = capture(sys._getframe(2))
        child.absorb(clock.snapshot())
        clock.time += 1
        self.clocks[goroutine] = child

    def finished(self, goroutine: Hashable) -> None:
        """Its clock is kept as long as somebody may await it."""
        clock = self.clocks.pop(goroutine, None)
        if clock is not None:
            self._ended[goroutine] = clock
            self._slots.ended.append(ref(clock))

    def thread_started(self, thread: threading.Thread) -> None:
        """The running party is about to start it."""
        clock = self.running()
        self._started[thread] = clock.snapshot(), capture(sys._getframe(2))
        clock.time += 1

    def thread_joined(self, thread: threading.Thread) -> None:
        """The running party has seen its end."""
        ended = self._of_thread.get(thread)
        if ended is not None:
            self.running().absorb(ended.snapshot())

    def clear(self) -> None:
        for table in (
            self.clocks,
            self._ended,
            self._threads,
            self._others,
            self._of_thread,
            self._started,
        ):
            table.clear()
