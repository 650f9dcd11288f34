"""The channel's state machine: what is waiting, what is buffered, who comes next.

Invariants, of every channel whose lock is free (``_check`` asserts them):
1. Waiting receivers: the buffer is empty and no sender waits.
2. Waiting senders: the buffer is full and the channel is not closed.
3. Closed: nobody waits.
4. ``len(_buf) <= _limit``; of a closed channel that values have come back to,
   the buffer may hold more.
5. A waiter is in exactly the queues that its unfinished operation names, and in
   none once it is claimed.
6. While values are lent (``_ahead``), nobody receives here and the quick paths are
   barred; receivers wait whatever is in the buffer, and even if it is closed.

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

import itertools
import sys
from _thread import allocate_lock
from collections import deque
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    TypeVar,
    final,
)

from . import _crossing, _edges, _instrument
from ._backends import uninterrupted
from ._errors import CloseOfClosed, SendOnClosed
from ._instrument import made
from ._waiter import Returned, Waiter, WaitQueue, bar, unbar
from .buffers import Buffer, Sliding, check_size

if TYPE_CHECKING:
    from ._waiter import Key

__all__ = ("BLOCKED", "ChanStats", "Core")

T = TypeVar("T")

# what a ladder answers when the operation would block
BLOCKED: Final = Waiter()

_numbers = itertools.count(1)


@final
@dataclass(frozen=True)
class ChanStats:
    """The state of a channel at one instant.

    Attributes:
        length: values in the buffer.
        cap: values the buffer holds at most; None if there is no bound.
        waiting_senders: operations and select cases parked in a send.
        waiting_receivers: operations and select cases parked in a receive.
        dropped: values that a Dropping or Sliding buffer has dropped so far.
        closed: whether the channel is closed.
    """

    length: int
    cap: int | None
    waiting_senders: int
    waiting_receivers: int
    dropped: int
    closed: bool


class Core(Generic[T]):
    """A channel without its faces."""

    __slots__ = (
        "__orig_class__",
        "__weakref__",
        "_ahead",
        "_buf",
        "_closed",
        "_dropped",
        "_first",
        "_key",
        "_limit",
        "_loans",
        "_lock",
        "_lossy",
        "_name",
        "_receivers",
        "_room",
        "_senders",
        "_size",
    )

    # who does a select on it, if it is a handle to a channel of another process
    _elsewhere: Any = None
    # appended to Go's word for a wait on it
    _kind: ClassVar[str] = ""

    def __init__(
        self,
        cap: int = 0,
        *,
        name: str | None = None,
        buffer: Buffer[T] | None = None,
    ) -> None:
        if type(cap) is not int or cap < 0:
            form = ": write Chan(3) or Chan[int](3)"
            check_size(cap, "the capacity of a channel", 0, form)
        self._lock = lock = allocate_lock()
        self._key: Key = [True, None]
        self._buf: deque[T] = deque()
        # How many values may be in the buffer; the same, but -1 when the short way
        # of a send is barred, since the channel is closed or has loans; its size in
        # slots, 0 if it is not a ring.
        self._limit: int = cap
        self._room: int = cap
        self._size: int = cap
        self._receivers = WaitQueue(lock, self._key)
        self._senders = WaitQueue(lock, self._key)
        self._closed = False
        self._name = name
        # the buffer, if it drops values rather than make a sender wait
        self._lossy: Buffer[T] | None = None
        self._dropped = 0
        # what other processes may buffer without asking; see executors._lending
        self._loans: Any = None
        # which values another process may take without asking; see executors._ahead
        self._ahead: Any = None
        # the slot of the oldest value; kept only while an instrument is installed
        self._first = 0
        if buffer is not None:
            self._use(buffer)
        if made:
            # another thread may end a bubble meanwhile
            for told in tuple(made):
                told(self)

    def _use(self, buffer: Buffer[T]) -> None:
        if not isinstance(buffer, Buffer):
            raise TypeError(
                f"buffer must be one of gochan.buffers, not {buffer!r}: write "
                "Chan(buffer=Sliding(10)), or Chan(10) for an ordinary buffer"
            )
        if self._limit:
            raise TypeError("give cap or buffer, not both: the buffer has its own size")
        if buffer.cap is None:
            self._limit = self._room = sys.maxsize
        else:
            self._limit = self._room = self._size = buffer.cap
            self._lossy = buffer

    # The ladders. All want the lock held and wake nobody: the caller settles the
    # peer they return after it has released the lock.

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

    @property
    def name(self) -> str:
        if self._name is None:
            self._name = f"chan-{next(_numbers)}"
        return self._name

    @property
    def cap(self) -> int | None:
        return None if self._unbounded() else self._size

    def _unbounded(self) -> bool:
        return self._limit == sys.maxsize and not self._size

    @property
    def closed(self) -> bool:
        return self._closed

    def __len__(self) -> int:
        return len(self._buf) if self._ahead is None else self.stats().length

    def stats(self) -> ChanStats:
        ahead = self._ahead
        if ahead is not None:
            # only then is it known what has been taken
            ahead.come_home()
        return self._state()

    @uninterrupted
    def _state(self) -> ChanStats:
        """:meth:`stats`, as far as it is known here."""
        with self._lock:
            bar(self._key)
            ahead = self._ahead
            return ChanStats(
                length=len(self._buf) + (len(ahead.front) if ahead else 0),
                cap=self.cap,
                waiting_senders=len(self._senders),
                waiting_receivers=len(self._receivers),
                dropped=self._dropped,
                closed=self._closed,
            )

    def __repr__(self) -> str:
        stats = self._state()
        kind = "Chan"
        alias = getattr(self, "__orig_class__", None)
        if alias is not None:
            # a generic subclass may have several
            elements = ", ".join(
                element.__name__
                if isinstance(element, type)
                # such as list[int], int | None, Any
                else repr(element).removeprefix("typing.")
                for element in alias.__args__
            )
            kind = f"Chan[{elements}]"
        parts = [f"<{kind} {self.name!r}"]
        if self._unbounded():
            parts.append(f"{stats.length} buffered, unbounded")
        elif self._size == 0:
            parts.append("unbuffered")
        else:
            parts.append(f"{stats.length}/{self._size} buffered")
        if self._lossy is not None:
            parts.append(f"{type(self._lossy).__name__.lower()}")
        if stats.waiting_senders:
            parts.append(f"{stats.waiting_senders} waiting to send")
        if stats.waiting_receivers:
            parts.append(f"{stats.waiting_receivers} waiting to receive")
        if stats.closed:
            parts.append("closed")
        return ", ".join(parts) + ">"

    def __reduce__(self) -> tuple[Any, ...]:
        handle = _crossing.handle_for(self)
        if handle is None:
            raise TypeError(
                f"{self!r} cannot be pickled or copied: a channel stays where it was "
                "made, and is passed on only as an argument of a goroutine in another "
                "process, or through a channel that was"
            )
        return handle

    def _check(self) -> None:
        """Assert the invariants at the top of this file; for tests."""
        with self._lock:
            bar(self._key)
            receivers = list(self._receivers)
            senders = list(self._senders)
            # a select that both sends and receives waits in both queues, alone
            both = {node.waiter for node in (*receivers, *senders)}
            alone = len(both) == 1 and None not in both
            lent = self._ahead is not None
            assert not receivers or not self._buf or lent
            assert not receivers or not senders or alone or lent
            assert not senders or (len(self._buf) == self._limit and not self._closed)
            assert not self._closed or not senders
            assert not self._closed or not receivers or lent
            assert len(self._buf) <= self._limit or self._closed
            for queue, nodes in (
                (self._receivers, receivers),
                (self._senders, senders),
            ):
                assert all(node.queue is queue for node in nodes)
                assert all(node.waiter is None or node.token for node in nodes)
                assert list(_backwards(queue)) == nodes[::-1]


def _backwards(queue: WaitQueue) -> list[Any]:
    nodes: list[Any] = []
    node = queue.tail
    while node is not None:
        nodes.append(node)
        node = node.prev
    return nodes
