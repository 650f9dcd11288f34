"""What the detector does about channels: so often that each event is one function.

A send counts as a read of the channel and a close as a write, so that a close which
nothing orders with a send is a race by itself. Of the sends the last one is remembered,
and those before it that nothing orders with it: FastTrack's rule for reads.

All is called with the channel's lock or key held.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any, final

from .. import _instrument
from ._clock import meet
from ._shadow import loop_here
from ._stack import caller, is_own

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._clock import Clock, Snapshot
    from ._detector import Detector
    from ._shadow import Shadow
    from ._stack import Stack

__all__ = ("Address", "Channels", "swap")

# of so many parties the last send on one channel is remembered, if nothing orders them
SENDERS = 256

# A send or a close: whose, when, where, and on which thread's event loop if that
# matters.
Use = tuple["Clock", int, "int | None", *tuple[Any, ...]]

_running = _instrument.running
_current_party = _instrument.current_party
_getframe = sys._getframe


class Address:
    """What has been released at one object, and who has accessed it."""

    __slots__ = (
        "clock",
        "closed",
        "last",
        "object",
        "sender",
        "sends",
        "shadows",
        "slots",
    )

    def __init__(self) -> None:
        # the weak reference
        self.object: object = None
        self.clock: Snapshot | None = None
        self.slots: dict[Hashable, Snapshot] = {}
        self.shadows: dict[Hashable, Shadow] = {}
        # of a channel: the last send, and by slot of the clock those before it that
        # nothing orders with it; the close
        self.last: Use | None = None
        self.sends: dict[int, Use] = {}
        self.closed: Use | None = None
        # whose next send has nothing to do but take the place of the last; once the
        # channel is closed none comes the short way
        self.sender: Clock | None = None


@final
class Channels:
    """The channels of one detector; it is the ``Quick`` of the instrument seam."""

    def __init__(self, owner: Detector, turns: bool) -> None:
        self._owner = owner
        self._clocks = owner._parties.clocks
        self._find = owner._parties.find
        self._addresses = owner._addresses
        self._running = owner._parties.running
        # whether parties of one event loop take turns
        self._turns = turns
        # the globals of the code that has sent last, which is not gochan's
        self._globals: object = None

    # Called by the short way of channels: ``send`` or ``recv``, what it calls for
    # that, and then here.

    def sends_to(self, channel: Any, peer: Any, /) -> None:
        known = _running.get()
        if known is not None and (ask := known[3]) is not None and ask() is known[1]:
            party = known[0]
        else:
            party = _current_party()
        clocks = self._clocks
        clock = clocks.get(party) or self._find(party)
        at = self._sends(channel, clock)
        theirs = peer.party
        other = clocks.get(theirs) or self._find(theirs)
        if channel._limit == 0:
            mine = clock.known
            if (
                mine is other.known
                and clock is not other
                and clock.pending is None
                and other.pending is None
            ):
                # meet(), in place: two that have met before
                both = mine.copy()
                time = both[clock.slot] = clock.time
                time2 = both[other.slot] = other.time
                clock.known = other.known = both
                clock.time = time + 1
                other.time = time2 + 1
            else:
                meet(clock, other)
        else:
            _take(at, channel, clock, other)

    def takes_from(self, channel: Any, peer: Any, /) -> None:
        known = _running.get()
        if known is not None and (ask := known[3]) is not None and ask() is known[1]:
            party = known[0]
        else:
            party = _current_party()
        clocks = self._clocks
        clock = clocks.get(party) or self._find(party)
        theirs = peer.party
        other = clocks.get(theirs) or self._find(theirs)
        if channel._limit == 0:
            mine = clock.known
            if (
                mine is other.known
                and clock is not other
                and clock.pending is None
                and other.pending is None
            ):
                # meet(), in place: two that have met before
                both = mine.copy()
                time = both[clock.slot] = clock.time
                time2 = both[other.slot] = other.time
                clock.known = other.known = both
                clock.time = time + 1
                other.time = time2 + 1
            else:
                meet(clock, other)
        else:
            _take(self.at(channel), channel, clock, other)

    def puts(self, channel: Any, /) -> None:
        clock = self._running()
        at = self._sends(channel, clock)
        index = channel._first + len(channel._buf)
        size = channel._size
        swap(at, index % size if size else index, clock, size)

    def takes(self, channel: Any, /) -> None:
        clock = self._running()
        _take(self.at(channel), channel, clock)

    def waits_to_send(self, channel: Any, /) -> Hashable:
        known = _running.get()
        if known is not None and (ask := known[3]) is not None and ask() is known[1]:
            party = known[0]
        else:
            party = _current_party()
        self._sends(channel, self._clocks.get(party) or self._find(party))
        return party

    def waits(self) -> Hashable:
        known = _running.get()
        if known is not None and (ask := known[3]) is not None and ask() is known[1]:
            party = known[0]
        else:
            party = _current_party()
        if party not in self._clocks:
            # its peer, which runs elsewhere, could not find out who that is
            self._find(party)
        return party

    def _sends(self, channel: Any, clock: Clock) -> Address:
        at = self._addresses.get(id(channel))
        # this function, its caller, the channel's way, send
        frame: Any = _getframe(4)
        if at is None or at.sender is not clock or frame.f_globals is not self._globals:
            if frame.f_globals is not self._globals and not is_own(frame):
                self._globals = frame.f_globals
            return self.sent(channel, clock, caller(frame))
        before = frame.f_back or frame
        at.last = (
            clock,
            clock.time,
            # no code but that of tasks comes here
            get_ident() if self._turns else None,
            frame.f_code,
            frame.f_lasti,
            before.f_code,
            before.f_lasti,
        )
        return at

    # Called by the detector

    def clear(self) -> None:
        self._globals = None

    def at(self, channel: Any) -> Address:
        return self._addresses.get(id(channel)) or self._owner._new_address(channel)

    def sent(self, channel: Any, clock: Clock, where: Stack) -> Address:
        """A send: as a read of the channel."""
        at = self.at(channel)
        use = (clock, clock.time, loop_here() if self._turns else None, *where)
        closed = at.closed
        if closed is not None and not _in_order(use, closed):
            self._race(channel, ("send", use), ("close", closed))
        last = at.last
        if last is not None and not clock.knows(last[0], last[1]):
            sends = at.sends
            sends[last[0].slot] = last
            if len(sends) > SENDERS:
                # the oldest: a race with it will not be found
                del sends[next(iter(sends))]
        at.last = use
        at.sender = clock
        return at

    def closed(self, channel: Any, clock: Clock, where: Stack) -> None:
        """A close: as a write of the channel."""
        at = self.at(channel)
        use = (clock, clock.time, loop_here() if self._turns else None, *where)
        last = at.last
        for sent in (*at.sends.values(), *(() if last is None else (last,))):
            if not _in_order(use, sent):
                self._race(channel, ("close", use), ("send", sent))
        at.sends.clear()
        at.last = None
        at.closed = use

    def _race(
        self, channel: Any, now: tuple[str, Use], before: tuple[str, Use]
    ) -> None:
        sides = [(what, use[0], use[3:]) for what, use in (now, before)]
        self._owner._race(f"channel {channel.name!r}", *sides)


def _in_order(use: Use, earlier: Use) -> bool:
    clock, _, home, *_ = use
    if clock.pending is not None:
        clock.settle()
    return clock.knows(earlier[0], earlier[1]) or (
        home is not None and home == earlier[2]
    )


def swap(at: Address, index: Hashable, clock: Clock, size: int = 1) -> None:
    """A release and acquire at one slot, of a buffer of so many; 0 if they go on."""
    slots = at.slots
    before = slots.get(index)
    slots[index] = clock.snapshot()
    clock.time += 1
    if before is not None:
        clock.absorb(before)
        if not size:
            # what was put there has been taken, and nobody comes back to it
            del slots[index]


def _take(at: Address, channel: Any, *clocks: Clock) -> None:
    """They use the slot of the oldest value, one after the other."""
    index = channel._first
    size = channel._size
    for clock in clocks:
        swap(at, index, clock, size)
    channel._first = (index + 1) % size if size else index + 1
