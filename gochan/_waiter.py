"""One parked operation, and the queues it waits in.

A :class:`Waiter` is one wait of one party. A plain send or receive is its own
node in one queue. A select has one waiter and one :class:`Node` for each case;
whoever takes its *claim* first decides the select, everybody else skips it.

Invariants:
1. ``node.queue`` is the queue that links the node, else ``None``; both change
   only under that queue's lock.
2. A plain waiter is claimed by being unlinked under the lock. A select's claim
   is taken from ``token``, atomically, since its queues have different locks.
3. Exactly one of these happens to a waiter: a peer claims it, fills in ``ok``,
   ``value`` and ``case``, and calls :meth:`Waiter.wake`; or its own side
   withdraws it, and then nothing has happened to it.
4. A claimed waiter is in no queue: who claims a select unlinks its other nodes
   before waking it.

Notable difference from Go: there the woken goroutine unlinks the cases that
lost (pass 3 of ``selectgo``); here the waker does, so that a loop that is slow
to run its goroutine leaves no stale node behind.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from . import _instrument

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from threading import Lock

__all__ = (
    "Key",
    "Node",
    "Returned",
    "Shut",
    "WaitQueue",
    "Waiter",
    "bar",
    "give_back",
    "rescue",
    "stranded",
    "unbar",
)


# A channel has a lock, and for its quick paths a *key* in place of it, since taking a
# lock costs as much as the rest of an operation. The key is a list: whether the quick
# paths may go in at all, and a second element. Who takes that out, with ``del key[1]``,
# has the channel to itself until it puts it back, if they may. It waits for nobody: on
# IndexError somebody else has it, and the lock is the way. Who has the lock bars them.
#
# Either of the two alone: a quick path looks at ``key[0]`` after it has taken the
# second element, and bar() looks for that after it has cleared ``key[0]``. Each of
# these is one instruction and atomic on every build; and no signal is handled after
# a ``del`` before the next call, so that none comes between it and a ``try``.
Key: TypeAlias = "list[bool | None]"


def bar(key: Key | None) -> None:
    """Keep the quick paths out, and wait for one that is inside.

    The first thing to do with a channel's lock held.
    """
    if key is not None:
        key[0] = False
        while True:
            try:
                key[1] = None
            except IndexError:
                # another thread was stopped a few instructions before its end
                sleep(1e-5)
            else:
                return


def unbar(key: Key) -> None:
    """Let the quick paths in again; the lock is about to be released."""
    key[0] = True


class Shut(list["bool | None"]):
    """A key that lets no quick path in, in place of a channel's own for a while.

    It stays as it is: there is nobody for bar() to wait for, and unbar() changes
    nothing. Who takes the second element, and is left no stack to append it again,
    leaves it missing: then it is as if another thread always had it.
    """

    __slots__ = ()

    def __setitem__(self, index: Any, value: Any) -> None:
        pass


# A quick path may be left by an error while it has the key. RecursionError: where the
# stack is full nothing can be called, on 3.11 not even C, hence ``key[1:] = (None,)``
# to give it back. KeyboardInterrupt: after any call, and in what is awaited.


def give_back(key: Key) -> None:
    """Put the second element in, where an interrupt came, unless that has been done.

    It may have come afterwards, and another thread have taken the key. That one gives
    it back after a few instructions, as soon as it runs.
    """
    for _ in range(100):
        if len(key) > 1:
            return
        sleep(1e-3)
    key[1:] = (None,)


class _Stranded(Protocol):
    def unlink(self) -> None: ...
    def wake(self) -> bool: ...


# Those that were claimed where the stack was too full to wake them, and the mailboxes
# that have them. The next wait on their runtime, or the end of a drain, does.
stranded: Final[list[_Stranded]] = []


def rescue() -> None:
    """Wake the stranded.

    Raises:
        RecursionError: there is no room for it here either.
    """
    while True:
        try:
            waiter = stranded.pop()
        except IndexError:
            # another thread may be at it as well
            return
        try:
            waiter.unlink()
            waiter.wake()
        except RecursionError:
            stranded[:0] = (waiter,)
            raise


class Node:
    """A place in one wait queue."""

    __slots__ = ("case", "next", "prev", "queue", "token", "value", "waiter")

    def __init__(self, waiter: Waiter, value: Any, case: int) -> None:
        self.prev: Node | None = None
        self.next: Node | None = None
        self.queue: WaitQueue | None = None
        # None where the node is itself the waiter: no reference to itself
        self.waiter: Waiter | None = waiter
        # The claim, one element while there is none: list.pop() is atomic on every
        # build. The node's own, since the waiter may be used again while a peer that
        # has lost the claim has yet to find that out. None: not of a select.
        self.token: list[None] | None = waiter.token
        self.value = value
        self.case = case


class Waiter(Node):
    """One parked operation. Backends add how its party sleeps and is woken.

    After a claim: ``ok`` is True if a value was handed over and False if the
    channel was closed, ``value`` is what a receive got, ``case`` the index of
    the select case that was chosen.
    """

    __slots__ = ("nodes", "ok", "party")

    # Of a waiter that only has to be put there to be woken: ``_chan`` does that in
    # place of a call of wake(). See ``_backends._asyncio_mailbox``.
    box: Any = None

    def __init__(self, value: Any = None) -> None:
        self.prev = None
        self.next = None
        self.queue = None
        self.waiter = None
        self.token = None
        self.value = value
        self.case = 0
        self.ok = False
        self.nodes: list[Node] | None = None
        # who waits; known only while an instrument is installed
        self.party: Hashable = None

    def for_select(self, *, again: bool = False) -> None:  # noqa: ARG002  # backends do
        """Make this the waiter of a select: claimed by token, with many nodes.

        Args:
            again: whoever claims it does so by a node's token, so that a backend may
                use it for another wait after this one.
        """
        self.nodes = []
        self.token = [None]

    def claim(self) -> bool:
        """Decide a select. True for exactly one caller."""
        try:
            self.token.pop()  # type: ignore[union-attr]  # only selects are asked
        except IndexError:
            return False
        return True

    def claimed(self) -> bool:
        """Whether it has been decided: by a peer, or by withdrawing."""
        return self.queue is None if self.token is None else not self.token

    def withdraw(self) -> bool:
        """Leave every queue. False if a peer has claimed the waiter before."""
        if self.nodes is not None:
            if not self.claim():
                return False
            self.unlink()
        else:
            queue = self.queue
            if queue is None or not queue.drop(self):
                return False
        if self.party is not None and (seen := _instrument.active) is not None:
            seen.goroutine_woken(self.party)
        return True

    def unlink(self) -> None:
        """Take all nodes of a claimed select out of their queues."""
        nodes = self.nodes
        if nodes:
            for node in nodes:
                queue = node.queue
                if queue is not None:
                    queue.drop(node)
            # the nodes point back here: break the cycle
            nodes.clear()

    def settle(self) -> bool:
        """The end of every claim by a peer: no ghosts, then wake.

        Call it without holding any lock. False as :meth:`wake`.
        """
        try:
            if self.nodes:
                self.unlink()
            return self.wake()
        except RecursionError:
            stranded[:0] = (self,)
            return True

    def wake(self) -> bool:
        """Make the party runnable, from any thread.

        False if it can never run again, since its loop has been closed: then it
        has received nothing, and who sends to it has to find another receiver.

        Raises:
            RecursionError: the stack is too full for that; nothing has happened.
        """
        raise NotImplementedError


class Returned(Waiter):
    """A value that nobody waits with: there is nobody to wake.

    One that came back from a receiver, in the place of a sender's: its send has
    completed long ago. Or one that is dropped.
    """

    __slots__ = ()

    def wake(self) -> bool:
        return True


class WaitQueue:
    """First come, first served, with removal from the middle in O(1).

    All methods but ``drop`` want ``lock`` held, or the key.
    """

    __slots__ = ("head", "key", "lock", "tail")

    def __init__(self, lock: Lock, key: Key | None = None) -> None:
        self.head: Node | None = None
        self.tail: Node | None = None
        self.lock = lock
        # of a channel, which has quick paths: see bar()
        self.key = key

    def push(self, node: Node) -> None:
        """Wait behind all others."""
        tail = self.tail
        node.prev = tail
        node.queue = self
        if tail is None:
            self.head = node
        else:
            tail.next = node
        self.tail = node

    def push_front(self, node: Node) -> None:
        """Wait before all others."""
        head = self.head
        node.next = head
        node.queue = self
        if head is None:
            self.tail = node
        else:
            head.prev = node
        self.head = node

    def pop(self) -> Node | None:
        """Claim the one that waits longest; None if nobody can be claimed."""
        while (node := self.head) is not None:
            token = node.token
            claimed = True
            if token is not None:
                try:
                    token.pop()
                except IndexError:
                    # it has been decided, and is about to be dropped
                    claimed = False
            head = self.head = node.next
            if head is None:
                self.tail = None
            else:
                head.prev = None
                node.next = None
            node.queue = None
            if claimed:
                return node
        return None

    def remove(self, node: Node) -> None:
        """Unlink a node of this queue, wherever it stands."""
        before, after = node.prev, node.next
        if before is None:
            self.head = after
        else:
            before.next = after
        if after is None:
            self.tail = before
        else:
            after.prev = before
        node.prev = node.next = node.queue = None

    def drop(self, node: Node) -> bool:
        """Unlink a node, unless a peer has claimed it; takes key or lock itself.

        False if the node was not there any more.
        """
        key = self.key
        if key is not None:
            try:
                del key[1]
            except IndexError:
                pass
            else:
                try:
                    if key[0]:
                        if node.queue is not self:
                            return False
                        self.remove(node)
                        return True
                finally:
                    key[1:] = (None,)
        with self.lock:
            # it may have been replaced meanwhile: see Shut
            bar(self.key)
            # or the node been claimed
            if node.queue is not self:
                return False
            self.remove(node)
            return True

    def __iter__(self) -> Iterator[Node]:
        node = self.head
        while node is not None:
            yield node
            node = node.next

    def __len__(self) -> int:
        """The number of waiters, by counting: O(n), for reports and checks."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self.head is not None
