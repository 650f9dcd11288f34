"""Is a recorded history of channel operations linearizable?

The search of Wing and Gong (1993): find an order of the operations that respects
"a ended before b began" and that a sequential program could have produced. An
unbuffered channel is not a sequential object, since a send and a receive happen
together; so here two operations may take effect in one step.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .model import CLOSED, CLOSED_TWICE, PANIC, WOULD_BLOCK, Op, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Event", "linearizable")

# of each channel: what it holds, and whether it is closed
State = tuple[tuple[tuple[Any, ...], bool], ...]


@dataclass(frozen=True)
class Event:
    """One operation; ``began`` and ``ended`` are instants in one order."""

    op: Op
    outcome: Outcome
    began: int
    ended: int


def _replace(state: State, at: int, values: tuple[Any, ...], closed: bool) -> State:
    return (*state[:at], (values, closed), *state[at + 1 :])


def _alone(event: Event, state: State, cap: int) -> State | None:
    """The state after ``event``, or None if it cannot happen in ``state``."""
    op, outcome = event.op, event.outcome
    if op.kind == "close":
        values, closed = state[op.channel]
        if closed:
            return state if outcome == CLOSED_TWICE else None
        return _replace(state, op.channel, values, True) if outcome == CLOSED else None
    if outcome == WOULD_BLOCK:
        # also of an operation that timed out: it would have blocked at some time
        for case in op.cases:
            values, closed = state[case.channel]
            if closed or (len(values) < cap if case.way == "send" else values):
                return None
        return state
    if outcome == PANIC:
        panics = any(state[c.channel][1] for c in op.cases if c.way == "send")
        return state if panics else None
    assert not isinstance(outcome, str)
    index, value, ok = outcome
    case = op.cases[index]
    values, closed = state[case.channel]
    if case.way == "send":
        if closed or len(values) >= cap:
            return None
        return _replace(state, case.channel, (*values, case.value), False)
    if not ok:
        return state if closed and not values else None
    if not values or values[0] != value:
        return None
    return _replace(state, case.channel, values[1:], closed)


def _meet(sender: Event, receiver: Event, state: State) -> bool:
    """Whether the two can be one hand-over on an unbuffered channel."""
    if isinstance(sender.outcome, str) or isinstance(receiver.outcome, str):
        return False
    out = sender.op.cases[sender.outcome[0]]
    back = receiver.op.cases[receiver.outcome[0]]
    return (
        (out.way, back.way) == ("send", "recv")
        and out.channel == back.channel
        and receiver.outcome[1:] == (out.value, True)
        and not state[out.channel][1]
    )


def linearizable(events: list[Event], channels: int, cap: int) -> bool:
    """Whether ``events`` can be put in an order that makes sense."""
    tried: set[tuple[frozenset[int], State]] = set()

    def steps(left: frozenset[int], state: State) -> Iterator[tuple[set[int], State]]:
        # nothing may come before what had ended when it began
        horizon = min(events[at].ended for at in left)
        now = [at for at in left if events[at].began < horizon]
        for at in now:
            after = _alone(events[at], state, cap)
            if after is not None:
                yield {at}, after
        if cap == 0:
            for one, two in itertools.permutations(now, 2):
                if _meet(events[one], events[two], state):
                    yield {one, two}, state

    def search(left: frozenset[int], state: State) -> bool:
        if not left:
            return True
        if (left, state) in tried:
            return False
        tried.add((left, state))
        return any(search(left - done, after) for done, after in steps(left, state))

    return search(frozenset(range(len(events))), (((), False),) * channels)
