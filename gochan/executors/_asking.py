"""Asking another process, and waiting for its answer."""

from __future__ import annotations

import itertools
from _thread import allocate_lock, get_ident
from abc import ABC, abstractmethod
from time import monotonic
from typing import TYPE_CHECKING

from .. import _backends
from .._backends import _thread, uninterrupted
from .._errors import BrokenWorkerProcess
from .._waiter import Waiter, WaitQueue
from ._pickling import NOTHING, Packed, arriving
from ._protocol import WITHDRAW, WITHDRAWN

if TYPE_CHECKING:
    from .._waiter import Node
    from ._protocol import Answer
    from ._wire import Stream

__all__ = ("Asking", "Relayed")


class Relayed(Waiter):
    """A call that is made for somebody who called us: see ``_serving``."""

    __slots__ = ()


class _Asked(WaitQueue):
    """Where those wait who have asked the other side: only that can let them go."""

    __slots__ = ("link",)

    def __init__(self, link: Asking) -> None:
        super().__init__(link.lock)
        self.link = link

    @uninterrupted
    def drop(self, node: Node) -> bool:
        """Ask for an answer now. The waiter has to wait for it: never True."""
        with self.lock:
            if node.queue is not self:
                return False
            # once is enough
            node.queue = None
        self.link.withdraw(node.case)
        return False


class Asking(ABC):
    """What we have asked the other side of a link. The base of ``Link``.

    Attributes:
        stream: the connection.
        peer: the process at the other end, for reports.
        lock: of all that a link knows.
        over: nothing can be asked any more: None, or why.
        calls: what was asked and has not been answered: who waits, by number.
    """

    def __init__(self, stream: Stream, peer: str) -> None:
        self.stream = stream
        self.peer = peer
        self.lock = allocate_lock()
        self.over: str | None = None
        self.calls: dict[int, Waiter] = {}
        # the thread that reads the answers
        self.reader: int | None = None
        self._numbers = itertools.count(1)
        self._asked = _Asked(self)

    @abstractmethod
    def post(
        self, kind: int, target: int = 0, request: int = 0, packed: Packed = NOTHING
    ) -> None:
        """Send a message. Never blocks; from any thread."""

    @uninterrupted
    def ask(
        self,
        waiter: Waiter,
        kind: int,
        target: int = 0,
        packed: Packed = NOTHING,
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
            waiter.queue = self._asked
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
            try:
                self.ask(waiter, kind, target, packed)
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
            try:
                self.ask(waiter, kind, target, packed)
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
        if get_ident() == self.reader or arriving.link is self:
            raise RuntimeError(
                "a channel of another process cannot be used while a value is "
                "unpickled that comes from there"
            )
        waiter = _thread.Waiter()
        try:
            self.ask(waiter, kind, target, packed)
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

    @uninterrupted
    def abandon(self, waiter: Waiter) -> None:
        """Nobody waits for the answer any more: what comes is sent back.

        Nothing if ``waiter`` has not asked, or has its answer.
        """
        with self.lock:
            if self.calls.get(waiter.case) is not waiter:
                return
            del self.calls[waiter.case]
            waiter.queue = None
        self.withdraw(waiter.case)
