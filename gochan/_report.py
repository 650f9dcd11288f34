"""What goroutines are doing, written as Go's runtime writes it.

Takes no lock, so that it may be written from a signal handler at any moment.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any, Final

from ._core import Core
from ._frames import package_of
from ._goroutine import Goroutine
from ._live import Look
from ._scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import CodeType, FrameType

    from ._cases import Case
    from ._live import Party
    from ._parked import Wait

__all__ = ("cases_of", "described", "stack", "stacks", "waits_for")


def stacks(parties: Iterable[Party], *, leaked: bool = False) -> str:
    """All of them, with an empty line between each two."""
    return "\n".join(stack(party, leaked=leaked) for party in parties)


def stack(party: Party, *, leaked: bool = False) -> str:
    """What it does, its stack innermost first, and where it was started."""
    look = party if isinstance(party, Look) else None
    wait = party.wait
    doing: str = wait.word if wait is not None else look.state if look else ""
    if leaked:
        doing += " (leaked)"
    minutes = int((look.parked_for() if look else None) or 0) // 60
    if minutes:
        doing += f", {minutes} minutes"
    head = f"{party.title} [{doing}]: {party.name}"
    if wait is not None and (on := waits_for(wait)):
        head += f", {on}"
    lines = [head]
    for frame in reversed(_shown(party.frames)):
        lines += _place(frame.f_code, frame.f_lineno)
    if look is not None:
        goroutine = look.goroutine
        parent = goroutine.created_by
        function, *place = _place(goroutine._code, goroutine._line())
        of = "" if parent is None else f" in goroutine {parent}"
        lines += [f"created by {function.removesuffix('(...)')}{of}", *place]
    return "\n".join(lines) + "\n"


def _shown(frames: Sequence[FrameType]) -> Sequence[FrameType]:
    """Without those of gochan and of the runtime below it, which say nothing new."""
    shown = list(frames)
    while shown and package_of(shown[-1]) in {*_OURS, "trio"}:
        shown.pop()
    return [frame for frame in shown if package_of(frame) not in _OURS] or frames[:1]


# greenback runs fibers
_OURS: Final = frozenset({"gochan", "greenback"})


def _place(code: CodeType, line: int | None) -> list[str]:
    name, file = code.co_qualname, code.co_filename
    text = linecache.getline(file, line).strip() if line else ""
    return [f"{name}(...)", f"\t{file}:{line or '?'}{text and '  '}{text}"]


def waits_for(wait: Wait) -> str:
    """Such as ``on chan 'jobs' (3/3)``; empty if the word has said it all."""
    if wait.word == "select":
        cases = cases_of(wait)
        ways = ["send to" if case._sends else "receive from" for case in cases]
        targets = [described(case._target) for case in cases]
        return "to " + " or ".join(map(" ".join, zip(ways, targets, strict=True)))
    if wait.on is None or "nil chan" in wait.word:
        return ""
    return f"on {described(wait.on)}"


def cases_of(wait: Wait) -> Sequence[Case]:
    """What a select waits for."""
    assert wait.frame is not None
    variables = wait.frame.f_locals
    # the arguments, or what has been made of those that are no cases
    cases: Sequence[Case] = variables.get("table", variables["cases"])
    return cases


def described(thing: Any) -> str:
    """A channel, a lock, a scope, ..., in a few words."""
    if thing is None:
        return "a nil chan"
    if isinstance(thing, Goroutine):
        return f"goroutine {thing.id} ({thing.name})"
    if isinstance(thing, Core):
        return _channel(thing)  # pyright: ignore[reportUnknownArgumentType]
    kind = "scope" if isinstance(thing, Scope) else type(thing).__qualname__
    name = getattr(thing, "name", None)
    # which one, if it has no name
    return f"{kind} {name!r}" if isinstance(name, str) else f"{kind} {id(thing):#x}"


def _channel(channel: Core[Any]) -> str:
    name, cap = channel.name, channel.cap
    if name.startswith(_END_OF):
        return f"the {name}"
    if cap == 0:
        return f"chan {name!r}"
    # not asked of others: this may be a signal handler
    lent = getattr(channel, "_ahead", None) is not None
    length = len(channel._buf if lent else channel)
    return f"chan {name!r} ({length}/{'∞' if cap is None else cap})"


# what the channel is called that tells of a goroutine's end
_END_OF: Final = "end of "
