"""singleflight_test.go of golang.org/x/sync.

A panic is an exception here, and so is an error: all callers get it. Go's DoChan ends
the process; here the exception comes on the channel.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

import gochan
from gochan import Chan, Goroutine, GoroutineCancelled, go
from gochan.atomic import Int
from gochan.singleflight import Group
from gochan.sync import WaitGroup
from golang.helpers import THREAD, WHERE, Face, World
from golang.sync_helpers import do
from support.idle import settle


async def test_do() -> None:
    # TestDo
    assert await Group().do("key", lambda: "bar") == ("bar", False)


async def test_do_err() -> None:
    # TestDoErr
    some_error = ValueError("Some error")

    def fail() -> None:
        raise some_error

    with pytest.raises(ValueError) as caught:
        await Group().do("key", fail)
    assert caught.value is some_error


@WHERE
async def test_do_dup_suppress(where: str) -> None:
    # TestDoDupSuppress
    group, calls, n = Group(), Int(), 10
    entered, c = WaitGroup(), Chan[str](1)
    entered.add(1)

    def plain() -> str:
        if calls.add(1) == 1:
            entered.done()
        value = c.blocking_recv()
        c.blocking_send(value)
        # let more of them enter; Go sleeps for 10 ms
        for _ in range(200):
            time.sleep(0)
        return value

    async def awaits() -> str:
        if calls.add(1) == 1:
            entered.done()
        value = await c.recv()
        await c.send(value)
        return value

    async def ask(my: Face) -> None:
        entered.done()
        value, _ = await do(my, group, "key", plain if my is THREAD else awaits)
        assert value == "bar"

    async with World(where) as world:
        for _ in range(n):
            entered.add(1)
            world.go(ask)
        await entered.wait()
        await c.send("bar")
    assert 0 < calls.load() < n


async def test_forget() -> None:
    # TestForget
    group = Group()
    first_started, unblock_first = Chan[None](), Chan[None]()
    first_finished, unblock_second = Chan[None](), Chan[None]()

    async def first() -> None:
        first_started.close()
        await unblock_first.recv_ok()
        first_finished.close()

    async def second() -> int:
        await unblock_second.recv_ok()
        return 2

    async with gochan.scope():
        go(group.do, "key", first)
        await first_started.recv_ok()
        group.forget("key")
        second_result = group.do_chan("key", second)
        unblock_first.close()
        await first_finished.recv_ok()
        third_result = group.do_chan("key", lambda: 3)
        unblock_second.close()
        await second_result.recv()
        assert (await third_result.recv()).value == 2


async def test_do_chan() -> None:
    # TestDoChan
    async with gochan.scope():
        result = await Group().do_chan("key", lambda: "bar").recv()
        assert (result.value, result.error) == ("bar", None)


@WHERE
async def test_panic_do(where: str) -> None:
    # TestPanicDo
    group, n, panics = Group(), 5, Int()

    def fail() -> None:
        raise gochan.Panic("invalid memory address or nil pointer dereference")

    async def ask(my: Face) -> None:
        with pytest.raises(gochan.Panic, match="invalid memory address"):
            await do(my, group, "key", fail)
        panics.add(1)

    async with World(where) as world:
        for _ in range(n):
            world.go(ask)
    assert panics.load() == n


async def test_goexit_do() -> None:
    # TestGoexitDo: a caller that goes away in the middle lets nobody hang
    group, n = Group(), 5
    callers: list[Goroutine[Any]] = []
    began = 0

    async def leave() -> None:
        nonlocal began
        began += 1
        await gochan.nil.recv()

    async with gochan.scope():
        for _ in range(n):
            callers.append(go(group.do, "key", leave))
            await settle()
        for at, caller in enumerate(callers):
            assert began == at + 1
            caller.cancel()
            with pytest.raises(GoroutineCancelled):
                await caller
            await settle()


async def test_panic_do_chan() -> None:
    # TestPanicDoChan
    def fail() -> None:
        raise gochan.Panic("Panicking in DoChan")

    async with gochan.scope():
        result = await Group().do_chan("", fail).recv()
    assert str(result.error) == "Panicking in DoChan"


async def test_panic_do_shared_by_do_chan() -> None:
    # TestPanicDoSharedByDoChan
    group = Group()
    blocked, unblock = Chan[None](), Chan[None]()

    async def fail() -> None:
        blocked.close()
        await unblock.recv_ok()
        raise gochan.Panic("Panicking in Do")

    def again() -> None:
        raise AssertionError("DoChan unexpectedly executed callback")

    async def ask() -> None:
        with pytest.raises(gochan.Panic):
            await group.do("", fail)

    async with gochan.scope():
        go(ask)
        await blocked.recv_ok()
        ch = group.do_chan("", again)
        await settle()
        unblock.close()
        assert str((await ch.recv()).error) == "Panicking in Do"


async def test_panic_error_unwrap() -> None:
    # TestPanicErrorUnwrap: what was raised is what comes out, not something around it
    error = ValueError("x")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError) as caught:
        await Group().do("", fail)
    assert caught.value is error
    assert caught.value.__cause__ is None
