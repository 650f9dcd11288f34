"""What a home does for the other side of a link: see ``_link`` for the protocol.

Runs on the link's reader thread, which must not wait. An operation that would block
leaves a waiter in its channel's queue, as a goroutine does. Who completes it wakes
it, and that sends the answer.

A request may also be about a handle: then this process is on the way to the channel's
home. The request goes on by that link, and the answer comes back the same way; a value
is acknowledged only when the one who asked first has acknowledged it.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import traceback
from functools import partial
from pickle import loads
from typing import TYPE_CHECKING, Any, Final

from .. import _instrument, _select
from .._cases import RecvCase, SendCase
from .._core import BLOCKED, Core
from .._errors import SendOnClosed
from .._waiter import Waiter, bar, unbar
from . import _home, _lending
from ._link import Relayed
from ._pickling import unpack
from ._protocol import (
    ACK,
    BLOCKS,
    CALL,
    CHOSEN,
    CLOSED,
    DONE,
    FAILED,
    NACK,
    NOWAIT,
    RECV,
    RESULT,
    RUN,
    SELECT,
    SEND,
    VALUE,
    WITHDRAWN,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._cases import Case
    from .._chan import Chan
    from ._link import Link

    Undo = Callable[[], object]

__all__ = ("Parked", "Server", "failure")

_log = logging.getLogger("gochan")


class Parked(Waiter):
    """An operation of the other side that waits here."""

    __slots__ = ("finish", "request", "server")

    def __init__(
        self,
        server: Server,
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


class _Relay(Relayed):
    """A request that goes on by another link."""

    __slots__ = ("onward", "request", "server")

    def __init__(self, server: Server, request: int, onward: Link) -> None:
        super().__init__()
        self.server = server
        self.request = request
        self.onward = onward

    def wake(self) -> bool:
        server, post = self.server, self.onward.stream.post
        kind, value = self.value
        carries = kind in (VALUE, CHOSEN)
        with server.link.lock:
            here = server.relays.pop(self.request, None) is not None
        if carries and here:
            undo, done = (partial(post, answer, 0, self.case) for answer in (NACK, ACK))
            server.deliver(kind, self.request, value, undo, done)
        elif carries:
            post(NACK, 0, self.case)
        elif here and kind == FAILED:
            server.fail(self.request, *value)
        elif here:
            server.answer(kind, self.request, value)
        return True


class Server:
    """Answers the requests that come by one link.

    Attributes:
        link: the link.
        run: in a worker: starts the goroutine that is asked for.
        stop: in a worker: cancels it.
        relays: under the link's lock: what went on by other links.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        link.serve = self
        self.run: Callable[[int, bytes, Sequence[bytearray]], None] | None = None
        self.stop: Callable[[int, str], None] | None = None
        self.relays: dict[int, _Relay] = {}
        # by channel: how many sends were answered since somebody else wanted room
        self._rows: dict[int, int] = {}

    # Requests

    def request(
        self,
        kind: int,
        target: int,
        request: int,
        payload: memoryview,
        buffers: Sequence[bytearray],
    ) -> None:
        """Do what is asked for, or begin to."""
        try:
            if kind == RUN:
                if self.run is None:
                    raise TypeError("this process does not run goroutines for others")
                # it is unpickled where it runs: that may import half the world
                self.run(request, bytes(payload), buffers)
                return
            value: Any = unpack(payload, buffers, self.link) if payload else None
            wait = not kind & NOWAIT
            operation = kind & ~NOWAIT
            with self._acting():
                if operation == SELECT:
                    self._select(request, wait, *value)
                    return
                thing = self.thing(target)
                if _home.origin(thing) is not None:
                    self._relay(thing._link, kind, thing._number, request, value)
                elif operation == SEND:
                    self._send(thing, target, request, value, wait)
                elif operation == RECV:
                    self._recv(thing, request, wait)
                elif operation == CALL:
                    self.answer(RESULT, request, _call(thing, *value))
                else:
                    raise TypeError(f"there is no request {kind}")
        except BaseException as error:  # of who has asked
            self.fail(request, error)

    def thing(self, number: int) -> Any:
        """What the other side knows by this number."""
        with self.link.lock:
            entry = self.link.granted.get(number)
        if entry is None:
            raise LookupError(f"{self.link.peer} has no handle number {number}")
        return entry[0]

    def _send(
        self, channel: Chan[Any], number: int, request: int, value: Any, wait: bool
    ) -> None:
        while True:
            with channel._lock:
                bar(channel._key)
                try:
                    peer = channel._try_send(value)
                except SendOnClosed:
                    break
                if peer is BLOCKED:
                    if wait:
                        parked = self._parks(request, self._sent, value)
                        channel._park(parked, channel._senders, "chan send")
                elif channel._limit:
                    self._rows[number] = row = self._rows.get(number, 0) + 1
                    if row > _lending.ROW:
                        _lending.lend(channel, self.link, number)
                unbar(channel._key)
            if peer is BLOCKED:
                if not wait:
                    self.link.post(BLOCKS, 0, request)
                return
            if peer is None or peer.settle():
                self.link.post(DONE, 0, request)
                return
        self.link.post(CLOSED, 0, request)

    def _sent(self, parked: Parked) -> None:
        self.link.post(DONE if parked.ok else CLOSED, 0, parked.request)

    def sent(self, number: int, payload: memoryview) -> None:
        """A send that needs no answer; it has returned. On the reader's thread."""
        link = self.link
        try:
            channel = link.granted[number][0]
            try:
                value = loads(payload)
            except BaseException:
                _lending.forfeit(channel, link)
                raise
            if _instrument.active is None:
                _lending.sent(channel, link, number, value)
            else:
                with _instrument.acting(link.party):
                    _lending.sent(channel, link, number, value)
        except BaseException as error:  # of who has sent it
            self._too_late(error)

    def _too_late(self, error: BaseException) -> None:
        """The other side has gone on: it can only be told at its end."""
        job = self.link.job
        if job is not None:
            job.fail(error)
        else:
            _log.error("a send by %s fails: %r", self.link.peer, error)

    def returned(self, number: int, thing: Any, slots: int | None) -> None:
        """The other side will not send so much more without asking, or nothing."""
        self._rows.pop(number, None)
        if isinstance(thing, Core) and _home.origin(thing) is None:
            channel: Any = thing  # pyright: ignore[reportUnknownVariableType]
            _lending.returned(channel, self.link, slots)

    def _recv(self, channel: Chan[Any], request: int, wait: bool) -> None:
        def finish(parked: Parked) -> None:
            self._received(channel, request, parked.value, parked.ok)

        with channel._lock:
            bar(channel._key)
            value, ok, peer = channel._try_recv()
            if peer is BLOCKED and wait:
                parked = self._parks(request, finish)
                channel._park(parked, channel._receivers, "chan receive")
            unbar(channel._key)
        if peer is BLOCKED:
            if not wait:
                self.link.post(BLOCKS, 0, request)
            return
        if peer is not None:
            peer.settle()
        self._received(channel, request, value, ok)

    def _received(self, channel: Chan[Any], request: int, value: Any, ok: bool) -> None:
        if ok:
            self.deliver(VALUE, request, value, self._undo(channel, value))
        else:
            self.link.post(CLOSED, 0, request)

    def _select(
        self,
        request: int,
        wait: bool,
        biased: bool,
        cases: list[tuple[bool, Chan[Any] | None, Any]],
    ) -> None:
        onward: set[Any] = {
            channel._link if _home.origin(channel) else None  # type: ignore[attr-defined]
            for _, channel, _ in cases
            if channel is not None
        }
        if onward and None not in onward:
            (link,) = onward
            kind = SELECT if wait else SELECT + NOWAIT
            self._relay(link, kind, 0, request, (biased, cases))
            return
        table: list[Case] = [
            SendCase(channel, value) if sends else RecvCase(channel)
            for sends, channel, value in cases
        ]
        for index, case in enumerate(table):
            case.index = index

        def finish(parked: Parked) -> None:
            case = table[parked.case]
            self._chosen(request, case, parked.case, parked.value, parked.ok)

        try:
            done = _select._poll(table, biased)
            if done is None:
                parked = self._parks(request, finish) if wait else None
                done = _select._enlist(table, biased, parked)
                if done is not None and wait:
                    self._unparks(request)
        except SendOnClosed as error:
            self._unparks(request)
            targets = [case._target if case._sends else None for case in table]
            index = targets.index(error.channel)  # type: ignore[arg-type]
            self._chosen(request, table[index], index, None, ok=False)
            return
        if done is not None:
            self._chosen(request, done, done.index, done._value, done.ok)
        elif not wait:
            self.link.post(BLOCKS, 0, request)

    def _chosen(
        self, request: int, case: Case, index: int, value: Any, ok: bool
    ) -> None:
        channel = case._target
        assert channel is not None
        if case._sends:
            self.deliver(CHOSEN, request, (index, ok, None), _nothing)
        else:
            undo = self._undo(channel, value) if ok else _nothing
            self.deliver(CHOSEN, request, (index, ok, value if ok else None), undo)

    # Waiting

    def _parks(
        self, request: int, finish: Callable[[Parked], None], value: Any = None
    ) -> Parked:
        """The waiter of an operation that blocks; before it is queued."""
        parked = Parked(self, request, finish, value)
        with self.link.lock:
            self.link.parked[request] = parked
        return parked

    def _unparks(self, request: int) -> None:
        with self.link.lock:
            self.link.parked.pop(request, None)

    def withdraw(self, request: int, why: memoryview) -> None:
        """The other side wants the answer now."""
        link = self.link
        with link.lock:
            parked = link.parked.get(request)
            relay = self.relays.get(request)
        if relay is not None:
            relay.onward.withdraw(relay.case)
        elif parked is not None and parked.withdraw():
            self._unparks(request)
            link.post(WITHDRAWN, 0, request)
        elif self.stop is not None:
            self.stop(request, bytes(why).decode())
        # otherwise the answer is on its way

    def give_up(self, things: Iterable[Any]) -> None:
        """The other side has gone: all is as if it had not asked.

        Args:
            things: what it had handles to.
        """
        link = self.link
        with link.lock:
            parked = list(link.parked.values())
            unacked = list(link.unacked.values())
            relays = list(self.relays.values())
            link.parked.clear()
            link.unacked.clear()
            self.relays.clear()
        for each in parked:
            each.withdraw()
        for relay in relays:
            relay.onward.abandon(relay)
        # the last that was taken is the first to be put back
        for undo, _ in reversed(unacked):
            undo()
        for thing in things:
            self.returned(0, thing, None)

    # Answers

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
    ) -> None:
        """Send an answer with a value in it, which comes back if nobody gets it.

        Args:
            kind: VALUE or CHOSEN.
            request: which is answered.
            value: what it is answered with.
            undo: called if it is not acknowledged.
            done: called if it is.
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
            link.post(kind, 0, request, packed)
        else:
            undo()

    def acknowledged(self, request: int, *, received: bool) -> None:
        """The other side has the value, or nobody there wants it any more."""
        with self.link.lock:
            undo, done = self.link.unacked.pop(request, (_nothing, None))
        if not received:
            undo()
        elif done is not None:
            done()

    def _undo(self, channel: Chan[Any], value: Any) -> Undo:
        party = self.link.party

        def put_back() -> None:
            with _instrument.acting(party):
                while True:
                    with channel._lock:
                        bar(channel._key)
                        peer = channel._put_back(value)
                    if peer is None or peer.settle():
                        return

        return put_back

    def _acting(self) -> contextlib.AbstractContextManager[None]:
        """What is done inside is done by the goroutine at the other side."""
        if _instrument.active is None:
            return contextlib.nullcontext()
        return _instrument.acting(self.link.party)

    def _relay(
        self, onward: Link, kind: int, target: int, request: int, value: Any
    ) -> None:
        relay = _Relay(self, request, onward)
        packed = onward.pack(value)
        with self.link.lock:
            self.relays[request] = relay
        try:
            onward.ask(relay, kind, target, packed)
        except BaseException:
            with self.link.lock:
                self.relays.pop(request, None)
            raise


def _nothing() -> None:
    pass


# what may be called of a channel: nothing that waits
_OF_CHANNELS: Final[dict[str, Callable[[Any], Any]]] = {
    "close": lambda channel: channel.close(),
    "closed": lambda channel: channel.closed,
    "len": len,
    "stats": lambda channel: channel.stats(),
}


def _call(thing: Any, method: str, *args: Any) -> Any:
    """Call a method of those that may be called from another process."""
    if isinstance(thing, Core):
        return _OF_CHANNELS[method](thing)
    if method not in thing._gochan_calls_:
        raise AttributeError(f"{method} cannot be called from another process")
    return getattr(thing, method)(*args)


def failure(error: BaseException, text: str | None = None) -> tuple[BaseException, str]:
    """What says that ``error`` was raised, and its traceback; it can be pickled."""
    if text is None:
        text = "".join(traceback.format_exception(error))
    try:
        # one that wants other arguments than it hands on cannot be made again
        pickle.loads(pickle.dumps(error, 5))  # what we have made
    except Exception as reason:  # whatever its own methods raise
        stand_in = RuntimeError(f"{type(error).__qualname__}: {error}")
        stand_in.add_note(f"{type(error).__qualname__} cannot be pickled: {reason}")
        for note in getattr(error, "__notes__", ()):
            stand_in.add_note(note)
        return stand_in, text
    return error, text
