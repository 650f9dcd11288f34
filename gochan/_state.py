"""What a channel consists of, and what it shows of that.

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
"""

from __future__ import annotations

import itertools
import sys
from _thread import allocate_lock
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

from . import _crossing
from ._backends import uninterrupted
from ._instrument import made
from ._waiter import WaitQueue, bar
from .buffers import Buffer, check_size

if TYPE_CHECKING:
    from ._waiter import Key

__all__ = ("ChanStats", "State")

T = TypeVar("T")

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


class State(Generic[T]):
    """A channel that nobody can use."""

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
        self._dropped: int = 0
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
