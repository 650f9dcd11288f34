"""Go's test/typeparam/chans.go: generic functions over channels.

A ``done`` channel stands where Go's functions take a context. Go's Ranger learns
from a finaliser that its receiver has been dropped; a channel must not be used
while an object is being collected, so the receiver is a context manager here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import pytest

import gochan
from gochan import (
    Chan,
    RecvChan,
    SendChan,
    WouldBlock,
    go,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import PATIENCE, Threads
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

Done = RecvChan[None]


def never() -> Done:
    return Chan[None]()


def already() -> Done:
    done = Chan[None]()
    done.close()
    return done


async def read_all(done: Done, ch: RecvChan[T]) -> list[T]:
    """All values until the channel is closed or ``done`` is."""
    values: list[T] = []
    value = recv(ch)
    while await select(recv(done), value) is value and value.ok:
        values.append(value.value)
    return values


def merge(done: Done, c1: RecvChan[T], c2: RecvChan[T]) -> RecvChan[T]:
    """The values of both; closed when both are, or ``done`` is."""
    out = Chan[T]()

    async def run(one: RecvChan[T] | None, two: RecvChan[T] | None) -> None:
        stop = recv(done)
        while one or two:
            from_one, from_two = recv(one), recv(two)
            chosen = await select(stop, from_one, from_two)
            if chosen is stop:
                break
            if chosen is from_one:
                if from_one.ok:
                    await out.send(from_one.value)
                else:
                    one = None
            elif from_two.ok:
                await out.send(from_two.value)
            else:
                two = None
        out.close()

    go(run, c1, c2)
    return out


def filter_(done: Done, ch: RecvChan[T], keep: Callable[[T], bool]) -> RecvChan[T]:
    out = Chan[T]()

    async def run() -> None:
        value = recv(ch)
        while await select(recv(done), value) is value and value.ok:
            if keep(value.value):
                await out.send(value.value)
        out.close()

    go(run)
    return out


def sink(done: Done) -> Chan[int]:
    """A channel that discards what is sent, until it is closed or ``done`` is."""
    ch = Chan[int]()

    async def run() -> None:
        value = recv(ch)
        while await select(recv(done), value) is value and value.ok:
            pass

    go(run)
    return ch


class Exclusive(Generic[T]):
    """A value that one goroutine at a time may use: a channel with room for it."""

    def __init__(self, initial: T) -> None:
        self.ch = Chan[T](1)
        self.ch.send_nowait(initial)

    async def acquire(self) -> T:
        return await self.ch.recv()

    def try_acquire(self) -> tuple[T, bool] | tuple[None, bool]:
        case = recv(self.ch)
        return (None, False) if select_nowait(case) is None else (case.value, True)

    def release(self, value: T) -> None:
        """Raise WouldBlock if it was not acquired."""
        self.ch.send_nowait(value)


class Sender(Generic[T]):
    def __init__(self, values: SendChan[T], gone: Done) -> None:
        self.values = values
        self.gone = gone

    async def send(self, done: Done, value: T) -> bool:
        """Whether the receiver has taken it; False if nobody will."""
        case = send(self.values, value)
        return await select(recv(done), case, recv(self.gone)) is case

    def close(self) -> None:
        self.values.close()


class Receiver(Generic[T]):
    def __init__(self, values: RecvChan[T], gone: SendChan[None]) -> None:
        self.values = values
        self.gone = gone

    async def next(self, done: Done) -> tuple[T, bool] | tuple[None, bool]:
        case = recv(self.values)
        if await select(recv(done), case) is case and case.ok:
            return case.value, True
        return None, False

    def __enter__(self) -> Receiver[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.gone.close()


def ranger(_: type[T]) -> tuple[Sender[T], Receiver[T]]:
    values, gone = Chan[T](), Chan[None]()
    return Sender(values, gone), Receiver(values, gone)


async def feed(ch: SendChan[int], *values: int) -> None:
    for value in values:
        await ch.send(value)
    ch.close()


async def test_read_all() -> None:
    ch = Chan[int]()
    async with gochan.scope():
        go(feed, ch, 4, 2, 5)
        assert await read_all(never(), ch) == [4, 2, 5]
    assert await read_all(already(), Chan[int]()) == []


async def test_merge() -> None:
    c1, c2 = Chan[int](), Chan[int]()
    async with gochan.scope():
        go(feed, c1, 1, 3, 5)
        go(feed, c2, 2, 4, 6)
        merged = merge(never(), c1, c2)
        values = await read_all(never(), merged)
        assert sorted(values) == [1, 2, 3, 4, 5, 6]
        # each source's own order is kept
        assert [v for v in values if v % 2] == [1, 3, 5]
        assert [v for v in values if not v % 2] == [2, 4, 6]


async def test_merge_is_told_to_stop() -> None:
    done = Chan[None]()
    async with gochan.scope():
        merged = merge(done, Chan[int](), Chan[int]())
        await settle()
        done.close()
        assert await merged.recv_ok() == (None, False)


async def test_filter() -> None:
    ch = Chan[int]()
    async with gochan.scope():
        go(feed, ch, 1, 2, 3)
        even = filter_(never(), ch, lambda i: i % 2 == 0)
        assert await read_all(never(), even) == [2]


async def test_sink() -> None:
    async with gochan.scope():
        ch = sink(never())
        for i in (1, 2, 3):
            await ch.send(i)
        ch.close()


async def test_exclusive() -> None:
    count = 0
    exclusive = Exclusive("the right to count")

    async def work() -> None:
        nonlocal count
        for _ in range(10):
            right = await exclusive.acquire()
            before = count
            await gochan.yield_()
            count = before + 1
            exclusive.release(right)

    async with gochan.scope():
        go(work)
        go(work)
    assert count == 20


def test_exclusive_between_threads() -> None:
    count = 0
    exclusive = Exclusive("the right to count")

    def work() -> None:
        nonlocal count
        for _ in range(100):
            right = exclusive.ch.blocking_recv(PATIENCE)
            before = count
            count = before + 1
            exclusive.release(right)

    with Threads() as threads:
        for _ in range(4):
            threads.start(work)
    assert count == 400


async def test_exclusive_try() -> None:
    exclusive = Exclusive("")
    assert exclusive.try_acquire() == ("", True)

    async def other() -> None:
        assert exclusive.try_acquire() == (None, False)

    async with gochan.scope():
        go(other)
    exclusive.release("a")
    assert exclusive.try_acquire() == ("a", True)
    exclusive.release("b")
    with pytest.raises(WouldBlock):
        exclusive.release("not acquired")


async def test_ranger() -> None:
    sender, receiver = ranger(int)

    async def take_one() -> None:
        with receiver:
            assert await receiver.next(never()) == (1, True)

    async with gochan.scope():
        go(take_one)
        assert await sender.send(never(), 1)
        # the receiver is gone, or will be
        assert not await sender.send(never(), 2)


async def test_ranger_is_closed_or_told_to_stop() -> None:
    sender, receiver = ranger(int)
    assert not await sender.send(already(), 1)
    assert await receiver.next(already()) == (None, False)
    sender.close()
    assert await receiver.next(never()) == (None, False)
