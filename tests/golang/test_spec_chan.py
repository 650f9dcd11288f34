"""The Go specification and src/runtime/chan.go: what is promised, rule by rule.

Go's own tests rely on these rules more than they state them: who is served first,
what a buffer with waiting senders does, what closing means for those who wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    CloseOfNil,
    SendOnClosed,
    WouldBlock,
    go,
    nil,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import PATIENCE, Threads, blocks, until
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def plain_send(ch: Chan[int], value: int) -> None:
    await ch.send(value)


async def select_send(ch: Chan[int], value: int) -> None:
    await select(send(ch, value), recv(Chan[int]()))


async def plain_recv(ch: Chan[int]) -> int:
    return await ch.recv()


async def select_recv(ch: Chan[int]) -> int:
    case = recv(ch)
    await select(case, recv(Chan[int]()))
    return case.value


async def range_recv(ch: Chan[int]) -> int:
    async for value in ch:
        return value
    pytest.fail("closed")


async def test_waiting_senders_are_served_in_order() -> None:
    ch = Chan[int]()
    async with gochan.scope():
        for i in range(6):
            go([plain_send, select_send][i % 2], ch, i)
            await settle()
        assert [await ch.recv() for _ in range(6)] == list(range(6))


async def test_waiting_receivers_are_served_in_order() -> None:
    ch = Chan[int]()
    async with gochan.scope():
        receivers: list[gochan.Goroutine[int]] = []
        for i in range(6):
            receivers.append(go([plain_recv, select_recv, range_recv][i % 3], ch))
            await settle()
        for i in range(6):
            await ch.send(i)
        assert [await g for g in receivers] == list(range(6))


def waiting(ch: Chan[int], n: int) -> Callable[[], bool]:
    return lambda: ch.stats().waiting_receivers == n


def test_waiting_threads_are_served_in_order() -> None:
    ch = Chan[int]()
    got: list[tuple[int, int]] = []

    def receiver(i: int) -> None:
        got.append((i, ch.blocking_recv(PATIENCE)))

    with Threads() as threads:
        for i in range(4):
            threads.start(receiver, i)
            until(waiting(ch, i + 1), "they wait in turn")
        for i in range(4):
            ch.blocking_send(i, timeout=PATIENCE)
    assert sorted(got) == [(i, i) for i in range(4)]


async def test_a_buffer_with_waiting_senders() -> None:
    """A receive takes the head and lets the first sender in at the tail, at once."""
    ch = Chan[int](2)
    await ch.send(1)
    await ch.send(2)
    async with gochan.scope():
        go(plain_send, ch, 3)
        await settle()
        go(select_send, ch, 4)
        await settle()
        assert len(ch) == 2
        assert await ch.recv() == 1
        # no room for anybody in between
        assert len(ch) == 2
        assert ch.stats().waiting_senders == 1
        with pytest.raises(WouldBlock):
            ch.send_nowait(99)
        assert [await ch.recv() for _ in range(3)] == [2, 3, 4]


async def test_a_send_does_not_overtake_those_who_wait() -> None:
    ch = Chan[int](1)
    await ch.send(0)
    async with gochan.scope():
        for i in (1, 2):
            go(ch.send, i)
            await settle()
        assert await ch.recv() == 0
        go(ch.send, 3)
        await settle()
        assert select_nowait(send(ch, 4)) is None
        assert [await ch.recv() for _ in range(3)] == [1, 2, 3]


async def test_a_value_is_handed_to_the_waiting_receiver() -> None:
    """Not to one that comes between the hand-over and its waking up."""
    for cap in (0, 1):
        ch = Chan[int](cap)
        async with gochan.scope():
            first = go(ch.recv)
            await settle()
            ch.send_nowait(1)
            assert len(ch) == 0
            with pytest.raises(WouldBlock):
                ch.recv_nowait()
            assert select_nowait(recv(ch)) is None
            assert await first == 1


async def test_an_unbuffered_send_completes_when_it_is_received() -> None:
    ch = Chan[int]()
    async with gochan.scope():
        sender = go(ch.send, 1)
        await settle()
        assert sender.state == "parked"
        assert len(ch) == 0
        assert await ch.recv() == 1
        await sender


async def test_a_buffered_send_completes_at_once() -> None:
    ch = Chan[int](1)
    assert not await blocks(lambda: ch.send(1))
    assert await blocks(lambda: ch.send(2))
    # it was cancelled, so it did not happen
    assert await ch.recv() == 1
    with pytest.raises(WouldBlock):
        ch.recv_nowait()


async def test_close_keeps_what_is_buffered_and_loses_what_waits() -> None:
    ch = Chan[int](2)
    async with gochan.scope():
        for i in range(2):
            await ch.send(i)

        async def sender(i: int) -> None:
            with pytest.raises(SendOnClosed):
                await ch.send(i)

        for i in range(2, 5):
            go(sender, i)
        await settle()
        ch.close()
        assert await ch.recv_ok() == (0, True)
        assert await ch.recv_ok() == (1, True)
        assert await ch.recv_ok() == (None, False)
        assert await ch.recv_ok() == (None, False)


async def test_zero_values_are_values() -> None:
    ch = Chan[int | None](2)
    await ch.send(0)
    await ch.send(None)
    ch.close()
    assert await ch.recv_ok() == (0, True)
    assert await ch.recv_ok() == (None, True)
    assert await ch.recv_ok() == (None, False)


async def test_nil() -> None:
    operations: list[Callable[[], Coroutine[Any, Any, object]]]
    operations = [nil.recv, nil.recv_ok, lambda: nil.send(1), nil.__anext__]
    for operation in operations:
        assert await blocks(operation)
    with pytest.raises(WouldBlock):
        nil.send_nowait(1)
    with pytest.raises(WouldBlock):
        nil.recv_nowait()
    with pytest.raises(TimeoutError):
        await on_a_thread(lambda: nil.blocking_recv(timeout=0))
    with pytest.raises(CloseOfNil):
        nil.close()
    assert len(nil) == nil.cap == 0
    assert nil.stats().waiting_receivers == nil.stats().waiting_senders == 0


async def on_a_thread(call: Callable[[], object]) -> object:
    return await anyio.to_thread.run_sync(call)


async def test_operands_are_evaluated_before_it_blocks_or_panics() -> None:
    """c <- f(): the channel, then the value, then the panic."""
    order: list[str] = []

    def channel() -> Chan[int]:
        order.append("channel")
        ch = Chan[int]()
        ch.close()
        return ch

    def value() -> int:
        order.append("value")
        return 1

    with pytest.raises(SendOnClosed):
        await channel().send(value())
    assert order == ["channel", "value"]


async def test_channels_compare_by_identity() -> None:
    a, b = Chan[int](), Chan[int]()
    assert a == a  # noqa: PLR0124
    assert a != b
    assert {a: 1, b: 2}[b] == 2
    carrier = Chan[Chan[int]](1)
    await carrier.send(a)
    assert await carrier.recv() is a


async def test_values_are_shared() -> None:
    """Unlike Go, which copies; what it shares is what pointers share there."""
    ch = Chan[list[int]](1)
    value = [1]
    await ch.send(value)
    value.append(2)
    received = await ch.recv()
    assert received is value
    assert received == [1, 2]


async def test_a_channel_of_signals() -> None:
    """chan struct{}: what counts is that something comes."""
    ready = Chan[None](1)
    await ready.send(None)
    await ready.recv()
    ready.close()
    assert await ready.recv_ok() == (None, False)


async def test_a_channel_needs_no_closing() -> None:
    ch = Chan[int](1)
    await ch.send(1)
    del ch


async def test_recv_after_close_names_the_channel() -> None:
    ch = Chan[int](name="numbers")
    ch.close()
    with pytest.raises(ChanClosed) as caught:
        await ch.recv()
    assert caught.value.channel is ch
    with pytest.raises(SendOnClosed) as panic:
        await ch.send(1)
    assert panic.value.channel is ch


async def test_many_senders_and_receivers_wait_at_once() -> None:
    """Never a receiver that waits together with a sender or a value."""
    ch = Chan[int](1)
    async with gochan.scope():
        receivers = [go(ch.recv) for _ in range(10)]
        await settle()
        assert ch.stats().waiting_receivers == 10
        senders = [go(ch.send, i) for i in range(20)]
        await settle()
        stats = ch.stats()
        assert stats.waiting_receivers == 0
        assert stats.length == 1
        assert stats.waiting_senders == 9
        received = [await g for g in receivers]
        received += [await ch.recv() for _ in range(10)]
        assert sorted(received) == list(range(20))
        for sender in senders:
            await sender
