"""Channels: making one, its ends, and what it is as an object."""

from __future__ import annotations

import inspect
from typing import Any

import anyio
import pytest

import gochan
from gochan import Chan, ChanClosed, ChanStats, RecvChan, SendChan, WouldBlock
from support.idle import settle

CAPS = [0, 1, 3]


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
