"""A link: one end of the connection between two processes. See ``_protocol``.

The invariants, under ``lock``:
1. ``calls``: what was asked and has not been answered; of the waiter of each,
   ``case`` is the number of the request.
2. ``parked``: what the other side waits for here. Each is in the queues of channels
   or claimed, and then it is being answered.
3. ``unacked``: the values that the other side may not have yet, oldest first.
4. ``granted``: what the other side has handles to, with how often it was told. It
   tells us (RELEASE) as often when it has none any more.
5. ``credits``: how many sends to a channel of the other side need no answer.
6. Once ``over``, nothing is added to them.
"""

from __future__ import annotations

import itertools
import logging
import threading
import weakref
from _thread import allocate_lock, get_ident
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from .. import _backends
from .._backends import _thread
from .._errors import BrokenWorkerProcess
from .._waiter import Node, Waiter, WaitQueue
from . import _home
from ._pickling import NOTHING, Packed, arriving, pack, unpack
from ._protocol import (
    ACK,
    BYE,
    CHOSEN,
    DONE,
    FAILED,
    LEND,
    NACK,
    NOTED,
    RECALL,
    RELEASE,
    RETURNED,
    SENT,
    VALUE,
    WITHDRAW,
    WITHDRAWN,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._handles import Elsewhere
    from ._on_link import OnLink
    from ._protocol import Answer
    from ._serving import Parked, Server
    from ._wire import Stream

    Undo = Callable[[], object]

__all__ = ("Link", "Relayed")

_log = logging.getLogger("gochan")

# Larger values may not fit into the pipe at once.
_LARGE: Final = 1 << 14


class Relayed(Waiter):
    """A call that is made for somebody who called us: see ``_serving``."""

    __slots__ = ()


class _Asked(WaitQueue):
    """Where those wait who have asked the other side: only that can let them go."""

    __slots__ = ("link",)

    def __init__(self, link: Link) -> None:
        super().__init__(link.lock)
        self.link = link

    def drop(self, node: Node) -> bool:
        """Ask for an answer now. The waiter has to wait for it: never True."""
        with self.lock:
            if node.queue is not self:
                return False
            # once is enough
            node.queue = None
        self.link.withdraw(node.case)
        return False


class Link:
    """One end of the connection between two processes.

    Attributes:
        peer: the process at the other end, for reports.
        party: on whose behalf the other side acts here, for instruments.
        over: nothing can be asked any more: None, or why.
    """

    def __init__(self, stream: Stream, peer: str) -> None:
        self.stream = stream
        self.peer = peer
        self.party: Any = None
        self.over: str | None = None
        self.lock = allocate_lock()
        self.calls: dict[int, Waiter] = {}
        self.parked: dict[int, Parked] = {}
        # what to call if it does not arrive, and if it does
        self.unacked: dict[int, tuple[Undo, Undo | None]] = {}
        self.granted: dict[int, list[Any]] = {}
        # handles by the number that the other side knows them by: a weak reference,
        # and how often the other side was told that we have it
        self.handles: dict[int, list[Any]] = {}
        # numbers of handles, and waiters for answers that nobody wants any more
        self.dropped: deque[int | Waiter] = deque()
        self.credits: dict[int, int] = {}
        self.serve: Server | None = None
        # called by the reader, without the lock: why the link is over
        self.explain: Callable[[], str] = lambda: f"{self.peer} has closed the link"
        # the goroutine that the other side runs for us
        self.job: OnLink | None = None
        self._numbers = itertools.count(1)
        self._asked = _Asked(self)
        self._reader: int | None = None
        self._bye = False
        self._elsewhere: dict[bytes, Elsewhere] = {}

    def elsewhere(self, home: bytes) -> Elsewhere:
        """Who does selects for us on the channels of a process."""
        from ._handles import Elsewhere

        found = self._elsewhere.get(home)
        if found is None:
            # two at the same time: one of them wins
            found = self._elsewhere.setdefault(home, Elsewhere(self))
        return found

    # Asking

    def ask(
        self,
        waiter: Waiter,
        kind: int,
        target: int = 0,
        packed: Packed = NOTHING,
        queue: WaitQueue | None = None,
    ) -> int:
        """Send a request; ``waiter`` will be given an ``Answer`` and be woken.

        Raises:
            BrokenWorkerProcess: the other side has gone.
        """
        with self.lock:
            if self.over is not None:
                raise BrokenWorkerProcess(self.over)
            number = next(self._numbers) & 0xFFFFFFFF
            waiter.case = number
            waiter.queue = queue or self._asked
            self.calls[number] = waiter
        self.post(kind, target, number, packed)
        return number

    async def asked(
        self, kind: int, target: int = 0, packed: Packed = NOTHING
    ) -> Answer:
        """Ask, and wait for the answer.

        Cancellation: either returns, or raises and nothing has happened.
        """
        while True:
            waiter = _backends.async_waiter()
            self.ask(waiter, kind, target, packed)
            try:
                await waiter.park()
            except BaseException:
                self.abandon(waiter)
                raise
            answer = self.answer_of(waiter)
            if answer[0] != WITHDRAWN:
                return answer
            # The cancellation that was the reason is raised here; unless it no longer
            # stands, and then the operation has to go on.
            await _backends.backend().yield_now()

    def blocking_asked(
        self,
        kind: int,
        target: int = 0,
        packed: Packed = NOTHING,
        timeout: float | None = None,
    ) -> Answer:
        """:meth:`asked` for threads; WITHDRAWN if ``timeout`` seconds have passed.

        Raises:
            Cancelled: the goroutine was cancelled, and nothing has happened.
        """
        until = None if timeout is None else monotonic() + timeout
        while True:
            waiter = _thread.waiter()
            self.ask(waiter, kind, target, packed)
            try:
                waiter.park_thread(timeout)
            except BaseException:
                self.abandon(waiter)
                raise
            answer = self.answer_of(waiter)
            if answer[0] != WITHDRAWN:
                return answer
            # as in asked()
            _thread.check_call("", "", None)
            if until is not None:
                timeout = until - monotonic()
                if timeout <= 0:
                    return answer

    def call(self, kind: int, target: int = 0, packed: Packed = NOTHING) -> Answer:
        """Ask what is answered at once, and wait for that; also on a loop's thread.

        Raises:
            RuntimeError: this is the thread that reads the answers.
        """
        if get_ident() == self._reader:
            raise RuntimeError(
                "a channel of another process cannot be used while a value is "
                "unpickled that comes from there"
            )
        waiter = _thread.Waiter()
        self.ask(waiter, kind, target, packed)
        try:
            waiter.lock.acquire()
        except BaseException:
            self.abandon(waiter)
            raise
        return self.answer_of(waiter)

    @staticmethod
    def answer_of(waiter: Waiter) -> Answer:
        """What has been answered; once it has been woken."""
        answer: Answer = waiter.value
        waiter.value = None
        return answer

    def withdraw(self, number: int, why: str = "") -> None:
        """Ask for the answer to a request now; never waits."""
        self.stream.post(WITHDRAW, 0, number, why.encode())

    def abandon(self, waiter: Waiter) -> None:
        """Nobody waits for the answer any more: what comes is sent back."""
        with self.lock:
            if self.calls.get(waiter.case) is not waiter:
                return
            del self.calls[waiter.case]
            waiter.queue = None
        self.withdraw(waiter.case)

    # Sending

    def pack(self, value: object, name: str = "value") -> Packed:
        """Pickle something for the other side.

        Raises:
            TypeError: it cannot be pickled; says which part of it.
        """
        return pack(value, name, _home.as_handle)

    def post(
        self, kind: int, target: int = 0, request: int = 0, packed: Packed = NOTHING
    ) -> None:
        """Send a message. Never blocks; from any thread."""
        payload, buffers, things = packed
        if things:
            self._grant(things)
        if self.dropped:
            self._release()
        self.stream.post(kind, target, request, payload, buffers)

    def spend(self, number: int, packed: Packed) -> bool:
        """Send without asking for an answer. False if that is not possible now.

        Once this has returned the value arrives, even if this process dies.
        """
        payload, buffers, things = packed
        if len(payload) > _LARGE or buffers or things:
            return False
        with self.lock:
            credit = self.credits.get(number)
            if not credit or not self.stream.post_whole(SENT, number, payload):
                return False
            self.credits[number] = credit - 1
        if self.dropped:
            self._release()
        return True

    def _grant(self, things: Sequence[Any]) -> None:
        with self.lock:
            if self.over is None:
                for thing in things:
                    entry = self.granted.setdefault(_home.number_of(thing), [thing, 0])
                    entry[1] += 1

    def _release(self) -> None:
        """Say which handles are gone: collected at any time, in any thread."""
        while self.dropped:
            number = self.dropped.popleft()
            if isinstance(number, Waiter):
                self.abandon(number)
                continue
            with self.lock:
                entry = self.handles.get(number)
                # it may have come again
                if entry is None or entry[0]() is not None:
                    continue
                del self.handles[number]
                self.credits.pop(number, None)
            self.stream.post(RELEASE, number, entry[1])

    # Receiving: on the reader's thread

    def arrived(
        self, home: bytes, number: int, via: int, make: Any, state: tuple[Any, ...]
    ) -> Any:
        """What stands here for a thing that the other side has passed on.

        Args:
            home: of which process it is.
            number: its number there.
            via: its number in the process at the other end.
            make: called with this link and what follows, if there is no handle yet.
            state: what the handle is to know.
        """
        thing = _home.known(home, number)
        with self.lock:
            entry: list[Any] | None = self.handles.get(via)
            found = None if entry is None else entry[0]()
            if thing is None or thing is found:
                if found is None:
                    found = make(self, via, home, number, *state)
                    _home.remember(home, number, found)
                    drop = self.dropped.append
                    count = 0 if entry is None else entry[1]
                    entry = [weakref.ref(found, lambda _: drop(via)), count]
                    self.handles[via] = entry
                assert entry is not None
                entry[1] += 1
                return found
        # ours, or one that came by another link: that way is as good
        self.stream.post(RELEASE, via, 1)
        return thing

    def read(self) -> None:
        """Answer and take answers until the link is over; then clear up."""
        self._reader = get_ident()
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
        for kind, target, request, payload, buffers in self.stream.messages():
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
                    self.job.noted()
            elif kind == RELEASE:
                self._released(target, request)
            elif kind in (LEND, RECALL):
                self._lent(kind, target, request)
            elif kind == RETURNED:
                serve.returned(target, serve.thing(target), request)
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
                self.stream.post(NACK, 0, number)
            return
        value: Any = None
        if payload:
            try:
                value = unpack(payload, buffers, self)
            except BaseException as error:  # of who waits for it
                error.add_note(f"while unpickling what has come from {self.peer}")
                if carries:
                    self.stream.post(NACK, 0, number)
                kind, value, carries = FAILED, (error, None), False
        waiter.value = (kind, value)
        if isinstance(waiter, Relayed):
            # it is for somebody else to acknowledge
            waiter.wake()
        elif waiter.wake():
            if carries:
                self.stream.post(ACK, 0, number)
        elif carries:
            # its loop has been closed
            self.stream.post(NACK, 0, number)

    def _lent(self, kind: int, number: int, slots: int) -> None:
        with self.lock:
            if kind == LEND and number in self.handles:
                self.credits[number] = self.credits.get(number, 0) + slots
                return
            # behind all that was sent on it
            unused = self.credits.pop(number, 0)
            self.stream.post(RETURNED, number, unused + (slots if kind == LEND else 0))

    def _released(self, number: int, count: int) -> None:
        with self.lock:
            entry = self.granted.get(number)
            if entry is None:
                return
            entry[1] -= count
            if entry[1] > 0:
                return
            del self.granted[number]
        assert self.serve is not None
        self.serve.returned(number, entry[0], None)

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
            self.credits.clear()
        # its operations first, so that they do not get what is put back
        serve.give_up([thing for thing, _ in granted.values()])
        del granted
        self.stream.close()
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


def reader_thread(link: Link, name: str) -> threading.Thread:
    """Start the thread that reads a link."""
    thread = threading.Thread(target=link.read, name=name, daemon=True)
    thread.start()
    return thread
