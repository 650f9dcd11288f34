"""Why a party is parked, as far as its stack tells.

Nothing is written down when a party parks: that would cost every operation, and would
be missing in a program that was not prepared. Its stack says it all. A function that
parks its caller is marked with Go's word for it, :func:`parks`; what it is a method of
is what the party waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ._backends import _thread
from ._frames import package_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType

    from ._waiter import Waiter

__all__ = (
    "FOREIGN",
    "Wait",
    "for_ever",
    "idles",
    "is_idle",
    "parks",
    "waiter_of_thread",
    "why",
)

F = TypeVar("F", bound="Callable[..., Any]")

_words: dict[CodeType, str] = {}
_idle: dict[CodeType, Callable[[dict[str, Any]], bool]] = {}

# whose frames may stand between a function that parks and the loop
_RUNTIMES: Final = frozenset({"anyio", "asyncio", "greenback", "trio"})


class Wait(NamedTuple):
    """Why a party waits.

    Attributes:
        word: Go's word for it.
        on: what it waits for: a channel, a lock, ...; None if that is not one thing.
        frame: of the function that parked it.
    """

    word: str
    on: object
    frame: FrameType | None


# outside of gochan: of no concern to it
FOREIGN: Final = Wait("await", None, None)


def parks(word: str) -> Callable[[F], F]:
    """Mark a function that parks its caller; ``word`` is Go's for such a wait.

    Of several that call each other the outermost tells, so that one lock may be made of
    another. If it is a method, its object is what the caller waits for.
    """

    def mark(function: F) -> F:
        _words[function.__code__] = word
        return function

    return mark


def why(frames: Sequence[FrameType]) -> Wait:
    """What the party with these frames, outermost first, waits for.

    That is the innermost call of gochan, with what gochan and the runtime do inside of
    it. :data:`FOREIGN` if the party's own code has awaited something else.
    """
    found: tuple[str, FrameType] | None = None
    for frame in reversed(frames):
        package = package_of(frame)
        if package == "gochan":
            if (word := _words.get(frame.f_code)) is not None:
                found = word, frame
        elif package not in _RUNTIMES:
            break
    if found is None:
        return FOREIGN
    word, frame = found
    variables = frame.f_locals
    if word == "select":
        return Wait(word if variables["cases"] else "select (no cases)", None, frame)
    on = variables.get("self")
    return Wait(word + getattr(on, "_kind", ""), on, frame)


def idles(check: Callable[[dict[str, Any]], bool]) -> Callable[[F], F]:
    """Mark a function in which a thread of a pool sleeps while it has nothing to do.

    Args:
        check: given the function's variables, whether it has nothing to do: that is, it
            will sleep on until somebody who runs gives it something.
    """

    def mark(function: F) -> F:
        _idle[function.__code__] = check
        return function

    return mark


def is_idle(last: FrameType) -> bool:
    """Whether the thread with this innermost frame belongs to a pool, and is idle."""
    check = _idle.get(last.f_code)
    return check is not None and check(dict(last.f_locals))


def waiter_of_thread(last: FrameType) -> Waiter | None:
    """The waiter on which the thread with this innermost frame sleeps.

    None if it runs, or is about to.
    """
    if last.f_code is not _PARK.__code__:
        return None
    waiter: Waiter = last.f_locals["self"]
    return None if waiter.claimed() else waiter


def for_ever(last: FrameType) -> bool:
    """Whether a thread that sleeps on a waiter does so without a timeout."""
    # what park_thread makes of None
    return bool(last.f_locals["timeout"] == -1)


_PARK: Final = _thread.Waiter.park_thread
