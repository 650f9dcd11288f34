"""What a channel does, as a sequential program: the oracle of other tests.

An operation is a list of cases, of which exactly one is to be done; a plain send
or receive is a list of one. Its outcome is ``(index, value, ok)``, with ``ok``
False if the channel was closed, or one of the words below.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import gochan
from gochan.buffers import Buffer, Dropping, Sliding, Unbounded

__all__ = (
    "CANCELLED",
    "CLOSED",
    "CLOSED_TWICE",
    "PANIC",
    "WOULD_BLOCK",
    "Case",
    "Model",
    "ModelChan",
    "Op",
    "Outcome",
    "Waiting",
    "chosen",
    "perform",
    "perform_nowait",
    "sketch",
)

Outcome: TypeAlias = "tuple[int, Any, bool] | str"

CLOSED = "closed"
CLOSED_TWICE = "close of closed channel"
WOULD_BLOCK = "would block"
CANCELLED = "cancelled"
# send on closed channel: the exception does not tell which case it was
PANIC: Outcome = "send on closed channel"


@dataclass(frozen=True)
class Case:
    """``channel`` is the number of a channel; ``value`` is for sends."""

    way: Literal["send", "recv"]
    channel: int
    value: Any = None


@dataclass(frozen=True)
class Op:
    """Something that a party may do.

    Attributes:
        kind: which of the public functions.
        cases: what is selected on, or the one case of a plain operation.
        channel: what is closed.
    """

    kind: Literal[
        "send",
        "recv",
        "recv_ok",
        "close",
        "select",
        "try_send",
        "try_recv",
        "try_select",
    ]
    cases: tuple[Case, ...] = ()
    channel: int = 0

    @property
    def waits(self) -> bool:
        """Whether it parks if it cannot be done at once."""
        return not self.kind.startswith("try_") and self.kind != "close"


@dataclass(eq=False)
class Waiting:
    """A parked operation; ``outcome`` is what its peer has made of it."""

    cases: tuple[Case, ...]
    outcome: Outcome | None = None


@dataclass
class ModelChan:
    """One channel: its values, and who waits for it (a party, index of its case)."""

    cap: int = 0
    lossy: Literal["dropping", "sliding"] | None = None
    buf: deque[Any] = field(default_factory=deque[Any])
    closed: bool = False
    senders: list[tuple[Waiting, int]] = field(default_factory=list[Any])
    receivers: list[tuple[Waiting, int]] = field(default_factory=list[Any])
    dropped: int = 0

    @classmethod
    def like(cls, cap: int, buffer: Buffer[Any] | None) -> ModelChan:
        """The model of ``Chan(cap, buffer=buffer)``."""
        match buffer:
            case Dropping():
                return cls(buffer.cap or 0, "dropping")
            case Sliding():
                return cls(buffer.cap or 0, "sliding")
            case Unbounded():
                return cls(sys.maxsize)
            case _:
                return cls(cap)

    def ready(self, case: Case) -> bool:
        if case.way == "send":
            room = len(self.buf) < self.cap or self.lossy is not None
            return bool(self.closed or self.receivers or room)
        return bool(self.closed or self.buf or self.senders)

    def send(self, value: Any) -> Waiting | None:
        """A send that is ready; who is woken by it."""
        if self.receivers:
            peer, index = self.receivers.pop(0)
            peer.outcome = (index, value, True)
            return peer
        if len(self.buf) < self.cap:
            self.buf.append(value)
        else:
            self.dropped += 1
            if self.lossy == "sliding":
                self.buf.popleft()
                self.buf.append(value)
        return None

    def recv(self) -> tuple[Any, bool, Waiting | None]:
        """A receive that is ready; who is woken by it."""
        if self.senders:
            peer, index = self.senders.pop(0)
            peer.outcome = (index, None, True)
            self.buf.append(peer.cases[index].value)
            return self.buf.popleft(), True, peer
        if self.buf:
            return self.buf.popleft(), True, None
        return None, False, None

    def close(self) -> list[Waiting]:
        """The one close there may be; who is woken by it."""
        self.closed = True
        # a select may stand in the queues more than once: its first place counts
        for peer, index in self.receivers:
            peer.outcome = peer.outcome or (index, None, False)
        for peer, _ in self.senders:
            peer.outcome = peer.outcome or PANIC
        return [peer for peer, _ in (*self.receivers, *self.senders)]


class Model:
    """Several channels, and everybody who waits for them."""

    def __init__(self, *channels: ModelChan) -> None:
        self.channels = channels

    def possible(self, op: Op) -> list[Outcome]:
        """What may come of ``op`` at once; empty if it has to wait."""
        if op.kind == "close":
            return [CLOSED_TWICE if self.channels[op.channel].closed else CLOSED]
        outcomes: list[Outcome] = []
        for index, case in enumerate(op.cases):
            channel = self.channels[case.channel]
            if not channel.ready(case):
                continue
            if case.way == "send":
                outcomes.append(PANIC if channel.closed else (index, None, True))
            elif channel.buf:
                outcomes.append((index, channel.buf[0], True))
            elif channel.senders:
                peer, at = channel.senders[0]
                outcomes.append((index, peer.cases[at].value, True))
            else:
                outcomes.append((index, None, False))
        if not outcomes and not op.waits:
            return [WOULD_BLOCK]
        return outcomes

    def apply(self, op: Op, outcome: Outcome) -> None:
        """``op`` was done at once, with an outcome that was possible."""
        woken: list[Waiting] = []
        if outcome == CLOSED:
            woken = self.channels[op.channel].close()
        elif not isinstance(outcome, str):
            case = op.cases[outcome[0]]
            channel = self.channels[case.channel]
            if case.way == "send":
                peer = channel.send(case.value)
            else:
                _, _, peer = channel.recv()
            if peer is not None:
                woken = [peer]
        for waiting in woken:
            self.forget(waiting)

    def park(self, op: Op, channels: list[gochan.Chan[Any]]) -> Waiting:
        """``op`` has to wait, and does so in the real ``channels`` already.

        A select with two cases in one queue draws which of them stands first.
        """
        waiting = Waiting(op.cases)
        order = _drawn(op, channels)
        assert sorted(order) == list(range(len(op.cases)))
        for index in order:
            case = op.cases[index]
            channel = self.channels[case.channel]
            queue = channel.senders if case.way == "send" else channel.receivers
            queue.append((waiting, index))
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """It waits no longer."""
        for channel in self.channels:
            for queue in (channel.senders, channel.receivers):
                queue[:] = [entry for entry in queue if entry[0] is not waiting]

    def sketch(self) -> list[tuple[list[Any], bool, int, int, int]]:
        """The state in a form that :func:`sketch` gives of the real channels."""
        return [
            (
                list(channel.buf),
                channel.closed,
                len(channel.senders),
                len(channel.receivers),
                channel.dropped,
            )
            for channel in self.channels
        ]


def sketch(
    channels: list[gochan.Chan[Any]],
) -> list[tuple[list[Any], bool, int, int, int]]:
    """The state of real channels, whose invariants are checked on the way."""
    states: list[tuple[list[Any], bool, int, int, int]] = []
    for channel in channels:
        channel._check()
        states.append(
            (
                list(channel._buf),
                channel.closed,
                len(channel._senders),
                len(channel._receivers),
                channel._dropped,
            )
        )
    return states


def _drawn(op: Op, channels: list[gochan.Chan[Any]]) -> list[int]:
    """The cases of ``op``, as they stand in each of the queues."""
    places: dict[tuple[str, int], int] = {}
    for case in op.cases:
        place = case.way, case.channel
        places[place] = places.get(place, 0) + 1
    order: list[int] = []
    for (way, number), count in places.items():
        channel = channels[number]
        queue = channel._senders if way == "send" else channel._receivers
        # it came last
        order += [node.case for node in queue][-count:]
    return order


def _case(
    case: Case, channels: list[gochan.Chan[Any]]
) -> gochan.RecvCase[Any] | gochan.SendCase[Any]:
    channel = channels[case.channel]
    if case.way == "send":
        return gochan.send(channel, case.value)
    return gochan.recv(channel)


def chosen(case: Any) -> Outcome:
    """The outcome of a select that has returned ``case``."""
    if isinstance(case, gochan.SendCase):
        return (case.index, None, True)
    return (case.index, case.value if case.ok else None, case.ok)


async def perform(op: Op, channels: list[gochan.Chan[Any]]) -> Outcome:
    """Do ``op`` for real."""
    if not op.waits:
        return perform_nowait(op, channels)
    try:
        if op.kind == "select":
            return chosen(
                await gochan.select(*(_case(case, channels) for case in op.cases))
            )
        (case,) = op.cases
        channel = channels[case.channel]
        if op.kind == "send":
            await channel.send(case.value)
            return (0, None, True)
        if op.kind == "recv":
            return (0, await channel.recv(), True)
        value, ok = await channel.recv_ok()
    except gochan.ChanClosed:
        return (0, None, False)
    except gochan.SendOnClosed:
        return PANIC
    return (0, value, ok)


def perform_nowait(op: Op, channels: list[gochan.Chan[Any]]) -> Outcome:
    """Do ``op``, which never waits, for real."""
    try:
        if op.kind == "close":
            channels[op.channel].close()
            return CLOSED
        if op.kind == "try_select":
            cases = [_case(case, channels) for case in op.cases]
            done = gochan.select_nowait(*cases)
            return WOULD_BLOCK if done is None else chosen(done)
        (case,) = op.cases
        channel = channels[case.channel]
        if op.kind == "try_send":
            channel.send_nowait(case.value)
            return (0, None, True)
        return (0, channel.recv_nowait(), True)
    except gochan.WouldBlock:
        return WOULD_BLOCK
    except gochan.ChanClosed:
        return (0, None, False)
    except gochan.CloseOfClosed:
        return CLOSED_TWICE
    except gochan.SendOnClosed:
        return PANIC
