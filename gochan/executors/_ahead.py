"""Receives that need no asking: values of a buffer that another process may take.

A receive takes effect at home. So the other side has to ask for each value, unless it
is sent more than it has asked for. Values that are *lent* come with an answer, and as
many receives there return at once. That is how a process streams out of a buffered
channel.

It changes nothing that a program can tell. The values stay in the buffer, at its front,
and count until they have been received. Who takes one says so before its receive
returns: that makes room here, and nobody else gets the value, even if the other side
dies then. While values are lent nobody else receives: who wants to has them reclaimed,
and waits. The thread that reads the link gives back what was not taken. So there is one
order for all. Only ``send_nowait`` may be told once that there is no room, though a
value has just been taken.

Those who must not wait do for this: ``recv_nowait``, a select with a default, ``len``
and ``stats``, since what is lent may be all that there is. It takes tens of
microseconds, unless the other process has been stopped, or holds the GIL in C: after a
second they go on with what is known. A link's reader waits for nobody. What others who
must not wait ask it for is done when the values are back.

Values are lent with an answer alone, to links that have received several, each soon
after the other: who computes for long has nothing to win, and others would have to
wait for it. They are small, and have no channels in them. The first that is not, or
that cannot be pickled, is left to the receive that asks for it.

    home                                   the other side
    AHEAD values   ->  so many receives need not ask
                       TAKEN         <-  one of them
    RECLAIM        ->  no more
                       UNUSED        <-  the others are not taken
"""

from __future__ import annotations

import itertools
from _thread import allocate_lock
from math import inf
from pickle import dumps
from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from .. import _edges, _instrument
from .._backends import uninterrupted
from .._waiter import Shut, bar, unbar
from ._answering import put_back
from ._lending import admit
from ._pickling import LARGE, PLAIN, arriving, is_small
from ._protocol import AHEAD, RECLAIM

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._chan import Chan
    from .._waiter import Key, Waiter
    from ._link import Link
    from ._pickling import Packed

__all__ = ("Ahead", "Pace", "lend", "taken", "unused")

# So many receives in a row are answered before values are lent.
_ROW: Final = 2
# So many more if somebody else has wanted what was lent.
_PENALTY: Final = 64
# Seconds from an answer to the next request of who receives quickly.
_SOON = 0.01
# So many values at least: fewer are not worth it.
_FEW: Final = 4
# So many at most: enough that the answers cost nothing.
_MOST: Final = 128
# Bytes of them at most: they should fit into the pipe.
_BYTES: Final = 1 << 17
# Seconds that somebody waits who must not.
_PATIENCE: Final = 1.0

_serials = itertools.count(1)


class Pace:
    """How a link receives from a channel."""

    __slots__ = ("row", "when")

    def __init__(self) -> None:
        # so many receives in a row, and when the last was answered
        self.row = 0
        self.when = -inf

    def asks(self) -> bool:
        """It receives. Whether to lend to it."""
        if monotonic() - self.when < _SOON:
            self.row += 1
        elif self.row > 0:
            self.row = 0
        return self.row >= _ROW

    def answered(self) -> None:
        self.when = monotonic()

    def interrupted(self) -> None:
        """Lending was in vain; or somebody else receives as well."""
        self.row = -_PENALTY


class Ahead:
    """What a channel has lent: the first ``count`` values of its buffer.

    It is the channel's ``_ahead`` while that is above 0, and the channel's key is one
    that lets nobody in, so that whoever receives or sends comes by the ladders of
    ``_core``. Everything but the last two methods wants the channel's lock held.

    Attributes:
        front: values that came back meanwhile: they come before what is lent, the
            last of them first.
    """

    __slots__ = (
        "channel",
        "count",
        "front",
        "key",
        "link",
        "number",
        "posted",
        "serial",
        "waiting",
        "wanted",
    )

    def __init__(self, channel: Chan[Any], link: Link, number: int, count: int) -> None:
        self.channel = channel
        self.link = link
        # by what number the other side knows the channel
        self.number = number
        self.serial = next(_serials) & 0xFFFFFFFF
        self.count = count
        self.front: list[Any] = []
        # what to call when it is here again
        self.waiting: list[Callable[[], object]] = []
        # whether the other side knows of it, and is to give it back
        self.posted = False
        self.wanted = False
        self.key = channel._key
        channel._ahead = self
        self._lock_up(Shut([False, None]))

    def _lock_up(self, key: Key) -> None:
        channel = self.channel
        channel._key = channel._receivers.key = channel._senders.key = key

    def post(self, items: list[Any]) -> None:
        """Lend these, which are the first; the others stay here."""
        self.count = len(items)
        self.posted = True
        self.link.stream.post(AHEAD, self.number, self.serial, dumps(items, 5))

    def recall(self) -> None:
        """Somebody else wants to receive."""
        if not self.wanted:
            # twice does no harm, if an interrupt comes in between
            if self.posted:
                self.link.stream.post(RECLAIM, self.number, self.serial)
            self.wanted = True

    def end(self, after: After) -> None:
        """Nothing is lent any more: let those receive who have waited for that."""
        channel = self.channel
        channel._ahead = None
        self._lock_up(self.key)
        for value in self.front:
            channel._to_front(value)
        # first, since who sends from now on looks for receivers that wait
        admit(channel, after.sent)
        seen = _instrument.active
        queue = channel._receivers
        while queue.head is not None and (channel._buf or channel._closed):
            node = queue.pop()
            if node is None:
                break
            peer: Waiter = node.waiter or node  # type: ignore[assignment]
            if seen is None:
                peer.value, peer.ok, sender = channel._try_recv()
            else:
                with _instrument.acting(peer.party):
                    peer.value, peer.ok, sender = channel._try_recv()
                seen.goroutine_woken(peer.party)
            peer.case = node.case
            after.received.append(peer)
            if sender is not None:
                after.sent.append(sender)
        after.calls += self.waiting

    @uninterrupted
    def later(self, call: Callable[[], object]) -> bool:
        """Have it given back, and call then. False if it is here already."""
        channel = self.channel
        with channel._lock:
            bar(channel._key)
            away = channel._ahead is self
            if away:
                self.recall()
                self.waiting.append(call)
            unbar(channel._key)
        return away

    def come_home(self) -> bool:
        """Wait until it has been given back. False if that is not possible now."""
        if arriving.link is not None:
            # the thread of a link's reader, which must not wait
            return False
        home = allocate_lock()
        home.acquire()
        return not self.later(home.release) or home.acquire(timeout=_PATIENCE)


