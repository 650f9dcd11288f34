"""Is what threads did to one object what some order of their calls would have done?

The search of Wing and Gong (1993), as in ``support.linear``, for objects whose
operations never wait and take effect one at a time.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .threads import frequent_switches, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Call", "linearizable", "record")

S = TypeVar("S")


@dataclass(frozen=True)
class Call:
    """One call; ``began`` and ``ended`` are instants in one order."""

    op: tuple[Any, ...]
    result: Any
    began: int
    ended: int


def record(
    scripts: Sequence[Sequence[tuple[Any, ...]]],
    perform: Callable[[tuple[Any, ...]], Any],
) -> list[Call]:
    """Let a thread for each script perform it, all at the same time."""
    instants = itertools.count()
    calls: list[Call] = []
    together = threading.Barrier(len(scripts))

    def run(script: Sequence[tuple[Any, ...]]) -> None:
        together.wait()
        for op in script:
            began = next(instants)
            result = perform(op)
            calls.append(Call(op, result, began, next(instants)))

    with frequent_switches():
        threads = [start(run, script) for script in scripts]
        for thread in threads:
            thread.join()
    return calls


class _Search(Generic[S]):
    def __init__(
        self,
        calls: Sequence[Call],
        step: Callable[[S, tuple[Any, ...]], tuple[S, Any]],
    ) -> None:
        self.calls = calls
        self.step = step
        self.tried: set[tuple[frozenset[int], S]] = set()

    def possible(self, left: frozenset[int], state: S) -> bool:
        if not left:
            return True
        if (left, state) in self.tried:
            return False
        self.tried.add((left, state))
        # nothing may come before what had ended when it began
        horizon = min(self.calls[at].ended for at in left)
        for at in left:
            call = self.calls[at]
            if call.began < horizon:
                after, result = self.step(state, call.op)
                if result == call.result and self.possible(left - {at}, after):
                    return True
        return False


def linearizable(
    calls: Sequence[Call],
    state: S,
    step: Callable[[S, tuple[Any, ...]], tuple[S, Any]],
) -> bool:
    """Whether ``calls`` can be put in an order that makes sense.

    Args:
        calls: what :func:`record` returned.
        state: hashable; what there was at first.
        step: what an operation does to a state, and what it returns.
    """
    return _Search(calls, step).possible(frozenset(range(len(calls))), state)
