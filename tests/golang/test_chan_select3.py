"""Go's test/chan/select3.go.

The table of what blocks, what never does and what panics: nil, closed, empty and
full channels, alone and in selects, and a select that meets itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gochan import (
    Chan,
    ChanClosed,
    SendOnClosed,
    blocking_select,
    nil,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import blocks, nil_int

Op = Callable[[], Coroutine[Any, Any, object]]


def ready_to_receive() -> Chan[int]:
    ch = Chan[int](1)
    ch.send_nowait(7)
    return ch


def closed() -> Chan[int]:
    ch = Chan[int]()
    ch.close()
    return ch


async def empty_select() -> None:
    await select()


async def self_select(cap: int = 0) -> None:
    ch = Chan[int](cap)
    await select(send(ch, 1), recv(ch))


def self_blocking_select(timeout: float) -> None:
    ch = Chan[int]()
    blocking_select(send(ch, 1), recv(ch), timeout=timeout)


def empty_blocking_select(timeout: float) -> None:
    blocking_select(timeout=timeout)


ALWAYS: dict[str, Op] = {
    "send to nil": lambda: nil.send(7),
    "receive from nil": nil.recv,
    "receive from nil, with ok": nil.recv_ok,
    "range over nil": lambda: anext(nil),
    "receive from an empty channel": lambda: Chan[int]().recv(),
    "send without a receiver": lambda: Chan[int]().send(7),
    "send to a full channel": lambda: ready_to_receive().send(8),
    "select without cases": empty_select,
    "select from nil": lambda: select(recv(nil_int())),
    "select to nil": lambda: select(send(nil_int(), 7)),
    "select from and to nil": lambda: select(recv(nil_int()), send(nil_int(), 7)),
    "select from and to gochan.nil": lambda: select(recv(nil), send(nil, 7)),
    "select of None": lambda: select(recv(nil_int()), recv(nil_int())),
    "select from an empty channel": lambda: select(recv(Chan[int]())),
    "select to an unbuffered channel": lambda: select(send(Chan[int](), 7)),
    "select to a full channel": lambda: select(send(ready_to_receive(), 7)),
    "select meets itself": self_select,
    "a ready case among others is the only way": lambda: select(
        recv(Chan[int]()), send(Chan[int](), 1), recv(nil_int())
    ),
}

NEVER: dict[str, Op] = {
    "send into a buffer": lambda: Chan[int](1).send(7),
    "receive from a closed channel, with ok": lambda: closed().recv_ok(),
    "select to a buffer": lambda: select(send(Chan[int](1), 7)),
    "select from a buffer": lambda: select(recv(ready_to_receive())),
    "select from a closed channel": lambda: select(recv(closed())),
    "select with one ready case": lambda: select(
        recv(Chan[int]()), send(nil_int(), 7), recv(ready_to_receive())
    ),
    "select with itself and a buffer": lambda: self_select(1),
}


@pytest.mark.parametrize("name", ALWAYS)
async def test_blocks(name: str) -> None:
    assert await blocks(ALWAYS[name])


@pytest.mark.parametrize("name", NEVER)
async def test_does_not_block(name: str) -> None:
    assert not await blocks(NEVER[name])


async def test_receive_from_a_closed_channel_again_and_again() -> None:
    ch = closed()
    for _ in range(10):
        with pytest.raises(ChanClosed):
            await ch.recv()
        assert await ch.recv_ok() == (None, False)
        chosen = await select(recv(ch))
        assert not chosen.ok
        with pytest.raises(ChanClosed):
            chosen.value  # noqa: B018


async def test_sends_to_a_closed_channel_panic() -> None:
    ch = closed()
    quiet = Chan[int]()
    with pytest.raises(SendOnClosed, match="^send on closed channel$"):
        await ch.send(7)
    with pytest.raises(SendOnClosed):
        ch.send_nowait(7)
    with pytest.raises(SendOnClosed):
        await select(send(ch, 7))
    with pytest.raises(SendOnClosed):
        await select(recv(quiet), send(ch, 7))
    # it is ready, so there is no default
    with pytest.raises(SendOnClosed):
        select_nowait(send(ch, 7))
    assert quiet.stats().waiting_receivers == 0


def test_default_is_for_when_nothing_is_ready() -> None:
    assert select_nowait() is None
    assert select_nowait(recv(nil_int())) is None
    assert select_nowait(send(nil_int(), 7)) is None
    assert select_nowait(recv(nil), send(nil, 7)) is None
    assert select_nowait(recv(Chan[int]())) is None
    ch = Chan[int](1)
    assert select_nowait(send(ch, 7)) is not None
    assert select_nowait(send(ch, 8)) is None
    taken = select_nowait(recv(ch))
    assert taken is not None
    assert taken.value == 7
    assert select_nowait(recv(closed())) is not None


def thread_blocks(operation: Callable[[], object]) -> bool:
    try:
        operation()
    except TimeoutError:
        return True
    return False


BLOCKING_ALWAYS: dict[str, Callable[[float], object]] = {
    "send to nil": lambda t: nil.blocking_send(7, timeout=t),
    "receive from nil": lambda t: nil.blocking_recv(timeout=t),
    "receive from an empty channel": lambda t: Chan[int]().blocking_recv(timeout=t),
    "send without a receiver": lambda t: Chan[int]().blocking_send(7, timeout=t),
    "send to a full channel": lambda t: ready_to_receive().blocking_send(8, timeout=t),
    "select without cases": empty_blocking_select,
    "select from and to nil": lambda t: blocking_select(
        recv(nil_int()), send(nil_int(), 7), timeout=t
    ),
    "select from an empty channel": lambda t: blocking_select(
        recv(Chan[int]()), timeout=t
    ),
    "select meets itself": self_blocking_select,
}


@pytest.mark.parametrize("timeout", [0, 0.005])
@pytest.mark.parametrize("name", BLOCKING_ALWAYS)
def test_blocks_a_thread(name: str, timeout: float) -> None:
    assert thread_blocks(lambda: BLOCKING_ALWAYS[name](timeout))


BLOCKING_NEVER: dict[str, Callable[[], object]] = {
    "send into a buffer": lambda: Chan[int](1).blocking_send(7, timeout=0),
    "receive from a closed channel": lambda: closed().blocking_recv_ok(timeout=0),
    "select to a buffer": lambda: blocking_select(send(Chan[int](1), 7), timeout=0),
    "select from a closed channel": lambda: blocking_select(recv(closed()), timeout=0),
    "range over a closed channel": lambda: list(closed()),
}


@pytest.mark.parametrize("name", BLOCKING_NEVER)
def test_does_not_block_a_thread(name: str) -> None:
    assert not thread_blocks(BLOCKING_NEVER[name])


def test_sends_to_a_closed_channel_panic_on_a_thread() -> None:
    with pytest.raises(SendOnClosed):
        closed().blocking_send(7)
    with pytest.raises(SendOnClosed):
        blocking_select(send(closed(), 7))
