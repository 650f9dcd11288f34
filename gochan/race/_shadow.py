"""What is remembered of one variable, and the check of each access to it.

The check is FastTrack's (Flanagan and Freund, PLDI 2009): of the writes the last one
is enough, and of the reads the last one as long as reads are ordered. It finds the
first race on a variable exactly, whatever came before; after that it goes on as if
there had been none.

Callers hold the detector's lock, and have dealt with the common case already: the
same party has done the same since its last release.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from typing import TYPE_CHECKING

from .._backends import running_loop

if TYPE_CHECKING:
    from ._clock import Clock
    from ._stack import Stack

__all__ = ("AwaitAtomic", "Shadow", "Side", "Strict", "first", "loop_here")

# how many unordered reads are remembered of one variable
READERS = 128


class _Use:
    """The last read of one party: by whom, when, and where."""

    __slots__ = ("at", "clock", "home", "time", "version")

    def __init__(self, clock: Clock, time: int, at: Stack) -> None:
        self.clock = clock
        self.time = time
        self.at = at
        # Only in mode await_atomic: on which thread's event loop, and of what it was
        # a read: how many writes had been before.
        self.home: int | None = None
        self.version = 0


class Shadow:
    """The last accesses to one variable.

    ``reader`` and ``writer`` are who read and wrote last, ``read`` and ``written``
    their time then. Where ``readers`` is not None it has all reads since the last
    write, by slot, and ``reader`` serves the common case alone. ``again`` is the
    writer as long as another write of it, at the same time, would change nothing.
    """

    __slots__ = (
        "again",
        "home",
        "owner",
        "read",
        "read_at",
        "reader",
        "readers",
        "version",
        "what",
        "writer",
        "written",
        "written_at",
    )

    def __init__(self, owner: object, what: str) -> None:
        # the detector to which the clocks belong
        self.owner = owner
        # for reports
        self.what = what
        self.writer: Clock | None = None
        self.again: Clock | None = None
        self.written = 0
        self.written_at: Stack = ()
        self.reader: Clock | None = None
        self.read = 0
        self.read_at: Stack = ()
        self.readers: dict[int, _Use] | None = None
        # only in mode await_atomic: the writer's event loop, and the number of writes
        self.home: int | None = None
        self.version = 0


# Held while a variable is given its shadow, and nothing is made meanwhile: that could
# collect garbage, and so run code of others.
first = allocate_lock()

# one side of a race: what was done, by whom, and where
Side = tuple[str, "Clock", "Stack"]


class Strict:
    """Go's rule: two accesses that nothing orders, at least one of them a write."""

    @staticmethod
    def read(shadow: Shadow, clock: Clock, at: Stack) -> Side | None:
        found: Side | None = None
        writer = shadow.writer
        if writer is not None and not clock.knows(writer, shadow.written):
            found = "write", writer, shadow.written_at
        reader, readers = shadow.reader, shadow.readers
        if readers is not None:
            _remember(readers, _Use(clock, clock.time, at))
        elif reader is not None and not clock.knows(reader, shadow.read):
            # a second reader that is not ordered with the first
            shadow.readers = {
                reader.slot: _Use(reader, shadow.read, shadow.read_at),
                clock.slot: _Use(clock, clock.time, at),
            }
        shadow.reader = clock
        shadow.read = clock.time
        shadow.read_at = at
        return found

    @staticmethod
    def write(shadow: Shadow, clock: Clock, at: Stack) -> Side | None:
        found: Side | None = None
        writer = shadow.writer
        if writer is not None and not clock.knows(writer, shadow.written):
            found = "write", writer, shadow.written_at
        elif shadow.readers is not None:
            for use in shadow.readers.values():
                if not clock.knows(use.clock, use.time):
                    found = "read", use.clock, use.at
                    break
            shadow.readers = None
            shadow.reader = None
        elif (reader := shadow.reader) is not None and not clock.knows(
            reader, shadow.read
        ):
            found = "read", reader, shadow.read_at
        shadow.writer = shadow.again = clock
        shadow.written = clock.time
        shadow.written_at = at
        return found


class AwaitAtomic:
    """For programs that stay on one loop, and take what is between awaits as one.

    Parties of the same event loop take turns, and only at an await. What goes wrong
    between them is a write that rests on a read from before: one read, awaited, and
    wrote, and another one wrote meanwhile. Parties that do not share a loop are held
    to Go's rule.
    """

    @staticmethod
    def read(shadow: Shadow, clock: Clock, at: Stack) -> Side | None:
        found: Side | None = None
        home = loop_here()
        writer = shadow.writer
        if (
            writer is not None
            and not clock.knows(writer, shadow.written)
            and (home is None or home != shadow.home)
        ):
            found = "write", writer, shadow.written_at
        use = _Use(clock, clock.time, at)
        use.home = home
        use.version = shadow.version
        if shadow.readers is None:
            shadow.readers = {}
        _remember(shadow.readers, use)
        shadow.reader = clock
        shadow.read = clock.time
        # the next write makes a difference: to this reader
        shadow.again = None
        return found

    @staticmethod
    def write(shadow: Shadow, clock: Clock, at: Stack) -> Side | None:
        found: Side | None = None
        home = loop_here()
        readers = shadow.readers
        # it has used up what it read
        own = None if readers is None else readers.pop(clock.slot, None)
        writer = shadow.writer
        if writer is not None and not clock.knows(writer, shadow.written):
            stale = (
                own is not None and own.clock is clock and own.version != shadow.version
            )
            if stale or home is None or home != shadow.home:
                found = "write", writer, shadow.written_at
        if readers:
            for slot, use in list(readers.items()):
                if clock.knows(use.clock, use.time):
                    del readers[slot]
                elif home is None or home != use.home:
                    found = found or ("read", use.clock, use.at)
                    del readers[slot]
        shadow.version += 1
        shadow.home = home
        # the next read makes a difference: it is of another version
        shadow.reader = None
        shadow.writer = shadow.again = clock
        shadow.written = clock.time
        shadow.written_at = at
        return found


def loop_here() -> int | None:
    """The thread, if it runs an event loop, of which the running task is a part."""
    return None if running_loop() is None else get_ident()


def _remember(uses: dict[int, _Use], use: _Use) -> None:
    """Add a read, by slot. If there are many, drop some that will not be missed."""
    clock = use.clock
    uses.pop(clock.slot, None)
    if len(uses) >= READERS:
        # what comes after this one comes after those, too
        for slot, other in list(uses.items()):
            if clock.knows(other.clock, other.time):
                del uses[slot]
        if len(uses) >= READERS:
            # the oldest: a race with it will not be found
            del uses[next(iter(uses))]
    uses[clock.slot] = use
