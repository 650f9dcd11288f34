"""Go's test/ken/chan.go.

Six ways to connect plain senders, plain receivers and eight-way selects, with
buffers of 0, 1, 10 and 100, and random yields in between. Each channel carries its
own numbers in order. What is sent and what is received is counted: 36 channels of
76 values, for four sizes.
"""

from __future__ import annotations

import itertools
import random
import threading
from typing import TYPE_CHECKING

import pytest

from gochan import Chan, RecvCase, SendCase, recv, select_nowait, send
from golang.helpers import WHERE, Face, World, fresh_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PER_CHANNEL = 76

IntCase = RecvCase[int] | SendCase[int]


class Line:
    """A channel with the next number to send and the next to be received."""

    def __init__(self, first: int, cap: int) -> None:
        self.ch = Chan[int](cap)
        self.next_sent = first
        self.next_received = first
        self.last = first + PER_CHANNEL - 1


class Traffic:
    """The lines of one run, and how much has gone over them."""

    def __init__(self, world: World, cap: int, seed: int) -> None:
        self.world = world
        self.cap = cap
        self.random = random.Random(seed)
        self.first = itertools.count(100, 100)
        self.lock = threading.Lock()
        self.sent = 0
        self.received = 0

    def lines(self, n: int) -> list[Line]:
        return [Line(next(self.first), self.cap) for _ in range(n)]

    def count_sent(self, line: Line, value: int) -> bool:
        """Take note; False when the line has sent its last number."""
        with self.lock:
            self.sent += 1
        assert value == line.next_sent
        line.next_sent += 1
        return value != line.last

    def count_received(self, line: Line, value: int) -> bool:
        with self.lock:
            self.received += 1
        assert value == line.next_received, "out of order, lost, or received twice"
        line.next_received += 1
        return value != line.last

    async def pause(self, my: Face) -> None:
        for _ in range(self.random.randrange(4)):
            await my.yield_()

    # the parties

    async def send(self, my: Face, line: Line) -> None:
        more = True
        while more:
            await self.pause(my)
            value = line.next_sent
            await my.send(line.ch, value)
            more = self.count_sent(line, value)

    async def recv(self, my: Face, line: Line) -> None:
        more = True
        while more:
            await self.pause(my)
            more = self.count_received(line, await my.recv(line.ch))

    async def select(
        self, my: Face, takes: Sequence[Line], gives: Sequence[Line]
    ) -> None:
        """Receive from four lines and send on four, as long as they have something.

        A line that has had its last number is nil from then on.
        """
        taking: list[Line | None] = [*takes, *[None] * (4 - len(takes))]
        giving: list[Line | None] = [*gives, *[None] * (4 - len(gives))]
        while any(taking) or any(giving):
            await self.pause(my)
            cases: list[IntCase] = []
            cases += [recv(line.ch if line else None) for line in taking]
            cases += [
                send(line.ch, line.next_sent) if line else send(None, 0)
                for line in giving
            ]
            chosen: IntCase = await my.select(*cases)
            lines = taking if isinstance(chosen, RecvCase) else giving
            k = chosen.index % 4
            line = lines[k]
            assert line is not None
            count = self.count_received if lines is taking else self.count_sent
            if not count(line, chosen.value):
                lines[k] = None

    # the topologies

    def plain_to_plain(self) -> list[Line]:
        lines = self.lines(4)
        for line in lines:
            self.world.go(self.send, line)
            self.world.go(self.recv, line)
        return lines

    def plain_to_select(self) -> list[Line]:
        lines = self.lines(4)
        for line in lines:
            self.world.go(self.send, line)
        self.world.go(self.select, lines, ())
        return lines

    def select_to_plain(self) -> list[Line]:
        lines = self.lines(4)
        for line in lines:
            self.world.go(self.recv, line)
        self.world.go(self.select, (), lines)
        return lines

    def select_to_select(self) -> list[Line]:
        lines = self.lines(4)
        self.world.go(self.select, lines, ())
        self.world.go(self.select, (), lines)
        return lines

    def two_selects_both_ways(self) -> list[Line]:
        lines = self.lines(8)
        self.world.go(self.select, lines[4:], lines[:4])
        self.world.go(self.select, lines[:4], lines[4:])
        return lines

    def select_in_between(self) -> list[Line]:
        lines = self.lines(12)
        for line in lines[:4]:
            self.world.go(self.send, line)
        self.world.go(self.select, lines[:4], lines[4:8])
        self.world.go(self.select, lines[4:8], lines[8:])
        for line in lines[8:]:
            self.world.go(self.recv, line)
        return lines


TOPOLOGIES: list[Callable[[Traffic], list[Line]]] = [
    Traffic.plain_to_plain,
    Traffic.plain_to_select,
    Traffic.select_to_plain,
    Traffic.select_to_select,
    Traffic.two_selects_both_ways,
    Traffic.select_in_between,
]


@WHERE
@pytest.mark.parametrize("cap", [0, 1, 10, 100])
async def test_all_topologies_one_after_the_other(where: str, cap: int) -> None:
    seed = fresh_seed()
    total = 0
    for topology in TOPOLOGIES:
        async with World(where) as world:
            traffic = Traffic(world, cap, seed)
            lines = topology(traffic)
        done = f"{topology.__name__}, seed {seed}"
        assert traffic.sent == traffic.received == len(lines) * PER_CHANNEL, done
        for line in lines:
            assert select_nowait(recv(line.ch)) is None, done
            stats = line.ch.stats()
            assert (stats.waiting_senders, stats.waiting_receivers) == (0, 0), done
        total += traffic.sent
    # Go's 10,944 for its four sizes
    assert total * 4 == 10_944


@WHERE
async def test_all_topologies_at_once(where: str) -> None:
    seed = fresh_seed()
    async with World(where) as world:
        traffic = Traffic(world, 1, seed)
        n = sum(len(topology(traffic)) for topology in TOPOLOGIES)
    assert traffic.sent == traffic.received == n * PER_CHANNEL, f"seed {seed}"
