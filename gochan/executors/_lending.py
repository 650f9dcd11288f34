"""Sends that need no answer: slots of a buffer that another process may fill.

A send is done when its value is in the buffer. So the other side has to wait for an
answer, unless it knows that there is room. A *loan* is that knowledge: the home sets
slots of the buffer aside for one link, and as many sends by it return as soon as they
are on their way. That is how a process streams into a buffered channel.

It changes nothing that a program can tell. What is set aside is taken off the room
that others see, so the buffer never holds more than ``cap``, and the k-th receive
still comes before the (k + cap)-th send returns. Values that are on their way arrive
even if their sender dies, since they are in the pipe before its send returns; and they
arrive in order, before anything else that it does on the link. If anybody else finds
no room, the loan is recalled: who parks gets the slots that were not used as soon as
the other side has answered. Only who does not wait (``send_nowait``, a select with a
default) may be told once that there is no room, though a slot is merely set aside. So
loans are for larger buffers, for at most three quarters of the room that there is, and
for links that have sent several values since somebody else wanted room.

If a channel is closed while values are on their way, which is a race in the program,
their sends have returned: the goroutine that sent them fails with SendOnClosed later,
at its end at the latest.

    home                                   the other side
    LEND        ->  sends need no answer, as many as a counter grants: see _page
                    SENT value      <-  one of them
    RECALL      ->  no more
                    RETURNED n      <-  so many were not used
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from .. import _edges, _instrument
from .._core import BLOCKED
from .._waiter import bar, unbar
from ._page import INDEX, MASK, Place
from ._protocol import LEND, RECALL

if TYPE_CHECKING:
    from .._chan import Chan
    from .._waiter import Waiter
    from ._link import Link

__all__ = ("ROW", "admit", "forfeit", "lend", "more", "returned", "sent")

# So many values in a row are answered before slots are lent.
ROW: Final = 2
# No smaller buffer lends slots.
_LEAST: Final = 8
# So many slots at most: enough that to ask for more costs nothing.
_MOST: Final = 96


class _Loan:
    """What is lent to one link."""

    __slots__ = ("low", "number", "recalled", "slots")

    def __init__(self, number: int) -> None:
        # by what number the other side knows the channel
        self.number = number
        # how many sends are still to come, and at how many to lend again
        self.slots = 0
        self.low = 0
        # until the other side has answered that
        self.recalled = False


class _Loans:
    """What a channel has lent. Everything wants the channel's lock held.

    Invariant: while a channel has loans, ``_limit`` is what its buffer may hold apart
    from the slots that are lent, if there is a bound at all, and ``_room`` is -1, so
    that who sends here comes by :meth:`recall`.
    """

    __slots__ = ("by_link", "channel")

    def __init__(self, channel: Chan[Any]) -> None:
        self.channel = channel
        self.by_link: dict[Link, _Loan] = {}

    def recall(self) -> None:
        """Somebody here wants the slots."""
        for link, loan in self.by_link.items():
            place = link.places.get(loan.number)
            # otherwise all that may still come is on its way
            if place is not None and not loan.recalled:
                loan.recalled = True
                link.stream.post(RECALL, loan.number, place.serial)

    def shrink(self, link: Link, loan: _Loan, slots: int) -> None:
        """So many of what was lent are the channel's again."""
        channel = self.channel
        loan.slots -= slots
        if channel._limit != sys.maxsize:
            channel._limit += slots
        if loan.slots:
            return
        del self.by_link[link]
        if not self.by_link:
            channel._loans = None
            channel._room = -1 if channel._closed else channel._limit


def _loans_of(channel: Chan[Any]) -> _Loans:
    loans: _Loans | None = channel._loans
    if loans is None:
        channel._loans = loans = _Loans(channel)
    return loans


