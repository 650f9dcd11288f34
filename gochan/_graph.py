"""Who waits for whom: the report of a deadlock.

A goroutine that waits for the end of others waits for exactly those. One that waits for
a lock waits for who is in a block of it, ``async with lock:``. Else it may be helped by
anybody whose variables lead to the channel or lock, as far as that can be told; of
global variables, those that the code names. Not by one who waits for the same, nor,
before it has gone on, by one who waits for its end.
"""

from __future__ import annotations

import gc
from collections import Counter, deque
from contextvars import Context
from itertools import pairwise
from types import (
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, Final

from ._frames import coroutines_of, package_of
from ._goroutine import Goroutine
from ._live import Look, Party
from ._parked import FOREIGN
from ._report import cases_of, described, stacks
from ._scope import Scope
from ._waiter import Node, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ("report",)

# Longer reports help nobody.
_MOST: Final = 100
_LINES: Final = 20
_FEW: Final = 3

# How much of what somebody's variables lead to is looked at.
_REACH: Final = 5_000

# What leads everywhere.
_BORDERS: Final = (
    CodeType,
    Context,
    CoroutineType,
    FrameType,
    Goroutine,
    ModuleType,
    Node,
    Scope,
    WaitQueue,
    type,
)

# The methods that a block keeps at hand as long as it is not left.
_EXITS: Final = ("__aexit__", "__exit__")

_SEND, _RECEIVE = "chan send", "chan receive"

# how the wait reads, and what somebody else would have to do
_WAYS: Final = {
    _SEND: ("to send to", "receive"),
    _RECEIVE: ("to receive from", "send or close"),
    "semacquire": ("on", "release"),
    "sync.Cond.Wait": ("on", "signal"),
    "sync.Mutex.Lock": ("for", "unlock"),
    "sync.Once.Do": ("for", "finish"),
    "sync.RWMutex.Lock": ("for", "unlock"),
    "sync.RWMutex.RLock": ("for", "unlock"),
    "sync.WaitGroup.Wait": ("for", "call done"),
}


class _Need:
    """One thing that would let a party go on, and who could bring it about.

    Attributes:
        word: Go's, for such a wait.
        thing: what it is waited for; None if it is just that ``by`` end.
        by: who could help.
        bound: they wait for it in turn.
        held: it is a lock, and they have it.
    """

    def __init__(self, word: str, thing: object, by: Sequence[Party] = ()) -> None:
        self.word = word
        self.thing = thing
        self.by = list(by)
        self.bound = False
        self.held = False

    def __str__(self) -> str:
        way, remedy = _WAYS.get(self.word, ("on", "help"))
        text = f"{way} {described(self.thing)}"
        if self.held and not self.by:
            return f"{text}, which it holds itself"
        if self.held:
            holds = "holds" if len(self.by) == 1 else "hold"
            return f"{text}, which {_names(self.by, 'and')} {holds}"
        if not self.by:
            return f"{text}, which nobody else here has"
        but = ", but waits for it" if self.bound else ""
        return f"{text}; {_names(self.by, 'or')} could {remedy}{but}"


def report(parties: Sequence[Party]) -> str:
    """Who waits for whom, a circle first; then all of them, with their stacks."""
    shown = parties[:_MOST]
    text = "\n".join(_lines(shown)) + "\n\n" + stacks(shown)
    if len(parties) > _MOST:
        text += f"\n... and {len(parties) - _MOST} more\n"
    return text


def _lines(parties: Sequence[Party]) -> list[str]:
    needs = {party: _needs(party, parties) for party in parties}
    _find_helpers(needs)
    circle = _circle(needs)
    lines = [_line(party, needs[party]) for party in circle]
    if circle:
        lines.insert(0, "in a circle:")
    others = [party for party in parties if party not in circle]
    if circle and others:
        lines.append("besides:")
    lines += [_line(party, needs[party]) for party in others[:_LINES]]
    if len(others) > _LINES:
        lines.append(f"  ... and {len(others) - _LINES} more")
    return lines


def _line(party: Party, needs: Sequence[_Need]) -> str:
    # all of those have to end, but any case of a select will do
    ends = [other for need in needs if need.thing is None for other in need.by]
    parts = [str(need) for need in needs if need.thing is not None]
    if ends:
        selects = party.wait is not None and party.wait.word == "select"
        parts.append(f"for the end of {_names(ends, 'or' if selects else 'and')}")
    what = ", or ".join(parts)
    if not what:
        what = "for tasks of its own" if party.wait is FOREIGN else "for ever"
    return f"  {party} waits {what}"


def _names(parties: Sequence[Party], joined: str) -> str:
    names = [str(party) for party in parties[:_FEW]]
    if len(parties) > _FEW:
        names.append(f"{len(parties) - _FEW} more")
    return f" {joined} ".join([", ".join(names[:-1])] * bool(names[:-1]) + names[-1:])


def _needs(party: Party, parties: Sequence[Party]) -> list[_Need]:
    """What would let it go on."""
    wait = party.wait
    if wait is None:
        return []
    if wait.word == "select":
        return [
            _need(_SEND if case._sends else _RECEIVE, case._target, parties)
            for case in cases_of(wait)
            if case._target is not None
        ]
    if isinstance(wait.on, Scope):
        inside = [
            other
            for other in parties
            if isinstance(other, Look) and other.scope is wait.on
        ]
        return [_Need(wait.word, None, inside)]
    if wait.on is None or "nil chan" in wait.word:
        return []
    return [_need(wait.word, wait.on, parties)]


def _need(word: str, thing: object, parties: Sequence[Party]) -> _Need:
    for other in parties:
        if isinstance(other, Look) and other.goroutine._done is thing:
            return _Need(word, None, [other])
    return _Need(word, thing)


def _find_helpers(needs: dict[Party, list[_Need]]) -> None:
    """Fill in who could bring about what is needed."""
    wanted = {id(need.thing) for its in needs.values() for need in its}
    reached = {party: _reach(party) & wanted for party in needs}
    held = {party: _held(party) for party in needs}
    for party, its in needs.items():
        waiting = _waiting_for(party, needs)
        for need in its:
            if need.thing is None:
                continue
            holders = [other for other in needs if held[other][id(need.thing)]]
            if holders:
                need.held = True
                need.by = [other for other in holders if other is not party]
                continue
            able = [
                other
                for other in needs
                if id(need.thing) in reached[other]
                and other is not party
                and not _wants(needs[other], need)
            ]
            free = [other for other in able if other not in waiting]
            need.by, need.bound = free or able, not free


def _wants(needs: Iterable[_Need], need: _Need) -> bool:
    """Whether somebody with these needs waits for the same."""
    return any(its.thing is need.thing and its.word == need.word for its in needs)


def _waiting_for(party: Party, needs: dict[Party, list[_Need]]) -> set[Party]:
    """Who waits for its end, or for that of one who does."""
    waiting = {party}
    while more := {
        other
        for other, its in needs.items()
        if other not in waiting
        and any(need.thing is None and waiting & set(need.by) for need in its)
    }:
        waiting |= more
    return waiting


def _reach(party: Party) -> set[int]:
    """The ids of what its variables lead to."""
    found: dict[int, object] = {}
    ahead: deque[Any] = deque()
    for frame in party.frames:
        ahead += frame.f_locals.values()
        if package_of(frame) != "gochan":
            ahead += _named(frame.f_code, frame.f_globals)
    if isinstance(party, Look) and party.goroutine._done is not None:
        # what its end will do
        ahead += party.goroutine._done.callbacks
    while ahead and len(found) < _REACH:
        thing = ahead.popleft()
        if id(thing) in found or isinstance(thing, _BORDERS):
            continue
        found[id(thing)] = thing
        if isinstance(thing, FunctionType):
            ahead += thing.__closure__ or ()
            if thing.__module__.partition(".")[0] != "gochan":
                ahead += _named(thing.__code__, thing.__globals__)
        elif gc.is_tracked(thing):
            ahead += gc.get_referents(thing)
    return set(found)


def _named(code: CodeType, variables: Mapping[str, Any]) -> Iterator[object]:
    """The global variables that it names, and what it names of modules."""
    for name in code.co_names:
        thing = variables.get(name)
        yield thing
        if isinstance(thing, ModuleType):
            yield from (vars(thing).get(other) for other in code.co_names)


def _held(party: Party) -> Counter[int]:
    """The ids of the locks in whose blocks it is, and how often; not in a thread."""
    held: Counter[int] = Counter()
    if not isinstance(party, Look) or party.away:
        return held
    for coroutine in coroutines_of(party.goroutine.coroutine):
        for one, after in pairwise([*gc.get_referents(coroutine), None]):
            if getattr(one, "__name__", None) not in _EXITS:
                continue
            # from 3.14 on, what it is a method of comes after the function
            owner = one.__self__ if isinstance(one, MethodType) else after
            if type(owner).__module__.startswith("gochan."):
                # the lock, or what stands for it
                held.update({id(owner), *map(id, gc.get_referents(owner))})
    wait = party.wait
    if wait is not None and any(
        frame.f_code.co_name == "__aenter__" and package_of(frame) == "gochan"
        for frame in party.frames
    ):
        # the block that it is about to enter
        held[id(wait.on)] -= 1
    return held


def _circle(needs: dict[Party, list[_Need]]) -> list[Party]:
    """A shortest circle of parties each of which waits for the next; or none."""
    best: list[Party] = []
    for start in needs:
        before: dict[Party, Party | None] = {start: None}
        ahead = deque([start])
        while ahead:
            party = ahead.popleft()
            for other in (by for need in needs[party] for by in need.by):
                if other is start:
                    path = [party]
                    while (previous := before[path[0]]) is not None:
                        path.insert(0, previous)
                    if not best or len(path) < len(best):
                        best = path
                    ahead.clear()
                    break
                if other not in before:
                    before[other] = party
                    ahead.append(other)
    return best
