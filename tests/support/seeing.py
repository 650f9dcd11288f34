"""Instruments for tests: one that writes down events, one that keeps clocks."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

import gochan
from gochan import Chan, Instrument
from gochan._instrument import current_party

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

__all__ = ("Clocks", "Recorder", "watch")


def watch(
    main: Callable[[], Coroutine[Any, Any, None]],
    backend: dict[str, Any],
    seen: Instrument,
) -> None:
    """Run ``main`` where ``seen`` sees it."""
    gochan.run(main, **backend, instruments=[seen])


SYNC = ("read", "write", "acquire", "release", "release_merge", "release_acquire")


def _name(thing: object) -> str:
    if isinstance(thing, gochan.Goroutine):
        return thing.name
    if isinstance(thing, Chan):
        return thing.name
    if isinstance(thing, gochan.Scope):
        return "scope"
    if isinstance(thing, tuple):
        owner, part = cast("tuple[object, object]", thing)
        return f"{_name(owner)}[{part}]"
    if isinstance(thing, int) and thing == threading.get_ident():
        return "thread"
    if type(thing).__module__.startswith("gochan."):
        # not its repr, which may need the lock that is held now
        return type(thing).__name__
    return str(thing)


class Recorder(Instrument):
    """Writes every event down: ``"release sender ch[0]"``."""

    def __init__(self) -> None:
        self.events: list[str] = []

        def note(event: str) -> Any:
            def call(*args: object) -> None:
                # names are found at once: an event may arrive in another thread
                self.events.append(" ".join([event, *map(_name, args)]))

            return call

        for event in vars(Instrument):
            # a rendezvous is what it is made of
            if not event.startswith("_") and event not in ("follows", "rendezvous"):
                setattr(self, event, note(event))

    def take(self, *kinds: str) -> list[str]:
        """The events of these kinds so far; they are forgotten, like all others."""
        events, self.events = self.events, []
        return [event for event in events if event.split()[0] in kinds]

    def sync(self) -> list[str]:
        """What a race detector would act on, apart from the ends of goroutines."""
        return [event for event in self.take(*SYNC) if not event.endswith(" scope")]


Clock = dict[Any, int]


class Clocks(Instrument):
    """Vector clocks, with the four primitives of ThreadSanitizer.

    ``mark(label)`` notes the clock of who calls; ``before(a, b)`` tells whether
    the one mark happened before the other. ``access(name, write=...)`` notes an access
    to a variable; ``races()`` compares each with all others to the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clocks: dict[Hashable, Clock] = {}
        self._addresses: dict[Hashable, Clock] = defaultdict(dict)
        self._marks: dict[str, tuple[Hashable, Clock]] = {}
        self._accesses: list[tuple[Hashable, bool, Hashable, Clock]] = []

    def access(self, name: Hashable, *, write: bool) -> None:
        self._note(current_party(), name, write)

    def _note(self, party: Hashable, name: Hashable, write: bool) -> None:
        with self._lock:
            clock = dict(self._clock(party))
            self._accesses.append((name, write, party, clock))

    def races(self) -> list[Hashable]:
        """The variables with two unordered accesses, one of them a write."""
        found: list[Hashable] = []
        for number, (name, write, party, early) in enumerate(self._accesses):
            for other, other_write, other_party, late in self._accesses[number + 1 :]:
                if (
                    name == other
                    and (write or other_write)
                    and party != other_party
                    and early[party] > late.get(party, 0)
                ):
                    found.append(name)
        return found

    def starts(self, thread: threading.Thread) -> None:
        """The running party is about to start ``thread``, which no event tells."""
        self.release(current_party(), thread)
        run = thread.run

        def work() -> None:
            self.acquire(current_party(), thread)
            run()
            self.release(current_party(), thread)

        thread.run = work  # type: ignore[method-assign]

    def joins(self, thread: threading.Thread) -> None:
        """The running party has joined it."""
        self.acquire(current_party(), thread)

    def mark(self, label: str) -> None:
        with self._lock:
            party = current_party()
            assert label not in self._marks
            self._marks[label] = (party, dict(self._clock(party)))

    def forget(self) -> None:
        """Forget the marks, so that their labels can be used again."""
        self._marks.clear()

    def before(self, a: str, b: str) -> bool:
        (party, early), (other, late) = self._marks[a], self._marks[b]
        assert party != other, "the order in one goroutine is no question"
        return early[party] <= late.get(party, 0)

    def ordered(self, a: str, b: str) -> bool:
        return self.before(a, b) or self.before(b, a)

    def _clock(self, party: Hashable) -> Clock:
        return self._clocks.setdefault(party, {party: 1})

    def _join(self, party: Hashable, other: Clock) -> None:
        clock = self._clock(party)
        for key, time in other.items():
            clock[key] = max(clock.get(key, 0), time)

    def _tick(self, party: Hashable) -> None:
        self._clock(party)[party] += 1

    @override
    def goroutine_created(self, party: Hashable, parent: Hashable) -> None:
        with self._lock:
            self._join(party, self._clock(parent))
            self._tick(parent)

    @override
    def joined(self, party: Hashable, finished: Hashable) -> None:
        with self._lock:
            self._join(party, self._clock(finished))

    @override
    def cancelled(self, party: Hashable, target: object) -> None:
        with self._lock:
            clock = dict(self._clock(party))
            self._tick(party)
            if not isinstance(target, gochan.Scope):
                self._join(target, clock)
                return
            for other in list(self._clocks):
                if getattr(other, "_scope", None) is target or other is target._body:
                    self._join(other, clock)

    @override
    def read(self, party: Hashable, address: Hashable) -> None:
        self._note(party, address, False)

    @override
    def write(self, party: Hashable, address: Hashable) -> None:
        self._note(party, address, True)

    @override
    def acquire(self, party: Hashable, address: Hashable) -> None:
        with self._lock:
            self._join(party, self._addresses[address])

    @override
    def release(self, party: Hashable, address: Hashable) -> None:
        with self._lock:
            self._addresses[address] = dict(self._clock(party))
            self._tick(party)

    @override
    def release_merge(self, party: Hashable, address: Hashable) -> None:
        with self._lock:
            merged = self._addresses[address]
            for key, time in self._clock(party).items():
                merged[key] = max(merged.get(key, 0), time)
            self._tick(party)

    @override
    def release_acquire(self, party: Hashable, address: Hashable) -> None:
        with self._lock:
            before = self._addresses[address]
            self._addresses[address] = dict(self._clock(party))
            self._join(party, before)
            self._tick(party)
