"""Go's src/reflect/all_test.go, TestChan.

There it shows that the channel operations of package reflect do what the language
does. Here: that all faces of a channel, and its views, are the same channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gochan import Chan, ChanClosed, WouldBlock
from golang.helpers import Threads

if TYPE_CHECKING:
    from gochan import RecvChan, SendChan


def ends(ch: Chan[int], *, views: bool) -> tuple[SendChan[int], RecvChan[int]]:
    return (ch.sender(), ch.receiver()) if views else (ch, ch)


@pytest.mark.parametrize("views", [False, True])
async def test_async_and_nowait(*, views: bool) -> None:
    ch = Chan[int](1)
    sender, receiver = ends(ch, views=views)

    await sender.send(2)
    assert ch.recv_nowait() == 2
    ch.send_nowait(3)
    assert await receiver.recv_ok() == (3, True)

    with pytest.raises(WouldBlock):
        receiver.recv_nowait()
    await ch.send(4)
    assert receiver.recv_nowait() == 4

    await ch.send(100)
    with pytest.raises(WouldBlock):
        sender.send_nowait(5)
    assert await ch.recv() == 100
    sender.send_nowait(6)
    assert await ch.recv() == 6

    await ch.send(123)
    sender.close()
    assert await receiver.recv_ok() == (123, True)
    assert await receiver.recv_ok() == (None, False)
    with pytest.raises(ChanClosed):
        receiver.recv_nowait()


@pytest.mark.parametrize("views", [False, True])
def test_blocking_and_nowait(*, views: bool) -> None:
    ch = Chan[int](1)
    sender, receiver = ends(ch, views=views)

    sender.blocking_send(2)
    assert ch.recv_nowait() == 2
    ch.send_nowait(3)
    assert receiver.blocking_recv_ok() == (3, True)

    with pytest.raises(TimeoutError):
        receiver.blocking_recv(timeout=0)
    ch.send_nowait(100)
    with pytest.raises(TimeoutError):
        sender.blocking_send(5, timeout=0)
    assert receiver.blocking_recv() == 100

    sender.blocking_send(123)
    sender.close()
    assert receiver.blocking_recv() == 123
    assert receiver.blocking_recv_ok() == (None, False)
    with pytest.raises(ChanClosed):
        receiver.blocking_recv()
    assert list(receiver) == []


@pytest.mark.parametrize("views", [False, True])
async def test_async_on_one_side_and_blocking_on_the_other(*, views: bool) -> None:
    there, back = Chan[int](), Chan[int](1)

    def double() -> None:
        _, receiver = ends(there, views=views)
        sender, _ = ends(back, views=views)
        for value in receiver:
            sender.blocking_send(2 * value)
        sender.close()

    async with Threads() as threads:
        threads.start(double)
        sender, _ = ends(there, views=views)
        _, receiver = ends(back, views=views)
        for i in range(100):
            await sender.send(i)
            assert await receiver.recv() == 2 * i
        sender.close()
        assert [v async for v in receiver] == []


def test_an_unbuffered_channel_with_nobody_there() -> None:
    ch = Chan[int]()
    with pytest.raises(WouldBlock):
        ch.send_nowait(7)
    with pytest.raises(WouldBlock):
        ch.recv_nowait()


def test_closing_the_receiving_end() -> None:
    receiver: Any = Chan[int](1).receiver()
    with pytest.raises(AttributeError):
        receiver.close()


def test_len_and_cap() -> None:
    ch = Chan[int](10)
    for i in range(3):
        ch.send_nowait(i)
    for end in (ch, ch.sender(), ch.receiver()):
        assert (len(end), end.cap) == (3, 10)
