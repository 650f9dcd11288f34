"""Memory that both ends of a link see: counters, which cost no message.

A counter is written by one side and read by the other. It is a machine word of its own,
written and read at once, so that it needs no lock: who reads it too early sees the one
before.

In a word are two numbers, each modulo 2**32: how much has been granted in all, and how
many messages had been posted then.
"""

from __future__ import annotations

import itertools
import mmap
import socket
import tempfile
from contextlib import contextmanager, suppress
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("INDEX", "MASK", "PLACES", "SEEN", "Page", "Place")

MASK: Final = (1 << 32) - 1
# How many counters each side has.
PLACES: Final = 256
# How the messages about one carry which it is.
INDEX: Final = Struct("<H")
# Who looks at one no more says its serial number, and what was granted by then.
SEEN: Final = Struct("<II")
_SIZE: Final = 2 * 8 * PLACES


_serials = itertools.count(1)


class Place:
    """A counter of ours that stands for a channel."""

    __slots__ = ("index", "serial")

    def __init__(self, index: int) -> None:
        self.index = index
        # one place is used for many channels, one after the other
        self.serial = next(_serials) & MASK


@contextmanager
def _memory() -> Generator[int]:
    """A file without a name."""
    with tempfile.TemporaryFile() as file:
        # one with a hole would end us with SIGBUS where the disk is full
        file.write(bytes(_SIZE))
        file.flush()
        yield file.fileno()


class Page:
    """One side's view."""

    __slots__ = ("_memory", "_ours", "_theirs", "_words")

    def __init__(self, memory: mmap.mmap, *, first: bool) -> None:
        self._memory = memory
        self._words = memoryview(memory).cast("Q")
        # where those begin that each side writes
        self._ours, self._theirs = (0, PLACES) if first else (PLACES, 0)

    @classmethod
    def pair(cls) -> tuple[Page, Page]:
        """Both sides, in this process."""
        with _memory() as file:
            first, second = (mmap.mmap(file, _SIZE) for _ in range(2))
        return cls(first, first=True), cls(second, first=False)

    @classmethod
    def share(cls, sock: socket.socket) -> Page:
        """A new one, for us and for who is at the other end of ``sock``.

        Raises:
            OSError: there is no room, or nobody.
        """
        with _memory() as file:
            page = cls(mmap.mmap(file, _SIZE), first=True)
            socket.send_fds(sock, [b"p"], [file])
        return page

    @classmethod
    def receive(cls, sock: socket.socket) -> Page:
        """The one that the other end has shared. Blocks until it has.

        Raises:
            EOFError: there is nobody any more.
        """
        _, files, _, _ = socket.recv_fds(sock, 1, 1)
        if not files:
            raise EOFError
        with open(files[0], "r+b") as file:
            return cls(mmap.mmap(file.fileno(), _SIZE), first=False)

    def reset(self, index: int) -> None:
        self._words[self._ours + index] = 0

    def grant(self, index: int, more: int, posted: int) -> None:
        """Add to a counter of ours."""
        index += self._ours
        total = (self._words[index] + more) & MASK
        self._words[index] = (posted & MASK) << 32 | total

    def granted(self, index: int) -> int:
        """How much a counter of ours has granted."""
        return self._words[self._ours + index] & MASK

    def read(self, index: int) -> tuple[int, int]:
        """A counter of the other side: what was granted, and posted by then."""
        word = self._words[self._theirs + index]
        return word & MASK, word >> 32

    def forked(self) -> None:
        """In a child: what it writes is not for who is linked to the parent."""
        # closed: as it is
        with suppress(ValueError):
            self._words = memoryview(bytearray(self._words)).cast("Q")

    def close(self) -> None:
        self._words.release()
        self._memory.close()
