"""Messages on a stream socket: reading never waits for writing, nor writing for it.

A message is a header (what it is, what it is about, which request it belongs to),
a payload, and any number of buffers. Buffers are what pickle protocol 5 leaves out
of band, such as the memory of an array: they are sent from where they are and
received into memory that is theirs from then on, so that nothing is copied but by
the kernel.

``post`` may be called by an event loop's thread, so it must not wait. What does not
fit into the pipe is left to a thread that lives until it does.

Why not ``multiprocessing.connection.Connection``, which has made the connection: it
copies what it receives twice, reads every message with two system calls, and one that
does not fit into the pipe blocks its sender.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from socket import MSG_DONTWAIT, SHUT_RDWR, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakSet

from .._backends._thread_clock import DAEMONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from socket import socket

    from ._page import Page

__all__ = ("Message", "Stream")

Bytes: TypeAlias = bytes | bytearray | memoryview
# kind, target, request, payload, buffers
Message: TypeAlias = tuple[int, int, int, memoryview, "Sequence[bytearray]"]

# kind, how many buffers, target, request, size of the payload
_HEADER: Final = Struct("<BBIIQ")
_LENGTHS: Final[list[Struct]] = [Struct(f"<{n}Q") for n in range(256)]
# more would not fit into the header
MOST_BUFFERS: Final = 255

# Larger ones read more messages at a time, smaller ones stay in the processor's cache.
_READ: Final = 1 << 17
# What the kernel grants of it, usually 208 kB.
_PIPE: Final = 1 << 20


_streams: WeakSet[Stream] = WeakSet()


def _forked() -> None:
    # a copy in the child would keep the other side from seeing that we are gone
    for stream in list(_streams):
        stream.broken = True
        stream._sock.close()
        stream.page.forked()
    _streams.clear()


os.register_at_fork(after_in_child=_forked)


class Stream:
    """One end of a connection.

    Attributes:
        broken: nothing that is posted will arrive any more.
        page: memory that both sides see.
        posted: how many messages, those that are on their way included.
        handled: how many messages of the other side have been looked at.
    """

    __slots__ = (
        "__weakref__",
        "_flusher",
        "_outbox",
        "_sock",
        "_writing",
        "broken",
        "handled",
        "page",
        "posted",
    )

    def __init__(self, sock: socket, page: Page) -> None:
        sock.setblocking(True)
        for option in (SO_SNDBUF, SO_RCVBUF):
            sock.setsockopt(SOL_SOCKET, option, _PIPE)
        self._sock = sock
        self._writing = threading.Lock()
        # what is still to be written, by the thread that does; not empty: it exists
        self._outbox: deque[memoryview] = deque()
        self._flusher: threading.Thread | None = None
        self.broken = False
        self.page = page
        self.posted = self.handled = 0
        _streams.add(self)

    def post(
        self,
        kind: int,
        target: int = 0,
        request: int = 0,
        payload: Bytes = b"",
        buffers: Sequence[memoryview] = (),
    ) -> None:
        """Send a message. Never blocks; from any thread.

        Nobody is told if the other side has gone: who reads will notice.
        """
        size = len(payload)
        head = _HEADER.pack(kind, len(buffers), target, request, size)
        if not buffers and size <= _READ:
            with self._writing:
                self.posted += 1
                if not self._outbox:
                    data = head + payload
                    try:
                        sent = self._sock.send(data, MSG_DONTWAIT)
                    except BlockingIOError:
                        sent = 0
                    except OSError:
                        self.broken = True
                        return
                    if sent < len(data):
                        self._leave([memoryview(data)], sent)
                elif not self.broken:
                    self._outbox.append(memoryview(head + payload))
            return
        head += _LENGTHS[len(buffers)].pack(*(each.nbytes for each in buffers))
        parts = [memoryview(head), memoryview(payload), *buffers]
        with self._writing:
            self.posted += 1
            sent = 0
            if not self._outbox:
                try:
                    sent = self._sock.sendmsg(parts, (), MSG_DONTWAIT)
                except BlockingIOError:
                    pass
                except OSError:
                    self.broken = True
                    return
            elif self.broken:
                return
            self._leave(parts, sent)

    def post_whole(self, kind: int, target: int, payload: Bytes) -> bool:
        """Send a small message, if it can be in the pipe at once. Never blocks.

        True: it arrives, even if this process dies now.
        """
        data = _HEADER.pack(kind, 0, target, 0, len(payload)) + payload
        with self._writing:
            if self._outbox:
                return False
            # first: an interrupt may come when it has been sent
            self.posted += 1
            try:
                sent = self._sock.send(data, MSG_DONTWAIT)
            except (BlockingIOError, RecursionError) as error:
                self.posted -= 1
                if isinstance(error, RecursionError):
                    raise
                return False
            except OSError:
                self.broken = True
                return False
            if sent < len(data):
                # systems other than Linux may divide it
                self._leave([memoryview(data)], sent)
        return True

    def _leave(self, parts: list[memoryview], sent: int) -> None:
        """Have the flusher write all but the first ``sent`` bytes."""
        for part in parts:
            if sent >= part.nbytes:
                sent -= part.nbytes
            else:
                self._outbox.append(part[sent:])
                sent = 0
        if self._outbox and self._flusher is None:
            flusher = threading.Thread(
                target=self._flush, name="gochan full pipe", daemon=DAEMONS
            )
            try:
                flusher.start()
            except RuntimeError:
                # The system has no more threads for us: then this is the end of the
                # link, since a part of the message is missing.
                self._outbox.clear()
                self.broken = True
                with contextlib.suppress(OSError):
                    self._sock.shutdown(SHUT_RDWR)
            else:
                self._flusher = flusher

    def _flush(self) -> None:
        while True:
            with self._writing:
                if self.broken or not self._outbox:
                    self._outbox.clear()
                    self._flusher = None
                    return
                part = self._outbox[0]
            try:
                self._sock.sendall(part)
            except OSError:
                self.broken = True
            with self._writing:
                self._outbox.popleft()

    def messages(
        self,
        idle: Callable[[], object] | None = None,
        often: int = -1,
        call: Callable[[int, memoryview], object] | None = None,
    ) -> Iterator[Message]:
        """What the other side posts, until it closes or dies.

        A payload is to be looked at before the next message is asked for.

        Args:
            idle: called when all that has come has been looked at.
            often: a kind of which there are many. What is ``call``ed with target and
                payload, and not handed out, is what fits of them.
            call: see ``often``.
        """
        receive = self._sock.recv_into
        unpack = _HEADER.unpack_from
        memory = memoryview(bytearray(_READ))
        header_size = _HEADER.size
        start = end = 0
        try:
            while True:
                # a header
                while end - start < header_size:
                    if idle is not None:
                        idle()
                    if start:
                        memory[: end - start] = memory[start:end]
                        start, end = 0, end - start
                    got = receive(memory[end:])
                    if not got:
                        return
                    end += got
                kind, count, target, request, size = unpack(memory, start)
                start += header_size
                # all of it, with small messages after it
                if not count and size <= end - start:
                    if kind == often and call is not None:
                        call(target, memory[start : start + size])
                        self.handled += 1
                        start += size
                        continue
                    yield kind, target, request, memory[start : start + size], ()
                    self.handled += 1
                    start += size
                    continue
                # what has come of it so far, and the rest
                parts = [bytearray(_LENGTHS[count].size)]  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
                start = self._fill(parts[0], memory, start, end)
                lengths = _LENGTHS[count].unpack(parts[0])  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
                parts = [bytearray(length) for length in (size, *lengths)]  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
                for part in parts:
                    start = self._fill(part, memory, start, end)
                payload, *buffers = parts
                yield kind, target, request, memoryview(payload), buffers
                self.handled += 1
        except (OSError, EOFError):
            # it has died, with something unread
            return

    def _fill(self, part: bytearray, memory: memoryview, start: int, end: int) -> int:
        """Fill ``part`` with what has been read, then from the socket."""
        wanted = len(part)
        have = min(wanted, end - start)
        part[:have] = memory[start : start + have]
        with memoryview(part) as view:
            while have < wanted:
                got = self._sock.recv_into(view[have:])
                if not got:
                    raise EOFError
                have += got
        return start + min(wanted, end - start)

    def close(self) -> None:
        """End the connection: both sides read to the end of what was posted.

        ``messages`` ends in whichever thread it runs. The socket itself is closed
        when nobody uses it any more.
        """
        self.broken = True
        try:
            self._sock.shutdown(SHUT_RDWR)
        except OSError:
            # the other side was faster
            pass
        flusher = self._flusher
        if flusher is not None:
            flusher.join()

    def dispose(self) -> None:
        """Close the socket. Nobody posts or reads any more."""
        self._sock.close()
