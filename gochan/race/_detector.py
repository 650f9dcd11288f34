"""The race detector: vector clocks on the instrument seam, and a check per access.

What belongs to an object dies with it: the clocks of channels and locks are kept by
the object's id, until a weak reference says that it is gone.

Thread safety: a party's clock is changed by itself, or by one peer while it is parked.
The clock of an address is changed under its owner's lock, except where several may
release into it. Whatever else is shared is changed under ``_lock``.
"""

from __future__ import annotations

import logging
import sys
from _thread import RLock
from typing import TYPE_CHECKING, Any, Literal, final
from weakref import ref

from .._core import Core
from .._instrument import Instrument
from .._scope import Scope
from . import _active
from ._channels import Address, Channels, swap
from ._clock import Clock, meet, merged
from ._parties import Parties
from ._places import Places, class_of
from ._report import DataRace, access
from ._shadow import AwaitAtomic, Shadow, Side, Strict
from ._stack import caller, capture, place

if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import FrameType, TracebackType
    from typing import Self


__all__ = ("Detector", "Mode", "Report", "detector")

Report = Literal["raise", "collect", "log"]
Mode = Literal["strict", "await_atomic"]

# of any type, and nothing for type checkers to infer
_CORE: type[Any] = Core
_TUPLE: type[Any] = tuple

_log = logging.getLogger("gochan.race")


