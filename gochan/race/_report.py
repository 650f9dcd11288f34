"""What is said about a race: who did what where, and where both were started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from ._stack import summary

if TYPE_CHECKING:
    from traceback import StackSummary

    from ._clock import Clock
    from ._stack import Stack

__all__ = ("Access", "DataRace", "access")


@final
@dataclass(frozen=True)
class Access:
    """One of the two sides of a race.

    Attributes:
        operation: ``read`` or ``write``; on a channel ``send`` or ``close``.
        by: who did it, such as ``goroutine 'worker' (id 3)``.
        goroutine: that goroutine's id; None if it was a thread.
        stack: where, outermost call first, as in a traceback.
        created: where that goroutine or thread was started; empty if that is not
            known, and for main.
    """

    operation: str
    by: str
    goroutine: int | None
    stack: StackSummary
    created: StackSummary


def access(operation: str, clock: Clock, stack: Stack) -> Access:
    created = summary(clock.created, clock.site)
    return Access(operation, clock.who, clock.number, summary(stack), created)


@final
class DataRace(Exception):
    """Two accesses to one variable that nothing orders, at least one a write.

    Attributes:
        variable: what was accessed, such as ``Counter.value``.
        access: the access at which the race was found.
        previous: the earlier one.
    """

    variable: str
    access: Access
    previous: Access

    def __init__(self, variable: str, access: Access, previous: Access) -> None:
        super().__init__(variable, access, previous)
        self.variable = variable
        self.access = access
        self.previous = previous

    def __str__(self) -> str:
        now, before = self.access, self.previous
        parts = [
            f"data race on {self.variable}\n",
            f"{now.operation.capitalize()} by {now.by}:\n",
            *_indented(now.stack),
            f"\nPrevious {before.operation} by {before.by}:\n",
            *_indented(before.stack),
        ]
        for one in (now, before):
            if one.created:
                who = one.by[0].upper() + one.by[1:]
                parts.append(f"\n{who} was started at:\n")
                parts += _indented(one.created)
        return "".join(parts).rstrip("\n")

    def __reduce__(self) -> tuple[Any, ...]:
        return DataRace, (self.variable, self.access, self.previous)


def _indented(stack: StackSummary) -> list[str]:
    return stack.format() or ["  (not known)\n"]
