"""Go's src/reflect/all_test.go, TestSelect, TestSelectMaxCases and TestSelectNop.

TestSelect builds selects from all kinds of cases (ready, blocking, nil and closed,
in both directions) in random order, with a default or with somebody who makes one
of them ready later, and knows for each which cases may be chosen. So does this one,
and more: a channel may stand in several cases, other parties may wait on it before
and after, and what everybody got and what is left behind is compared as well.

What is allowed comes from a model of the channels, in which all that happens
happens in sequence.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest

import gochan
from gochan import (
    Case,
    Chan,
    ChanClosed,
    Goroutine,
    RecvCase,
    SendCase,
    SendOnClosed,
    WouldBlock,
    blocking_select,
    go,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import PATIENCE, Threads, blocks, fresh_seed, nil_int, until
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IntCase = RecvCase[int] | SendCase[int]

# What an operation came to: ("sent", value), ("got", value), ("closed",) for a
# receive that found the channel closed, ("panic",) for a send that did.
Outcome = tuple[str, int] | tuple[str]

# Who waits: a number for a plain operation, SELECT for a case of the select.
SELECT = -1


class Model:
    """A channel as a few lists, and who gets what."""

    def __init__(self, cap: int, outcomes: dict[int, Outcome]) -> None:
        self.cap = cap
        self.values: list[int] = []
        self.senders: list[tuple[int, int, int]] = []  # who, case, value
        self.receivers: list[tuple[int, int]] = []  # who, case
        self.closed = False
        # of those who waited
        self.outcomes = outcomes

    def can_send(self) -> bool:
        return self.closed or bool(self.receivers) or len(self.values) < self.cap

    def can_recv(self) -> bool:
        return self.closed or bool(self.values) or bool(self.senders)

    def send(self, value: int) -> Outcome:
        """A send that need not wait."""
        if self.closed:
            return ("panic",)
        if self.receivers:
            who, _ = self.receivers.pop(0)
            self.outcomes[who] = ("got", value)
        else:
            self.values.append(value)
        return ("sent", value)

    def recv(self) -> Outcome:
        """A receive that need not wait."""
        if self.senders:
            who, _, value = self.senders.pop(0)
            self.outcomes[who] = ("sent", value)
            self.values.append(value)
        return ("got", self.values.pop(0)) if self.values else ("closed",)

    def close(self) -> None:
        self.closed = True
        for who, _ in self.receivers:
            self.outcomes[who] = ("closed",)
        for who, _, _ in self.senders:
            self.outcomes[who] = ("panic",)
        self.receivers, self.senders = [], []

    def cases_of_select(self, *, sends: bool) -> set[int]:
        if sends:
            return {case for who, case, _ in self.senders if who == SELECT}
        return {case for who, case in self.receivers if who == SELECT}

    def remove_select(self) -> None:
        self.senders = [waits for waits in self.senders if waits[0] != SELECT]
        self.receivers = [waits for waits in self.receivers if waits[0] != SELECT]

    def state(self) -> tuple[int, int, int, bool]:
        waiting = len(self.senders), len(self.receivers)
        return len(self.values), *waiting, self.closed

    def __repr__(self) -> str:
        return (
            f"<cap {self.cap}, values {self.values}, senders {self.senders}, "
            f"receivers {self.receivers}{', closed' if self.closed else ''}>"
        )


def state_of(ch: Chan[int]) -> tuple[int, int, int, bool]:
    """As in ``Model.state``."""
    stats = ch.stats()
    waiting = stats.waiting_senders, stats.waiting_receivers
    return stats.length, *waiting, stats.closed


def outcome_of(operation: Callable[[], object], *, value: int | None) -> Outcome:
    """The outcome of an operation; ``value`` is what is sent, None for a receive."""
    try:
        result = operation()
    except SendOnClosed:
        return ("panic",)
    except ChanClosed:
        return ("closed",)
    if value is not None:
        return ("sent", value)
    assert isinstance(result, int)
    return ("got", result)


class Trial:
    """One random select among random channels, and what may come of it."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed = seed
        self.number = number
        self.rng = random.Random(f"{seed} {number}")
        self.outcomes: dict[int, Outcome] = {}
        caps = [self.rng.choice([0, 0, 1, 2]) for _ in range(self.rng.randint(1, 4))]
        self.channels = [Chan[int](cap) for cap in caps]
        self.models = [Model(cap, self.outcomes) for cap in caps]
        self.others: list[tuple[int | None, Goroutine[Any]]] = []
        self.log: list[str] = []
        self.cases: list[IntCase] = []
        # for each case its model; None for nil
        self.on: list[Model | None] = []

    def value(self) -> int:
        return self.rng.randrange(1000)

    def story(self, what: object = "") -> str:
        log = "\n".join(self.log)
        where = f"GOCHAN_TEST_SEED={self.seed}, trial {self.number}"
        return f"{where}: {what}\n{log}\nmodels {self.models}"

    # what is there before the select

    def fill(self) -> None:
        for ch, model in zip(self.channels, self.models, strict=True):
            for _ in range(self.rng.randint(0, model.cap)):
                value = self.value()
                ch.send_nowait(value)
                model.values.append(value)
            if self.rng.random() < 0.2:
                ch.close()
                model.closed = True

    async def park_others(self) -> None:
        """Plain operations that have to wait, on some of the channels."""
        for ch, model in zip(self.channels, self.models, strict=True):
            for _ in range(self.rng.choice([0, 0, 1, 2])):
                who, value = len(self.others), self.value()
                if self.rng.random() < 0.5 and not model.can_send():
                    model.senders.append((who, 0, value))
                    self.others.append((value, go(self.shield(ch.send), value)))
                elif not model.can_recv():
                    model.receivers.append((who, 0))
                    self.others.append((None, go(self.shield(ch.recv))))
                await settle()
        self.check_state("others wait")

    def shield(self, operation: Callable[..., Awaitable[Any]]) -> Any:
        """The operation, returning what it raises, so that the scope lives on."""

        async def run(*args: int) -> object:
            try:
                return await operation(*args)
            except (SendOnClosed, ChanClosed) as error:
                return error

        return run

    def make_cases(self) -> None:
        values: dict[int, int] = {}
        for _ in range(self.rng.randint(0, 6)):
            at = self.rng.randrange(-1, len(self.channels))
            ch = nil_int() if at < 0 else self.channels[at]
            self.on.append(None if at < 0 else self.models[at])
            receives = self.rng.random() < 0.5
            # which of two sends on one channel is done is drawn, so let them be alike
            value = values.setdefault(at, self.value())
            self.cases.append(recv(ch) if receives else send(ch, value))
        self.log.append(f"select among {self.cases} on {self.on}")

    def ready(self) -> set[int]:
        return {
            k
            for k, model in enumerate(self.on)
            if model is not None
            and (
                model.can_send()
                if isinstance(self.cases[k], SendCase)
                else model.can_recv()
            )
        }

    # the select and its result

    def check_at_once(
        self, allowed: set[int], chosen: IntCase | SendOnClosed | None
    ) -> None:
        """Compare the result of a select that found these cases ready."""
        story = self.story(f"ready {allowed}, result {chosen!r}")
        if chosen is None:
            assert not allowed, story
            return
        if isinstance(chosen, SendOnClosed):
            # which of them it was cannot be told; all do the same
            assert any(self.panics(k) for k in allowed), story
            assert chosen.channel in self.channels, story
            return
        k = chosen.index
        assert chosen is self.cases[k], story
        assert k in allowed, story
        model = self.on[k]
        assert model is not None
        want = (
            model.send(chosen.value) if isinstance(chosen, SendCase) else model.recv()
        )
        assert self.result_of(chosen) == want, story

    def panics(self, k: int) -> bool:
        model = self.on[k]
        assert model is not None
        return isinstance(self.cases[k], SendCase) and model.closed

    def result_of(self, chosen: IntCase) -> Outcome:
        if isinstance(chosen, SendCase):
            return ("sent", chosen.value)
        return ("got", chosen.value) if chosen.ok else ("closed",)

    def park_select(self) -> None:
        for k, (case, model) in enumerate(zip(self.cases, self.on, strict=True)):
            if model is not None and isinstance(case, SendCase):
                model.senders.append((SELECT, k, case.value))
            elif model is not None:
                model.receivers.append((SELECT, k))

    def others_come(self) -> set[int]:
        """Do things to the channels until the select has been decided.

        The cases that may have been chosen; none if nothing could decide it.
        """
        for _ in range(30):
            at = self.rng.randrange(len(self.channels))
            ch, model = self.channels[at], self.models[at]
            sends = model.cases_of_select(sends=True)
            receives = model.cases_of_select(sends=False)
            action = self.rng.choice(["send", "send", "recv", "recv", "close"])
            self.log.append(f"{action} on {model}")
            if action == "close":
                self.close(ch, model)
                touched = sends | receives
            elif action == "send":
                self.act(ch, model, self.value())
                touched = receives
            else:
                self.act(ch, model, None)
                touched = sends
            if SELECT in self.outcomes:
                for each in self.models:
                    each.remove_select()
                return touched
        return set()

    def close(self, ch: Chan[int], model: Model) -> None:
        if model.closed:
            with pytest.raises(gochan.CloseOfClosed):
                ch.close()
        else:
            ch.close()
            model.close()

    def act(self, ch: Chan[int], model: Model, value: int | None) -> None:
        """Send or receive without waiting."""

        def operation() -> object:
            return ch.recv_nowait() if value is None else ch.send_nowait(value)

        if not (model.can_recv() if value is None else model.can_send()):
            with pytest.raises(WouldBlock):
                operation()
            return
        want = model.recv() if value is None else model.send(value)
        got = outcome_of(operation, value=value)
        assert got == want, self.story(f"got {got}, not {want}")

    def check_late(
        self, allowed: set[int], chosen: IntCase | SendOnClosed | None
    ) -> None:
        """Compare the result of a select that others have decided."""
        want = self.outcomes.get(SELECT)
        story = self.story(f"allowed {allowed}, want {want}, result {chosen!r}")
        if want is None or chosen is None:
            assert chosen is None, story
            assert want is None, story
        elif isinstance(chosen, SendOnClosed):
            assert any(isinstance(self.cases[k], SendCase) for k in allowed), story
        else:
            k = chosen.index
            assert chosen is self.cases[k], story
            assert k in allowed, story
            got = self.result_of(chosen)
            # what a close has done to a select with sends and receives is drawn, too
            assert got == want or got == ("closed",) != want == ("panic",), story

    # what is left

    def check_state(self, when: str) -> None:
        for ch, model in zip(self.channels, self.models, strict=True):
            ch._check()
            story = self.story(f"{when}: {ch.stats()} of {model}")
            assert state_of(ch) == model.state(), story

    async def check_others(self) -> None:
        """Everybody else got what the model says, and nobody else got anything."""
        await settle()
        for who, (value, goroutine) in enumerate(self.others):
            want = self.outcomes.get(who)
            story = self.story(f"{who} should have {want}")
            assert (want is None) == (goroutine.state == "parked"), story
            if want is None:
                continue
            result = await goroutine

            def outcome(result: object = result) -> object:
                if isinstance(result, Exception):
                    raise result
                return result

            assert outcome_of(outcome, value=value) == want, story

    def check_values(self) -> None:
        """What is in the buffers, and what those who wait will send, in order."""
        for ch, model in zip(self.channels, self.models, strict=True):
            while model.values or model.senders:
                self.act(ch, model, None)
        self.check_state("emptied")


