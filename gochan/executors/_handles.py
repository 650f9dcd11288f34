"""Channels of other processes: the same faces, and every operation is done at home.

A handle is a ``Chan`` like any other to who uses it, and to type checkers. It has no
buffer and no queues of its own. See ``_link`` for what an operation promises.
"""

from __future__ import annotations

from pickle import dumps
from sys import modules
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, final

from .. import _backends, _select
from .._backends import _thread
from .._budget import budget
from .._chan import Chan
from .._core import Core
from .._errors import ChanClosed, CloseOfClosed, SendOnClosed, WouldBlock
from ._mixed import Mixed
from ._pickling import LARGE, PLAIN, is_small
from ._protocol import (
    BLOCKS,
    CALL,
    CHOSEN,
    CLOSED,
    DONE,
    FAILED,
    NOWAIT,
    RECV,
    SELECT,
    SEND,
    VALUE,
    WITHDRAWN,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._cases import Case
    from .._core import ChanStats
    from .._waiter import Waiter
    from ._holding import Holding
    from ._link import Link
    from ._pickling import Packed
    from ._protocol import Answer

__all__ = ("Handle", "call", "handle_of")

T = TypeVar("T")


def handle_of(thing: Any) -> tuple[Any, ...]:
    """What makes a handle to ``thing``, and what that is to know.

    Raises:
        TypeError: there are no handles to things of its kind.
    """
    if isinstance(thing, Core):
        return make_channel, thing.name, thing.cap
    kind: Any = type(thing)  # pyright: ignore[reportUnknownVariableType]
    find = getattr(kind, "_gochan_home_", None)
    if find is None:
        raise TypeError(f"{thing!r} cannot be passed to another process")
    made: tuple[Any, ...] = find(thing)
    return made


def make_channel(
    link: Link, via: int, home: bytes, number: int, name: str, cap: int | None
) -> Handle[Any]:
    """A handle to a channel."""
    return Handle(link, via, (home, number), name, cap)


def raise_error(answer: Answer) -> NoReturn:
    """Raise what the other side says was raised."""
    error, _ = answer[1]
    raise error


def call(thing: Any, method: str, *args: Any) -> Any:
    """Call a method of what ``thing`` is a handle to: one that never waits there."""
    link: Link = thing._link
    answer = link.call(CALL, thing._number, link.pack((method, *args), "args"))
    if answer[0] == FAILED:
        raise_error(answer)
    return answer[1]


@final
class Elsewhere:
    """Another process, as it does selects for us: all of its channels at one instant.

    The cases go there and back as they are: their channels are at home there.
    """

    __slots__ = ("link", "mixed")

    def __init__(self, link: Holding) -> None:
        self.link = link
        # the same, together with channels of this process
        self.mixed = Mixed(self)

    def pack(self, table: Sequence[Case], biased: bool) -> Packed:
        cases = [
            (case._sends, case._target, case._value if case._sends else None)
            for case in table
        ]
        return self.link.pack((biased, cases), "")

    async def select(self, table: Sequence[Case], biased: bool) -> Case:
        packed = self.pack(table, biased)
        return self.finish(table, await self.link.asked(SELECT, 0, packed))

    def select_nowait(self, table: Sequence[Case], biased: bool) -> Case | None:
        packed = self.pack(table, biased)
        answer = self.link.call(SELECT + NOWAIT, 0, packed)
        return None if answer[0] == BLOCKS else self.finish(table, answer)

    def blocking_select(
        self, table: Sequence[Case], biased: bool, timeout: float | None
    ) -> Case:
        packed = self.pack(table, biased)
        kind = SELECT + NOWAIT if timeout == 0 else SELECT
        answer = self.link.blocking_asked(kind, 0, packed, timeout)
        if answer[0] in (WITHDRAWN, BLOCKS):
            raise TimeoutError(f"no case was ready within {timeout} seconds")
        return self.finish(table, answer)

    def finish(
        self, table: Sequence[Case], answer: Answer, *, part: bool = False
    ) -> Case:
        """The case that has been chosen; ``part``: of a select that has others."""
        if answer[0] != CHOSEN:
            raise_error(answer)
        index, ok, value = answer[1]
        case: Case = table[index]  # pyright: ignore[reportUnknownVariableType]
        return _select._finish(case, case.index if part else index, value, ok)  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]


