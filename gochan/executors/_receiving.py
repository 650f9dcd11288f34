"""Receives that come by a link, and what it takes of values that it was lent.

See ``_ahead`` for those. All of this runs on the link's reader thread, but for what was
postponed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .._core import BLOCKED
from .._waiter import bar, unbar
from . import _ahead
from ._ahead import Pace
from ._answering import Answering, Parked
from ._protocol import BLOCKS, CLOSED, VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._chan import Chan
    from ._ahead import Ahead
    from ._link import Link
    from ._pickling import Packed

__all__ = ("Receiving",)


class Receiving(Answering):
    """The receives of the other side. The base of ``Server``.

    Attributes:
        uncounted: how many values it has taken, of one channel, that are not accounted
            for.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        # by channel: how the other side receives from it
        self._paces: dict[int, Pace] = {}
        self.uncounted = self._of = 0

    def recv(
        self,
        channel: Chan[Any],
        number: int,
        request: int,
        wait: bool,
        lends: bool = False,
    ) -> None:
        pace = None
        if lends and (channel._size or channel._unbounded()):
            pace = self._paces.get(number)
            if pace is None:
                pace = self._paces[number] = Pace()

        def finish(parked: Parked) -> None:
            self._received(channel, request, parked.value, parked.ok)
            if pace is not None:
                pace.answered()

        lend = None
        if pace is not None and pace.asks():
            lend = partial(_ahead.lend, channel, self.link, number, pace)
        with channel._lock:
            bar(channel._key)
            value, ok, peer = channel._try_recv()
            if peer is BLOCKED and wait:
                parked = self.parks(request, finish)
                channel._park(parked, channel._receivers, "chan receive")
            ahead = channel._ahead
            unbar(channel._key)
        if peer is not BLOCKED:
            if peer is not None:
                peer.settle()
            self._received(channel, request, value, ok, lend)
            if pace is not None:
                pace.answered()
        elif not wait:
            if ahead is None:
                self.link.post(BLOCKS, 0, request)
            else:
                again = partial(self.recv, channel, number, request, wait)
                self.postpone(ahead, request, again)

    def _received(
        self,
        channel: Chan[Any],
        request: int,
        value: Any,
        ok: bool,
        lend: Callable[[Packed], None] | None = None,
    ) -> None:
        if ok:
            undo = self.undo(channel, value)
            self.deliver(VALUE, request, value, undo, None, lend)
        else:
            self.link.post(CLOSED, 0, request)

    def postpone(self, ahead: Ahead, request: int, call: Callable[[], None]) -> None:
        """Do what a request asks for when nothing is lent any more."""

        def again() -> None:
            # perhaps on the thread of another link's reader
            try:
                with self.acting():
                    call()
            except BaseException as error:  # of who has asked
                self.fail(request, error)

        if not ahead.later(again):
            again()

    # Values that were lent

    def taken(self, number: int) -> None:
        """The other side has received a value that it was lent."""
        if self.uncounted and self._of != number:
            self.taken_so_far()
        self._of = number
        self.uncounted += 1

    def taken_so_far(self) -> None:
        """Account for those that have been taken, all at once."""
        count = self.uncounted
        if count:
            self.uncounted = 0
            channel = self.thing(self._of)
            with self.acting():
                _ahead.taken(channel, self.link, count)

    def unused(self, number: int, serial: int) -> None:
        """The other side will not receive the rest of what it was lent."""
        pace = self._paces.get(number)
        if pace is not None:
            pace.interrupted()
        entry = self.link.granted.get(number)
        # otherwise it was lent to a handle that had gone by then: see let_go()
        if entry is not None:
            _ahead.unused(entry[0], self.link, serial)

    def let_go(self, number: int, channel: Chan[Any]) -> None:
        """The other side has no handle any more, or has gone."""
        self._paces.pop(number, None)
        _ahead.unused(channel, self.link, None)