async def attempt(
    form: Callable[..., Awaitable[IntCase | None]], cases: list[IntCase]
) -> IntCase | SendOnClosed | None:
    try:
        return await form(*cases)
    except SendOnClosed as panic:
        return panic


def narrow(case: Case | None) -> IntCase | None:
    """For mypy, which makes one base class of the types behind a star."""
    assert case is None or isinstance(case, (RecvCase, SendCase))
    narrowed: IntCase | None = cast("Any", case)
    return narrowed


async def waiting(*cases: IntCase) -> IntCase:
    return await select(*cases)


async def default(*cases: IntCase) -> IntCase | None:
    return narrow(select_nowait(*cases))


def state(goroutine: Goroutine[Any]) -> str:
    return goroutine.state


N = 300


async def test_select_with_default() -> None:
    seed = fresh_seed()
    for number in range(N):
        async with gochan.scope() as scope:
            trial = Trial(seed, number)
            trial.fill()
            await trial.park_others()
            trial.make_cases()
            allowed = trial.ready()
            trial.check_at_once(allowed, await attempt(default, trial.cases))
            await settle()
            trial.check_state("after the select")
            await trial.check_others()
            trial.check_values()
            await trial.check_others()
            scope.cancel()


async def test_select_that_may_wait() -> None:
    seed = fresh_seed()
    waited = decided = 0
    for number in range(N):
        async with gochan.scope() as scope:
            trial = Trial(seed, number)
            trial.fill()
            await trial.park_others()
            trial.make_cases()
            allowed = trial.ready()
            selects = go(attempt, waiting, trial.cases)
            await settle()
            story = trial.story(f"ready {allowed}, {selects}")
            assert (state(selects) == "parked") == (not allowed), story
            if allowed:
                trial.check_at_once(allowed, await selects)
            else:
                waited += 1
                trial.park_select()
                trial.check_state("the select waits")
                allowed = trial.others_come()
                await settle()
                if SELECT in trial.outcomes:
                    decided += 1
                    trial.check_late(allowed, await selects)
                else:
                    assert state(selects) == "parked", trial.story()
                    selects.cancel()
                    for model in trial.models:
                        model.remove_select()
                    await settle()
                    assert state(selects) == "done", trial.story()
            trial.check_state("after the select")
            await trial.check_others()
            trial.check_values()
            await trial.check_others()
            scope.cancel()
    # it is no test if it never comes to that
    assert waited > N / 10
    assert decided > N / 20


