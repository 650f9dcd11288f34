"""Thousands of transfers between processes that are killed at random.

Everybody writes down what it does, in a file that survives it, and the home writes down
what has been acknowledged. In the end every value has to be accounted for.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from anyio import BrokenWorkerProcess

import gochan
from gochan import Chan, SendCase, go, recv, scope, select, send
from gochan.executors import _ahead, _serving
from support import in_processes as there
from support.census import METHOD, eventually

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 25
PROCESSES = 3


def _begun(g: Any) -> bool:
    return bool(g.state != "runnable")


def _holds(channel: Chan[Any]) -> bool:
    """Its invariants. A select that has just been claimed may have yet to leave it."""
    try:
        channel._check()
    except AssertionError:
        return False
    return True


class Chaos:
    """One round of it."""

    def __init__(self, seed: int, log: str) -> None:
        self.rng = random.Random(seed)
        self.log = log
        self.channels = [Chan[str](cap) for cap in (0, 1, 4, 64)]
        self.stop = Chan[None]()
        self.links: dict[str, Any] = {}
        self.killed: set[str] = set()
        self.operations = 0
        # by the home: what a party's process has said that it has
        self.acknowledged: set[str] = set()

    async def main(self) -> None:
        pool = gochan.executors.processes(PROCESSES, METHOD)
        async with scope():
            for party in range(PROCESSES):  # pyright: ignore[reportUnusedVariable]
                go(self.keep_running, pool, f"p{party}")
            for party in range(2):  # pyright: ignore[reportUnusedVariable]
                go(self.here, f"h{party}")
            go(self.kill_at_random)

    async def keep_running(self, pool: Any, name: str) -> None:
        """A process that is replaced when it has been killed."""
        generation = 0
        while not self.stop.closed:
            generation += 1
            party = f"{name}.{generation}"
            try:
                async with scope():
                    g = go(
                        there.storm,
                        party,
                        self.rng.randrange(1 << 30),
                        self.channels,
                        self.stop,
                        self.log,
                        on=pool,
                    )
                    await eventually(partial(_begun, g))
                    away: Any = g.away
                    if away is not None and away.link is not None:
                        self.links[party] = away.link
                    self.operations += await g
            except ExceptionGroup as group:
                assert party in self.killed, group
                (error,) = group.exceptions
                assert isinstance(error, BrokenWorkerProcess)
            finally:
                self.links.pop(party, None)

    async def kill_at_random(self) -> None:
        for _ in range(KILLS):
            before = self.transfers()
            await eventually(partial(self.reached, before + self.rng.randrange(200)))
            party = self.rng.choice(list(self.links))
            self.killed.add(party)
            pid = int(self.links.pop(party).peer.removeprefix("process "))
            os.kill(pid, signal.SIGKILL)
            for channel in self.channels:
                await eventually(partial(_holds, channel))
        self.stop.close()

    def reached(self, transfers: int) -> bool:
        return bool(self.links) and self.transfers() >= transfers

    def transfers(self) -> int:
        try:
            return os.path.getsize(self.log) // 20
        except FileNotFoundError:
            return 0

    async def here(self, party: str) -> None:
        """The same on this loop."""
        count = 0
        with open(self.log, "a", buffering=1) as log:
            while True:
                count += 1
                cases: list[Any] = [recv(self.stop)]
                for number, channel in enumerate(self.channels):
                    if self.rng.random() < 0.5:
                        cases.append(recv(channel))
                    else:
                        value = f"{party}-{count}-{number}"
                        log.write(f"sending {party} {value}\n")
                        cases.append(send(channel, value))
                chosen = await select(*cases)
                if chosen is cases[0]:
                    return
                what = "sent" if isinstance(chosen, SendCase) else "got"
                log.write(f"{what} {party} {chosen.value}\n")  # pyright: ignore[reportUnknownMemberType]

    def check(self) -> Counter[str]:
        sending: set[str] = set()
        sent: set[str] = set()
        got: dict[str, list[str]] = {}
        counts: Counter[str] = Counter()
        with open(self.log) as log:
            for line in log:
                what, party, value = line.split()
                counts[what] += 1
                match what:
                    case "sending":
                        sending.add(value)
                    case "sent":
                        sent.add(value)
                    case _:
                        got.setdefault(value, []).append(party)
        left = Counter[str]()
        for channel in self.channels:
            channel._check()
            stats = channel.stats()
            assert stats.waiting_receivers == 0
            # what has come back may wait as a sender would, and nobody else does
            channel.close()
            left.update(channel._buf)
            assert channel.cap == stats.cap
        assert max(left.values(), default=1) == 1
        # nothing is made up
        assert set(got) <= sending
        assert set(left) <= sending
        for value, parties in got.items():
            # none is received by two that live, or received and still there
            live = [party for party in parties if party not in self.killed]
            assert len(live) + left[value] <= 1, (value, parties)
        for value in sent - set(got) - set(left):
            # somebody has received it, and not lived to write that down
            assert value in self.acknowledged
            counts["died with their receiver"] += 1
        counts["left"] = len(left)
        return counts


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(2))
def test_every_value_is_accounted_for(
    seed: int, tmp_path: Path, backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chaos = Chaos(seed, str(tmp_path / "log"))
    # what has been delivered by which request, and what was acknowledged
    delivered: dict[tuple[int, int], Any] = {}
    deliver, acknowledged = _serving.Server.deliver, _serving.Server.acknowledged

    def note_delivery(
        self: Any, kind: int, request: int, value: Any, *undo: Any
    ) -> None:
        content: Any = value[2] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]
        delivered[id(self), request] = content
        deliver(self, kind, request, value, *undo)

    def note_acknowledgement(self: Any, request: int, *, received: bool) -> None:
        if received:
            chaos.acknowledged.add(delivered.pop((id(self), request)))
        acknowledged(self, request, received=received)

    monkeypatch.setattr(_serving.Server, "deliver", note_delivery)
    monkeypatch.setattr(_serving.Server, "acknowledged", note_acknowledgement)
    # what has been received without asking
    taken = _ahead.taken

    def note_taken(channel: Any, link: Any, count: int) -> None:
        chaos.acknowledged.update(islice(channel._buf, count))
        taken(channel, link, count)

    monkeypatch.setattr(_ahead, "taken", note_taken)
    monkeypatch.setattr(_ahead, "_SOON", 1e9)
    monkeypatch.setattr(_ahead, "_PENALTY", 3)
    gochan.run(chaos.main, **backend)
    counts = chaos.check()
    assert len(chaos.killed) == KILLS
    assert counts["got"] > 1000
    print(dict(counts), len(chaos.killed))
