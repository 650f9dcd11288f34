"""The cases of one call of select: what its arguments stand for, and what can be done.

A *table* is the list of them. Which of those that are ready is done, and what happens
if none is, is the business of ``_select``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ._cases import KINDS, Case, RecvCase, close_coroutine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._waiter import Waiter

__all__ = (
    "C1",
    "C2",
    "C3",
    "C4",
    "C5",
    "elsewhere",
    "seem_ready",
    "table_of",
    "try_case",
)

# what the arguments stand for one by one, in the signatures of select
C1 = TypeVar("C1", bound=Case)
C2 = TypeVar("C2", bound=Case)
C3 = TypeVar("C3", bound=Case)
C4 = TypeVar("C4", bound=Case)
C5 = TypeVar("C5", bound=Case)


def table_of(things: tuple[Any, ...]) -> list[Case]:
    table: list[Case] = []
    try:
        for index, thing in enumerate(things):
            case: Case = thing if type(thing) in KINDS else _as_case(thing)
            case.index = index
            table.append(case)
    except TypeError:
        # no warnings that they were not awaited on top of the error
        for thing in things:
            close_coroutine(thing)
        raise
    return table


def _as_case(thing: object) -> Case:
    """What an argument of select stands for.

    Raises:
        TypeError: nothing that can be selected on.
    """
    if thing is None:
        return RecvCase[Any](None)
    find: Any = getattr(type(thing), "__gochan_case__", None)
    if find is None:
        if close_coroutine(thing):
            raise TypeError(
                f"select wants cases, not the coroutine {thing!r}: "
                "write select(recv(ch)) or select(ch), not select(ch.recv())"
            )
        raise TypeError(
            f"select wants cases and channels, not {thing!r}: "
            "write select(recv(a), send(b, 7))"
        )
    case = find(thing)
    if not isinstance(case, Case):
        raise TypeError(f"__gochan_case__ of {thing!r} must return recv(channel)")
    return case


def elsewhere(table: Sequence[Case]) -> Any:
    """Who does a select of these cases, if they are not all of this process.

    Raises:
        ValueError: they are of more than one other process.
    """
    far: Case | None = None
    here = False
    for case in table:
        target = case._target
        if target is None:
            # ready nowhere
            continue
        if target._elsewhere is None:
            here = True
        elif far is None:
            far = case
        elif target._elsewhere is not _elsewhere(far):
            raise ValueError(
                f"{far!r} and {case!r} are in two other processes, and one can take "
                "part in a select here: have goroutines wait for them"
            )
    if far is None:
        return None
    other = _elsewhere(far)
    return other.mixed if here else other


def _elsewhere(case: Case) -> Any:
    assert case._target is not None
    return case._target._elsewhere


def seem_ready(table: Sequence[Case]) -> list[int]:
    """The cases that could be done now, as far as can be seen without locks."""
    ready: list[int] = []
    for index, case in enumerate(table):
        channel = case._target
        if channel is None:
            continue
        if case._sends:
            if (
                channel._receivers.head is not None
                or len(channel._buf) < channel._limit
                or channel._closed
                or channel._lossy is not None
                or channel._loans is not None
            ):
                ready.append(index)
        elif channel._buf or channel._senders.head is not None or channel._closed:
            ready.append(index)
    return ready


def try_case(case: Case) -> tuple[Any, bool, Waiter | None]:
    """Do the case if it is ready, with its channel's lock held."""
    channel = case._target
    assert channel is not None
    if case._sends:
        return None, True, channel._try_send(case._value)
    return channel._try_recv()
