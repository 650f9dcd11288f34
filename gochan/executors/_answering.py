"""Answering what the other side of a link has asked."""

from __future__ import annotations

import contextlib
import pickle
import traceback
from typing import TYPE_CHECKING, Any

from .. import _instrument
from .._waiter import Waiter, bar
from ._protocol import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._chan import Chan
    from ._link import Link
    from ._pickling import Packed

    Undo = Callable[[], object]

__all__ = ("Answering", "Parked", "nothing", "put_back")


class Parked(Waiter):
    """An operation of the other side that waits here."""

    __slots__ = ("finish", "request", "server")

    def __init__(
        self,
        server: Answering,
        request: int,
        finish: Callable[[Parked], None],
        value: Any = None,
    ) -> None:
        super().__init__(value)
        self.server = server
        self.request = request
        # sends the answer
        self.finish = finish

    def wake(self) -> bool:
        link = self.server.link
        with link.lock:
            # False: the other side has gone, and gets nothing any more
            if link.parked.pop(self.request, None) is None:
                return False
        self.finish(self)
        return True


class Answering:
    """The answers to requests that have come by a link. The base of ``Receiving``."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def thing(self, number: int) -> Any:
        """What the other side knows by this number."""
        with self.link.lock:
            entry = self.link.granted.get(number)
        if entry is None:
            raise LookupError(f"{self.link.peer} has no handle number {number}")
        return entry[0]

    def acting(self) -> contextlib.AbstractContextManager[None]:
        """What is done inside is done by the goroutine at the other side."""
        if _instrument.active is None:
            return contextlib.nullcontext()
        return _instrument.acting(self.link.party)

    def answer(self, kind: int, request: int, value: Any) -> None:
        """Send an answer that nobody acknowledges."""
        try:
            packed = self.link.pack(value, "result")
        except TypeError as error:
            self.fail(request, error)
        else:
            self.link.post(kind, 0, request, packed)

    def fail(self, request: int, error: BaseException, text: str | None = None) -> None:
        """Have the other side raise ``error``; ``text`` is its traceback."""
        packed = self.link.pack(failure(error, text))
        self.link.post(FAILED, 0, request, packed)

    def deliver(
        self,
        kind: int,
        request: int,
        value: Any,
        undo: Undo,
        done: Undo | None = None,
        lend: Callable[[Packed], None] | None = None,
    ) -> None:
        """Send an answer with a value in it, which comes back if nobody gets it.

        Args:
            kind: VALUE or CHOSEN.
            request: which is answered.
            value: what it is answered with.
            undo: called if it is not acknowledged.
            done: called if it is.
            lend: sends more with it; called before it is sent, with what it is.
        """
        link = self.link
        try:
            packed = link.pack(value)
        except TypeError as error:
            undo()
            self.fail(request, error)
            return
        except BaseException:
            undo()
            raise
        with link.lock:
            here = link.over is None
            if here:
                link.unacked[request] = undo, done
        if here:
            if lend is not None:
                lend(packed)
            link.post(kind, 0, request, packed)
        else:
            undo()

    def acknowledged(self, request: int, *, received: bool) -> None:
        """The other side has the value, or nobody there wants it any more."""
        with self.link.lock:
            undo, done = self.link.unacked.pop(request, (nothing, None))
        if not received:
            undo()
        elif done is not None:
            done()

    # Waiting

    def parks(
        self, request: int, finish: Callable[[Parked], None], value: Any = None
    ) -> Parked:
        """The waiter of an operation that blocks; before it is queued."""
        parked = Parked(self, request, finish, value)
        with self.link.lock:
            self.link.parked[request] = parked
        return parked

    def unparks(self, request: int) -> None:
        with self.link.lock:
            self.link.parked.pop(request, None)

    def undo(self, channel: Chan[Any], value: Any) -> Undo:
        party = self.link.party

        def undo() -> None:
            with _instrument.acting(party):
                put_back(channel, value)

        return undo


def put_back(channel: Chan[Any], value: Any) -> None:
    """Undo a receive."""
    while True:
        with channel._lock:
            bar(channel._key)
            peer = channel._put_back(value)
        if peer is None or peer.settle():
            return


def nothing() -> None:
    """There is nothing to be undone."""


def failure(error: BaseException, text: str | None = None) -> tuple[BaseException, str]:
    """What says that ``error`` was raised, and its traceback; it can be pickled."""
    if text is None:
        text = "".join(traceback.format_exception(error))
    try:
        # one that wants other arguments than it hands on cannot be made again
        pickle.loads(pickle.dumps(error, 5))  # noqa: S301  # what we have made
    except Exception as reason:  # whatever its own methods raise
        stand_in = RuntimeError(f"{type(error).__qualname__}: {error}")
        stand_in.add_note(f"{type(error).__qualname__} cannot be pickled: {reason}")
        for note in getattr(error, "__notes__", ()):
            stand_in.add_note(note)
        return stand_in, text
    return error, text
