"""Both ends of a link in this process, and handles at one to channels at the other."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from gochan._waiter import Waiter
from gochan.executors import _home
from gochan.executors._handles import make_channel
from gochan.executors._link import Link
from gochan.executors._serving import Server
from gochan.executors._wire import Stream

if TYPE_CHECKING:
    from gochan import Chan

__all__ = ("Ends", "Gone")


class Gone(Waiter):
    """Of a loop that has been closed."""

    def wake(self) -> bool:
        return False


_homes = itertools.count()


class Ends:
    """Both ends of a link, each with a reader."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.link = Link(Stream(ours), "the other end")
        self.other = Link(Stream(theirs), "this end")
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
