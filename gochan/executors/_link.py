"""A link: one end of the connection between two processes. See ``_protocol``.

The invariants, under ``lock``:
1. ``calls``: what was asked and has not been answered; of the waiter of each,
   ``case`` is the number of the request.
2. ``parked``: what the other side waits for here. Each is in the queues of channels
   or claimed, and then it is being answered.
3. ``unacked``: the values that the other side may not have yet, oldest first.
4. ``granted``: what the other side has handles to, with how often it was told. It
   tells us (RELEASE) as often when it has none any more.
5. ``credits``: sends to channels of the other side that need no answer.
6. ``stocks``: values of channels of the other side, which have them still.
7. Once ``over``, nothing is added to them.
"""

from __future__ import annotations

import logging
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from .._errors import BrokenWorkerProcess
from ._asking import Relayed
from ._holding import Holding
from ._pickling import arriving, unpack
from ._protocol import (
    ACK,
    AHEAD,
    BYE,
    CHOSEN,
    DONE,
    FAILED,
    LEND,
    NACK,
    NOTED,
    RECALL,
    RECLAIM,
    RELEASE,
    RETURNED,
    SENT,
    TAKEN,
    UNUSED,
    VALUE,
    WITHDRAW,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._answering import Parked
    from ._on_link import OnLink
    from ._serving import Server
    from ._wire import Stream

    Undo = Callable[[], object]

__all__ = ("Link",)

_log = logging.getLogger("gochan")


class Link(Holding):
    """One end of the connection between two processes.

    Attributes:
        party: on whose behalf the other side acts here, for instruments.
        serve: answers what the other side asks.
        parked: what it waits for here.
        unacked: what it may not have yet: what to call if it does not arrive, and if
            it does.
        job: the goroutine that the other side runs for us.
    """

    def __init__(self, stream: Stream, peer: str) -> None:
        super().__init__(stream, peer)
        self.party: Any = None
        self.serve: Server | None = None
        self.parked: dict[int, Parked] = {}
        self.unacked: dict[int, tuple[Undo, Undo | None]] = {}
        self.job: OnLink | None = None
        # called by the reader, without the lock: why the link is over
        self.explain: Callable[[], str] = lambda: f"{self.peer} has closed the link"
        self._bye = False

    def read(self) -> None:
        """Answer and take answers until the link is over; then clear up."""
        self.reader = get_ident()
        # whatever is unpickled on this thread
        arriving.link = self
        try:
            self._read()
        except Exception:
            # a mistake of ours: nobody must wait for what does not come
            _log.exception("the link to %s fails", self.peer)
        finally:
            self._end()

    def _read(self) -> None:
        serve = self.serve
        assert serve is not None
        messages = self.stream.messages(serve.taken_so_far, SENT, serve.sent)
        for kind, target, request, payload, buffers in messages:
            if kind == TAKEN:
                serve.taken(target)
                continue
            if serve.uncounted:
                serve.taken_so_far()
            if kind == SENT:
                serve.sent(target, payload)
            elif kind < DONE:
                serve.request(kind, target, request, payload, buffers)
            elif kind < WITHDRAW:
                self._answered(kind, request, payload, buffers)
            elif kind in (ACK, NACK):
                serve.acknowledged(request, received=kind == ACK)
            elif kind == WITHDRAW:
                serve.withdraw(request, payload)
            elif kind == NOTED:
                if self.job is not None:
                    self.job.noted(final=bool(target))
            elif kind == RELEASE:
                thing = self.released(target, request)
                if thing is not None:
                    serve.released(target, thing)
                del thing
            elif kind == LEND:
                self.credits.lend(target, request, payload)
            elif kind == RECALL:
                self.credits.recall(target, request)
            elif kind == RETURNED:
                serve.returned(target, request, payload)
            elif kind == AHEAD:
                self.stocks.put(target, request, payload)
            elif kind == RECLAIM:
                self.stocks.reclaim(target, request)
            elif kind == UNUSED:
                serve.unused(target, request)
            elif kind == BYE:
                self._bye = True
                return

    def _answered(
        self, kind: int, number: int, payload: memoryview, buffers: Sequence[bytearray]
    ) -> None:
        with self.lock:
            waiter = self.calls.pop(number, None)
            if waiter is not None:
                waiter.queue = None
        carries = kind in (VALUE, CHOSEN)
        if waiter is None:
            # it was abandoned
            if carries:
                self._nack(number)
            return
        value: Any = None
        if payload:
            try:
                value = unpack(payload, buffers, self)
            except BaseException as error:  # of who waits for it
                error.add_note(f"while unpickling what has come from {self.peer}")
                if carries:
                    self._nack(number)
                kind, value, carries = FAILED, (error, None), False
        waiter.value = (kind, value)
        if not carries or isinstance(waiter, Relayed):
            # that one is for somebody else to acknowledge
            waiter.wake()
            return
        with self.stocks.told:
            if waiter.wake():
                self.stream.post(ACK, 0, number)
            else:
                # its loop has been closed
                self._nack(number)

    def _nack(self, number: int) -> None:
        """Nobody here has the value that was answered."""
        self.stocks.drop_all()
        self.stream.post(NACK, 0, number)

    def _end(self) -> None:
        serve = self.serve
        assert serve is not None
        with self.lock:
            self.over = f"{self.peer} has gone"
            calls = list(self.calls.values())
            self.calls.clear()
            for waiter in calls:
                waiter.queue = None
            # to be let go of without the lock: that runs code of others
            granted, self.granted = self.granted, {}
            self.handles.clear()
            self.credits.by_number.clear()
            self.stocks.by_number.clear()
        # its operations first, so that they do not get what is put back
        serve.give_up([thing for thing, _ in granted.values()])
        del granted
        self.stream.close()
        self.stream.page.close()
        if not self._bye:
            try:
                self.over = self.explain()
            except Exception:
                # a mistake of ours: nobody must wait for what does not come
                _log.exception("nobody knows why %s has gone", self.peer)
        for waiter in calls:
            waiter.value = (FAILED, (BrokenWorkerProcess(self.over), None))
            waiter.wake()

    def close(self) -> None:
        """End it in an orderly way; the reader of each side returns."""
        self.stream.post(BYE)
        self.stream.close()

    @property
    def orderly(self) -> bool:
        """Whether the other side has said goodbye."""
        return self._bye
