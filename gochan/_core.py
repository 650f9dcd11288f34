"""The channel's state machine: who comes next. See ``_state`` for its invariants.

A send and a receive climb the same ladder:
   a waiting peer -> the buffer -> would block -> park.
``_try_send`` and ``_try_recv`` are the ladder up to "would block". They serve
every face of the channel and select; ``Chan.send`` and ``Chan.recv`` repeat them
inline: change them together.

``_put_back`` undoes a receive whose receiver, in another process, has gone.

Nothing here awaits, and nothing here knows what runs the parties.

Source: Go's ``runtime/chan.go``. Notable differences: values are shared and not
copied; a lock is released before a peer is woken; a receiver whose event loop has
been closed is passed over; there are buffers that never make a sender wait.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from . import _edges, _instrument
from ._backends import uninterrupted
from ._errors import CloseOfClosed, SendOnClosed
from ._state import ChanStats, State
from ._waiter import Returned, Waiter, WaitQueue, bar, unbar
from .buffers import Sliding

__all__ = ("BLOCKED", "ChanStats", "Core")

T = TypeVar("T")

# what a ladder answers when the operation would block
BLOCKED: Final = Waiter()


class Core(State[T]):
    """A channel without its faces."""

    __slots__ = ()

    def _try_send(self, value: T) -> Waiter | None:
        """Send if that needs no waiting: the peer to settle, None, or BLOCKED."""
        seen = _instrument.active
        party = None if seen is None else _edges.entered_send(seen, self)
        if self._closed:
            raise SendOnClosed(self)
        # a waiting receiver: hand the value over
        if self._receivers.head is not None and self._ahead is None:
            node = self._receivers.pop()
            if node is not None:
                peer: Waiter = node.waiter or node  # type: ignore[assignment]
                peer.value = value
                peer.ok = True
                peer.case = node.case
                if seen is not None:
                    _edges.handed_to_receiver(seen, self, party, peer)
                return peer
        # room in the buffer
        if len(self._buf) < self._limit:
            if seen is not None:
                _edges.put(seen, self, party)
            self._buf.append(value)
            return None
        # would block, unless values may be dropped
        if self._lossy is None:
            if self._loans is not None:
                # there may be room that nobody uses
                self._loans.recall()
            return BLOCKED
        self._dropped += 1
        if isinstance(self._lossy, Sliding):
            if seen is not None:
                _edges.skipped(self)
            # not to be deleted before the lock has been released
            dropped = Returned(self._buf.popleft())
            if seen is not None:
                _edges.put(seen, self, party)
            self._buf.append(value)
            return dropped
        return None

    def _try_recv(self) -> tuple[Any, bool, Waiter | None]:
        """Receive if that needs no waiting: value, ok, and the peer to settle.

        The peer is BLOCKED if it needs waiting. ``ok`` is False if the channel
        is closed and drained.
        """
        seen = _instrument.active
        if self._ahead is not None:
            # what comes first is not here
            self._ahead.recall()
            return None, False, BLOCKED
        # a waiting sender: the buffer, if there is one, is full, so take its head
        # and let the sender's value have the place at its tail
        if self._senders.head is not None:
            node = self._senders.pop()
            if node is not None:
                peer: Waiter = node.waiter or node  # type: ignore[assignment]
                value = node.value
                peer.ok = True
                peer.case = node.case
                if seen is not None:
                    _edges.taken_from_sender(seen, self, peer)
                if self._limit:
                    self._buf.append(value)
                    value = self._buf.popleft()
                return value, True, peer
        # a value in the buffer
        if self._buf:
            if seen is not None:
                _edges.taken(seen, self)
            return self._buf.popleft(), True, None
        if self._closed:
            if seen is not None:
                _edges.found_closed(seen, self)
            return None, False, None
        # would block
        return None, False, BLOCKED

    def _put_back(self, value: T) -> Waiter | None:
        """Undo a receive that has taken ``value``: it comes first again.

        Returns:
            The peer to settle, if somebody waited for it, or None.
        """
        if self._ahead is not None:
            # before what is lent, once that is here again
            self._ahead.front.append(value)
            self._ahead.recall()
            return None
        # a waiting receiver: then the buffer is empty and no sender waits
        if self._receivers.head is not None:
            peer = self._try_send(value)
            if peer is not BLOCKED:
                return peer
        self._to_front(value)
        return None

    def _to_front(self, value: T) -> None:
        """Put a value before all that are buffered."""
        seen = _instrument.active
        if self._lossy is not None and len(self._buf) >= self._limit:
            # what would have been dropped, had the value not been away
            self._dropped += 1
            if isinstance(self._lossy, Sliding):
                return
            self._buf.pop()
        if seen is not None:
            _edges.returned(seen, self)
        self._buf.appendleft(value)
        if len(self._buf) > self._limit and not self._closed:
            # its place has been given away: the last one waits as a sender's would
            last = Returned(self._buf.pop())
            if seen is not None:
                last.party = _instrument.current_party()
            self._senders.push_front(last)

    def _park(self, waiter: Waiter, queue: WaitQueue, wait: str) -> None:
        if (seen := _instrument.active) is not None:
            _edges.parked(seen, waiter, wait + self._kind, self)
        queue.push(waiter)

    # Closing, views, reports

    @uninterrupted
    def close(self) -> None:
        """No more values will be sent. Never blocks; from any thread.

        Receivers get what is buffered, then "closed". Everybody who waits is
        woken: receivers with "closed", senders with SendOnClosed.

        Raises:
            CloseOfClosed: it is closed already.
        """
        for waiter in self._shut():
            waiter.settle()

    @uninterrupted
    def _shut(self) -> list[Waiter]:
        """Close it; whom that wakes is for the caller to settle."""
        with self._lock:
            bar(self._key)
            if self._closed:
                raise CloseOfClosed(self)
            self._closed = True
            self._room = -1
            waiters: list[Waiter] = []
            # who waits for what is lent may get some of it yet
            queues = (self._receivers, self._senders)[self._ahead is not None :]
            for queue in queues:
                while (node := queue.pop()) is not None:
                    waiter: Waiter = node.waiter or node  # type: ignore[assignment]
                    if type(waiter) is Returned:
                        # that one has been sent
                        self._buf.append(waiter.value)
                        continue
                    waiter.ok = False
                    waiter.case = node.case
                    waiter.value = None
                    waiters.append(waiter)
            if (seen := _instrument.active) is not None:
                _edges.closed(seen, self, waiters)
            unbar(self._key)
        return waiters
