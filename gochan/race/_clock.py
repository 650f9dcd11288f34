"""Vector clocks: what each party knows of all the others.

A party's *time* counts its releases. ``known[slot]`` is the latest time of the party
in that slot of which a clock has heard; a party's own time stands beside, so that a
tick changes no list.

Invariants:
1. A ``known`` list is never changed once a second clock or a snapshot refers to it:
   a clock that learns something gets a new one.
2. A party that knows a time of another knows all that the other knew at the release
   which ended that time. So absorbing a snapshot of which the time is known already
   costs two comparisons.
3. A slot is used again only for later times than all that it has had.

No clock takes a lock. It is changed by its own party while that runs, and by one peer
while it is parked; the instrument's contract.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weakref import ref

    from ._stack import Stack

__all__ = ("Clock", "Slots", "Snapshot", "meet", "merged")

# what a party knew, the party, and its time then; no party: all of it is in the list
Snapshot = tuple[list[int], "Clock | None", int]

# from so many slots on, that of an ended party is taken for the next one
SLOTS = 2048


class Slots:
    """Gives a slot to each party of one detector."""

    def __init__(self) -> None:
        # slots whose clock nobody refers to any more, with the time they had
        self.free: deque[tuple[int, int]] = deque()
        self.used = 0
        self._lock = allocate_lock()
        # clocks of parties that have ended, the longest ended first
        self.ended: deque[ref[Clock]] = deque()

    def take(self, clock: Clock) -> None:
        """Give ``clock`` a slot and a time."""
        try:
            clock.slot, last = self.free.popleft()
        except IndexError:
            # there is none, or another thread was faster
            pass
        else:
            clock.time = last + 1
            return
        while self.used >= SLOTS:
            try:
                last_user = self.ended.popleft()()
            except IndexError:
                break
            if last_user is not None and last_user.slots is not None:
                # As if its end came before: that can hide a race between the two,
                # and never makes one up.
                clock.absorb(last_user.snapshot())
                clock.slot, clock.time = last_user.slot, last_user.time + 1
                last_user.slots = None
                return
        with self._lock:
            clock.slot = self.used
            self.used += 1
        clock.time = 1


class Clock:
    """The clock of one party.

    Attributes:
        who: the party's name, for reports.
        number: the goroutine's id; None for a thread.
        created: where it was started: all calls that led there.
        site: the innermost of them, which is known even if a timer has started it.
        pending: what whoever cancelled it knew.
    """

    __slots__ = (
        "__weakref__",
        "created",
        "known",
        "number",
        "pending",
        "site",
        "slot",
        "slots",
        "time",
        "who",
    )

    slot: int
    time: int

    def __init__(self, slots: Slots, who: str, number: int | None = None) -> None:
        self.known: list[int] = []
        self.pending: Snapshot | None = None
        self.who = who
        self.number = number
        self.created: Stack = ()
        self.site: Stack = ()
        # None: somebody else has its slot
        self.slots: Slots | None = slots
        slots.take(self)

    def __del__(self) -> None:
        if self.slots is not None:
            self.slots.free.append((self.slot, self.time))

    def knows(self, other: Clock, time: int) -> bool:
        """Whether all that ``other`` did up to ``time`` comes before now."""
        if other is self:
            return True
        known = self.known
        slot = other.slot
        return slot < len(known) and known[slot] >= time

    def snapshot(self) -> Snapshot:
        """What this party has done and knows; followed by a tick, it is a release."""
        if self.pending is not None:
            self.settle()
        return self.known, self, self.time

    def settle(self) -> None:
        """Take in what was pending."""
        pending, self.pending = self.pending, None
        if pending is not None:
            self.absorb(pending)

    def absorb(self, snapshot: Snapshot) -> None:
        """An acquire: from now on this party knows all that."""
        theirs, other, time = snapshot
        mine = self.known
        if other is None:
            if theirs is not mine:
                self.known = _highest(mine, theirs)
            return
        slot = other.slot
        if other is self or (slot < len(mine) and mine[slot] >= time):
            return
        known = mine.copy() if theirs is mine else _highest(mine, theirs)
        if slot >= len(known):
            known.extend([0] * (slot + 1 - len(known)))
        known[slot] = time
        self.known = known


def _highest(a: list[int], b: list[int]) -> list[int]:
    """The later of both, slot by slot; always a new list."""
    if len(a) < len(b):
        a, b = b, a
    # max() would cost five times as much
    known = [x if x > y else y for x, y in zip(a, b, strict=False)]  # noqa: FURB136
    known += a[len(b) :]
    return known


def merged(one: Snapshot | None, other: Snapshot) -> Snapshot:
    """What both say, together."""
    if one is None:
        return other
    known = _highest(one[0], other[0])
    for _, clock, time in (one, other):
        if clock is not None:
            if clock.slot >= len(known):
                known.extend([0] * (clock.slot + 1 - len(known)))
            known[clock.slot] = max(known[clock.slot], time)
    return known, None, 0


def meet(one: Clock, other: Clock) -> None:
    """A rendezvous: both know what both did before; both tick."""
    if one.pending is not None:
        one.settle()
    if other.pending is not None:
        other.settle()
    mine, theirs = one.known, other.known
    known = mine.copy() if mine is theirs else _highest(mine, theirs)
    time, time2 = one.time, other.time
    try:
        known[one.slot] = time
        known[other.slot] = time2
    except IndexError:
        missing = max(one.slot, other.slot) + 1 - len(known)
        known.extend([0] * missing)
        known[one.slot] = time
        known[other.slot] = time2
    one.known = other.known = known
    one.time = time + 1
    other.time = time2 + 1
