"""Who waits for whom: the report of a deadlock.

A goroutine that waits for the end of others waits for exactly those. One that waits on
a channel or a lock may be woken by any goroutine whose variables lead there, as far as
that can be told: global variables are not followed.
"""

from __future__ import annotations

import gc
from collections import deque
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from ._goroutine import Goroutine
from ._live import live
from ._report import described, stacks
from ._scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._cases import Case
    from ._live import Look

__all__ = ("report",)

# Longer reports help nobody.
_MOST: Final = 100

# How much of what a goroutine's variables lead to is looked at.
_REACH: Final = 5_000

# What leads everywhere.
_BORDERS: Final = (CodeType, ModuleType, FrameType, Goroutine, Scope, type)

# what another goroutine would have to do
_REMEDIES: Final = {
    "chan receive": "send",
    "chan send": "receive",
    "sync.Cond.Wait": "signal",
    "sync.Mutex.Lock": "unlock",
    "sync.Once.Do": "finish",
    "sync.RWMutex.Lock": "unlock",
    "sync.RWMutex.RLock": "unlock",
    "sync.WaitGroup.Wait": "call done",
    "semacquire": "release",
}


class _Need:
    """One thing that would let a goroutine go on, and who could bring it about."""

    def __init__(self, text: str, thing: object, remedy: str) -> None:
        self.text = text
        self.thing = thing
        # empty: whoever it is just has to end
        self.remedy = remedy
        self.by: list[Look] = []


def report() -> str:
    """Who waits for whom, a circle first; then all goroutines, with their stacks."""
    looks = live()
    shown = looks[:_MOST]
    text = "\n".join(_lines(shown)) + "\n\n" + stacks(shown)
    if len(looks) > _MOST:
        text += f"\n... and {len(looks) - _MOST} more goroutines\n"
    return text


def _lines(looks: Sequence[Look]) -> list[str]:
    needs = {look: _needs(look, looks) for look in looks}
    _find_helpers(needs)
    for look in looks:
        _leave_out_waiting(look, needs)
    circle = _circle(needs)
    lines = [_line(look, needs[look]) for look in circle]
    if circle:
        lines.insert(0, "in a circle:")
    others = [look for look in looks if look not in circle]
    if circle and others:
        lines.append("besides:")
    return lines + [_line(look, needs[look]) for look in others]


def _line(look: Look, needs: Iterable[_Need]) -> str:
    parts = [_part(need) for need in needs]
    # the end of all of them, but any case of a select
    both = " and " if all(not need.remedy for need in needs) else " or "
    what = both.join(parts) or "for ever"
    return f"  {described(look.goroutine)} waits {what}"


def _part(need: _Need) -> str:
    if not need.remedy:
        return need.text
    if not need.by:
        return f"{need.text}, which no other goroutine has"
    names = [described(look.goroutine) for look in need.by[:3]]
    if len(need.by) > len(names):
        names.append(f"{len(need.by) - len(names)} others")
    return f"{need.text}; {' or '.join(names)} could {need.remedy}"


def _needs(look: Look, looks: Sequence[Look]) -> list[_Need]:
    """What would let it go on."""
    wait = look.wait
    if wait is None:
        return []
    if wait.word == "select" and wait.frame is not None:
        cases: list[Case] = wait.frame.f_locals.get("table", [])
        return [
            _Need(
                f"{_WAYS[case._sends]} {described(target)}", target, _ENDS[case._sends]
            )
            for case in cases
            if (target := case._target) is not None
        ]
    thing: Any = wait.on
    if isinstance(thing, Scope):
        return [
            _awaited(other)
            for other in looks
            if other.scope is thing and other is not look
        ]
    for other in looks:
        if thing is not None and other.goroutine._done is thing:
            return [_awaited(other)]
    if thing is None or "nil chan" in wait.word:
        return []
    remedy = _REMEDIES.get(wait.word, "help")
    way = _VERBS.get(wait.word, "on")
    return [_Need(f"{way} {described(thing)}", thing, remedy)]


_WAYS: Final = {True: "to send to", False: "to receive from"}
_ENDS: Final = {True: "receive", False: "send"}
_VERBS: Final = {"chan send": _WAYS[True], "chan receive": _WAYS[False]}


def _awaited(look: Look) -> _Need:
    need = _Need(f"for the end of {described(look.goroutine)}", look.goroutine, "")
    need.by = [look]
    return need


def _find_helpers(needs: dict[Look, list[_Need]]) -> None:
    """Fill in who could bring about what is needed."""
    wanted: dict[int, list[tuple[Look, _Need]]] = {}
    for look, its in needs.items():
        for need in its:
            if need.remedy:
                wanted.setdefault(id(need.thing), []).append((look, need))
    for look in needs:
        for thing in _reach(look) & wanted.keys():
            for other, need in wanted[thing]:
                if other is not look:
                    need.by.append(look)


def _leave_out_waiting(look: Look, needs: dict[Look, list[_Need]]) -> None:
    """Whoever waits for its end, or for that of one who does, cannot help it."""
    waiting = {look}
    while more := {
        other
        for other, its in needs.items()
        if other not in waiting
        and any(not need.remedy and waiting & set(need.by) for need in its)
    }:
        waiting |= more
    for need in needs[look]:
        if need.remedy:
            need.by = [other for other in need.by if other not in waiting]


def _reach(look: Look) -> set[int]:
    """The ids of what the variables of a goroutine lead to."""
    found: dict[int, object] = {}
    ahead: deque[object] = deque()
    for frame in look.frames:
        ahead += frame.f_locals.values()
    while ahead and len(found) < _REACH:
        thing = ahead.popleft()
        if id(thing) in found or isinstance(thing, _BORDERS):
            continue
        found[id(thing)] = thing
        if isinstance(thing, FunctionType):
            # not its global variables
            ahead += (cell.cell_contents for cell in thing.__closure__ or ())
        elif gc.is_tracked(thing):
            ahead += gc.get_referents(thing)
    return set(found)


def _circle(needs: dict[Look, list[_Need]]) -> list[Look]:
    """A shortest circle of goroutines each of which waits for the next; or none."""
    best: list[Look] = []
    for start in needs:
        before: dict[Look, Look | None] = {start: None}
        ahead = deque([start])
        while ahead:
            look = ahead.popleft()
            for other in (by for need in needs[look] for by in need.by):
                if other is start:
                    path = [look]
                    while (previous := before[path[0]]) is not None:
                        path.insert(0, previous)
                    if not best or len(path) < len(best):
                        best = path
                    ahead.clear()
                    break
                if other not in before:
                    before[other] = look
                    ahead.append(other)
    return best
