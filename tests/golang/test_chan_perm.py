"""Go's test/chan/perm.go, the part that is left for run time.

What is a compile error in Go for a channel of the wrong direction is a type error
here, which the typing tests check. A one-way view enforces it at run time as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from gochan import Chan, nil, recv, select, select_nowait, send


async def test_the_sending_end_sends_and_closes() -> None:
    ch = Chan[int](4)
    cs = ch.sender()
    await cs.send(0)
    cs.send_nowait(1)
    chosen = await select(send(cs, 2))
    assert chosen.channel is cs
    assert len(cs) == 3
    assert cs.cap == 4
    cs.close()
    assert cs.closed
    assert ch.closed
    assert [v async for v in ch] == [0, 1, 2]


def test_the_sending_end_does_not_receive() -> None:
    cs: Any = Chan[int](1).sender()
    for name in ("recv", "recv_ok", "recv_nowait", "blocking_recv", "blocking_recv_ok"):
        with pytest.raises(AttributeError, match=name):
            getattr(cs, name)
    with pytest.raises(TypeError):
        iter(cs)
    with pytest.raises(TypeError):
        aiter(cs)
    with pytest.raises(TypeError, match="RecvChan"):
        recv(cs)
    # a channel in a select stands for receiving from it
    with pytest.raises(TypeError):
        select_nowait(cs)
    with pytest.raises(AttributeError):
        cs.receiver()


async def test_the_receiving_end_receives() -> None:
    ch = Chan[int](4)
    cr = ch.receiver()
    for i in range(4):
        await ch.send(i)
    assert await cr.recv() == 0
    assert await cr.recv_ok() == (1, True)
    assert cr.recv_nowait() == 2
    chosen = await select(recv(cr))
    assert chosen.value == 3
    ch.close()
    assert cr.closed
    assert await cr.recv_ok() == (None, False)
    assert [v async for v in cr] == []


def test_the_receiving_end_does_not_send_or_close() -> None:
    cr: Any = Chan[int](1).receiver()
    for name in ("send", "send_nowait", "blocking_send", "close"):
        with pytest.raises(AttributeError, match=name):
            getattr(cr, name)
    with pytest.raises(TypeError, match="SendChan"):
        send(cr, 1)
    with pytest.raises(AttributeError):
        cr.sender()


def test_the_ends_are_the_channel() -> None:
    ch = Chan[int]()
    ends: list[object] = [ch.sender(), ch, ch.receiver()]
    assert all(a == b for a in ends for b in ends)
    ends = [ch.sender().sender(), ch.receiver().receiver()]
    assert ends[0] == ends[1]
    assert hash(ch.sender()) == hash(ch) == hash(ch.receiver())
    assert ch.sender() != Chan[int]().sender()


async def test_what_is_no_channel() -> None:
    not_a_channel: Any = 7
    with pytest.raises(TypeError):
        recv(not_a_channel)
    with pytest.raises(TypeError):
        send(not_a_channel, 1)
    with pytest.raises(TypeError):
        select_nowait(not_a_channel)
    with pytest.raises(TypeError):
        await select(not_a_channel)


def test_the_ends_of_nil() -> None:
    assert select_nowait(recv(nil.receiver()), send(nil.sender(), 1)) is None
