"""Random histories of what synchronises and accesses: FastTrack against all pairs.

Two judges are told the same events. One keeps every access and compares each with all
others; the other is the detector, which keeps next to nothing. They must agree on which
variables have a race.

The second test runs programs. What channels tell the detector there, on the short way
that they have for it, the other judge is told by the functions of ``_edges``.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan, _budget, _edges, _instrument, go, race, recv, select, send
from gochan.race import Var
from support.idle import settle
from support.seeing import Clocks

if TYPE_CHECKING:
    import pytest


class Name:
    """A party, or an address."""


PARTIES, ADDRESSES, VARIABLES = range(4), range(3), range(2)

HISTORIES = 500

History = list[tuple[str, int, int]]


def _history(random: Random) -> History:
    def event() -> tuple[str, int, int]:
        what = random.choice(
            (
                "acquire",
                "release",
                "release_merge",
                "release_acquire",
                "rendezvous",
                "read",
                "write",
            )
        )
        others: range = ADDRESSES
        if what == "rendezvous":
            others = PARTIES
        elif what in ("read", "write"):
            others = VARIABLES
        return what, random.choice(PARTIES), random.choice(others)

    return [event() for _ in range(random.randrange(3, 40))]


def test_the_detector_agrees_with_a_comparison_of_all_pairs() -> None:
    raced = [_compare(_history(Random(number))) for number in range(HISTORIES)]
    assert {0, 1, 2} == set(raced)


def _compare(history: History) -> int:
    parties = [Name() for _ in PARTIES]
    addresses: list[Any] = [Name() for _ in ADDRESSES]
    # that of an unbuffered channel serves for nothing else
    meeting = Name()
    # one of them is a slot of something
    addresses[-1] = (addresses[-1], 0)
    variables = [Var(0, name=str(number)) for number in VARIABLES]
    clocks, detector = Clocks(), race.detector(report="collect")
    with detector:
        for one in parties:
            # a peer has parked before anybody meets it
            with _instrument.acting(one):
                detector.goroutine_parked(one, "chan receive", None)
        for event, who, what in history:
            with _instrument.acting(parties[who]):
                if event == "read":
                    clocks.access(what, write=False)
                    variables[what].load()
                elif event == "write":
                    clocks.access(what, write=True)
                    variables[what].store(1)
                elif event == "rendezvous":
                    if who != what:
                        args = (parties[who], parties[what], meeting)
                        clocks.rendezvous(*args)
                        detector.rendezvous(*args)
                else:
                    for judge in (clocks, detector):
                        getattr(judge, event)(parties[who], addresses[what])
    found = {int(raced.variable.split("'")[1]) for raced in detector.races}
    assert found == set(clocks.races())
    return len(found)


class Both:
    """The detector's short way, which tells the other judge, too."""

    def __init__(self, clocks: Clocks, detector: race.Detector) -> None:
        self.clocks = clocks
        self.real = detector._channels
        # what has come this way
        self.seen: set[str] = set()

    def sends_to(self, channel: Any, peer: Any) -> None:
        self.seen.add("sends_to")
        party = _edges.entered_send(self.clocks, channel)
        first = channel._first
        _edges.handed_to_receiver(self.clocks, channel, party, peer)
        after, channel._first = channel._first, first
        self.real.sends_to(channel, peer)
        assert channel._first == after

    def takes_from(self, channel: Any, peer: Any) -> None:
        self.seen.add("takes_from")
        first = channel._first
        _edges.taken_from_sender(self.clocks, channel, peer)
        after, channel._first = channel._first, first
        self.real.takes_from(channel, peer)
        assert channel._first == after

    def puts(self, channel: Any) -> None:
        self.seen.add("puts")
        party = _edges.entered_send(self.clocks, channel)
        _edges.put(self.clocks, channel, party)
        self.real.puts(channel)

    def takes(self, channel: Any) -> None:
        self.seen.add("takes")
        first = channel._first
        _edges.taken(self.clocks, channel)
        after, channel._first = channel._first, first
        self.real.takes(channel)
        assert channel._first == after

    def waits_to_send(self, channel: Any) -> Any:
        self.seen.add("waits_to_send")
        party = _edges.entered_send(self.clocks, channel)
        assert self.real.waits_to_send(channel) is party
        return party

    def waits(self) -> Any:
        self.seen.add("waits")
        party = self.real.waits()
        assert party is _instrument.current_party()
        return party