def lend(channel: Chan[Any], link: Link, number: int) -> None:
    """Lend ``link`` some slots, if there is room for that. With the lock held.

    On the reader's thread, unless the other side has its place already.
    """
    slots = min(_MOST, (channel._limit - len(channel._buf)) * 3 // 4)
    if (
        # so few are not worth it, and others may count on them
        slots < 1
        or slots < channel._size // 16
        or 0 < channel._size < _LEAST
        or channel._senders.head is not None
        or channel._closed
        or channel._lossy is not None
        # they are told of every slot, in order
        or _instrument.active is not None
    ):
        return
    place = link.places.get(number)
    if place is None and not link.unplaced:
        # so many channels at a time are enough
        return
    loans = _loans_of(channel)
    loan = loans.by_link.get(link)
    if loan is None:
        loans.by_link[link] = loan = _Loan(number)
    elif loan.recalled:
        return
    loan.slots += slots
    loan.low = loan.slots * 3 // 4
    if channel._limit != sys.maxsize:
        channel._limit -= slots
    channel._room = -1
    stream = link.stream
    if place is not None:
        stream.page.grant(place.index, slots, stream.posted)
        return
    place = Place(link.unplaced.pop())
    link.places[number] = place
    stream.page.reset(place.index)
    stream.page.grant(place.index, slots, stream.posted)
    stream.post(LEND, number, place.serial, INDEX.pack(place.index))


def more(channel: Chan[Any], link: Link, number: int) -> None:
    """Lend more to one who has been lent slots before, if there is room by now."""
    with channel._lock:
        bar(channel._key)
        if number in link.places and link.over is None:
            lend(channel, link, number)
        unbar(channel._key)


def sent(channel: Chan[Any], link: Link, number: int, value: Any) -> None:
    """A value has come that was sent on a loan.

    Raises:
        SendOnClosed: the channel has been closed meanwhile.
    """
    key = channel._key
    try:
        del key[1]
    except IndexError:
        # another thread is at it
        pass
    else:
        try:
            # the usual case: nobody waits, and more is to come
            if (
                key[0]
                and channel._receivers.head is None
                and channel._senders.head is None
                and not channel._closed
                and _instrument.active is None
                and (loan := channel._loans.by_link[link]).slots > loan.low
            ):
                loan.slots -= 1
                if channel._limit != sys.maxsize:
                    channel._limit += 1
                channel._buf.append(value)
                return
        finally:
            key.append(None)
    woken: list[Waiter] = []
    with channel._lock:
        bar(channel._key)
        loans = _loans_of(channel)
        loan = loans.by_link[link]
        loans.shrink(link, loan, 1)
        peer = channel._try_send(value)
        if channel._senders.head is not None:
            admit(channel, woken)
        if loan.slots <= loan.low:
            # not again at once, if there is no room
            loan.low = loan.slots * 3 // 4
            lend(channel, link, number)
        unbar(channel._key)
    while peer is not None and not peer.settle():
        # its loop has been closed: the next one
        with channel._lock:
            bar(channel._key)
            peer = channel._try_send(value)
            assert peer is not BLOCKED
    for waiter in woken:
        waiter.settle()


def returned(
    channel: Chan[Any],
    link: Link,
    number: int,
    slots: int | None,
    seen: tuple[int, ...] | None,
) -> None:
    """Nothing will be sent on so many slots that ``link`` was lent, or on any.

    Args:
        channel: of which they are.
        link: by which they were lent.
        number: what the other side knows the channel by.
        slots: how many; None: it has no handle any more.
        seen: if it will not look at its place any more, the serial number of that, and
            how much had been granted when it looked last.
    """
    woken: list[Waiter] = []
    with channel._lock:
        bar(channel._key)
        place = link.places.get(number)
        over = slots is None or seen is not None
        loans: _Loans | None = channel._loans
        loan = None if loans is None else loans.by_link.get(link)
        if seen is not None and (place is None or place.serial != seen[0]):
            # It was granted to a handle that had gone by then, and has been taken back
            # since that was known.
            loan = None
        elif over and place is not None:
            if slots is not None and seen is not None:
                # and what has been granted since
                slots += (link.stream.page.granted(place.index) - seen[1]) & MASK
            del link.places[number]
            link.unplaced.append(place.index)
        if loans is not None and loan is not None:
            if over:
                loan.recalled = False
            loans.shrink(link, loan, loan.slots if slots is None else slots)
            admit(channel, woken)
        unbar(channel._key)
    for waiter in woken:
        waiter.settle()


def forfeit(channel: Chan[Any], link: Link) -> None:
    """What was sent on one slot cannot be used."""
    woken: list[Waiter] = []
    with channel._lock:
        bar(channel._key)
        loans = _loans_of(channel)
        loans.shrink(link, loans.by_link[link], 1)
        admit(channel, woken)
        unbar(channel._key)
    for waiter in woken:
        waiter.settle()


def admit(channel: Chan[Any], woken: list[Waiter]) -> None:
    """There may be more room: let waiting senders in. With the lock held."""
    while channel._senders.head is not None and len(channel._buf) < channel._limit:
        node = channel._senders.pop()
        if node is None:
            return
        peer: Waiter = node.waiter or node  # type: ignore[assignment]
        peer.ok = True
        peer.case = node.case
        if (seen := _instrument.active) is not None:
            _edges.put(seen, channel, peer.party)
            seen.goroutine_woken(peer.party)
        channel._buf.append(node.value)
        woken.append(peer)
