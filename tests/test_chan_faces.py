"""Channels: every operation on every face, and the rules for closing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gochan import (
    Chan,
    ChanClosed,
    ChanStats,
    CloseOfClosed,
    CloseOfNil,
    SendOnClosed,
    WouldBlock,
    nil,
)
from support.idle import settle
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CAPS = [0, 1, 3]

# whatever a value may look like: all are ordinary
ODD_VALUES: list[Any] = [None, 0, False, "", (), (None, False), ..., ChanClosed()]


class Soon:
    """``await fn()`` in a task of its own: what it returns or raises."""

    def __init__(self, fn: Callable[[], Awaitable[Any]]) -> None:
        self.fn = fn
        self.result: Any = "nothing yet"

    async def __call__(self) -> None:
        try:
            self.result = await self.fn()
        except Exception as error:
            self.result = type(error)


# The async face


@pytest.mark.parametrize("cap", CAPS)
async def test_send_and_recv(cap: int) -> None:
    ch = Chan[int](cap)
    async with anyio.create_task_group() as tasks:

        async def sender() -> None:
            for number in range(10):
                await ch.send(number)

        tasks.start_soon(sender)
        assert [await ch.recv() for _ in range(10)] == list(range(10))
    ch._check()


@pytest.mark.parametrize("cap", CAPS)
async def test_recv_ok(cap: int) -> None:
    ch = Chan[Any](cap)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.send, 5)
        assert await ch.recv_ok() == (5, True)
        tasks.start_soon(ch.send, None)
        assert await ch.recv_ok() == (None, True)
    ch.close()
    assert await ch.recv_ok() == (None, False)
    assert await ch.recv_ok() == (None, False)


async def test_send_returns_nothing() -> None:
    ch = Chan[int](1)
    assert await ch.send(1) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("cap", CAPS)
async def test_every_value_is_ordinary(cap: int) -> None:
    ch = Chan[Any](cap)
    async with anyio.create_task_group() as tasks:
        for odd in ODD_VALUES:
            for receive in (ch.recv, ch.recv_ok):
                tasks.start_soon(ch.send, odd)
                got = await receive()
                assert (got if receive == ch.recv else got[0]) is odd


async def test_the_very_object_arrives() -> None:
    ch = Chan[object](1)
    thing = object()
    await ch.send(thing)
    assert await ch.recv() is thing


async def test_an_unbuffered_send_ends_when_the_value_is_taken() -> None:
    ch = Chan[int]()
    sender = Soon(lambda: ch.send(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sender)
        await settle()
        assert sender.result == "nothing yet"
        assert len(ch) == 0
        assert await ch.recv() == 1
        await settle()
        assert sender.result is None


async def test_a_buffered_send_waits_only_for_room() -> None:
    ch = Chan[int](2)
    await ch.send(1)
    await ch.send(2)
    sender = Soon(lambda: ch.send(3))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sender)
        await settle()
        assert sender.result == "nothing yet"
        # the head is taken, and the sender's value moves to the tail at once
        assert await ch.recv() == 1
        assert len(ch) == 2
        await settle()
        assert sender.result is None
        assert [await ch.recv(), await ch.recv()] == [2, 3]


async def test_a_value_is_handed_to_a_waiting_receiver_past_the_buffer() -> None:
    ch = Chan[int](2)
    receiver = Soon(ch.recv)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receiver)
        await settle()
        await ch.send(1)
        assert len(ch) == 0
        await settle()
        assert receiver.result == 1


@pytest.mark.parametrize("cap", [0, 2])
async def test_parked_senders_are_served_in_order(cap: int) -> None:
    ch = Chan[int](cap)
    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(ch.send, number)
            await settle()
        assert ch.stats().waiting_senders == 6 - cap
        assert [await ch.recv() for _ in range(6)] == list(range(6))


async def test_parked_receivers_are_served_in_order() -> None:
    ch = Chan[int]()
    receivers = [Soon(ch.recv) for _ in range(6)]
    async with anyio.create_task_group() as tasks:
        for receiver in receivers:
            tasks.start_soon(receiver)
            await settle()
        assert ch.stats().waiting_receivers == 6
        for number in range(6):
            await ch.send(number)
    assert [receiver.result for receiver in receivers] == list(range(6))


async def test_nobody_overtakes_who_waits() -> None:
    ch = Chan[int](1)
    await ch.send(0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.send, 1)
        await settle()
        with pytest.raises(WouldBlock):
            ch.send_nowait(2)
        assert ch.recv_nowait() == 0
        with pytest.raises(WouldBlock):
            ch.send_nowait(3)
        assert ch.recv_nowait() == 1
        ch.send_nowait(4)
        assert ch.recv_nowait() == 4


@pytest.mark.parametrize("cap", CAPS)
async def test_async_iteration_ends_with_the_channel(cap: int) -> None:
    ch = Chan[int](cap)
    async with anyio.create_task_group() as tasks:

        async def sender() -> None:
            for number in range(5):
                await ch.send(number)
            ch.close()

        tasks.start_soon(sender)
        assert [value async for value in ch] == list(range(5))
    assert [value async for value in ch] == []


async def test_iteration_can_be_left_and_taken_up_again() -> None:
    ch = Chan[int](5)
    for number in range(5):
        await ch.send(number)
    ch.close()
    async for number in ch:
        if number == 2:
            break
    assert [value async for value in ch] == [3, 4]


async def test_an_iteration_lets_errors_of_other_channels_through() -> None:
    """ChanClosed ends the loop over its own channel only."""
    ch, other = Chan[int](1), Chan[int]()
    other.close()
    await ch.send(1)
    with pytest.raises(ChanClosed) as caught:
        async for _ in ch:
            await other.recv()
    assert caught.value.channel is other


# The blocking face


@pytest.mark.parametrize("cap", CAPS)
def test_blocking_send_and_recv(cap: int) -> None:
    ch = Chan[int](cap)

    def sender() -> None:
        for number in range(10):
            ch.blocking_send(number)

    thread = start(sender)
    assert [ch.blocking_recv() for _ in range(10)] == list(range(10))
    thread.join()


def test_blocking_recv_ok() -> None:
    ch = Chan[int | None](2)
    ch.blocking_send(1)
    ch.blocking_send(None)
    ch.close()
    assert ch.blocking_recv_ok() == (1, True)
    assert ch.blocking_recv_ok() == (None, True)
    assert ch.blocking_recv_ok() == (None, False)


@pytest.mark.parametrize("cap", CAPS)
def test_iteration_ends_with_the_channel(cap: int) -> None:
    ch = Chan[int](cap)

    def sender() -> None:
        for number in range(5):
            ch.blocking_send(number)
        ch.close()

    thread = start(sender)
    assert list(ch) == list(range(5))
    assert list(ch) == []
    assert next(iter(ch), "end") == "end"
    thread.join()


def test_every_value_can_be_iterated_over() -> None:
    ch = Chan[Any](len(ODD_VALUES))
    for odd in ODD_VALUES:
        ch.blocking_send(odd)
    ch.close()
    assert all(got is odd for got, odd in zip(ch, ODD_VALUES, strict=True))


@pytest.mark.parametrize("timeout", [0, 0.0, 0.001])
def test_a_blocking_call_times_out_and_nothing_has_changed(timeout: float) -> None:
    ch = Chan[int](name="jobs")
    with pytest.raises(TimeoutError, match="sender.*'jobs'"):
        ch.blocking_recv(timeout)
    with pytest.raises(TimeoutError, match="sender.*'jobs'"):
        ch.blocking_recv_ok(timeout)
    with pytest.raises(TimeoutError, match="receiver.*'jobs'"):
        ch.blocking_send(1, timeout)
    assert ch.stats() == ChanStats(0, 0, 0, 0, 0, closed=False)
    ch._check()


def test_a_timeout_of_zero_is_one_try() -> None:
    ch = Chan[int](1)
    ch.blocking_send(1, 0)
    with pytest.raises(TimeoutError):
        ch.blocking_send(2, 0)
    assert ch.blocking_recv(0) == 1
    ch.close()
    assert ch.blocking_recv_ok(0) == (None, False)
    with pytest.raises(ChanClosed):
        ch.blocking_recv(0)
    with pytest.raises(SendOnClosed):
        ch.blocking_send(3, 0)


def test_a_timeout_of_zero_meets_who_waits() -> None:
    ch = Chan[int]()
    sender = start(ch.blocking_send, 1)
    until(lambda: ch.stats().waiting_senders)
    assert ch.blocking_recv(0) == 1
    sender.join()


# The face that never waits


@pytest.mark.parametrize("cap", CAPS)
def test_nowait_with_nobody_there(cap: int) -> None:
    ch = Chan[int](cap)
    for number in range(cap):
        ch.send_nowait(number)
    with pytest.raises(WouldBlock):
        ch.send_nowait(99)
    for number in range(cap):
        assert ch.recv_nowait() == number
    with pytest.raises(WouldBlock):
        ch.recv_nowait()
    ch._check()


def test_would_block_is_that_of_anyio() -> None:
    assert WouldBlock is anyio.WouldBlock


async def test_nowait_with_somebody_waiting() -> None:
    ch = Chan[int]()
    receiver, sender = Soon(ch.recv), Soon(lambda: ch.send(2))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receiver)
        await settle()
        ch.send_nowait(1)
        # it has been served: nobody waits any more
        with pytest.raises(WouldBlock):
            ch.send_nowait(9)
        await settle()
        assert receiver.result == 1
        tasks.start_soon(sender)
        await settle()
        assert ch.recv_nowait() == 2
        with pytest.raises(WouldBlock):
            ch.recv_nowait()


# Closing


@pytest.mark.parametrize("cap", CAPS)
async def test_what_is_buffered_outlives_the_close(cap: int) -> None:
    ch = Chan[int](cap)
    for number in range(cap):
        await ch.send(number)
    states = [ch.closed]
    ch.close()
    states.append(ch.closed)
    assert states == [False, True]
    assert [await ch.recv() for _ in range(cap)] == list(range(cap))
    for _ in range(2):
        with pytest.raises(ChanClosed) as caught:
            await ch.recv()
        assert caught.value.channel is ch
        assert await ch.recv_ok() == (None, False)
        with pytest.raises(ChanClosed):
            ch.recv_nowait()


@pytest.mark.parametrize("cap", CAPS)
async def test_sending_on_a_closed_channel(cap: int) -> None:
    ch = Chan[int](cap)
    ch.close()
    with pytest.raises(SendOnClosed) as caught:
        await ch.send(1)
    assert caught.value.channel is ch
    with pytest.raises(SendOnClosed):
        ch.send_nowait(1)
    with pytest.raises(SendOnClosed):
        await ch.sender().send(1)
    assert len(ch) == 0


def test_closing_twice() -> None:
    ch = Chan[int]()
    ch.close()
    with pytest.raises(CloseOfClosed) as caught:
        ch.close()
    assert caught.value.channel is ch


async def test_close_wakes_all_receivers() -> None:
    ch = Chan[int]()

    async def iterate() -> list[int]:
        return [value async for value in ch]

    parties = [Soon(ch.recv), Soon(ch.recv_ok), Soon(iterate), Soon(ch.recv)]
    async with anyio.create_task_group() as tasks:
        for party in parties:
            tasks.start_soon(party)
        await settle()
        ch.close()
        ch._check()
    results = [party.result for party in parties]
    assert results == [ChanClosed, (None, False), [], ChanClosed]


@pytest.mark.parametrize("cap", CAPS)
async def test_close_panics_all_senders_and_their_values_are_gone(cap: int) -> None:
    ch = Chan[int](cap)
    for number in range(cap):
        await ch.send(number)
    parties = [Soon(lambda: ch.send(99)) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for party in parties:
            tasks.start_soon(party)
        await settle()
        ch.close()
        ch._check()
    assert [party.result for party in parties] == [SendOnClosed] * 3
    assert [value async for value in ch] == list(range(cap))


def test_close_wakes_threads() -> None:
    ch = Chan[int]()
    receivers = [start(ch.blocking_recv_ok), start(ch.blocking_recv_ok)]
    iterating = start(list[int], ch)
    ch.blocking_send(1)
    until(lambda: ch.stats().waiting_receivers >= 2)
    ch.close()
    results = [receiver.join() for receiver in receivers]
    assert (results + [(1, True)] * len(iterating.join())).count((1, True)) == 1


def test_closing_says_nothing_when_a_channel_is_collected() -> None:
    """A channel needs no closing: warnings are errors here."""
    ch = Chan[int](1)
    ch.send_nowait(1)
    del ch


# nil


async def test_nil_waits_for_ever() -> None:
    for call in (lambda: nil.send(1), nil.recv, nil.recv_ok, lambda: anext(nil)):
        party = Soon(call)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(party)
            await settle()
            assert party.result == "nothing yet"
            tasks.cancel_scope.cancel()
    stats = nil.stats()
    assert (stats.waiting_senders, stats.waiting_receivers) == (0, 0)


def test_nil_is_never_ready() -> None:
    with pytest.raises(WouldBlock):
        nil.send_nowait(1)
    with pytest.raises(WouldBlock):
        nil.recv_nowait()
    with pytest.raises(TimeoutError):
        nil.blocking_send(1, 0)
    with pytest.raises(TimeoutError):
        nil.blocking_recv(0)
    with pytest.raises(TimeoutError):
        nil.blocking_recv_ok(0)


async def test_sender_and_receiver_of_nil_do_not_meet() -> None:
    one, two = Soon(lambda: nil.send(1)), Soon(nil.recv)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(two)
        await settle()
        assert one.result == two.result == "nothing yet"
        tasks.cancel_scope.cancel()


def test_nil_cannot_be_closed() -> None:
    with pytest.raises(CloseOfNil) as caught:
        nil.close()
    assert caught.value.channel is nil
    with pytest.raises(CloseOfNil):
        nil.sender().close()
    assert not nil.closed


def test_nil_is_a_channel() -> None:
    assert isinstance(nil, Chan)
    assert (len(nil), nil.cap) == (0, 0)
    assert bool(nil)
    assert nil.name == "nil"