@final
class Detector(Instrument):
    """What :func:`detector` returns.

    Attributes:
        races: the races that have been found so far, one for each pair of places.
    """

    follows = False

    def __init__(self, report: Report, mode: Mode) -> None:
        self.races: list[DataRace] = []
        self._places = Places(self)
        self._parties = Parties()
        self._clocks = self._parties.clocks
        self._find = self._parties.find
        self._report = report
        self._check = Strict if mode == "strict" else AwaitAtomic
        # What is made under it may collect garbage, and a __del__ may access variables:
        # so the same thread may take it again.
        self._lock = RLock()
        self._entered = False
        self._known: set[tuple[str, frozenset[tuple[str, int]]]] = set()
        self._addresses: dict[int, Address] = {}
        self._channels = self._quick = Channels(self, mode == "await_atomic")
        self._values: dict[Hashable, Address] = {}

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError(
                "this detector was entered before: write race.detector() each time"
            )
        self._entered = True
        super().__enter__()
        _active.enter(self)
        # whoever enters it is there from the start
        self._parties.running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching.

        Raises:
            ExceptionGroup: of the races, with ``report="raise"``. If an exception is
                on its way already they become its notes.
        """
        _active.leave(self)
        super().__exit__(kind, error, traceback)
        # keep what was found, and nothing of the program alive
        for table in (
            self._places,
            self._parties,
            self._channels,
            self._addresses,
            self._values,
        ):
            table.clear()
        if self._report != "raise" or not self.races:
            return
        if error is None:
            number = len(self.races)
            raise ExceptionGroup(
                f"{number} data race{'s' if number > 1 else ''}", self.races
            )
        for race in self.races:
            error.add_note(str(race))

    # Parties

    def goroutine_created(self, party: Hashable, parent: Hashable) -> None:
        goroutine: Any = party
        self._parties.created(goroutine, parent)

    def goroutine_parked(self, party: Hashable, wait: str, channel: object) -> None:
        if party not in self._clocks:
            # its peer, which runs elsewhere, could not find out who that is
            self._find(party)

    def goroutine_finished(self, party: Hashable) -> None:
        self._parties.finished(party)

    def joined(self, party: Hashable, finished: Hashable) -> None:
        clock = self._clocks.get(party) or self._find(party)
        clock.absorb(self._find(finished).snapshot())

    def cancelled(self, party: Hashable, target: object) -> None:
        clock = self._clocks.get(party) or self._find(party)
        snapshot = clock.snapshot()
        clock.time += 1
        targets: list[Any] = [target]
        if isinstance(target, Scope):
            goroutines: list[Any] = list(self._clocks)
            targets = [g for g in goroutines if g._scope is target]
            if target._body is not None:
                targets.append(target._body)
        for other in targets:
            if other != party:
                # it may be running: it takes that in itself
                cancelled = self._clocks.get(other) or self._find(other)
                cancelled.pending = merged(cancelled.pending, snapshot)

    # Addresses

    def _address(self, thing: Any) -> Address:
        found = self._addresses.get(id(thing))
        return self._new_address(thing) if found is None else found

    def _new_address(self, thing: Any) -> Address:
        key, addresses = id(thing), self._addresses
        address = Address()

        def gone(_: object) -> None:
            addresses.pop(key, None)

        try:
            address.object = ref(thing, gone)
        except TypeError:
            # a plain value: equal ones are the same address
            return self._values.setdefault(thing, address)
        return addresses.setdefault(key, address)

    def acquire(self, party: Hashable, address: Hashable) -> None:
        if type(address) is tuple:
            snapshot = self._address(address[0]).slots.get(address[1])
        else:
            snapshot = self._address(address).clock
        if snapshot is not None:
            (self._clocks.get(party) or self._find(party)).absorb(snapshot)

    def release(self, party: Hashable, address: Hashable) -> None:
        clock = self._clocks.get(party) or self._find(party)
        if type(address) is tuple:
            self._address(address[0]).slots[address[1]] = clock.snapshot()
        else:
            self._address(address).clock = clock.snapshot()
        clock.time += 1

    def release_merge(self, party: Hashable, address: Hashable) -> None:
        clock = self._clocks.get(party) or self._find(party)
        if type(address) is tuple:
            at = self._address(address[0])
            with self._lock:
                before = at.slots.get(address[1])
                at.slots[address[1]] = merged(before, clock.snapshot())
        else:
            at = self._address(address)
            with self._lock:
                at.clock = merged(at.clock, clock.snapshot())
        clock.time += 1

    def release_acquire(self, party: Hashable, address: Hashable) -> None:
        clock = self._clocks.get(party) or self._find(party)
        if type(address) is tuple:
            thing, part = address
            unbounded = isinstance(thing, _CORE) and not thing._size
            swap(self._address(thing), part, clock, 0 if unbounded else 1)
            return
        at = self._address(address)
        before = at.clock
        at.clock = clock.snapshot()
        clock.time += 1
        if before is not None:
            clock.absorb(before)

    def rendezvous(self, party: Hashable, peer: Hashable, address: Hashable) -> None:
        clocks = self._clocks
        meet(
            clocks.get(party) or self._find(party),
            clocks.get(peer) or self._find(peer),
        )

    # Accesses to addresses

    def read(self, party: Hashable, address: Hashable) -> None:
        clock = self._clocks.get(party) or self._find(party)
        if not isinstance(address, _CORE):
            self._read(self._shadow_of(address), clock, sys._getframe(1))
            return
        self._channels.sent(address, clock, caller(sys._getframe(3)))

    def write(self, party: Hashable, address: Hashable) -> None:
        clock = self._clocks.get(party) or self._find(party)
        if not isinstance(address, _CORE):
            self._write(self._shadow_of(address), clock, sys._getframe(1))
            return
        self._channels.closed(address, clock, caller(sys._getframe(3)))

    def _shadow_of(self, address: Any) -> Shadow:
        thing, part = address if isinstance(address, _TUPLE) else (address, None)
        shadows = self._address(thing).shadows
        shadow = shadows.get(part)
        if shadow is None:
            kind = class_of(thing)
            name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("gochan.")
            shadow = shadows.setdefault(part, Shadow(self, name))
        return shadow

    # Accesses to variables

    def _read_variable(self, shadow: Shadow, frame: FrameType) -> None:
        """The running party reads a variable."""
        self._read(shadow, self._parties.running(), frame)

    def _write_variable(self, shadow: Shadow, frame: FrameType) -> None:
        """The running party writes a variable."""
        self._write(shadow, self._parties.running(), frame)

    def _read(self, shadow: Shadow, clock: Clock, frame: FrameType) -> None:
        if shadow.reader is clock and shadow.read == clock.time:
            return
        if clock.pending is not None:
            clock.settle()
        at = capture(frame)
        with self._lock:
            found = self._check.read(shadow, clock, at)
        if found is not None:
            self._race(shadow.what, ("read", clock, at), found)

    def _write(self, shadow: Shadow, clock: Clock, frame: FrameType) -> None:
        if shadow.again is clock and shadow.written == clock.time:
            return
        if clock.pending is not None:
            clock.settle()
        at = capture(frame)
        with self._lock:
            found = self._check.write(shadow, clock, at)
        if found is not None:
            self._race(shadow.what, ("write", clock, at), found)

    def _race(self, what: str, now: Side, before: Side) -> None:
        """Note a race, unless one between the same two places is known."""
        places = frozenset((place(now[2]), place(before[2])))
        # all items of a list or dict are one there
        key = what.partition("[")[0], places
        with self._lock:
            if key in self._known:
                return
            self._known.add(key)
        race = DataRace(what, access(*now), access(*before))
        self.races.append(race)
        if self._report == "log":
            # a report has many lines: an empty one tells it from the next
            _log.warning("%s\n", race)


def detector(report: Report = "raise", *, mode: Mode = "strict") -> Detector:
    """A race detector: an instrument, and a context manager.

        with race.detector() as found:
            gochan.run(main)

    It sees what is done between ``with`` and its end, and what happens in a run that
    it is given to, ``run(main, instruments=[race.detector()])``. It knows every edge
    of gochan's memory model. What it finds is what was unordered in this one run, no
    matter in which order it happened to run: it needs no luck, but it does not see
    code that did not run.

    Which variables it watches: :class:`Var`, the attributes of classes under
    :func:`watch`, and in modules that the import hook has rewritten
    (``python -m gochan run --race``) attributes, subscripts, globals and closure
    variables.

    Args:
        report: ``"raise"``: leaving it raises an ``ExceptionGroup`` of the races.
            ``"collect"``: they are in ``.races``. ``"log"``: in ``.races``, and each
            is a warning of the logger ``gochan.race`` as soon as it is found, maybe
            in a channel operation: its handlers must not use channels.
        mode: ``"strict"``: Go's rule, any two accesses that nothing orders.
            ``"await_atomic"``: for programs that rely on one event loop, where only
            an await lets others run: a write after an await that rests on a read
            before it, when another goroutine wrote meanwhile.

    Raises:
        ValueError: another ``report`` or ``mode``.
    """
    if report not in ("raise", "collect", "log"):
        raise ValueError(f'report must be "raise", "collect" or "log", not {report!r}')
    if mode not in ("strict", "await_atomic"):
        raise ValueError(f'mode must be "strict" or "await_atomic", not {mode!r}')
    return Detector(report, mode)
