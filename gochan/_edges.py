"""What the instrument is told about channel operations.

Called by ``_core`` and ``_select`` with the channel's lock held, and only while an
instrument is installed. The edges are those of Go's ``runtime/chan.go`` under
its race detector: a buffer slot is a place where the clocks of sender and
receiver are swapped, so the k-th receive comes before the (k+C)-th send
completes, and two neighbouring sends are not ordered by the channel.

``channel._first`` is the slot of the oldest buffered value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._instrument import current_party

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._core import Core
    from ._instrument import Instrument
    from ._waiter import Waiter

__all__ = (
    "closed",
    "entered_send",
    "found_closed",
    "handed_to_receiver",
    "parked",
    "put",
    "returned",
    "skipped",
    "taken",
    "taken_from_sender",
)


def _slot(channel: Core[Any], offset: int) -> int:
    size = channel._size
    position = channel._first + offset
    return position % size if size else position


def _advance(channel: Core[Any]) -> None:
    channel._first = _slot(channel, 1)


def entered_send(seen: Instrument, channel: Core[Any]) -> Hashable:
    """A send reads the channel, so that an unordered close is a race with it.

    Returns who sends.
    """
    party = current_party()
    seen.read(party, channel)
    return party


def put(seen: Instrument, channel: Core[Any], party: Hashable) -> None:
    """A value of ``party`` is about to be appended to the buffer."""
    slot = _slot(channel, len(channel._buf))
    seen.release_acquire(party, (channel, slot))
    if seen.follows:
        seen.completed(party, "send", channel, slot)


def taken(seen: Instrument, channel: Core[Any]) -> None:
    """A value is about to be taken from the buffer."""
    party = current_party()
    slot = _slot(channel, 0)
    seen.release_acquire(party, (channel, slot))
    if seen.follows:
        seen.completed(party, "recv", channel, slot)
    _advance(channel)


def skipped(channel: Core[Any]) -> None:
    """The oldest value of a sliding buffer is about to be dropped by a send."""
    _advance(channel)


def returned(seen: Instrument, channel: Core[Any]) -> None:
    """A value is about to be put back before all that are buffered."""
    if channel._size:
        channel._first = _slot(channel, -1)
    # besides what the slot orders, whoever gets the value now comes after
    seen.release_merge(current_party(), (channel, _slot(channel, 0)))


def handed_to_receiver(
    seen: Instrument, channel: Core[Any], party: Hashable, waiter: Waiter
) -> None:
    """A send of ``party`` met a parked receiver; the buffer is empty."""
    peer = waiter.party
    slot = _meet(seen, channel, party, peer)
    if seen.follows:
        seen.completed(party, "send", channel, slot)
        seen.completed(peer, "recv", channel, slot)
        seen.goroutine_woken(peer)


def taken_from_sender(seen: Instrument, channel: Core[Any], waiter: Waiter) -> None:
    """A receive met a parked sender; the buffer, if there is one, is full.

    Then the sender's value takes the slot that the oldest value leaves.
    """
    party, peer = current_party(), waiter.party
    slot = _meet(seen, channel, party, peer)
    if seen.follows:
        seen.completed(party, "recv", channel, slot)
        seen.completed(peer, "send", channel, slot)
        seen.goroutine_woken(peer)


def _meet(seen: Instrument, channel: Core[Any], party: Hashable, peer: Hashable) -> int:
    if channel._limit == 0:
        seen.rendezvous(party, peer, (channel, 0))
        return 0
    slot = _slot(channel, 0)
    address = (channel, slot)
    # as if the value went through the buffer
    seen.release_acquire(party, address)
    seen.release_acquire(peer, address)
    _advance(channel)
    return slot


def closed(seen: Instrument, channel: Core[Any], waiters: list[Waiter]) -> None:
    party = current_party()
    seen.write(party, channel)
    seen.release(party, channel)
    seen.completed(party, "close", channel, None)
    for waiter in waiters:
        seen.acquire(waiter.party, channel)
        seen.goroutine_woken(waiter.party)


def found_closed(seen: Instrument, channel: Core[Any]) -> None:
    """A receive found the channel closed and drained."""
    party = current_party()
    seen.acquire(party, channel)
    seen.completed(party, "recv", channel, None)


def parked(seen: Instrument, waiter: Waiter, wait: str, channel: object) -> None:
    """``waiter`` is about to be queued; ``wait`` is Go's word for what it does."""
    waiter.party = party = current_party()
    seen.goroutine_parked(party, wait, channel)