class After:
    """What is to be done once the channel's lock has been released."""

    __slots__ = ("calls", "received", "sent")

    def __init__(self) -> None:
        self.received: list[Waiter] = []
        self.sent: list[Waiter] = []
        self.calls: list[Callable[[], object]] = []

    def settle(self, channel: Chan[Any]) -> None:
        for peer in self.received:
            # it may be used again as soon as it is awake
            value, ok = peer.value, peer.ok
            if not peer.settle() and ok:
                # its loop has been closed
                put_back(channel, value)
        for peer in self.sent:
            peer.settle()
        for call in self.calls:
            call()


def lend(
    channel: Chan[Any], link: Link, number: int, pace: Pace, answer: Packed
) -> None:
    """Lend ``link`` some values, if there are any, besides that ``answer``.

    On the link's reader thread, before the answer is sent.
    """
    if not is_small(answer):
        # those that follow will be as large
        return
    with channel._lock:
        bar(channel._key)
        ahead = None
        values = list(itertools.islice(channel._buf, _MOST))
        if (
            len(values) >= _FEW
            and channel._ahead is None
            and channel._lossy is None
            # they are told of every receive, in order
            and _instrument.active is None
        ):
            ahead = Ahead(channel, link, number, len(values))
        unbar(channel._key)
    if ahead is None:
        return
    items = _items(ahead, values)
    if not items:
        # nor is what follows, probably
        pace.interrupted()
    after = After()
    with channel._lock:
        bar(channel._key)
        if items and not ahead.wanted:
            ahead.post(items)
        else:
            ahead.end(after)
        unbar(channel._key)
    after.settle(channel)


def _items(ahead: Ahead, values: list[Any]) -> list[Any]:
    """The values, up to the first that is not to be lent; see :class:`_stock.Stocks`.

    What has no code of its own is unpickled with the message: see ``PLAIN``. Others
    wait for that until they are received, each as a pickle in a bytearray.
    """
    items: list[Any] = []
    left = _BYTES
    for value in values:
        if type(value) in PLAIN:
            size = getsizeof(value)
            item = value
        else:
            try:
                packed = ahead.link.pack(value)
            except BaseException:  # who asks for it is told
                break
            if not is_small(packed):
                break
            item = bytearray(packed[0])
            size = len(packed[0])
        left -= size
        if size > LARGE or left < 0 or ahead.wanted:
            break
        items.append(item)
    return items


def taken(channel: Chan[Any], link: Link, count: int) -> None:
    """``link`` has received so many of the values that it was lent."""
    after = None
    with channel._lock:
        bar(channel._key)
        ahead: Ahead | None = channel._ahead
        assert ahead is not None
        assert ahead.link is link
        seen = _instrument.active
        # not to be deleted before the lock has been released
        values: list[Any] = []
        for _ in range(count):
            if seen is not None:
                _edges.taken(seen, channel)
            values.append(channel._buf.popleft())
        ahead.count -= count
        if not ahead.count:
            after = After()
            ahead.end(after)
        elif channel._senders.head is not None:
            after = After()
            admit(channel, after.sent)
        unbar(channel._key)
    del values
    if after is not None:
        after.settle(channel)


def unused(channel: Chan[Any], link: Link, serial: int | None) -> None:
    """``link`` will not take the rest of what it was lent, or of anything."""
    after = After()
    with channel._lock:
        bar(channel._key)
        ahead: Ahead | None = channel._ahead
        if ahead is not None and ahead.link is link and serial in (None, ahead.serial):
            ahead.end(after)
        unbar(channel._key)
    after.settle(channel)