def test_blocking_select() -> None:
    """The select on a thread, what others do on another."""
    seed = fresh_seed()
    trials = Chan[Trial]()
    results = Chan[IntCase | SendOnClosed | None]()

    def selects() -> None:
        for trial in trials:
            try:
                # nothing will come for a select that waits for nil alone
                alone = not any(trial.on)
                timeout = 0 if alone else PATIENCE
                chosen = blocking_select(*trial.cases, timeout=timeout)
            except SendOnClosed as panic:
                results.blocking_send(panic)
            except TimeoutError:
                results.blocking_send(None)
            else:
                results.blocking_send(narrow(chosen))

    with Threads() as threads:
        threads.start(selects)
        for number in range(N):
            trial = Trial(seed, number)
            trial.fill()
            trial.make_cases()
            allowed = trial.ready()
            trials.blocking_send(trial)
            if allowed or not any(trial.on):
                trial.check_at_once(allowed, results.blocking_recv(PATIENCE))
            else:
                trial.park_select()

                def parked(trial: Trial = trial) -> bool:
                    models = zip(trial.channels, trial.models, strict=True)
                    return all(state_of(ch) == model.state() for ch, model in models)

                until(parked, trial.story("it waits"))
                allowed = trial.others_come()
                if SELECT not in trial.outcomes:
                    # the channel of its first case decides it
                    k, model = next((k, m) for k, m in enumerate(trial.on) if m)
                    ch = trial.channels[trial.models.index(model)]
                    allowed = model.cases_of_select(sends=True)
                    allowed |= model.cases_of_select(sends=False)
                    assert k in allowed
                    trial.close(ch, model)
                    for each in trial.models:
                        each.remove_select()
                trial.check_late(allowed, results.blocking_recv(PATIENCE))
            trial.check_state("after the select")
            trial.check_values()
        trials.close()


