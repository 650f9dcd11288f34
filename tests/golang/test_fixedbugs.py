"""The files of Go's test/fixedbugs that concern channels, select and goroutines.

Each test names its origin. bug196.go, issue16870.go and the like, which are about
what compiles, have no counterpart; deadlock (issue21576.go) is tested elsewhere.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

import gochan
from gochan import (
    Chan,
    RecvCase,
    RecvChan,
    blocking_select,
    go,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import PATIENCE, Threads, until
from support.idle import settle


async def test_bug067() -> None:
    """A goroutine's function reaches the channel through its closure."""
    ch = Chan[int]()

    async def closure() -> None:
        await ch.send(0)

    async with gochan.scope():
        go(closure)
        assert await ch.recv() == 0


async def test_bug147() -> None:
    """A synchronous send waits for its receiver, also one that takes its time."""
    ch = Chan[int]()
    count = 0

    async def receiver() -> None:
        nonlocal count
        await ch.recv()
        count += 1
        for _ in range(10):
            await gochan.yield_()
        count += 1
        await ch.recv()

    async with gochan.scope():
        go(receiver)
        await ch.send(1)
        await ch.send(2)
        assert count == 2, "the second send did not wait"


def test_bug147_on_threads() -> None:
    ch = Chan[int]()
    count = 0

    def receiver() -> None:
        nonlocal count
        ch.blocking_recv(PATIENCE)
        count += 1
        until(lambda: ch.stats().waiting_senders == 1, "the second send waits")
        count += 1
        ch.blocking_recv(PATIENCE)

    with Threads() as threads:
        threads.start(receiver)
        ch.blocking_send(1, timeout=PATIENCE)
        ch.blocking_send(2, timeout=PATIENCE)
        assert count == 2, "the second send did not wait"


async def test_bug225() -> None:
    """A receive that discards the value in a select with a default."""
    ch = Chan[bool](1)
    assert select_nowait(recv(ch)) is None
    await ch.send(True)
    assert select_nowait(recv(ch)) is not None
    assert len(ch) == 0


async def test_bug234() -> None:
    """x, ok := <-c before and after close."""
    ch = Chan[int](1)
    await ch.send(100)
    assert await ch.recv_ok() == (100, True)
    ch.close()
    assert await ch.recv_ok() == (None, False)


async def test_bug243() -> None:
    """A listener that accepts for ever, in a goroutine, as a channel."""
    listener = Chan[int]()
    accepted: list[int] = []

    async def accept() -> None:
        while True:
            accepted.append(await listener.recv())

    async with gochan.scope() as scope:
        go(accept)
        await listener.send(1)
        await listener.send(2)
        await settle()
        scope.cancel()
    assert accepted == [1, 2]


async def test_issue4313() -> None:
    """Operands are evaluated in source order: a later one cannot change the value."""
    ch = Chan[int](1)
    x = 0

    def change() -> RecvChan[bool]:
        nonlocal x
        x = 42
        return Chan[bool]()

    await select(send(ch, x), recv(change()))
    assert await ch.recv() == 0
    assert x == 42


class Operand:
    """Something to select on, that does ``action`` when select looks at it."""

    def __init__(self, case: RecvCase[int], action: Any) -> None:
        self.case = case
        self.action = action

    def __gochan_case__(self) -> RecvCase[int]:
        self.action()
        return self.case


async def test_issue4313_what_is_sent_is_read_with_all_operands() -> None:
    ch = Chan[int](1)
    case = send(ch, 0)

    def change() -> None:
        case.value = 42

    # the value belongs to the case, so what changes the case before the select
    # has begun is seen; nothing is sent twice or in part
    await select(case, Operand(recv(Chan[int]()), change))
    assert await ch.recv() == 42


async def test_issue8336() -> None:
    """An operand that fails stops the evaluation, and nothing has happened."""
    ready = Chan[int](1)
    ready.send_nowait(1)
    called: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    cases = (
        Operand(recv(ready), lambda: called.append("first")),
        Operand(recv(ready), fail),
        Operand(recv(ready), lambda: called.append("BUG")),
    )
    with pytest.raises(ZeroDivisionError):
        await select(*cases)
    with pytest.raises(ZeroDivisionError):
        select_nowait(*cases)
    assert called == ["first", "first"]
    assert len(ready) == 1
    assert ready.stats().waiting_receivers == 0


async def test_issue9110() -> None:
    """Selects that name a channel several times leave nothing behind.

    Go checks the number of objects on the heap over twenty rounds.
    """

    async def three_times(ch: Chan[int]) -> None:
        chosen = await select(recv(ch), recv(ch), recv(ch))
        assert not chosen.ok

    async def round_() -> None:
        ch = Chan[int]()
        async with gochan.scope():
            for _ in range(10):
                go(three_times, ch)
            await settle()
            assert ch.stats().waiting_receivers == 30
            ch.close()
        assert ch.stats().waiting_receivers == 0

    async def rounds(n: int) -> int:
        for _ in range(n):
            await round_()
        gc.collect()
        return sys.getallocatedblocks()

    await rounds(10)
    before = await rounds(1)
    after = await rounds(30)
    # 900 waiters have come and gone
    assert after - before < 300


def test_issue9110_on_threads() -> None:
    ch = Chan[int]()
    closed: list[int] = []

    def three_times() -> None:
        chosen = blocking_select(recv(ch), recv(ch), recv(ch), timeout=PATIENCE)
        assert not chosen.ok
        closed.append(chosen.index)

    with Threads() as threads:
        for _ in range(10):
            threads.start(three_times)
        until(lambda: ch.stats().waiting_receivers == 30, "all wait")
        ch.close()
    assert len(closed) == 10
    assert ch.stats().waiting_receivers == 0
