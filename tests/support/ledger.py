"""Account for every value: what was sent is what was received or is left over."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import gochan

if TYPE_CHECKING:
    from gochan import Chan

__all__ = ("Ledger", "at_rest", "drain")


class Ledger:
    """Values are numbers, each made once by :meth:`new`.

    Note ``sent`` when a send has returned and ``got`` when a receive has, at once
    and not before: a send that raises is one that was never noted.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.sent_values: list[int] = []
        self.received: list[int] = []

    def new(self) -> int:
        return next(self._numbers)

    def sent(self, value: int) -> None:
        self.sent_values.append(value)

    def got(self, value: int) -> None:
        self.received.append(value)

    def check(self, *channels: Chan[int]) -> None:
        """Nobody waits on ``channels``, and no value was lost, doubled or forged.

        Takes what is left in the buffers.
        """
        left: list[int] = []
        for channel in channels:
            at_rest(channel)
            left += drain(channel)
        sent, taken = Counter(self.sent_values), Counter(self.received + left)
        assert not sent - taken, f"lost: {sent - taken}"
        assert not taken - sent, f"delivered though the send raised: {taken - sent}"


def drain(channel: Chan[Any]) -> list[Any]:
    """Take all that is buffered."""
    values: list[Any] = []
    while True:
        try:
            values.append(channel.recv_nowait())
        except (gochan.WouldBlock, gochan.ChanClosed):
            return values


def at_rest(*channels: Chan[Any]) -> None:
    """Nobody waits on them, not even a ghost, and their invariants hold."""
    for channel in channels:
        stats = channel.stats()
        assert (stats.waiting_senders, stats.waiting_receivers) == (0, 0), channel
        channel._check()
