"""Channels: every operation on every face, and the rules for closing."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    ChanStats,
    CloseOfClosed,
    CloseOfNil,
    RecvChan,
    SendChan,
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


# Making one


def test_a_channel_is_unbuffered_unless_told_otherwise() -> None:
    ch = Chan[int]()
    assert (ch.cap, len(ch)) == (0, 0)
    assert Chan[int](3).cap == 3
    assert Chan[int](cap=3).cap == 3


@pytest.mark.parametrize("cap", [-1, -100])
def test_a_capacity_must_not_be_negative(cap: int) -> None:
    with pytest.raises(ValueError, match="at least 0, not -1"):
        Chan[int](cap)


@pytest.mark.parametrize("cap", ["3", 1.0, None, True, (1,)])
def test_a_capacity_must_be_an_int(cap: Any) -> None:
    with pytest.raises(TypeError, match=r"must be an int.*Chan\(3\)"):
        Chan[int](cap)


def test_an_int_is_an_int_whatever_its_class() -> None:
    class Size(int):
        pass

    ch = Chan[int](Size(2))
    ch.send_nowait(1)
    ch.send_nowait(2)
    with pytest.raises(WouldBlock):
        ch.send_nowait(3)


def test_a_name_is_made_up_if_none_is_given() -> None:
    assert Chan[int](name="jobs").name == "jobs"
    one, two = Chan[int](), Chan[int]()
    assert one.name != two.name
    assert one.name == one.name
    assert one.name.startswith("chan-")


def test_the_ends_cannot_be_made_without_a_channel() -> None:
    with pytest.raises(TypeError, match="abstract"):
        SendChan()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="abstract"):
        RecvChan()  # type: ignore[abstract]


def test_a_channel_is_both_its_ends() -> None:
    ch = Chan[int]()
    assert isinstance(ch, SendChan)
    assert isinstance(ch, RecvChan)
    assert issubclass(Chan, SendChan)


def test_the_awaited_operations_are_coroutine_functions() -> None:
    for name in ("send", "recv", "recv_ok"):
        assert inspect.iscoroutinefunction(getattr(Chan, name))
    ch = Chan[int]()
    assert inspect.iscoroutinefunction(ch.sender().send)
    assert inspect.iscoroutinefunction(ch.receiver().recv)
    assert inspect.iscoroutinefunction(ch.receiver().recv_ok)


def test_a_value_is_positional_and_a_timeout_may_be_named() -> None:
    ch = Chan[int](1)
    ch.blocking_send(1, timeout=0)
    assert ch.blocking_recv(timeout=0) == 1
    with pytest.raises(TypeError):
        ch.send_nowait(value=1)  # type: ignore[call-arg]


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


# One-way views


async def test_a_view_sends_or_receives() -> None:
    ch = Chan[int](2)
    out, back = ch.sender(), ch.receiver()
    await out.send(1)
    out.send_nowait(2)
    assert await back.recv() == 1
    assert await back.recv_ok() == (2, True)
    await out.send(3)
    assert back.recv_nowait() == 3
    await out.send(4)
    out.close()
    assert [value async for value in back] == [4]
    assert back.closed


def test_a_view_blocks() -> None:
    ch = Chan[int](3)
    out, back = ch.sender(), ch.receiver()
    out.blocking_send(1)
    out.blocking_send(2, 0)
    out.blocking_send(3, timeout=0)
    with pytest.raises(TimeoutError):
        out.blocking_send(4, 0)
    assert back.blocking_recv() == 1
    assert back.blocking_recv_ok(0) == (2, True)
    out.close()
    assert list(back) == [3]
    assert back.blocking_recv_ok() == (None, False)
    with pytest.raises(ChanClosed):
        back.blocking_recv(0)


def test_a_view_lacks_the_other_direction() -> None:
    ch = Chan[int]()
    sending = {"send", "blocking_send", "send_nowait", "close", "sender"}
    receiving = {
        "recv",
        "blocking_recv",
        "recv_nowait",
        "recv_ok",
        "blocking_recv_ok",
        "receiver",
        "__iter__",
        "__next__",
        "__aiter__",
        "__anext__",
        "__gochan_case__",
    }
    for name in sending:
        assert hasattr(ch.sender(), name)
        assert not hasattr(ch.receiver(), name)
    for name in receiving:
        assert hasattr(ch.receiver(), name)
        assert not hasattr(ch.sender(), name)


def test_a_view_is_an_end() -> None:
    ch = Chan[int]()
    assert isinstance(ch.sender(), SendChan)
    assert not isinstance(ch.sender(), RecvChan)
    assert isinstance(ch.receiver(), RecvChan)
    assert not isinstance(ch.receiver(), SendChan)
    assert not isinstance(ch.sender(), Chan)


def test_a_view_of_a_view() -> None:
    ch = Chan[int](1)
    assert ch.sender().sender() == ch.sender()
    assert ch.receiver().receiver() == ch.receiver()
    ch.sender().sender().send_nowait(1)
    assert ch.receiver().receiver().recv_nowait() == 1


def test_a_view_tells_of_its_channel() -> None:
    ch = Chan[int](3, name="jobs")
    ch.send_nowait(1)
    for view in (ch.sender(), ch.receiver()):
        assert (len(view), view.cap, view.name, view.closed) == (1, 3, "jobs", False)
        assert bool(view)
        assert view.stats() == ch.stats()


# Equality, truth, numbers


def test_equality_is_identity() -> None:
    one, two = Chan[int](), Chan[int]()
    other: Any = 5
    assert one == one  # noqa: PLR0124  # that is what is tested
    assert one != two
    assert len({one, two, one}) == 2
    assert one != other
    assert one != None  # noqa: E711  # that is what is tested
    assert {one: "one"}[one] == "one"


def test_views_are_equal_if_their_channels_are() -> None:
    ch, other = Chan[int](), Chan[int]()
    same: list[Any] = [ch, ch.sender(), ch.receiver(), ch.sender().sender()]
    for one in same:
        for two in same:
            assert one == two
            assert hash(one) == hash(two)
        for two in (other, other.sender(), other.receiver(), 5, None):
            assert one != two
            assert two != one
    assert len(set(same)) == 1


@pytest.mark.parametrize("cap", CAPS)
def test_a_channel_is_true_even_if_it_is_empty(cap: int) -> None:
    ch = Chan[int](cap)
    assert ch
    ch.close()
    assert ch
    assert ch.sender()


def test_length_and_capacity() -> None:
    ch = Chan[int](3)
    for number in range(3):
        assert len(ch) == number
        ch.send_nowait(number)
    assert len(ch) == 3
    ch.recv_nowait()
    assert (len(ch), ch.cap) == (2, 3)
    with pytest.raises(AttributeError):
        ch.cap = 5  # type: ignore[misc]


async def test_stats() -> None:
    ch = Chan[int](2)
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(ch.send, number)
        await settle()
        assert ch.stats() == ChanStats(
            length=2,
            cap=2,
            waiting_senders=3,
            waiting_receivers=0,
            dropped=0,
            closed=False,
        )
        tasks.cancel_scope.cancel()
    assert ch.stats().waiting_senders == 0
    ch.close()
    assert ch.stats().closed


async def test_stats_counts_waiting_receivers_and_selects() -> None:
    ch, other = Chan[int](), Chan[int]()

    async def both() -> None:
        await gochan.select(gochan.recv(ch), gochan.send(other, 1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.recv)
        tasks.start_soon(both)
        await settle()
        assert ch.stats().waiting_receivers == 2
        assert other.stats().waiting_senders == 1
        tasks.cancel_scope.cancel()


def test_stats_cannot_be_changed() -> None:
    stats = Chan[int]().stats()
    with pytest.raises(AttributeError):
        stats.length = 5  # type: ignore[misc]
    assert hash(stats) == hash(Chan[int]().stats())


# Cancellation: see also test_cancel_*.py


@pytest.mark.parametrize("cap", CAPS)
async def test_a_cancelled_operation_has_changed_nothing(cap: int) -> None:
    ch = Chan[int](cap)
    with anyio.CancelScope() as scope:
        scope.cancel()
        # may happen or raise, but not both
        await ch.recv()
    assert ch.stats().waiting_receivers == 0
    for number in range(cap):
        ch.send_nowait(number)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.send, 99)
        await settle()
        tasks.cancel_scope.cancel()
    ch._check()
    assert ch.stats().waiting_senders == 0
    ch.close()
    assert [value async for value in ch] == list(range(cap))


# Parametrised use at run time


def test_the_element_type_costs_nothing() -> None:
    assert type(Chan[int]()) is Chan
    assert isinstance(Chan[int](), Chan)


def test_a_channel_can_be_weakly_referenced() -> None:
    import weakref

    ch = Chan[int]()
    assert weakref.ref(ch)() is ch


def test_a_channel_may_be_sent_over_a_channel() -> None:
    ch = Chan[Chan[int]](1)
    inner = Chan[int]()
    ch.send_nowait(inner)
    assert ch.recv_nowait() is inner
