"""What each side of a link holds for the other: handles, and what they stand for."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from .._backends import uninterrupted
from .._waiter import Waiter
from . import _home
from ._asking import Asking
from ._credit import Credits
from ._page import PLACES, Place
from ._pickling import NOTHING, Packed, pack
from ._protocol import RELEASE
from ._stock import Stocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._handles import Elsewhere
    from ._wire import Stream

__all__ = ("Holding",)


class Holding(Asking):
    """Handles here and there. The base of ``Link``.

    Attributes:
        granted: what the other side has handles to, with how often it was told.
        handles: ours by the number that the other side knows them by: a weak
            reference, and how often it has told us.
        dropped: which of them are gone, and waiters for answers that nobody wants.
        credits: sends to channels there that need no answer.
        places: of the counters for what we have granted, by channel. The reader's
            thread changes it, with the channel's lock held.
        unplaced: those that are free.
        stocks: values of channels there that may be received without asking.
    """

    def __init__(self, stream: Stream, peer: str) -> None:
        super().__init__(stream, peer)
        self.granted: dict[int, list[Any]] = {}
        self.handles: dict[int, list[Any]] = {}
        self.dropped: deque[int | Waiter] = deque()
        self.credits = Credits(self)
        self.stocks = Stocks(self)
        self.places: dict[int, Place] = {}
        self.unplaced = list(range(PLACES))
        self._elsewhere: dict[bytes, Elsewhere] = {}

    def elsewhere(self, home: bytes) -> Elsewhere:
        """Who does selects for us on the channels of a process."""
        from ._handles import Elsewhere

        found = self._elsewhere.get(home)
        if found is None:
            # two at the same time: one of them wins
            found = self._elsewhere.setdefault(home, Elsewhere(self))
        return found

    # Passing things on

    def pack(self, value: object, name: str = "value") -> Packed:
        """Pickle something for the other side.

        Raises:
            TypeError: it cannot be pickled; says which part of it.
        """
        return pack(value, name, _home.as_handle)

    @uninterrupted
    def post(
        self, kind: int, target: int = 0, request: int = 0, packed: Packed = NOTHING
    ) -> None:
        """Send a message. Never blocks; from any thread."""
        payload, buffers, things = packed
        if things:
            self._grant(things)
        if self.dropped:
            self._release()
        self.stream.post(kind, target, request, payload, buffers)

    def _grant(self, things: Sequence[Any]) -> None:
        with self.lock:
            if self.over is None:
                for thing in things:
                    entry = self.granted.setdefault(_home.number_of(thing), [thing, 0])
                    entry[1] += 1

    def _release(self) -> None:
        """Say which handles are gone; they may be collected in any thread."""
        while self.dropped:
            number = self.dropped.popleft()
            if isinstance(number, Waiter):
                self.abandon(number)
                continue
            with self.lock:
                entry = self.handles.get(number)
                # it may have come again
                if entry is None or entry[0]() is not None:
                    continue
                del self.handles[number]
                self.credits.drop(number)
                self.stocks.drop(number)
            self.stream.post(RELEASE, number, entry[1])

    # What the other side passes on: on the reader's thread, or a worker's main one

    def arrived(
        self, home: bytes, number: int, via: int, make: Any, state: tuple[Any, ...]
    ) -> Any:
        """What stands here for a thing that the other side has passed on.

        Args:
            home: of which process it is.
            number: its number there.
            via: its number in the process at the other end.
            make: called with this link and what follows, if there is no handle yet.
            state: what the handle is to know.
        """
        thing = _home.known(home, number)
        with self.lock:
            entry: list[Any] | None = self.handles.get(via)
            found = None if entry is None else entry[0]()
            if thing is None or thing is found:
                if found is None:
                    found = make(self, via, home, number, *state)
                    _home.remember(home, number, found)
                    drop = self.dropped.append
                    count = 0 if entry is None else entry[1]
                    entry = [weakref.ref(found, lambda _: drop(via)), count]
                    self.handles[via] = entry
                assert entry is not None
                entry[1] += 1
                return found
        # ours, or one that came by another link: that way is as good
        self.stream.post(RELEASE, via, 1)
        return thing

    def released(self, number: int, count: int) -> Any:
        """The other side has let go of so many: the thing, if those were all."""
        with self.lock:
            entry = self.granted.get(number)
            if entry is None:
                return None
            entry[1] -= count
            if entry[1] > 0:
                return None
            del self.granted[number]
        return entry[0]
