"""Channels against a sequential model, with operations that hypothesis makes up.

First on the steppable runtime, where every wait, wake and cancellation is a step
of its own; then the same operations on the real runtimes.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gochan import Chan, _budget, buffers
from support.fake import Party, steppable
from support.idle import settle
from support.model import (
    CANCELLED,
    PANIC,
    Case,
    Model,
    ModelChan,
    Op,
    Outcome,
    Waiting,
    perform,
    sketch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# capacity and buffer: the kinds of channels there are
KINDS = st.one_of(
    st.tuples(st.integers(0, 3), st.none()),
    st.tuples(
        st.just(0),
        st.one_of(
            st.builds(buffers.Dropping[Any], st.integers(1, 3)),
            st.builds(buffers.Sliding[Any], st.integers(1, 3)),
            st.builds(buffers.Unbounded[Any]),
        ),
    ),
)

CHANNEL = st.integers(0, 1)
WAY = st.sampled_from(["send", "recv"])
SELECTION = st.lists(st.tuples(WAY, CHANNEL), min_size=0, max_size=4)


def make(kinds: list[tuple[int, Any]]) -> tuple[list[Chan[Any]], Model]:
    channels: list[Chan[Any]] = [Chan(cap, buffer=buffer) for cap, buffer in kinds]
    return channels, Model(*(ModelChan.like(cap, buffer) for cap, buffer in kinds))


class Accounts:
    """What has become of every value."""

    def __init__(self) -> None:
        self.sent: Counter[Any] = Counter()
        self.received: Counter[Any] = Counter()

    def book(self, op: Op, outcome: Outcome) -> None:
        if isinstance(outcome, tuple) and outcome[2]:
            case = op.cases[outcome[0]]
            if case.way == "send":
                self.sent[case.value] += 1
            else:
                self.received[outcome[1]] += 1

    def check(self, channels: list[Chan[Any]]) -> None:
        left = Counter(value for channel in channels for value in channel._buf)
        gone = self.sent - self.received - left
        assert not self.received + left - self.sent
        assert gone.total() == sum(channel.stats().dropped for channel in channels)


class TwoChannels(RuleBasedStateMachine):
    """Parties come, wait, are woken, are cancelled, and go."""

    @initialize(kinds=st.lists(KINDS, min_size=2, max_size=2))
    def begin(self, kinds: list[tuple[int, Any]]) -> None:
        self.place = steppable()
        self.runtime = self.place.__enter__()
        self.channels, self.model = make(kinds)
        self.accounts = Accounts()
        self.values = itertools.count()
        # those who are not done: parked or woken, as far as the model knows
        self.parties: list[tuple[Party[Outcome], Op, Waiting]] = []
        # those who gave way before they began
        self.yielded: list[tuple[Party[Outcome], Op]] = []

    def case(self, way: Any, channel: int) -> Case:
        return Case(way, channel, next(self.values) if way == "send" else None)

    def start(self, op: Op) -> None:
        self.go_on(Party(self.runtime, perform(op, self.channels)), op)

    def go_on(self, party: Party[Outcome], op: Op) -> None:
        possible = self.model.possible(op)
        party.run()
        if party.state == "ready":
            self.yielded.append((party, op))
        elif party.state == "parked":
            assert not possible
            self.parties.append((party, op, self.model.park(op, self.channels)))
        else:
            assert party.result in possible
            assert party.result is not None
            self.model.apply(op, party.result)
            self.accounts.book(op, party.result)

    @rule(channel=CHANNEL)
    def send(self, channel: int) -> None:
        self.start(Op("send", (self.case("send", channel),)))

    @rule(channel=CHANNEL)
    def recv(self, channel: int) -> None:
        self.start(Op("recv", (self.case("recv", channel),)))

    @rule(channel=CHANNEL)
    def recv_ok(self, channel: int) -> None:
        self.start(Op("recv_ok", (self.case("recv", channel),)))

    @rule(channel=CHANNEL, way=WAY)
    def nowait(self, channel: int, way: str) -> None:
        self.start(
            Op("try_send" if way == "send" else "try_recv", (self.case(way, channel),))
        )

    @rule(selection=SELECTION)
    def select(self, selection: list[tuple[str, int]]) -> None:
        self.start(Op("select", tuple(self.case(*pair) for pair in selection)))

    @rule(selection=SELECTION)
    def select_nowait(self, selection: list[tuple[str, int]]) -> None:
        self.start(Op("try_select", tuple(self.case(*pair) for pair in selection)))

    # seldom, or hypothesis spends its time on closed channels
    @precondition(lambda self: len(self.parties) > 2)
    @rule(channel=CHANNEL, really=st.integers(0, 4))
    def close(self, channel: int, really: int) -> None:
        if not really:
            self.start(Op("close", channel=channel))

    @rule()
    def spend_the_budget(self) -> None:
        _budget.budget.left = 0

    @precondition(lambda self: self.yielded)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.yielded) - 1))
        self.go_on(*self.yielded.pop(at))

    @precondition(lambda self: self.yielded)
    @rule(data=st.data())
    def cancel_one_that_gave_way(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.yielded) - 1))
        party, _ = self.yielded.pop(at)
        assert party.cancel()
        assert party.state == "cancelled"

    @precondition(lambda self: any(p.state == "ready" for p, _, _ in self.parties))
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        ready = [entry for entry in self.parties if entry[0].state == "ready"]
        entry = party, op, waiting = data.draw(st.sampled_from(ready))
        party.run()
        assert party.state == "done"
        assert party.result == waiting.outcome
        assert party.result is not None
        self.accounts.book(op, party.result)
        self.parties.remove(entry)

    @precondition(lambda self: self.parties)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        entry = party, _, waiting = data.draw(st.sampled_from(self.parties))
        if party.cancel():
            assert waiting.outcome is None
            self.model.forget(waiting)
            self.parties.remove(entry)
        else:
            # it has happened: resume() finds out what
            assert waiting.outcome is not None

    @invariant()
    def agrees(self) -> None:
        assert sketch(self.channels) == self.model.sketch()
        for party, _, waiting in self.parties:
            assert (party.state == "ready") is (waiting.outcome is not None)

    def teardown(self) -> None:
        # it is not set up if hypothesis gives up before begin()
        if not hasattr(self, "place"):
            return
        try:
            for party, op, waiting in self.parties:
                if party.state == "ready":
                    party.run()
                    self.accounts.book(op, party.result or PANIC)
                    assert party.result == waiting.outcome
                party.close()
            for party, _ in self.yielded:
                party.close()
            for channel in self.channels:
                channel._check()
                # no ghosts
                assert not channel._senders
                assert not channel._receivers
            self.accounts.check(self.channels)
        finally:
            self.place.__exit__(None, None, None)


TestTwoChannels = pytest.mark.timeout(300)(pytest.mark.slow(TwoChannels.TestCase))
TestTwoChannels.settings = settings(
    max_examples=300, stateful_step_count=60, deadline=None
)


# Step of a script: start this, or cancel the n-th of those who wait.
STEP = st.one_of(
    st.tuples(st.sampled_from(["send", "recv", "recv_ok"]), CHANNEL),
    st.tuples(st.sampled_from(["try_send", "try_recv"]), CHANNEL),
    st.tuples(st.sampled_from(["select", "try_select"]), SELECTION),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("close"), CHANNEL),
)
SCRIPT = st.lists(STEP, min_size=3, max_size=25)


class Performance:
    """A script that is played to the real channels and to the model."""

    def __init__(self, kinds: list[tuple[int, Any]]) -> None:
        self.channels, self.model = make(kinds)
        self.accounts = Accounts()
        self.values = itertools.count()
        self.waiting: list[tuple[Op, Waiting, anyio.CancelScope, list[Outcome]]] = []

    def op(self, kind: Any, what: Any) -> Op:
        if kind == "close":
            return Op("close", channel=what)
        if kind in ("select", "try_select"):
            pairs: list[tuple[Any, int]] = what
        else:
            pairs = [("send" if "send" in kind else "recv", what)]
        return Op(
            kind,
            tuple(
                Case(way, channel, next(self.values) if way == "send" else None)
                for way, channel in pairs
            ),
        )

    async def play(self, script: list[tuple[str, Any]]) -> None:
        async with anyio.create_task_group() as tasks:
            for kind, what in script:
                if kind != "cancel":
                    await self.start(self.op(kind, what), tasks.start_soon)
                elif self.waiting:
                    await self.cancel(what % len(self.waiting))
                assert sketch(self.channels) == self.model.sketch()
                self.collect()
            for at in reversed(range(len(self.waiting))):
                await self.cancel(at)
        for channel in self.channels:
            channel._check()
            assert not channel._senders
            assert not channel._receivers
        self.accounts.check(self.channels)

    async def start(self, op: Op, start_soon: Callable[..., object]) -> None:
        scope = anyio.CancelScope()
        outcomes: list[Outcome] = []

        async def party() -> None:
            with scope:
                outcomes.append(await perform(op, self.channels))
            if not outcomes:
                outcomes.append(CANCELLED)

        possible = self.model.possible(op)
        start_soon(party)
        await settle()
        if outcomes:
            assert outcomes[0] in possible
            self.model.apply(op, outcomes[0])
            self.accounts.book(op, outcomes[0])
        else:
            assert not possible
            self.waiting.append(
                (op, self.model.park(op, self.channels), scope, outcomes)
            )

    async def cancel(self, at: int) -> None:
        _, waiting, scope, outcomes = self.waiting.pop(at)
        scope.cancel()
        self.model.forget(waiting)
        await settle()
        assert outcomes == [CANCELLED]

    def collect(self) -> None:
        """Those who have been woken have the outcome that the model says."""
        for entry in list(self.waiting):
            op, waiting, _, outcomes = entry
            assert outcomes == ([] if waiting.outcome is None else [waiting.outcome])
            if outcomes:
                self.accounts.book(op, outcomes[0])
                self.waiting.remove(entry)


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(kinds=st.lists(KINDS, min_size=2, max_size=2), script=SCRIPT)
def test_on_the_real_runtimes(
    anyio_backend: tuple[str, dict[str, Any]],
    kinds: list[tuple[int, Any]],
    script: list[tuple[str, Any]],
) -> None:
    name, options = anyio_backend
    performance = Performance(kinds)
    anyio.run(performance.play, script, backend=name, backend_options=options)
