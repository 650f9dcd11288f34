"""Go's test/closedchan.go.

All operations on a closed channel, empty or with a value left in its buffer, done in
three ways (plainly, in a select of one case, in a select of two) and by coroutines
as well as by threads. Then what Go's file leaves as a TODO: closing a channel that
somebody waits on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

import gochan
from gochan import (
    Case,
    Chan,
    ChanClosed,
    CloseOfClosed,
    CloseOfNil,
    SendOnClosed,
    WouldBlock,
    blocking_select,
    go,
    nil,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import PATIENCE, WHERE, Face, Threads, World, drive, until
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable

# a value, and whether there was one
Received = tuple[int | None, bool]


class Ops(Protocol):
    """The operations; ``nb_recv`` gives None for "it would wait"."""

    async def send(self, value: int) -> None: ...
    async def recv(self) -> Received: ...
    def nb_send(self, value: int) -> bool: ...
    def nb_recv(self) -> Received | None: ...


class Plain:
    def __init__(self, ch: Chan[int]) -> None:
        self.ch = ch

    async def send(self, value: int) -> None:
        await self.ch.send(value)

    async def recv(self) -> Received:
        return await self.ch.recv_ok()

    def nb_send(self, value: int) -> bool:
        try:
            self.ch.send_nowait(value)
        except WouldBlock:
            return False
        return True

    def nb_recv(self) -> Received | None:
        try:
            return self.ch.recv_nowait(), True
        except ChanClosed:
            return None, False
        except WouldBlock:
            return None


class PlainRecv(Plain):
    """With the exception in place of ok."""

    async def recv(self) -> Received:
        try:
            return await self.ch.recv(), True
        except ChanClosed as closed:
            assert closed.channel is self.ch
            return None, False


class PlainThread(Plain):
    async def send(self, value: int) -> None:
        self.ch.blocking_send(value, timeout=0)

    async def recv(self) -> Received:
        return self.ch.blocking_recv_ok(timeout=0)


class Select:
    """A select of one case."""

    def __init__(self, ch: Chan[int]) -> None:
        self.ch = ch
        self.others: list[Case] = []

    async def select(self, case: Case) -> Case:
        return await select(*self.others, case)

    async def send(self, value: int) -> None:
        case = send(self.ch, value)
        assert await self.select(case) is case

    async def recv(self) -> Received:
        case = recv(self.ch)
        assert await self.select(case) is case
        return self.result(case.ok, lambda: case.value)

    def nb_send(self, value: int) -> bool:
        return select_nowait(*self.others, send(self.ch, value)) is not None

    def nb_recv(self) -> Received | None:
        case = recv(self.ch)
        if select_nowait(*self.others, case) is None:
            return None
        return self.result(case.ok, lambda: case.value)

    def result(self, ok: bool, value: Callable[[], int]) -> Received:
        if ok:
            return value(), True
        with pytest.raises(ChanClosed):
            value()
        return None, False


class BigSelect(Select):
    """A select with another case, which is never ready."""

    def __init__(self, ch: Chan[int]) -> None:
        super().__init__(ch)
        self.others = [recv(Chan[bool]())]


class SelectThread(Select):
    async def select(self, case: Case) -> Case:
        return blocking_select(*self.others, case, timeout=0)


class BigSelectThread(BigSelect):
    async def select(self, case: Case) -> Case:
        return blocking_select(*self.others, case, timeout=0)


ON_A_LOOP = pytest.mark.parametrize("ops", [Plain, PlainRecv, Select, BigSelect])
ON_A_THREAD = pytest.mark.parametrize(
    "ops", [PlainThread, SelectThread, BigSelectThread]
)


async def check_closed_and_empty(ch: Chan[int], ops: Ops) -> None:
    for _ in range(3):
        assert await ops.recv() == (None, False)
        assert ops.nb_recv() == (None, False)
    # a send is ready as well, and panics; its value goes nowhere
    with pytest.raises(SendOnClosed, match="^send on closed channel$"):
        ops.nb_send(1)
    assert await ops.recv() == (None, False)
    with pytest.raises(SendOnClosed):
        await ops.send(2)
    assert await ops.recv() == (None, False)
    assert len(ch) == 0


async def check_unbuffered(make: Callable[[Chan[int]], Ops]) -> None:
    ch = Chan[int]()
    ch.close()
    await check_closed_and_empty(ch, make(ch))


async def check_buffered(make: Callable[[Chan[int]], Ops]) -> None:
    """The last value can be had in every way before the channel is empty."""
    for nonblocking in (False, True):
        ch = Chan[int](2)
        ops = make(ch)
        await ops.send(1)
        ch.close()
        if nonblocking:
            assert ops.nb_recv() == (1, True)
        else:
            assert await ops.recv() == (1, True)
        await check_closed_and_empty(ch, ops)


@ON_A_LOOP
async def test_unbuffered(ops: Callable[[Chan[int]], Ops]) -> None:
    await check_unbuffered(ops)


@ON_A_LOOP
async def test_buffered(ops: Callable[[Chan[int]], Ops]) -> None:
    await check_buffered(ops)


@ON_A_THREAD
def test_unbuffered_on_a_thread(ops: Callable[[Chan[int]], Ops]) -> None:
    drive(check_unbuffered(ops))


@ON_A_THREAD
def test_buffered_on_a_thread(ops: Callable[[Chan[int]], Ops]) -> None:
    drive(check_buffered(ops))


def test_close_of_closed_and_of_nil() -> None:
    ch = Chan[int]()
    ch.close()
    with pytest.raises(CloseOfClosed, match="^close of closed channel$"):
        ch.close()
    with pytest.raises(CloseOfClosed):
        ch.sender().close()
    with pytest.raises(CloseOfNil, match="^close of nil channel$"):
        nil.close()


def test_panics_are_runtime_errors() -> None:
    for error in (SendOnClosed, CloseOfClosed, CloseOfNil):
        assert issubclass(error, gochan.Panic)
        assert issubclass(error, RuntimeError)
    assert not issubclass(ChanClosed, gochan.Panic)


# Closing while somebody waits


@WHERE
async def test_close_wakes_every_receiver(where: str) -> None:
    ch, quiet = Chan[int](), Chan[int]()
    ended = Chan[str](100)

    async def plain(my: Face) -> None:
        with pytest.raises(ChanClosed):
            await my.recv(ch)
        ended.send_nowait("plain")

    async def ranging(my: Face) -> None:
        async for _ in my.each(ch):
            pytest.fail("nothing was sent")
        ended.send_nowait("range")

    async def selecting(my: Face) -> None:
        case = recv(ch)
        assert await my.select(recv(quiet), case) is case
        assert not case.ok
        ended.send_nowait("select")

    async with World(where) as world:
        for _ in range(4):
            for party in (plain, ranging, selecting):
                world.go(party)
        await world.until(lambda: ch.stats().waiting_receivers == 12, "all wait")
        ch.close()
    ended.close()
    ways = [way async for way in ended]
    assert sorted(ways) == ["plain"] * 4 + ["range"] * 4 + ["select"] * 4
    assert quiet.stats().waiting_receivers == 0


@WHERE
@pytest.mark.parametrize("cap", [0, 2])
async def test_close_makes_every_waiting_sender_panic(where: str, cap: int) -> None:
    """Their values are lost; what is in the buffer is not."""
    ch, quiet = Chan[int](cap), Chan[int]()
    panics = Chan[int](100)
    for i in range(cap):
        await ch.send(i)

    async def plain(my: Face, value: int) -> None:
        with pytest.raises(SendOnClosed):
            await my.send(ch, value)
        panics.send_nowait(value)

    async def selecting(my: Face, value: int) -> None:
        with pytest.raises(SendOnClosed):
            await my.select(recv(quiet), send(ch, value))
        panics.send_nowait(value)

    async with World(where) as world:
        for i in range(4):
            world.go(plain, 100 + i)
            world.go(selecting, 200 + i)
        await world.until(lambda: ch.stats().waiting_senders == 8, "all wait")
        ch.close()
        assert [v async for v in ch] == list(range(cap))
    assert sorted([panics.recv_nowait() for _ in range(len(panics))]) == [
        100, 101, 102, 103, 200, 201, 202, 203,
    ]  # fmt: skip
    assert quiet.stats().waiting_receivers == 0


async def test_close_by_the_goroutine_that_ranges() -> None:
    ch = Chan[int](5)
    for i in range(5):
        await ch.send(i)
    seen: list[int] = []
    async for value in ch:
        if value == 2:
            ch.close()
        seen.append(value)
    assert seen == [0, 1, 2, 3, 4]


async def test_the_sender_that_panics_can_go_on() -> None:
    ch, alive = Chan[int](), Chan[bool]()

    async def sender() -> None:
        with pytest.raises(SendOnClosed):
            await ch.send(1)
        await alive.send(True)

    async with gochan.scope():
        go(sender)
        await settle()
        ch.close()
        assert await alive.recv()


def test_close_from_another_thread() -> None:
    ch = Chan[int]()
    seen: list[Any] = []

    with Threads() as threads:
        threads.start(lambda: seen.append(list(ch)))
        threads.start(lambda: seen.append(ch.blocking_recv_ok(PATIENCE)))
        until(lambda: ch.stats().waiting_receivers == 2, "both wait")
        ch.close()
    assert sorted(seen, key=len) == [[], (None, False)]
