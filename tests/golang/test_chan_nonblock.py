"""Go's test/chan/nonblock.go.

Operations that must not wait, in both directions, on channels without a buffer and
with one: they fail while nobody is there, and succeed with a peer that waits or a
buffer that can take the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, WouldBlock, go, recv, select_nowait, send
from golang.helpers import PATIENCE, Threads, until
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable

# Go's test has four element types; a value here also is one that is false
VALUES = pytest.mark.parametrize("value", [123, 123456 << 40, True, "hello", None])
CAP = pytest.mark.parametrize("cap", [0, 1])


def try_send(ch: Chan[Any], value: Any) -> bool:
    try:
        ch.send_nowait(value)
    except WouldBlock:
        return False
    return True


def try_recv(ch: Chan[Any]) -> tuple[Any, bool]:
    try:
        return ch.recv_nowait(), True
    except WouldBlock:
        return None, False


def select_send(ch: Chan[Any], value: Any) -> bool:
    return select_nowait(send(ch, value)) is not None


def select_recv(ch: Chan[Any]) -> tuple[Any, bool]:
    chosen = select_nowait(recv(ch))
    return (None, False) if chosen is None else (chosen.value, True)


SEND = pytest.mark.parametrize("attempt", [try_send, select_send])
RECV = pytest.mark.parametrize("attempt", [try_recv, select_recv])


@CAP
@RECV
def test_receive_from_an_empty_channel(
    cap: int, attempt: Callable[[Chan[Any]], tuple[Any, bool]]
) -> None:
    ch = Chan[Any](cap)
    assert attempt(ch) == (None, False)
    assert len(ch) == 0


@CAP
@SEND
def test_send_to_a_full_channel(
    cap: int, attempt: Callable[[Chan[Any], Any], bool]
) -> None:
    ch = Chan[Any](cap)
    for i in range(cap):
        assert attempt(ch, i)
    assert not attempt(ch, "too many")
    assert len(ch) == cap


@CAP
@VALUES
@SEND
async def test_send_to_a_waiting_receiver(
    cap: int, value: object, attempt: Callable[[Chan[Any], Any], bool]
) -> None:
    ch = Chan[object](cap)
    got = Chan[object]()

    async def receiver() -> None:
        await got.send(await ch.recv())

    async with gochan.scope():
        go(receiver)
        await settle()
        assert attempt(ch, value)
        # handed over, not left in the buffer
        assert len(ch) == 0
        assert await got.recv() == value


@CAP
@VALUES
@RECV
async def test_receive_from_a_sender(
    cap: int, value: object, attempt: Callable[[Chan[Any]], tuple[Any, bool]]
) -> None:
    ch = Chan[object](cap)
    sent = Chan[bool]()

    async def sender() -> None:
        await ch.send(value)
        await sent.send(True)

    async with gochan.scope():
        go(sender)
        if cap:
            assert await sent.recv()
        else:
            await settle()
        assert attempt(ch) == (value, True)
        if not cap:
            assert await sent.recv()


@CAP
def test_between_threads(cap: int) -> None:
    ch = Chan[int](cap)
    got: list[int] = []

    def receiver() -> None:
        got.append(ch.blocking_recv(PATIENCE))

    with Threads() as threads:
        threads.start(receiver)
        until(lambda: ch.stats().waiting_receivers == 1, "the receiver waits")
        assert try_send(ch, 123)
    assert got == [123]

    with Threads() as threads:
        threads.start(ch.blocking_send, 234)
        stats = ch.stats
        until(lambda: stats().length + stats().waiting_senders == 1, "it is there")
        assert try_recv(ch) == (234, True)
