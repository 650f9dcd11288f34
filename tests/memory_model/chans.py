"""Litmus tests of channels and select: rules C1 to C14."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

import gochan
from gochan import Chan, go, nil, recv, select, select_nowait, send
from support.litmus import ALONE, OK, RACE, World, litmus

# C1: a send comes before its receive


@litmus("C1", OK)
async def buffered_send_then_receive(w: World) -> None:
    c = Chan[int](10)

    async def sender() -> None:
        w.x.write()
        await w(c.send, 0)

    w.go(sender)
    await w(c.recv)
    w.x.write()


@litmus("C1", OK)
async def unbuffered_send_then_receive(w: World) -> None:
    c = Chan[int]()

    async def sender() -> None:
        w.x.write()
        await w(c.send, 0)

    w.go(sender)
    await w(c.recv)
    w.x.write()


@litmus("C1", OK)
async def send_to_a_parked_receiver(w: World) -> None:
    c = Chan[int](1)

    async def receiver() -> None:
        await w(c.recv)
        w.x.write()

    w.go(receiver)
    await w.settle()
    w.x.write()
    await w(c.send, 0)


@litmus("C1", RACE)
async def what_follows_a_send_is_not_before_the_receive(w: World) -> None:
    c = Chan[int](1)

    async def sender() -> None:
        await w(c.send, 0)
        w.x.write()

    w.go(sender)
    await w(c.recv)
    await w.settle()
    w.x.write()


# C2: close


@litmus("C1", OK)
async def sent_to_a_sliding_buffer(w: World) -> None:
    c = Chan[int](buffer=gochan.buffers.Sliding(2))

    async def sender(value: int) -> None:
        if value == 2:
            w.x.write()
        await w(c.send, value)

    for value in (1, 2, 3):
        w.go(sender, value)
        await w.settle()
    assert await w(c.recv) == 2
    w.x.write()


@litmus("C2", OK)
async def close_then_receive(w: World) -> None:
    c = Chan[int](1)

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    await w(c.recv_ok)
    w.x.write()


@litmus("C2", OK)
async def close_then_end_of_iteration(w: World) -> None:
    c = Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    with pytest.raises(gochan.ChanClosed):
        while True:
            await w(c.recv)
    w.x.write()


@litmus("C2", OK)
async def close_wakes_all_that_wait(w: World) -> None:
    c = Chan[int]()

    async def receiver() -> None:
        await w(c.recv_ok)
        w.x.read()

    for _ in range(2):
        w.go(receiver)
    await w.settle()
    w.x.write()
    c.close()


@litmus("C2", RACE)
async def a_value_from_before_the_close(w: World) -> None:
    c = Chan[int](1)
    await w(c.send, 1)

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    await w.settle()
    await w(c.recv)
    w.x.write()


# C3: a receive comes before the end of its send


@litmus("C3", OK)
async def unbuffered_receive_then_send_returns(w: World) -> None:
    c = Chan[int]()

    async def receiver() -> None:
        w.x.write()
        await w(c.recv)

    w.go(receiver)
    await w(c.send, 0)
    w.x.write()


@litmus("C3", RACE)
async def buffered_receive_and_its_send(w: World) -> None:
    c = Chan[int](1)

    async def receiver() -> None:
        w.x.write()
        await w(c.recv)

    w.go(receiver)
    await w(c.send, 0)
    await w.settle()
    w.x.write()


# C4: the k-th receive comes before the end of the (k+C)-th send


@litmus("C4", OK)
async def a_channel_of_one_is_a_mutex(w: World) -> None:
    m, done = Chan[bool](1), Chan[bool]()

    async def other() -> None:
        await w(m.send, True)
        w.x.write()
        await w(m.recv)
        await w(done.send, True)

    w.go(other)
    await w(m.send, True)
    w.x.write()
    await w(m.recv)
    await w(done.recv)


@litmus("C4", RACE)
async def a_channel_of_two_is_no_mutex(w: World) -> None:
    m, done = Chan[bool](2), Chan[bool]()

    async def other() -> None:
        await w(m.send, True)
        w.x.write()
        await w(m.recv)
        await w(done.send, True)

    w.go(other)
    await w(m.send, True)
    w.x.write()
    await w(m.recv)
    await w(done.recv)


@litmus("C4", OK)
async def first_receive_then_third_send(w: World) -> None:
    c = Chan[int](2)

    async def receiver() -> None:
        w.x.write()
        await w(c.recv)

    w.go(receiver)
    for value in range(3):
        await w(c.send, value)
    w.x.write()


@litmus("C4", RACE)
async def first_receive_and_second_send(w: World) -> None:
    c = Chan[int](2)

    async def receiver() -> None:
        w.x.write()
        await w(c.recv)

    w.go(receiver)
    for value in range(2):
        await w(c.send, value)
    await w.settle()
    w.x.write()


@litmus("C4", RACE)
async def second_receive_and_third_send(w: World) -> None:
    c = Chan[int](2)

    async def receiver() -> None:
        await w(c.recv)
        w.x.write()
        await w(c.recv)

    w.go(receiver)
    for value in range(3):
        await w(c.send, value)
    await w.settle()
    w.x.write()


# C5: only matching operations


@litmus("C5", RACE)
async def two_receives_from_one_slot(w: World) -> None:
    c = Chan[int](1)

    async def first() -> None:
        w.x.write()
        await w(c.recv)

    async def second() -> None:
        await w(c.recv)
        w.x.write()

    async def sender() -> None:
        await w(c.send, 1)

    for body in (first, second):
        w.go(sender)
        await w.settle()
        w.go(body)
        await w.settle()


@litmus("C5", RACE)
async def two_sends_to_one_slot(w: World) -> None:
    c = Chan[int](1)

    async def first() -> None:
        w.x.write()
        await w(c.send, 1)

    async def second() -> None:
        await w(c.send, 1)
        w.x.write()

    async def receiver() -> None:
        await w(c.recv)

    w.go(first)
    await w.settle()
    w.go(receiver)
    await w.settle()
    w.go(second)
    await w.settle()


@litmus("C5", RACE)
async def another_sender(w: World) -> None:
    c = Chan[int](2)

    async def first() -> None:
        await w(c.send, 1)

    async def second() -> None:
        w.y.write()
        await w(c.send, 2)

    w.go(first)
    await w.settle()
    w.go(second)
    await w.settle()
    assert await w(c.recv) == 1
    w.y.write()


# C6: a send that finds the channel closed


@litmus("C6", RACE)
async def a_send_that_fails(w: World) -> None:
    c = Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    await w.settle()
    with pytest.raises(gochan.SendOnClosed):
        await w(c.send, 0)
    # apart from the race on the channel: x is one, too
    assert "x" not in w.clocks.races()
    w.x.write()
    assert "x" in w.clocks.races()


@litmus("C6", RACE)
async def a_parked_send_that_fails(w: World) -> None:
    c = Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    async def sender() -> None:
        with pytest.raises(gochan.SendOnClosed):
            await w(c.send, 0)
        w.x.write()

    w.go(sender)
    await w.settle()
    w.go(closer)
    await w.settle()
    # the race is on the channel alone
    assert w.place in ALONE or "x" not in w.clocks.races()


# C7: closing


@litmus("C7", RACE)
async def a_close_that_fails(w: World) -> None:
    c = Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    await w.settle()
    with pytest.raises(gochan.CloseOfClosed):
        c.close()
    w.x.write()
    assert "x" in w.clocks.races()


@litmus("C7", RACE)
async def send_and_close(w: World) -> None:
    c = Chan[int](10)

    async def closer() -> None:
        c.close()

    await w(c.send, 0)
    w.go(closer)
    with contextlib.suppress(gochan.SendOnClosed):
        await w(c.send, 0)


@litmus("C7", RACE)
async def a_send_in_a_select_and_close(w: World) -> None:
    c = Chan[int](10)

    async def closer() -> None:
        c.close()

    w.go(closer)
    with pytest.raises(gochan.SendOnClosed):
        while True:
            await w(select, send(c, 1), recv(nil))
            await w.gosched()


@litmus("C7", OK)
async def sends_and_receives_and_len(w: World) -> None:
    c = Chan[int](10)

    async def other() -> None:
        await w(c.send, 0)
        len(c)

    w.go(other)
    await w(c.send, 0)
    len(c)
    await w(c.recv)


# C8: looking


@litmus("C8", RACE)
async def looking_at_a_channel(w: World) -> None:
    c = Chan[int](10)

    async def sender() -> None:
        w.x.write()
        await w(c.send, 1)

    w.go(sender)
    while len(c) == 0:
        await w.gosched()
    assert (c.cap, c.closed, c.stats().length) == (10, False, 1)
    w.x.write()


@litmus("C8", RACE)
async def two_who_look_at_a_channel(w: World) -> None:
    c = Chan[int](10)

    async def looks() -> None:
        w.x.write()
        assert (len(c), c.cap, c.closed, c.stats().length) == (0, 10, False, 0)

    async def then_writes() -> None:
        assert (len(c), c.cap, c.closed, c.stats().length) == (0, 10, False, 0)
        w.x.write()

    for one in (looks, then_writes):
        w.go(one)
        await w.settle()


@litmus("C8", RACE)
async def looking_at_closed(w: World) -> None:
    c = Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    while not c.closed:
        await w.gosched()
    w.x.write()


# C9: select


@litmus("C9", OK)
async def select_sends_select_receives(w: World) -> None:
    c, other = Chan[int](), Chan[int]()

    async def sender() -> None:
        w.x.write()
        await w(select, send(c, 1), recv(other))

    w.go(sender)
    await w(select, recv(c), recv(other))
    w.x.write()


@litmus("C9", OK)
async def select_receives_select_sends(w: World) -> None:
    c, other = Chan[int](), Chan[int]()

    async def receiver() -> None:
        w.x.write()
        await w(select, recv(c), recv(other))

    w.go(receiver)
    await w(select, send(c, 1), recv(other))
    w.x.write()


@litmus("C9", OK)
async def close_wakes_a_select(w: World) -> None:
    c, other = Chan[int](), Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    await w(select, recv(c), recv(other))
    w.x.write()


@litmus("C9", OK)
async def select_with_a_buffer(w: World) -> None:
    c, other = Chan[int](1), Chan[int](1)

    async def sender() -> None:
        w.x.write()
        await w(select, send(c, 1))

    w.go(sender)
    await w(select, recv(c), recv(other))
    w.x.write()


@litmus("C9", RACE)
async def select_that_finds_nothing(w: World) -> None:
    c = Chan[int](1)
    await w(c.send, 1)

    async def other() -> None:
        w.x.write()
        select_nowait(send(c, 1))
        await w(c.recv)

    w.go(other)
    await w.settle()
    assert select_nowait(recv(c)) is None
    w.x.write()


@litmus("C9", RACE)
async def a_case_that_is_not_chosen(w: World) -> None:
    c, other = Chan[int](), Chan[int](1)

    async def loser() -> None:
        w.x.write()
        await w(select, send(c, 1), recv(nil))

    await w(other.send, 1)
    w.go(loser)
    await w.settle()
    # its send on c is ready, and is not chosen
    chosen = select_nowait(recv(other), recv(c), biased=True)
    assert chosen is not None
    assert chosen.index == 0
    w.x.write()
    # let it go
    await w(c.recv)


# C10: operations that never wait


@litmus("C10", OK)
async def a_receive_that_succeeds_at_once(w: World) -> None:
    c = Chan[int](1)

    async def sender() -> None:
        w.x.write()
        await w(c.send, 1)

    w.go(sender)
    while True:
        try:
            c.recv_nowait()
            break
        except gochan.WouldBlock:
            await w.gosched()
    w.x.write()


@litmus("C10", OK)
async def a_select_that_succeeds_at_once(w: World) -> None:
    c = Chan[int](1)

    async def sender() -> None:
        w.x.write()
        await w(c.send, 1)

    w.go(sender)
    while select_nowait(recv(c)) is None:
        await w.gosched()
    w.x.write()


@litmus("C10", OK)
async def a_receive_that_finds_it_closed(w: World) -> None:
    c = Chan[int]()

    async def closer() -> None:
        w.x.write()
        c.close()

    w.go(closer)
    while True:
        try:
            c.recv_nowait()
        except gochan.WouldBlock:
            await w.gosched()
        except gochan.ChanClosed:
            break
    w.x.write()


@litmus("C10", RACE)
async def a_receive_that_would_block(w: World) -> None:
    c = Chan[int]()

    async def receiver() -> None:
        w.x.write()
        with pytest.raises(gochan.WouldBlock):
            c.recv_nowait()

    w.go(receiver)
    await w.settle()
    with pytest.raises(gochan.WouldBlock):
        c.send_nowait(1)
    w.x.write()


# C11: a sender that waited


@litmus("C11", OK)
async def a_sender_that_waited_for_room(w: World) -> None:
    c = Chan[int](1)
    await w(c.send, 1)

    async def sender() -> None:
        w.x.write()
        await w(c.send, 2)

    w.go(sender)
    await w.settle()
    await w(c.recv)
    await w(c.recv)
    w.x.write()


@litmus("C11", OK)
async def a_select_that_waited_for_room(w: World) -> None:
    c = Chan[int](1)
    await w(c.send, 1)

    async def sender() -> None:
        w.x.write()
        await w(select, send(c, 2), recv(nil))

    w.go(sender)
    await w.settle()
    await w(c.recv)
    await w(c.recv)
    w.x.write()


# C12: nil


@litmus("C12", RACE, only=("asyncio", "trio"))
async def nil_orders_nothing(w: World) -> None:
    async def other() -> None:
        w.x.write()
        await nil.send(1)

    g = go(other)
    await w.settle()
    assert select_nowait(recv(nil)) is None
    w.x.write()
    g.cancel()


# C13: what is sent


@litmus("C13", OK)
async def what_is_sent_may_be_used(w: World) -> None:
    c = Chan[Any]()

    async def sender() -> None:
        w.x.write()
        await w(c.send, w.x)

    w.go(sender)
    x = await w(c.recv)
    x.write()


@litmus("C13", RACE)
async def what_has_been_sent_is_not_ours_any_more(w: World) -> None:
    c = Chan[Any](1)

    async def receiver() -> None:
        x = await w(c.recv)
        x.write()

    w.go(receiver)
    await w(c.send, w.x)
    await w.settle()
    w.x.write()


# C14: the variable that holds a channel


@litmus("C14", RACE)
async def a_channel_variable_that_is_replaced(w: World) -> None:
    channels = {0: Chan[int](10), 1: Chan[int](10)}

    async def sender() -> None:
        await w(channels[w.x.read()].send, 1)

    w.go(sender)
    w.x.write(1)
