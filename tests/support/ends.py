"""Both ends of a link in this process, and handles at one to channels at the other."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from gochan import Chan
from gochan._waiter import Waiter
from gochan.executors import _home
from gochan.executors._handles import make_channel
from gochan.executors._link import Link
from gochan.executors._page import Page
from gochan.executors._serving import Server
from gochan.executors._wire import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ("Asked", "Calls", "Ends", "Gone", "Lent", "called", "drained", "filled")


class Gone(Waiter):
    """Of a loop that has been closed."""

    def wake(self) -> bool:
        return False


_homes = itertools.count()


class Ends:
    """Both ends of a link, each with a reader."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        pages = Page.pair()
        self.link = Link(Stream(ours, pages[0]), "the other end")
        self.other = Link(Stream(theirs, pages[1]), "this end")
        self.servers = Server(self.link), Server(self.other)
        self.readers = [
            threading.Thread(target=link.read, daemon=True)
            for link in (self.link, self.other)
        ]
        for reader in self.readers:
            reader.start()

    def number_of(self, thing: Any) -> int:
        """Let the other end have a handle to something."""
        self.link._grant([thing])
        return _home.number_of(thing)

    def handle(self, channel: Chan[Any]) -> Any:
        """What the other end has as a channel, as if it were another process."""
        number = self.number_of(channel)
        home = b"%d of %d" % (next(_homes), os.getpid())
        state = (channel.name, channel.cap)
        return self.other.arrived(home, number, number, make_channel, state)

    def close(self) -> None:
        self.other.close()
        self.link.close()
        for reader in self.readers:
            reader.join(10)
            assert not reader.is_alive()
        self.link.stream.dispose()
        self.other.stream.dispose()


# Values that are lent: see ``_ahead``


def filled(number: int = 40, cap: int = 64) -> Chan[Any]:
    ch = Chan[Any](cap)
    for value in range(number):
        ch.send_nowait(value)
    return ch


def drained(ch: Chan[Any]) -> list[Any]:
    values: list[Any] = []
    while len(ch):
        values.append(ch.recv_nowait())
    return values


class Lent:
    """A channel of 64 with 40 values: three were received there, the rest is lent."""

    def __init__(self, ends: Ends, ch: Chan[Any] | None = None) -> None:
        self.ends = ends
        self.ch = filled() if ch is None else ch
        self.key = self.ch._key
        self.there = ends.handle(self.ch)
        self.received = self.take(3)
        assert self.ch._ahead is not None
        self.count = self.ch._ahead.count

    def take(self, number: int) -> list[Any]:
        return [self.there.recv_nowait() for _ in range(number)]

    def known(self) -> bool:
        """All that was taken is known here."""
        stock = self.ends.other.stocks.by_number[self.there._number]
        return bool(self.ch._ahead.count == len(stock.values))

    def is_over(self) -> bool:
        self.ch._check()
        over = self.ch._ahead is None
        if over:
            # as it was, quick ways and all
            assert self.ch._key is self.ch._receivers.key is self.ch._senders.key
            assert self.ch._key is self.key
            assert not self.ends.other.stocks.by_number
        return over


class Asked:
    """Counts what is asked by a link."""

    def __init__(self, ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        ask = ends.other.ask

        def counts(*args: Any) -> int:
            self.count += 1
            return ask(*args)

        monkeypatch.setattr(ends.other, "ask", counts)


called: list[Callable[[], object]] = []


def _call() -> str:
    called.pop()()
    return "called"


class Calls:
    """Calls something when it is unpickled."""

    def __reduce__(self) -> Any:
        return _call, ()
