"""What a home does for the other side of a link: see ``_protocol``.

Runs on the link's reader thread, which must not wait. An operation that would block
leaves a waiter in its channel's queue, as a goroutine does. Who completes it wakes
it, and that sends the answer.
"""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from pickle import loads
from typing import TYPE_CHECKING, Any, Final

from .. import _backends, _instrument, _select
from .._cases import RecvCase, SendCase
from .._core import BLOCKED, Core
from .._errors import SendOnClosed
from .._waiter import bar, unbar
from . import _home, _lending
from ._answering import Parked, nothing
from ._page import SEEN
from ._pickling import unpack
from ._protocol import (
    BLOCKS,
    CALL,
    CHOSEN,
    CLOSED,
    DONE,
    NOWAIT,
    RECV,
    RESULT,
    RUN,
    SELECT,
    SEND,
    WITHDRAWN,
)
from ._receiving import Receiving
from ._relays import Relay, relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._cases import Case
    from .._chan import Chan
    from ._ahead import Ahead
    from ._link import Link
    from ._wire import Bytes

__all__ = ("Server",)

_log = logging.getLogger("gochan")


class Server(Receiving):
    """Answers the requests that come by one link.

    Attributes:
        link: the link.
        run: in a worker: starts the goroutine that is asked for.
        stop: in a worker: cancels it.
        relays: under the link's lock: what went on by other links.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        link.serve = self
        self.run: Callable[[int, bytes, Sequence[bytearray]], None] | None = None
        self.stop: Callable[[int, str], None] | None = None
        self.relays: dict[int, Relay] = {}
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
            with self.acting():
                if operation == SELECT:
                    self._select(request, wait, *value)
                    return
                thing = self.thing(target)
                if _home.origin(thing) is not None:
                    relay(self, thing._link, kind, thing._number, request, value)
                elif operation == SEND:
                    self._send(thing, target, request, value, wait)
                elif operation == RECV:
                    # one that is relayed has a payload: what is lent is not
                    self.recv(thing, target, request, wait, lends=not payload)
                elif operation == CALL:
                    self._called(thing, request, value)
                else:
                    raise TypeError(f"there is no request {kind}")
        except BaseException as error:  # of who has asked
            self.fail(request, error)

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
                        sent = partial(self._sent, channel, number)
                        parked = self.parks(request, sent, value)
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

    def _sent(self, channel: Chan[Any], number: int, parked: Parked) -> None:
        """On the thread of who has received."""
        self.link.post(DONE if parked.ok else CLOSED, 0, parked.request)
        if number in self.link.places and _backends.running_loop() is not None:
            # The buffer is full still. Who receives goes on before the loop comes
            # round, and the other side need not ask again.
            more = partial(_lending.more, channel, self.link, number)
            # not in a callback of the loop that trio is a guest of
            with contextlib.suppress(RuntimeError):
                _backends.backend().clock().soon(more)

    def sent(self, number: int, payload: memoryview) -> None:
        """A send that needs no answer; it has returned. On the reader's thread."""
        if self.uncounted:
            self.taken_so_far()
        link = self.link
        try:
            channel = link.granted[number][0]
            try:
                value = loads(payload)  # from our own
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

    def returned(self, number: int, slots: int, seen: Bytes) -> None:
        """The other side will not send so much more without asking.

        Args:
            number: what it knows the channel by.
            slots: how much.
            seen: if it will not look at the counter any more: see ``SEEN``.
        """
        self._rows.pop(number, None)
        entry = self.link.granted.get(number)
        # otherwise it was granted to a handle that had gone by then
        if entry is not None:
            what = SEEN.unpack(seen) if seen else None
            _lending.returned(entry[0], self.link, number, slots, what)

    def released(self, number: int, thing: Any) -> None:
        """The other side has no handle any more."""
        self._rows.pop(number, None)
        if isinstance(thing, Core) and _home.origin(thing) is None:
            channel: Any = thing  # pyright: ignore[reportUnknownVariableType]
            _lending.returned(channel, self.link, number, None, None)
            self.let_go(number, channel)

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
            relay(self, link, kind, 0, request, (biased, cases))
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
                parked = self.parks(request, finish) if wait else None
                done = _select._enlist(table, biased, parked)
                if done is not None and wait:
                    self.unparks(request)
        except _select.Lent as lent:
            again = partial(self._select, request, wait, biased, cases)
            self.postpone(lent.values, request, again)
            return
        except SendOnClosed as error:
            self.unparks(request)
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
            self.deliver(CHOSEN, request, (index, ok, None), nothing)
        else:
            undo = self.undo(channel, value) if ok else nothing
            self.deliver(CHOSEN, request, (index, ok, value if ok else None), undo)

    def _called(self, thing: Any, request: int, value: tuple[Any, ...]) -> None:
        ahead: Ahead | None = getattr(thing, "_ahead", None)
        # who has what is lent has told what it has taken
        if ahead is not None and ahead.link is not self.link and value[0] in _COUNTING:
            again = partial(self._called, thing, request, value)
            self.postpone(ahead, request, again)
        else:
            self.answer(RESULT, request, _call(thing, *value))

    # When the other side does not wait any more

    def withdraw(self, request: int, why: memoryview) -> None:
        """The other side wants the answer now."""
        link = self.link
        with link.lock:
            parked = link.parked.get(request)
            relayed = self.relays.get(request)
        if relayed is not None:
            relayed.onward.withdraw(relayed.case)
        elif parked is not None and parked.withdraw():
            self.unparks(request)
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
        for operation in parked:
            operation.withdraw()
        for relayed in relays:
            relayed.onward.abandon(relayed)
        # the last that was taken is the first to be put back
        for undo, _ in reversed(unacked):
            undo()
        for thing in things:
            self.released(0, thing)


# what may be called of a channel: nothing that waits
_OF_CHANNELS: Final[dict[str, Callable[[Any], Any]]] = {
    "close": lambda channel: channel.close(),
    "closed": lambda channel: channel.closed,
    "len": len,
    "stats": lambda channel: channel.stats(),
}
_COUNTING: Final = ("len", "stats")


def _call(thing: Any, method: str, *args: Any) -> Any:
    """Call a method of those that may be called from another process."""
    if isinstance(thing, Core):
        return _OF_CHANNELS[method](thing)
    if method not in thing._gochan_calls_:
        raise AttributeError(f"{method} cannot be called from another process")
    return getattr(thing, method)(*args)
