"""The one seam to the tools: race detector, trace, leak and deadlock reports.

The core calls the installed instrument at the places where Go's runtime calls
its race detector and its tracer. While none is installed (``active is None``)
an operation pays one test of a module attribute.

Vocabulary, as in ThreadSanitizer. A *party* is whoever runs code: a goroutine,
or a foreign task or thread. An *address* is what a party synchronises on: a
channel (close, and the implicit accesses of send and close), or one slot of its
buffer (``(channel, index)``; index 0 when unbuffered). The party that arrives
second at a rendezvous performs both halves while its peer is parked; the peer
does nothing when it wakes.
"""

from __future__ import annotations

from _thread import get_ident
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from . import _budget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Sequence
    from contextvars import Context
    from types import TracebackType
    from typing import Self

__all__ = ("Instrument", "install", "uninstall")

Operation = Literal["send", "recv", "close"]


class Instrument:
    """Base class of instruments: override the events you want, all do nothing.

    Give it to ``run(..., instruments=[...])``, or write ``with MyInstrument():``
    around what it is to see.

    Events arrive on the thread that causes them, those about one channel in
    their real order, because its lock is held. So a handler must be quick, must
    not use channels, and must lock what it shares.

    Attributes:
        follows: whether it wants to know of ``completed`` and ``goroutine_woken``.
    """

    follows: bool = True
    _quick: Quick | None = None

    def __enter__(self) -> Self:
        install(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        uninstall(self)

    def goroutine_created(self, party: Hashable, parent: Hashable) -> None:
        """``parent`` has called ``go()``: everything it did so far comes before."""

    def goroutine_started(self, party: Hashable) -> None:
        """The goroutine begins to run."""

    def goroutine_parked(self, party: Hashable, wait: str, channel: object) -> None:
        """``party`` waits. ``wait`` is Go's word for it, such as ``chan send``."""

    def goroutine_woken(self, party: Hashable) -> None:
        """A peer, a close or a cancellation has made ``party`` runnable again."""

    def goroutine_finished(self, party: Hashable) -> None:
        """The goroutine has returned or raised. As in Go this orders nothing."""

    def joined(self, party: Hashable, finished: Hashable) -> None:
        """``party`` has awaited ``finished``: all that did comes before."""

    def cancelled(self, party: Hashable, target: object) -> None:
        """``party`` has cancelled ``target``, a goroutine or a scope.

        All that it did comes before whatever the cancellation makes them do.
        """

    def completed(
        self, party: Hashable, operation: Operation, channel: object, slot: int | None
    ) -> None:
        """``party``'s operation took effect. ``slot`` is the buffer slot it used."""

    def read(self, party: Hashable, address: Hashable) -> None:
        """An access as of a plain read: a send reads the channel."""

    def write(self, party: Hashable, address: Hashable) -> None:
        """An access as of a plain write: a close writes the channel."""

    def acquire(self, party: Hashable, address: Hashable) -> None:
        """``party``'s clock joins the address's."""

    def release(self, party: Hashable, address: Hashable) -> None:
        """The address's clock becomes ``party``'s."""

    def release_merge(self, party: Hashable, address: Hashable) -> None:
        """The address's clock joins ``party``'s."""

    def release_acquire(self, party: Hashable, address: Hashable) -> None:
        """Both at once, a swap: the address gets none of what it gives."""

    def rendezvous(self, party: Hashable, peer: Hashable, address: Hashable) -> None:
        """Both parties' clocks join: two releases and two acquires.

        Override it only to do the same in fewer steps.
        """
        self.release(party, address)
        self.acquire(peer, address)
        self.release(peer, address)
        self.acquire(party, address)


class Quick(Protocol):
    """Takes the usual operations of channels in one call each, under the key.

    The peer has parked, for a plain send or receive. Each tells what the functions of
    ``_edges`` would, and finds out who runs.
    """

    def sends_to(self, channel: Any, peer: Any, /) -> None:
        """A send meets a parked receiver."""

    def takes_from(self, channel: Any, peer: Any, /) -> None:
        """A receive meets a parked sender."""

    def puts(self, channel: Any, /) -> None:
        """A send appends to the buffer."""

    def takes(self, channel: Any, /) -> None:
        """A receive takes from the buffer."""

    def waits_to_send(self, channel: Any, /) -> Hashable:
        """A send is about to park. Returns who sends."""

    def waits(self) -> Hashable:
        """A receive is about to park. Returns who receives."""


class _Several(Instrument):
    """Forwards every event to several instruments, in the order installed."""

    def __init__(self, parts: Sequence[Instrument]) -> None:
        self.follows = any(part.follows for part in parts)

        def forward(event: str) -> None:
            handlers = [getattr(part, event) for part in parts]

            def call(*args: object) -> None:
                for handler in handlers:
                    handler(*args)

            setattr(self, event, call)

        for event in vars(Instrument):
            if not event.startswith("_") and event != "follows":
                forward(event)


active: Instrument | None = None
# of the only instrument that is installed, if it has one
quick: Quick | None = None

# Who is told of each channel and wait group that is made, by whoever makes it: a list
# that stays the same, and is empty but for bubbles.
made: list[Callable[[object], object]] = []


# Who runs the code of this context: the party, its task, how to ask which task runs,
# and how to ask that quickly on the thread of its loop. Tasks and threads that the
# party starts inherit it, so it holds only where that task runs; with None in place of
# how to ask, everywhere.
_Ask: TypeAlias = "Callable[[], object] | None"
running: ContextVar[tuple[Hashable, object, _Ask, _Ask] | None]
running = ContextVar("gochan running", default=None)


@contextmanager
def acting(party: Hashable) -> Generator[None]:
    """What is done inside is done by ``party``."""
    token = running.set((party, None, None, None))
    try:
        yield
    finally:
        running.reset(token)


def run_as(
    party: Hashable, context: Context, call: Callable[..., object], *args: object
) -> None:
    """Call in that context. As an act of ``party``, if an instrument wants to know."""
    if active is None:
        context.run(call, *args)
    else:
        context.run(_act, party, call, args)


def _act(
    party: Hashable, call: Callable[..., object], args: tuple[object, ...]
) -> None:
    with acting(party):
        call(*args)


def current_party() -> Hashable:
    """Who runs the calling code: a goroutine, else a foreign task or thread."""
    known = running.get()
    if known is not None:
        party, task, current_task, _ = known
        if current_task is None:
            return party
        try:
            if current_task() is task:
                return party
        except RuntimeError:
            # a thread that has inherited the context
            pass
    return find_party()


# Who runs where no nursery tells: goroutines on other threads, by thread, and on
# other loops, by task.
parties: dict[Hashable, Hashable] = {}

# replaced by the module that knows goroutines
find_party: Callable[[], Hashable] = get_ident

_installed: list[Instrument] = []


def install(instrument: Instrument) -> None:
    """Let ``instrument`` see every event of this process from now on.

    Install before the channels to be watched are used: the slots of a buffer
    are numbered from there.
    """
    _installed.append(instrument)
    _select_active()


def uninstall(instrument: Instrument) -> None:
    """Undo one :func:`install`."""
    _installed.remove(instrument)
    _select_active()


def _select_active() -> None:
    global active, quick
    quick = None
    if not _installed:
        active = None
    elif len(_installed) == 1:
        active = _installed[0]
        quick = active._quick
    else:
        active = _Several(tuple(_installed))
    _budget.watch(active is not None)