async def test_every_ready_case_is_chosen_sometimes() -> None:
    """And about as often as any other, whatever its kind and place."""
    seed = fresh_seed()
    rng = random.Random(seed)
    for _ in range(5):
        n = rng.randint(2, 6)
        kinds = [rng.choice(["send", "recv", "closed", "nil"]) for _ in range(n)]
        kinds[rng.randrange(n)] = "recv"
        counts: Counter[int] = Counter()
        trials = 300 * n
        for _ in range(trials):
            cases: list[IntCase] = []
            for kind in kinds:
                ch = Chan[int](1)
                if kind == "send":
                    cases.append(send(ch, 1))
                elif kind == "nil":
                    cases.append(recv(nil_int()))
                else:
                    if kind == "recv":
                        ch.send_nowait(1)
                    else:
                        ch.close()
                    cases.append(recv(ch))
            counts[(await select(*cases)).index] += 1
        ready = [k for k, kind in enumerate(kinds) if kind != "nil"]
        assert set(counts) == set(ready), f"{kinds}, {counts}, seed {seed}"
        for k in ready:
            mean = trials / len(ready)
            assert abs(counts[k] - mean) < 10 * mean**0.5, (
                f"{kinds}, {counts}, seed {seed}"
            )


async def test_a_closed_send_panics_only_when_it_is_drawn() -> None:
    seed = fresh_seed()
    closed = Chan[int]()
    closed.close()
    ready = Chan[int](1)
    panics = 0
    for _ in range(1000):
        if len(ready) == 0:
            await ready.send(1)
        try:
            await select(recv(ready), send(closed, 1))
        except SendOnClosed:
            panics += 1
    # 10 standard deviations
    assert 340 < panics < 660, f"{panics} of 1000, seed {seed}"


async def test_select_max_cases() -> None:
    """Go's limit of 65,536 cases does not exist here."""
    ch = Chan[int]()
    ch.close()
    cases = [recv(ch) for _ in range(70_000)]
    chosen = await select(*cases)
    assert chosen is cases[chosen.index]
    assert not chosen.ok


async def test_many_cases_that_wait() -> None:
    chans = [Chan[int]() for _ in range(2000)]
    async with gochan.scope():
        selects = go(waiting, *[recv(ch) for ch in chans])
        await settle()
        assert all(ch.stats().waiting_receivers == 1 for ch in chans)
        await chans[1234].send(5)
        chosen = await selects
        assert chosen.index == 1234
        assert chosen.value == 5
    assert all(ch.stats().waiting_receivers == 0 for ch in chans)


async def test_select_nop() -> None:
    """select { default: } takes the default; without it, it waits for ever."""

    async def stuck() -> None:
        await select()

    assert select_nowait() is None
    assert await blocks(stuck)
