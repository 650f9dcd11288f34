"""The primitives of ``gochan.sync`` against models, in every order of a few steps.

The real coroutines are driven by hand, on a runtime that runs a party exactly when
told to. First every order of a few operations, wake-ups and cancellations, then long
random ones.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from gochan import Instrument, _budget, _instrument
from support.choices import Choices
from support.fake import steppable
from support.primitives import SUBJECTS, Name, Play, playing

if TYPE_CHECKING:
    from support.primitives import Action

# past the inlined first rungs, or through them
Path: TypeAlias = Literal["fast", "instrument"]

CANCELLATIONS = ("withdraw", "cancel inside")


def enabled(play: Play, left: tuple[str, ...], cancellations: int) -> list[Action]:
    """What may happen next, if the operations ``left`` have not begun."""
    actions = play.actions()
    if cancellations == 0:
        actions = [action for action in actions if action[0] not in CANCELLATIONS]
    begin = [
        ("begin", kind) for kind in sorted(set(left)) if play.subject.allowed(kind)
    ]
    return [*begin, *actions]


def explore(name: Name, ops: tuple[str, ...], cancellations: int) -> int:
    """Do ``ops`` in every order, with up to so many cancellations; how many."""
    choices = Choices()
    runs = 0
    with steppable() as runtime:
        for _ in choices:
            runs += 1
            left, may_cancel = ops, cancellations
            with playing(runtime, name) as play:
                while actions := enabled(play, left, may_cancel):
                    _budget.refill()
                    at = choices.pick(len(actions)) if len(actions) > 1 else 0
                    what, which = action = actions[at]
                    if what == "begin":
                        without = list(left)
                        without.remove(which)
                        left = tuple(without)
                    elif what in CANCELLATIONS:
                        may_cancel -= 1
                    play.do(action)
    return runs


def every(name: Name, size: int, cancellations: int) -> int:
    kinds = sorted(set(SUBJECTS[name].kinds))
    return sum(
        explore(name, ops, cancellations)
        for ops in itertools.combinations_with_replacement(kinds, size)
    )


@pytest.fixture(params=["fast", "instrument"])
def path(request: pytest.FixtureRequest) -> Any:
    if request.param == "fast":
        yield request.param
        return
    seen = Instrument()
    _instrument.install(seen)
    yield request.param
    _instrument.uninstall(seen)


# how many operations, with how many cancellations: quickly, and where there is time
SIZES: dict[Name, tuple[tuple[int, int], tuple[int, int]]] = {
    "Mutex": ((5, 1), (6, 1)),
    "RWMutex": ((4, 2), (5, 1)),
    "WaitGroup": ((5, 1), (5, 2)),
    "Cond": ((4, 2), (5, 1)),
    "Once": ((3, 2), (4, 2)),
    "Weighted": ((3, 2), (4, 2)),
    "Group": ((4, 2), (5, 1)),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_order_of_a_few_operations(name: Name, path: Path) -> None:
    (size, cancellations), _ = SIZES[name]
    assert every(name, size, cancellations) > 500


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SUBJECTS)
def test_every_order_of_more_operations(name: Name) -> None:
    _, (size, cancellations) = SIZES[name]
    assert every(name, size, cancellations) > 2_000


class Long(RuleBasedStateMachine):
    """Many operations on one primitive, in a random order."""

    name: Name

    def __init__(self) -> None:
        super().__init__()
        self.place = steppable()
        self.runtime = self.place.__enter__()
        self.playing = playing(self.runtime, self.name)
        self.play = self.playing.__enter__()

    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        kinds = [k for k in self.play.subject.kinds if self.play.subject.allowed(k)]
        self.do(("begin", data.draw(st.sampled_from(kinds))))

    @precondition(lambda self: self.play.actions())
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        self.do(data.draw(st.sampled_from(self.play.actions())))

    def do(self, action: Action) -> None:
        _budget.refill()
        self.play.do(action)

    def teardown(self) -> None:
        try:
            self.playing.__exit__(None, None, None)
        finally:
            self.place.__exit__(None, None, None)


def machine(name: Name) -> Any:
    cls: Any = type(f"Long{name}", (Long,), {"name": name})
    case = cls.TestCase
    case.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
    return pytest.mark.slow(case)


TestMutex = machine("Mutex")
TestRWMutex = machine("RWMutex")
TestWaitGroup = machine("WaitGroup")
TestCond = machine("Cond")
TestOnce = machine("Once")
TestWeighted = machine("Weighted")
TestGroup = machine("Group")
