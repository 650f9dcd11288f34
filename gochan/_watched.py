"""The short way of the async face while the race detector watches.

The ladder of ``_core`` tells an instrument each thing as it happens, which costs more
than the operation does. ``send`` and ``recv`` come here while the race detector is the
only instrument, and tell it all in one call: see ``_instrument.Quick``. What is not the
usual case takes the ladder, as ever.

As in ``_chan`` this is the ladder, inline and under the channel's key: change them
together. The key is given back whatever the detector raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import _backends
from ._backends import uninterrupted
from ._blocking import Blocking

if TYPE_CHECKING:
    from ._instrument import Quick

__all__ = ("DONE", "NOT_USUAL", "Watched")

T = TypeVar("T")

# answers: the operation has been done; it has not, and the ladder is to do it
DONE: Final = object()
NOT_USUAL: Final = object()


class Watched(Blocking[T]):
    """A channel without the async face's own way."""

    __slots__ = ()

    @uninterrupted
    def _send_watched(self, value: T, seen: Quick) -> Any:
        """Send: DONE, NOT_USUAL, or the waiter, queued and to be parked."""
        key = self._key
        try:
            del key[1]
        except IndexError:
            # another thread is at it
            return NOT_USUAL
        claimed: Any = None
        try:
            queue = self._receivers
            peer: Any = queue.head
            if key[0] and self._room >= 0 and self._lossy is None:
                # a waiting receiver: hand the value over
                if peer is not None:
                    if peer.waiter is None:
                        seen.sends_to(self, peer)
                        # queue.pop(), in place
                        queue.head = after = peer.next
                        if after is None:
                            queue.tail = None
                        else:
                            after.prev = peer.next = None
                        peer.queue = None
                        key.append(None)
                        peer.value = value
                        peer.ok = True
                        claimed = peer
                # room in the buffer
                elif len(self._buf) < self._room:
                    seen.puts(self)
                    self._buf.append(value)
                    key.append(None)
                    return DONE
                # would block: park
                else:
                    party = seen.waits_to_send(self)
                    queue = self._senders
                    waiter: Any = _backends.async_waiter(value)
                    waiter.party = party
                    # queue.push(), in place
                    waiter.queue = queue
                    waiter.prev = tail = queue.tail
                    if tail is None:
                        queue.head = waiter
                    else:
                        tail.next = waiter
                    queue.tail = waiter
                    key.append(None)
                    return waiter
        except BaseException:
            if len(key) == 1:
                key.append(None)
            raise
        # not in there: the key is another thread's to have by now
        if claimed is not None:
            return DONE if claimed.settle() else NOT_USUAL
        key.append(None)
        return NOT_USUAL

    @uninterrupted
    def _recv_watched(self, seen: Quick) -> tuple[Any, Any]:
        """Receive: how it went, as above, and the value if it is DONE."""
        key = self._key
        try:
            del key[1]
        except IndexError:
            # another thread is at it
            return NOT_USUAL, None
        claimed: Any = None
        value: Any = None
        try:
            buf = self._buf
            queue = self._senders
            peer: Any = queue.head
            if key[0]:
                # a waiting sender: take the head of the buffer, if there is one, and
                # let the sender's value have the place at its tail
                if peer is not None:
                    if peer.waiter is None:
                        seen.takes_from(self, peer)
                        # queue.pop(), in place
                        queue.head = after = peer.next
                        if after is None:
                            queue.tail = None
                        else:
                            after.prev = peer.next = None
                        peer.queue = None
                        value = peer.value
                        if buf:
                            buf.append(value)
                            value = buf.popleft()
                        key.append(None)
                        peer.ok = True
                        claimed = peer
                # a value in the buffer
                elif buf:
                    seen.takes(self)
                    value = buf.popleft()
                    key.append(None)
                    return DONE, value
                # would block: park
                elif not self._closed:
                    party = seen.waits()
                    queue = self._receivers
                    waiter: Any = _backends.async_waiter()
                    waiter.party = party
                    # queue.push(), in place
                    waiter.queue = queue
                    waiter.prev = tail = queue.tail
                    if tail is None:
                        queue.head = waiter
                    else:
                        tail.next = waiter
                    queue.tail = waiter
                    key.append(None)
                    return waiter, None
        except BaseException:
            if len(key) == 1:
                key.append(None)
            raise
        if claimed is not None:
            claimed.settle()
            return DONE, value
        key.append(None)
        return NOT_USUAL, None