@final
class Handle(Chan[T]):
    """A channel that is in another process.

    What never waits for other goroutines, such as ``close()``, ``len()`` and the
    ``nowait`` operations, waits for its home to answer: tens of microseconds.

    Raises, in every operation:
        BrokenWorkerProcess: the process that the channel is in has gone.
    """

    __slots__ = ("_cap", "_elsewhere", "_link", "_number", "_origin")

    def __init__(
        self,
        link: Link,
        number: int,
        origin: tuple[bytes, int],
        name: str,
        cap: int | None,
    ) -> None:
        self._link = link
        self._number = number
        self._origin = origin
        self._name = name
        self._cap = cap
        self._elsewhere = link.elsewhere(origin[0])

    # The async face

    async def send(self, value: T, /) -> None:
        packed = self._link.pack(value)
        if self._number in self._link.credits.by_number and is_small(packed):
            if budget.left > 0:
                budget.left -= 1
            elif _backends.must_yield():
                await _backends.backend().yield_now()
            if self._link.credits.spend(self._number, packed[0]):
                return
        self._sent(await self._link.asked(SEND, self._number, packed))

    async def recv(self) -> T:
        answer = await self._receive()
        if answer[0] == VALUE:
            value: T = answer[1]
            return value
        self._closed_or_raise(answer)
        raise ChanClosed(self)

    async def recv_ok(self) -> tuple[T, Literal[True]] | tuple[None, Literal[False]]:
        answer = await self._receive()
        if answer[0] == VALUE:
            return (answer[1], True)
        self._closed_or_raise(answer)
        return (None, False)

    async def _receive(self) -> Answer:
        stocks = self._link.stocks
        if self._number in stocks.by_number:
            if budget.left > 0:
                budget.left -= 1
            elif _backends.must_yield():
                await _backends.backend().yield_now()
            answer = stocks.take(self._number)
            if answer is not None:
                return answer
        return await self._link.asked(RECV, self._number)

    # The blocking face

    def blocking_send(self, value: T, /, timeout: float | None = None) -> None:
        waits = True
        # what check_call() asks, in the usual case
        if (
            timeout is not None
            or "trio" in modules
            or ("asyncio" in modules and _thread.running_loop() is not None)
            or _thread.cancelled
        ):
            _thread.check_call("ch.blocking_send(v)", "await ch.send(v)", timeout)
            # in a fiber others would sleep as well
            waits = timeout is None and not _thread.loop_runs()
        if type(value) in PLAIN:
            # the usual case, in place
            packed: Packed = dumps(value, 5), (), ()
            small = len(packed[0]) <= LARGE
        else:
            packed = self._link.pack(value)
            small = is_small(packed)
        if small and self._link.credits.spend(self._number, packed[0], waits=waits):
            return
        kind = SEND + NOWAIT if timeout == 0 else SEND
        answer = self._link.blocking_asked(kind, self._number, packed, timeout)
        if answer[0] in (WITHDRAWN, BLOCKS):
            raise TimeoutError(f"no receiver within {timeout} seconds on {self!r}")
        self._sent(answer)

    def blocking_recv(self, timeout: float | None = None) -> T:
        answer = self._blocking_receive(timeout)
        if answer[0] == VALUE:
            value: T = answer[1]
            return value
        self._closed_or_raise(answer)
        raise ChanClosed(self)

    def blocking_recv_ok(
        self, timeout: float | None = None
    ) -> tuple[T, Literal[True]] | tuple[None, Literal[False]]:
        answer = self._blocking_receive(timeout)
        if answer[0] == VALUE:
            return (answer[1], True)
        self._closed_or_raise(answer)
        return (None, False)

    def _blocking_receive(self, timeout: float | None) -> Answer:
        _thread.check_call("ch.blocking_recv()", "await ch.recv()", timeout)
        answer = self._link.stocks.take(self._number)
        if answer is not None:
            return answer
        kind = RECV + NOWAIT if timeout == 0 else RECV
        answer = self._link.blocking_asked(kind, self._number, timeout=timeout)
        if answer[0] in (WITHDRAWN, BLOCKS):
            raise TimeoutError(f"no sender within {timeout} seconds on {self!r}")
        return answer

    # The face that never waits

    def send_nowait(self, value: T, /) -> None:
        packed = self._link.pack(value)
        if is_small(packed) and self._link.credits.spend(self._number, packed[0]):
            return
        answer = self._link.call(SEND + NOWAIT, self._number, packed)
        if answer[0] == BLOCKS:
            raise WouldBlock
        self._sent(answer)

    def recv_nowait(self) -> T:
        answer = self._link.stocks.take(self._number)
        if answer is None:
            answer = self._link.call(RECV + NOWAIT, self._number)
        if answer[0] == VALUE:
            value: T = answer[1]
            return value
        if answer[0] == BLOCKS:
            raise WouldBlock
        self._closed_or_raise(answer)
        raise ChanClosed(self)

    # Closing, reports

    def close(self) -> None:
        self._call("close")

    @property
    def name(self) -> str:
        name: str = self._name  # type: ignore[assignment]  # it was told
        return name

    @property
    def cap(self) -> int | None:
        return self._cap

    @property
    def closed(self) -> bool:
        closed: bool = self._call("closed")
        return closed

    def __len__(self) -> int:
        length: int = self._call("len")
        return length

    def stats(self) -> ChanStats:
        stats: ChanStats = self._call("stats")
        return stats

    def __repr__(self) -> str:
        # not to be asked for what may have changed: reprs are for when things fail
        return f"<Chan {self.name!r} of {self._link.peer}>"

    def _when_received(self, waiter: Waiter) -> None:
        """Have a waiter woken with the answer to a receive."""
        self._link.ask(waiter, RECV, self._number)

    def _call(self, method: str) -> Any:
        try:
            return call(self, method)
        except CloseOfClosed as error:
            error.channel = self
            raise

    def _sent(self, answer: Answer) -> None:
        if answer[0] != DONE:
            self._closed_or_raise(answer)
            raise SendOnClosed(self)

    def _closed_or_raise(self, answer: Answer) -> None:
        if answer[0] != CLOSED:
            raise_error(answer)
