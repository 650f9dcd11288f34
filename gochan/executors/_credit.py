"""Sends that need no answer, as their sender sees them: see ``_lending``.

What the home grants stands in a counter that both see. Whoever sends takes a token, and
if there is none, draws those that have been granted since. So the home sends no message
for them, and no thread here has to wake for it.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING

from .._backends import uninterrupted
from ._page import INDEX, MASK, SEEN
from ._protocol import RETURNED, SENT

if TYPE_CHECKING:
    from ._holding import Holding

__all__ = ("Credits",)


class _Credit:
    """For sends to one channel."""

    __slots__ = ("index", "seen", "serial", "tokens")

    def __init__(self, serial: int, index: int) -> None:
        self.serial = serial
        # of the counter
        self.index = index
        # how much of what was granted has been drawn; under the link's lock
        self.seen = 0
        # One for each send: who deletes it may send. That is atomic.
        self.tokens: list[None] = []


class Credits:
    """Of all channels of one link, by the numbers of their handles."""

    __slots__ = ("by_number", "link")

    def __init__(self, link: Holding) -> None:
        self.link = link
        self.by_number: dict[int, _Credit] = {}

    @uninterrupted
    def spend(self, number: int, payload: bytes, *, waits: bool = False) -> bool:
        """Send a small value without asking for an answer. False if that cannot be now.

        Once this has returned the value arrives, even if this process dies.

        Args:
            number: of the channel's handle.
            payload: the value, pickled.
            waits: the thread may sleep for a moment, until there is more.
        """
        credit = self.by_number.get(number)
        if credit is None:
            return False
        while True:
            try:
                # no call, after which an interrupt could come
                del credit.tokens[-1]
                break
            except IndexError:
                if self._draw(number, credit):
                    continue
                # The home has yet to look at what is on its way, and grants more when
                # it does. To ask takes longer, for both sides.
                if waits:
                    sleep(0)
                if not waits or not self._draw(number, credit):
                    return False
        # What is interrupted in here may be on its way: its token is lost.
        link = self.link
        try:
            posted = link.stream.post_whole(SENT, number, payload)
        except RecursionError:
            # nothing can be called, and nothing has been sent
            credit.tokens[:0] = (None,)
            raise
        if not posted:
            self._spare(number, credit)
            return False
        if link.dropped:
            link._release()
        return True

    def _draw(self, number: int, credit: _Credit) -> bool:
        """Make tokens of what has been granted. False if there are none."""
        link = self.link
        with link.lock:
            if self.by_number.get(number) is not credit:
                return False
            total, posted = link.stream.page.read(credit.index)
            # Who received there, and so made room, may have sent something here
            # before: who sends now comes after that.
            if (link.stream.handled - posted) & MASK > MASK >> 1:
                return False
            fresh = (total - credit.seen) & MASK
            if fresh:
                credit.seen = total
                credit.tokens += [None] * fresh
            # another thread may have drawn them
            return bool(credit.tokens)

    def _spare(self, number: int, credit: _Credit) -> None:
        """A token has not been needed."""
        with self.link.lock:
            if self.by_number.get(number) is credit:
                credit.tokens.append(None)
                return
        # all others have been returned
        self.link.stream.post(RETURNED, number, 1)

    def drop(self, number: int) -> None:
        """Return what is left. With the lock held."""
        credit = self.by_number.pop(number, None)
        if credit is None:
            return
        total, _ = self.link.stream.page.read(credit.index)
        unused = (total - credit.seen) & MASK
        # one by one: somebody may take the next
        while credit.tokens:
            try:
                del credit.tokens[-1]
            except IndexError:
                continue
            unused += 1
        seen = SEEN.pack(credit.serial, total)
        self.link.stream.post(RETURNED, number, unused, seen)

    # On the reader's thread

    def lend(self, number: int, serial: int, payload: memoryview) -> None:
        """The home grants sends from now on."""
        with self.link.lock:
            self.by_number[number] = _Credit(serial, *INDEX.unpack(payload))
            if number not in self.link.handles:
                self.drop(number)

    def recall(self, number: int, serial: int) -> None:
        """The home wants back what is left."""
        with self.link.lock:
            credit = self.by_number.get(number)
            # otherwise it has been told
            if credit is not None and credit.serial == serial:
                self.drop(number)
