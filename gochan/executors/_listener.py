"""Where worker processes connect: a Unix socket that only we can reach.

It is in a folder of its own with mode 0700, and whoever connects has to prove, by
multiprocessing's HMAC challenge, that it knows a key that only went through the pool's
own pipe. Nothing that it sends is unpickled before. Then it says which ticket it has.
Anything else is refused and logged.

The listener exists while somebody expects a connection or has one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
from _thread import allocate_lock
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Client,
    Connection,
    answer_challenge,
    deliver_challenge,
    wait,
)
from typing import TYPE_CHECKING, Final, NamedTuple

from ._page import Page
from ._wire import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Ticket", "connect", "expect", "forget")

_log = logging.getLogger("gochan")

# Seconds for a handshake: whoever connects and says nothing must not stay.
_PATIENCE: Final = 10.0
# ticket, process
_HELLO: Final = struct.Struct("<16sQ")


class Ticket(NamedTuple):
    """What a worker needs to connect; it travels through the pool's own pipe."""

    address: str
    key: bytes
    number: bytes
    # the process that listens
    home: int


class _Listening:
    """The socket, and the thread that accepts.

    ``expected`` is guarded by the module's lock.
    """

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="gochan-")
        self.address = os.path.join(self.folder, "link")
        self.key = os.urandom(32)
        # those that have connected, and have not been admitted or refused
        self.strangers: dict[threading.Thread, socket.socket] = {}
        # by ticket: what to do with the connection; None once it is there
        self.expected: dict[bytes, Callable[[Stream, int], None] | None] = {}
        # what we listen on; its own pair of sockets ends the waiting for it
        self.sockets: list[socket.socket] = []
        try:
            self.sockets += socket.socketpair()
            self.sockets.append(socket.socket(socket.AF_UNIX))
            self.sockets[-1].bind(self.address)
            self.sockets[-1].listen(64)
        except BaseException:
            self.clear()
            raise
        self.thread = threading.Thread(
            target=self._accept, name="gochan listener", daemon=True
        )
        self.thread.start()

    def _accept(self) -> None:
        _, over, listening = self.sockets
        while over not in wait([over, listening]):
            try:
                sock, _ = listening.accept()
            except OSError as error:
                # such as too many open files: those who connect wait meanwhile
                _log.warning("cannot accept a connection: %s", error)
                time.sleep(0.05)
                continue
            # What follows may take long, and then this is the link's reader.
            thread = threading.Thread(
                target=self._admit, args=(sock,), name="gochan link", daemon=True
            )
            with _lock:
                self.strangers[thread] = sock
            try:
                thread.start()
            except RuntimeError as error:
                _log.warning("cannot admit a connection: %s", error)
                self._forget(thread)
                sock.close()

    def _admit(self, sock: socket.socket) -> None:
        try:
            begin, process = self._check(sock)
            page = Page.share(sock)
        except Exception as error:  # whatever a stranger makes it raise
            # it may also be one of ours that was ended while it connected
            gone = isinstance(error, EOFError | ConnectionError)
            level = logging.INFO if gone else logging.WARNING
            _log.log(level, "refused a connection to %s: %r", self.address, error)
            self._forget(threading.current_thread())
            sock.close()
        else:
            self._forget(threading.current_thread())
            begin(Stream(sock, page), process)

    def _forget(self, thread: threading.Thread) -> None:
        """It is no stranger any more, or not here."""
        with _lock:
            del self.strangers[thread]

    def _check(self, sock: socket.socket) -> tuple[Callable[[Stream, int], None], int]:
        """The handshake.

        Raises:
            Exception: it is not one that we expect.
        """
        sock.setblocking(True)
        _limit(sock, _PATIENCE)
        with Connection(os.dup(sock.fileno())) as connection:
            deliver_challenge(connection, self.key)
            answer_challenge(connection, self.key)
            number, process = _HELLO.unpack(connection.recv_bytes(_HELLO.size))
        _limit(sock, 0)
        with _lock:
            begin = self.expected.get(number)
            if begin is None:
                raise AuthenticationError("nobody expects it")
            self.expected[number] = None
        return begin, process

    def close(self) -> None:
        self.sockets[0].send(b"x")
        self.thread.join()
        with _lock:
            strangers = list(self.strangers.items())
            for _, sock in strangers:
                # it has not been closed yet
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread, _ in strangers:
            thread.join()
        self.clear()

    def clear(self) -> None:
        for sock in self.sockets:
            sock.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_lock = allocate_lock()
_listening: _Listening | None = None


def _limit(sock: socket.socket, seconds: float) -> None:
    """Have blocking reads fail after so many seconds; 0: never."""
    whole = int(seconds)
    limit = struct.pack("ll", whole, int((seconds - whole) * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


def expect(begin: Callable[[Stream, int], None]) -> Ticket:
    """A ticket for a worker that is to connect.

    Args:
        begin: called with the connection and the number of the process at its other
            end, on a thread of its own, which ends when that returns.

    Raises:
        OSError: there can be no socket.
    """
    global _listening
    with _lock:
        if _listening is None:
            _listening = _Listening()
        number = os.urandom(16)
        _listening.expected[number] = begin
        return Ticket(_listening.address, _listening.key, number, os.getpid())


def forget(ticket: Ticket) -> None:
    """The ticket is not valid any more, and its connection, if any, has ended.

    Blocks for a moment if it was the last one.
    """
    global _listening
    with _lock:
        listening = _listening
        if listening is None or listening.address != ticket.address:
            return
        listening.expected.pop(ticket.number, None)
        if listening.expected:
            return
        _listening = None
    listening.close()


def _forked() -> None:
    # the parent's go on with the parent
    global _lock, _listening
    _lock = allocate_lock()
    listening, _listening = _listening, None
    if listening is not None:
        for sock in listening.sockets:
            sock.close()


os.register_at_fork(after_in_child=_forked)


def connect(ticket: Ticket) -> Stream:
    """In a worker: the connection that a ticket is for.

    Raises:
        OSError: there is nobody any more.
        EOFError: nobody there expects us.
        AuthenticationError: it is not who we take it for.
    """
    with Client(ticket.address, "AF_UNIX", authkey=ticket.key) as connection:
        connection.send_bytes(_HELLO.pack(ticket.number, os.getpid()))
        sock = socket.socket(fileno=os.dup(connection.fileno()))
        try:
            return Stream(sock, Page.receive(sock))
        except BaseException:
            sock.close()
            raise
