"""Every order in which two or three operations can happen.

The real coroutines are driven by hand, on a runtime that runs a party exactly
when told to. After every step the channels are compared with the model: their
buffers, how many wait, who has been woken with what.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest

from gochan import Chan, _budget, _instrument, _select
from support.choices import Choices
from support.fake import FakeBackend, Party, steppable
from support.model import (
    CANCELLED,
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

# how the operations are led past, or into, the inlined rungs of send and recv
Path: TypeAlias = Literal["fast", "instrument", "yield"]

# capacity of both channels, and how many values they hold at first
Start: TypeAlias = "tuple[int, int]"
STARTS: list[Start] = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]

RECV, RECV2 = Case("recv", 0), Case("recv", 1)


def a_send(channel: int, value: str) -> Case:
    return Case("send", channel, value)


# An operation of party ``p``: its values carry its name.
KINDS: dict[str, Callable[[str], Op]] = {
    "send": lambda p: Op("send", (a_send(0, p),)),
    "recv": lambda _: Op("recv", (RECV,)),
    "recv_ok": lambda _: Op("recv_ok", (RECV,)),
    "close": lambda _: Op("close"),
    "try_send": lambda p: Op("try_send", (a_send(0, p),)),
    "try_recv": lambda _: Op("try_recv", (RECV,)),
    "select recv recv": lambda _: Op("select", (RECV, RECV2)),
    "select recv twice": lambda _: Op("select", (RECV, RECV)),
    "select send recv": lambda p: Op("select", (a_send(0, p), RECV2)),
    "select recv send": lambda p: Op("select", (RECV, a_send(1, p))),
    "select send and recv of one": lambda p: Op("select", (a_send(0, p), RECV)),
    "select send send": lambda p: Op("select", (a_send(0, p), a_send(1, p))),
    "select send twice": lambda p: Op("select", (a_send(0, p), a_send(0, p + "'"))),
    "try_select": lambda p: Op("try_select", (RECV, a_send(1, p))),
}


class Run:
    """One order of the operations ``ops``."""

    def __init__(
        self,
        runtime: FakeBackend,
        names: tuple[str, ...],
        start: Start,
        path: Path,
    ) -> None:
        cap, fill = start
        self.names = names
        self.ops = ops = [KINDS[name]("abc"[at]) for at, name in enumerate(names)]
        self.path = path
        self.channels: list[Chan[Any]] = [Chan(cap), Chan(cap)]
        self.model = Model(ModelChan(cap), ModelChan(cap))
        for number in range(fill):
            for real, model in zip(self.channels, self.model.channels, strict=True):
                real.send_nowait(number)
                model.send(number)
        self.stock = [value for channel in self.channels for value in channel._buf]
        self.parties = [Party(runtime, perform(op, self.channels)) for op in ops]
        # in the model: None before its turn, then parked or done
        self.waiting: list[Waiting | None] = [None] * len(ops)
        self.outcomes: list[Outcome | None] = [None] * len(ops)
        self.cancelled = [False] * len(ops)
        self.log: list[tuple[str, int]] = []

    def enabled(self, reduced: bool) -> list[tuple[str, int]]:
        """What may happen next.

        ``reduced``: what becomes of a party that was woken concerns nobody else,
        so it need not be tried at every later point as well.
        """
        actions: list[tuple[str, int]] = []
        for index, party in enumerate(self.parties):
            state = party.state
            if state == "new" and any(
                earlier.state == "new" and self.names[before] == self.names[index]
                for before, earlier in enumerate(self.parties[:index])
            ):
                # of two that do the same, either may be called the first
                continue
            if reduced and state == "ready" and self.waiting[index] is not None:
                cancel = [] if self.cancelled[index] else [("cancel", index)]
                return [("run", index), *cancel]
            if state in ("new", "ready"):
                actions.append(("run", index))
            if state in ("parked", "ready") and not self.cancelled[index]:
                actions.append(("cancel", index))
        return actions

    def step(self, what: str, index: int) -> None:
        self.log.append((what, index))
        if what == "run":
            self.run(index)
        else:
            self.cancel(index)
        assert sketch(self.channels) == self.model.sketch()
        for waiting, party in zip(self.waiting, self.parties, strict=True):
            if waiting is not None and party.state == "parked":
                assert waiting.outcome is None
            elif waiting is not None and party.state == "ready":
                assert waiting.outcome is not None

    def run(self, index: int) -> None:
        op, party, waiting = self.ops[index], self.parties[index], self.waiting[index]
        new = party.state == "new"
        if self.path == "yield" and new:
            _budget.budget.left = 0
        possible = self.model.possible(op)
        party.run()
        if self.path == "yield" and new and op.waits and possible:
            # it could have gone on, and has given way instead
            assert party.state == "ready"
        if party.state == "ready":
            # nothing has happened yet
            return
        if waiting is not None:
            assert party.state == "done"
            assert party.result == waiting.outcome
            self.outcomes[index] = party.result
        elif party.state == "done":
            assert party.result in possible
            assert party.result is not None
            self.outcomes[index] = party.result
            self.model.apply(op, party.result)
        else:
            assert party.state == "parked"
            assert not possible
            self.waiting[index] = self.model.park(op, self.channels)

    def cancel(self, index: int) -> None:
        party, waiting = self.parties[index], self.waiting[index]
        self.cancelled[index] = True
        happened = waiting is not None and waiting.outcome is not None
        assert party.cancel() is not happened
        if not happened:
            assert party.state == "cancelled"
            self.outcomes[index] = CANCELLED
            if waiting is not None:
                self.model.forget(waiting)
                self.waiting[index] = None

    def finish(self) -> None:
        """Every value that was sent is somewhere, exactly once."""
        sent = Counter(self.stock)
        received: Counter[Any] = Counter()
        for op, outcome, waiting in zip(
            self.ops, self.outcomes, self.waiting, strict=True
        ):
            done = outcome if outcome is not None else waiting and waiting.outcome
            if isinstance(done, tuple) and done[2]:
                case = op.cases[done[0]]
                if case.way == "send":
                    sent[case.value] += 1
                else:
                    received[done[1]] += 1
        for channel in self.channels:
            received.update(channel._buf)
        assert sent == received
        for party in self.parties:
            party.close()
        # no ghosts
        for channel in self.channels:
            channel._check()
            assert not channel._senders
            assert not channel._receivers


def explore(
    names: tuple[str, ...], start: Start, path: Path, *, reduced: bool = False
) -> int:
    """Run every order of the operations named; how many there are."""
    choices = Choices()
    runs = 0
    with steppable() as runtime, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_select, "random", choices.chance)
        seen = _instrument.Instrument()
        if path == "instrument":
            _instrument.install(seen)
        try:
            for _ in choices:
                runs += 1
                _budget.refill()
                run = Run(runtime, names, start, path)
                try:
                    while actions := run.enabled(reduced):
                        at = choices.pick(len(actions)) if len(actions) > 1 else 0
                        choices.drawn = False
                        run.step(*actions[at])
                    run.finish()
                except BaseException as error:
                    log = "; ".join(f"{what} {run.ops[at]}" for what, at in run.log)
                    error.add_note(f"cap, fill {start}, {path}: {log}")
                    raise
        finally:
            if path == "instrument":
                _instrument.uninstall(seen)
    return runs


@pytest.mark.parametrize("path", ["fast", "instrument", "yield"])
@pytest.mark.parametrize("start", STARTS)
def test_two_operations(start: Start, path: Path) -> None:
    runs = sum(
        explore(names, start, path)
        for names in itertools.combinations_with_replacement(KINDS, 2)
    )
    assert runs > 300


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", ["fast", "instrument"])
@pytest.mark.parametrize("start", [start for start in STARTS if start != (2, 0)])
def test_three_operations(start: Start, path: Path) -> None:
    """From an empty buffer of two, three operations see nothing new."""
    kinds = [kind for kind in KINDS if path == "fast" or kind != "recv_ok"]
    runs = sum(
        explore(names, start, path, reduced=True)
        for names in itertools.combinations_with_replacement(kinds, 3)
        # the others have one path only
        if path == "fast" or {"send", "recv"} & set(names)
    )
    assert runs > 2_000