# and one more, of an unbounded buffer
CAPS = (0, 0, 1, 2)
PROGRAMS = 60

Script = list[tuple[str, int]]


def _scripts(random: Random) -> list[Script]:
    def step() -> tuple[str, int]:
        what = random.choices(
            ("send", "recv", "write", "read", "select", "close", "yield"),
            (30, 30, 20, 10, 6, 2, 2),
        )[0]
        several = VARIABLES if what in ("write", "read") else range(len(CAPS) + 1)
        return what, random.choice(several)

    return [[step() for _ in range(random.randrange(4, 16))] for _ in range(4)]


def _pair(random: Random) -> list[Script]:
    """Two that meet again and again, and a third that looks at what they write."""
    one: Script = []
    other: Script = []
    for _ in range(8):
        here, there = random.choice([("send", "recv"), ("recv", "send")])
        which = random.choice((0, 1))
        for script, what in ((one, here), (other, there)):
            script.append((what, which))
            for _ in range(random.randrange(3)):
                use = random.choice(("read", "write"))
                script.append((use, random.choice(VARIABLES)))
    # and takes, some time later, what one of them has left in a buffer in between
    third: Script = [("yield", 0)] * random.randrange(16)
    for _ in range(2):
        one.insert(random.randrange(len(one)), ("send", 3))
        third += [("recv", 3), ("write", random.choice(VARIABLES))]
    return [one, other, third]


def _judge(backend: dict[str, Any], scripts: list[Script], seen: set[str]) -> int:
    clocks, detector = Clocks(), race.detector(report="collect")
    variables = [Var(0, name=str(number)) for number in VARIABLES]
    channels = [Chan[int](cap) for cap in CAPS]
    unbounded = Chan[int](buffer=gochan.buffers.Unbounded())
    channels.append(unbounded)

    async def follow(script: Script) -> None:
        for what, which in script:
            ch = channels[which]
            try:
                if what == "send":
                    await ch.send(0)
                elif what == "recv":
                    await ch.recv()
                elif what == "select":
                    await select(recv(ch), send(channels[0], 0))
                elif what == "close":
                    ch.close()
                elif what == "yield":
                    await gochan.yield_()
                else:
                    clocks.access(which, write=what == "write")
                    if what == "write":
                        variables[which].store(1)
                    else:
                        variables[which].load()
            except (gochan.ChanClosed, gochan.Panic):
                pass

    async def main() -> None:
        for script in scripts:
            go(follow, script)
        await settle()

    both = Both(clocks, detector)
    with detector:
        several = _instrument._Several([clocks, detector])
        several.follows = False
        several._quick = both
        _instrument._installed[:] = [several]
        _instrument._select_active()
        try:
            gochan.run(main, **backend, deadlock=False)
        finally:
            _instrument._installed[:] = [detector]
            _instrument._select_active()
    seen |= both.seen
    found = {raced.variable for raced in detector.races}
    assert found == {
        f"channel {where.name!r}" if isinstance(where, Chan) else f"Var '{where}'"
        for where in clocks.races()
    }
    return len(found)


def test_the_short_way_of_channels(
    backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # it is taken while one thread runs loops, and nobody has been left cancelled
    monkeypatch.setattr(_budget.budget, "loops", frozenset[int]())
    monkeypatch.setattr(_budget.budget, "threads", False)
    monkeypatch.setattr(_budget.budget, "cancelled", 0)
    seen: set[str] = set()
    verdicts = {
        _judge(backend, make(Random(number)), seen)
        for number in range(PROGRAMS)
        for make in (_scripts, _pair)
    }
    # all of it was used, and neither everything nor nothing was a race
    assert seen == {name for name in vars(Both) if not name.startswith("_")}
    assert 0 in verdicts
    assert max(verdicts) > 1
