"""Every operation that can wait, each with the peer's operation that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, RecvCase, recv, select, send

from .ledger import Ledger, at_rest, drain

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ("KINDS", "Parked", "operations", "works")

KINDS = (
    "send",
    "recv",
    "recv_ok",
    "iterate",
    "select recv",
    "select send",
    "select mixed, recv",
    "select mixed, send",
)

# for tests with the arguments ``kind`` and ``cap``
operations = pytest.mark.parametrize(
    ("kind", "cap"), [(kind, cap) for kind in KINDS for cap in (0, 1)]
)


class Parked:
    """One operation that has to wait.

    ``empty`` and ``empty2`` hold nothing and ``full`` and ``full2`` are full, so
    receiving from the former and sending to the latter waits.

    Attributes:
        completed: the operation has returned, with a value or having sent one.
        closed: the operation has found the channel closed.
    """

    def __init__(self, kind: str, cap: int) -> None:
        self.kind = kind
        self.cap = cap
        self.sends = kind.endswith("send")
        self.ledger = Ledger()
        self.empty = Chan[int](cap, name="empty")
        self.empty2 = Chan[int](cap, name="empty2")
        self.full = Chan[int](cap, name="full")
        self.full2 = Chan[int](cap, name="full2")
        for channel in (self.full, self.full2):
            for _ in range(cap):
                self._fill(channel)
        self.value = self.ledger.new()
        self.completed = False
        self.closed = False

    @property
    def channels(self) -> tuple[Chan[int], ...]:
        return (self.empty, self.empty2, self.full, self.full2)

    @property
    def channel(self) -> Chan[int]:
        """The one on which the peer completes it."""
        return self.full if self.sends else self.empty

    def _fill(self, channel: Chan[int]) -> None:
        value = self.ledger.new()
        channel.send_nowait(value)
        self.ledger.sent(value)

    def coroutine(self) -> Coroutine[Any, Any, object]:
        """The bare operation; give what it returns to :meth:`record`."""
        other = self.ledger.new()
        match self.kind:
            case "send":
                return self.full.send(self.value)
            case "recv":
                return self.empty.recv()
            case "recv_ok":
                return self.empty.recv_ok()
            case "iterate":
                return anext_of(self.empty)
            case "select recv":
                return select(recv(self.empty2), recv(self.empty))
            case "select send":
                return select(send(self.full2, other), send(self.full, self.value))
            case _:
                return select(recv(self.empty), send(self.full, self.value))

    def record(self, result: object) -> None:
        """Note what the bare operation has returned."""
        match result:
            case None:
                self.ledger.sent(self.value)
            case int(value) | (int(value), True):
                self.ledger.got(value)
            case gochan.Case(ok=True, value=value):
                if isinstance(result, RecvCase):
                    self.ledger.got(value)
                else:
                    self.ledger.sent(value)
            case (None, False) | RecvCase():
                self.closed = True
                return
            case _:
                raise AssertionError(f"{self.kind} returned {result!r}")
        self.completed = True

    async def operate(self) -> None:
        """Do the operation and note it in the same step."""
        try:
            self.record(await self.coroutine())
        except (gochan.ChanClosed, gochan.SendOnClosed, StopAsyncIteration):
            self.closed = True

    def waits(self) -> bool:
        stats = self.channel.stats()
        return stats.waiting_senders + stats.waiting_receivers == 1

    def peer(self) -> bool:
        """The peer's operation, without waiting. Whether it could be done."""
        try:
            if self.sends:
                self.ledger.got(self.full.recv_nowait())
            else:
                value = self.ledger.new()
                self.empty.send_nowait(value)
                self.ledger.sent(value)
        except gochan.WouldBlock:
            return False
        return True

    def unchanged(self) -> None:
        """As before the operation: no trace of it on any channel."""
        at_rest(*self.channels)
        assert not self.completed
        assert [len(channel) for channel in self.channels] == [0, 0, self.cap, self.cap]

    async def check(self) -> None:
        """All values are accounted for, and the channels go on working."""
        self.ledger.check(*self.channels)
        for channel in self.channels:
            if not channel.closed:
                await works(channel)


async def works(channel: Chan[int]) -> None:
    """One value goes through, and at each end the one that was offered."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.send, -1)
        assert await channel.recv() == -1
    at_rest(channel)
    assert drain(channel) == []


async def anext_of(channel: Chan[int]) -> int:
    async for value in channel:
        return value
    raise gochan.ChanClosed(channel)
