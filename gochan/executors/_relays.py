"""Requests about handles: this process is on the way to their home.

A request goes on by that link, and its answer comes back the same way. A value is
acknowledged only when the one who asked first has acknowledged it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ._asking import Relayed
from ._protocol import ACK, CHOSEN, FAILED, NACK, VALUE

if TYPE_CHECKING:
    from ._link import Link
    from ._serving import Server

__all__ = ("Relay", "relay")


class Relay(Relayed):
    """A request that goes on by another link."""

    __slots__ = ("onward", "request", "server")

    def __init__(self, server: Server, request: int, onward: Link) -> None:
        super().__init__()
        self.server = server
        self.request = request
        self.onward = onward

    def wake(self) -> bool:
        server, post = self.server, self.onward.stream.post
        kind, value = self.value
        carries = kind in (VALUE, CHOSEN)
        with server.link.lock:
            here = server.relays.pop(self.request, None) is not None
        if carries and here:
            undo, done = (partial(post, answer, 0, self.case) for answer in (NACK, ACK))
            server.deliver(kind, self.request, value, undo, done)
        elif carries:
            post(NACK, 0, self.case)
        elif here and kind == FAILED:
            server.fail(self.request, *value)
        elif here:
            server.answer(kind, self.request, value)
        return True


def relay(
    server: Server, onward: Link, kind: int, target: int, request: int, value: Any
) -> None:
    """Have a request that ``server`` has got answered by another process.

    Raises:
        BrokenWorkerProcess: that one has gone.
        TypeError: the value cannot be pickled.
    """
    waiter = Relay(server, request, onward)
    packed = onward.pack(value)
    with server.link.lock:
        server.relays[request] = waiter
    try:
        onward.ask(waiter, kind, target, packed)
    except BaseException:
        with server.link.lock:
            server.relays.pop(request, None)
        raise
