"""Leaks: goroutines that are parked for ever, because nobody can wake them.

Whoever wakes a parked goroutine has to reach the queue it waits in, through the channel
or lock that the queue belongs to. So it is leaked if what leads there is only held by
goroutines that are leaked themselves. That is the question which a garbage collector
answers, and it is answered in a collector's way:
1. Everything that parked goroutines lead to is collected: the *graph*.
2. Each object in it knows how often it is referred to. If that is more often than the
   graph itself does, somebody outside has it: a goroutine that runs, a module, a C
   library, an argument on somebody's stack. These are the roots.
3. What roots lead to is marked. A goroutine whose queue is marked may be woken, so all
   that it leads to is marked in turn, until nothing changes.

Whoever is in no marked queue is leaked. This errs on one side only: a reference that
nobody will use makes an object look as if it were used.

The runtime's own list of tasks does not count as a reference. To cancel a goroutine is
not to wake it.

Source: Go's goroutine leak profile (``runtime/mgc.go``). Notable difference: variables
that will not be used again still count, as everywhere in Python.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from ._goroutine import Goroutine
from ._nil import nil
from ._scope import Scope
from ._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ._live import Look

__all__ = ("leaked",)

# What everybody has: nothing in them is followed.
_PUBLIC: Final = (CodeType, ModuleType, type)


def leaked(looks: Sequence[Look]) -> list[Look]:
    """Those of the goroutines that can never go on."""
    # garbage refers to things as well
    gc.collect()
    found = _unreachable(looks)
    if found and len(sys._current_frames()) > 1:
        # Another thread may have taken a reference out of the graph while it was being
        # counted. What is leaked is still leaked.
        again = _unreachable(looks)
        found = [look for look in found if look in again]
    return [look for look in found if not _on_purpose(look)]


def _on_purpose(look: Look) -> bool:
    """Whether it is a main that waits for the others to end the program, as in Go."""
    return (
        look.leads and look.wait is not None and look.wait.word == "select (no cases)"
    )


def _unreachable(looks: Sequence[Look]) -> list[Look]:
    parked = [look for look in looks if _wakers(look)]
    graph = _Graph(parked)
    graph.mark(graph.roots())
    return graph.asleep


def _wakers(look: Look) -> list[object]:
    """What has to be reached to let it go on. None of it, if it is not gochan's."""
    if look.wait is None or look.away:
        return []
    if isinstance(look.wait.on, Scope):
        # each of the goroutines that it waits for has it
        return [look.wait.on._nursery]
    waiter = look.blocked
    if not isinstance(waiter, Waiter):
        return []
    queues = [node.queue for node in waiter.nodes or [waiter]]
    return [waiter, *(queue for queue in queues if queue is not None)]


def _owned(look: Look) -> list[object]:
    """What a goroutine leads to by itself."""
    return [*gc.get_referents(look.task), *gc.get_referents(look.goroutine)]


class _Graph:
    """All that parked goroutines lead to."""

    def __init__(self, parked: Sequence[Look]) -> None:
        # those that nobody can wake, as far as is known
        self.asleep = list(parked)
        self.things: dict[int, object] = {}
        # how often the graph refers to each
        self.known: Counter[int] = Counter()
        self.marked: set[int] = set()
        # whom it wakes that something is marked
        self.wakes: dict[int, list[Look]] = {}
        # tasks are everywhere, and lead to their coroutines
        self.tasks: set[type[Any]] = {type(look.task) for look in parked}
        # never ready: who has it wakes nobody; and where global variables are
        self.borders = {id(nil), id(nil._senders), id(nil._receivers)}
        self.borders |= {id(vars(module)) for module in list(sys.modules.values())}
        self._ahead: list[Any] = []
        for queue in (nil._senders, nil._receivers):
            self._enter(gc.get_referents(queue))
        for look in parked:
            for waker in _wakers(look):
                self.wakes.setdefault(id(waker), []).append(look)
            self._enter(_owned(look))
            # what refers to things only because we look at them
            self._enter(gc.get_referents(look))
        while self._ahead:
            thing = self._ahead.pop()
            if isinstance(thing, FunctionType):
                self.borders.add(id(thing.__globals__))
            self._enter(gc.get_referents(thing))

    def _enter(self, referents: Iterable[object]) -> None:
        for thing in referents:
            number = id(thing)
            self.known[number] += 1
            if number not in self.things and self._leads_on(thing):
                self.things[number] = thing
                self._ahead.append(thing)

    def _leads_on(self, thing: object) -> bool:
        if not gc.is_tracked(thing) or isinstance(thing, _PUBLIC):
            return False
        if isinstance(thing, Goroutine):
            # who has it may have its result, and no more
            return thing._over
        return type(thing) not in self.tasks and id(thing) not in self.borders

    def roots(self) -> list[object]:
        """What is referred to from outside of the graph."""
        ours = next(_counts({0: object()}))[1]
        return [
            self.things[number]
            for number, count in _counts(self.things)
            # never less, unless it lies
            if count - ours != self.known[number]
        ]

    def mark(self, ahead: list[object]) -> None:
        """Mark all that these lead to, and wake whom that wakes."""
        while ahead:
            thing = ahead.pop()
            number = id(thing)
            if number in self.marked or number not in self.things:
                continue
            self.marked.add(number)
            ahead += gc.get_referents(thing)
            for look in self.wakes.pop(number, ()):
                if look in self.asleep:
                    self.asleep.remove(look)
                    ahead += _owned(look)


def _counts(things: dict[int, object]) -> Iterator[tuple[int, int]]:
    """How often each is referred to, what this function does included."""
    for number, thing in things.items():
        yield number, sys.getrefcount(thing)
