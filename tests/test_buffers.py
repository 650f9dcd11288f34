"""Buffers that never make a sender wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, SendOnClosed, nil, recv, select, select_nowait, send
from gochan.buffers import Buffer, Dropping, Sliding, Unbounded
from support.idle import settle
from support.model import ModelChan

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: dict[str, Callable[[], Buffer[Any]]] = {
    "dropping": lambda: Dropping(2),
    "sliding": lambda: Sliding(2),
    "unbounded": Unbounded,
}

# what is left of 0, 1, 2, 3, 4
LEFT = {"dropping": [0, 1], "sliding": [3, 4], "unbounded": [0, 1, 2, 3, 4]}

EVERY = pytest.mark.parametrize("kind", KINDS)


@EVERY
async def test_no_sender_waits(kind: str) -> None:
    ch = Chan[int](buffer=KINDS[kind]())
    for number in range(5):
        await ch.send(number)
        ch._check()
    ch.close()
    assert [value async for value in ch] == LEFT[kind]
    assert ch.stats().dropped == 5 - len(LEFT[kind])


@EVERY
def test_no_face_of_send_waits(kind: str) -> None:
    def by_select(ch: Chan[int], number: int) -> None:
        assert select_nowait(send(ch, number)) is not None

    def by_blocking_select(ch: Chan[int], number: int) -> None:
        gochan.blocking_select(send(ch, number), timeout=0)

    ways: list[Callable[[Chan[int], int], object]] = [
        lambda ch, number: ch.send_nowait(number),
        lambda ch, number: ch.blocking_send(number, 0),
        by_select,
        by_blocking_select,
    ]
    for way in ways:
        ch = Chan[int](buffer=KINDS[kind]())
        for number in range(5):
            way(ch, number)
        ch.close()
        assert list(ch) == LEFT[kind]


@EVERY
async def test_select_never_waits_to_send(kind: str) -> None:
    ch = Chan[int](buffer=KINDS[kind]())
    for number in range(5):
        case = send(ch, number)
        assert await select(recv(nil), case) is case
    ch.close()
    assert [value async for value in ch] == LEFT[kind]


@EVERY
async def test_a_waiting_receiver_is_served_at_once(kind: str) -> None:
    ch = Chan[int](buffer=KINDS[kind]())
    got: list[int] = []

    async def receiver() -> None:
        got.append(await ch.recv())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receiver)
        await settle()
        assert ch.stats().waiting_receivers == 1
        await ch.send(1)
        assert len(ch) == 0
    assert got == [1]
    assert ch.stats().dropped == 0


@EVERY
async def test_an_empty_buffer_makes_a_receiver_wait(kind: str) -> None:
    ch = Chan[int](buffer=KINDS[kind]())
    with pytest.raises(gochan.WouldBlock):
        ch.recv_nowait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.recv_ok)
        await settle()
        ch.close()


@EVERY
async def test_closing(kind: str) -> None:
    ch = Chan[int](buffer=KINDS[kind]())
    for number in range(5):
        await ch.send(number)
    ch.close()
    with pytest.raises(SendOnClosed):
        await ch.send(9)
    with pytest.raises(SendOnClosed):
        ch.send_nowait(9)
    with pytest.raises(SendOnClosed):
        await select(send(ch, 9))
    assert [value async for value in ch] == LEFT[kind]
    assert await ch.recv_ok() == (None, False)
    # what is refused has not been dropped
    assert ch.stats().dropped == 5 - len(LEFT[kind])


def test_sizes() -> None:
    assert Dropping[int](3).cap == 3
    assert Sliding[int](3).cap == 3
    assert Unbounded[int]().cap is None
    assert Chan[int](buffer=Dropping(3)).cap == 3
    assert Chan[int](buffer=Sliding(3)).cap == 3
    ch = Chan[int](buffer=Unbounded())
    assert ch.cap is None
    assert ch.stats().cap is None
    for number in range(1000):
        ch.send_nowait(number)
    assert len(ch) == 1000


@pytest.mark.parametrize("buffer", [Dropping, Sliding])
def test_bad_sizes(buffer: Any) -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        buffer(0)
    with pytest.raises(ValueError, match="at least 1, not -3"):
        buffer(-3)
    for size in ("3", 1.5, None, True):
        with pytest.raises(
            TypeError, match=rf"{buffer.__name__} must be an int, not \w+$"
        ):
            buffer(size)


@pytest.mark.parametrize("buffer", [5, Sliding, "sliding", [], object()])
def test_what_is_no_buffer(buffer: Any) -> None:
    with pytest.raises(TypeError, match=r"buffer must be one of gochan\.buffers"):
        Chan[int](buffer=buffer)


@EVERY
def test_a_capacity_beside_a_buffer(kind: str) -> None:
    with pytest.raises(TypeError, match="not both"):
        Chan[int](3, buffer=KINDS[kind]())


@EVERY
def test_a_buffer_is_a_description(kind: str) -> None:
    buffer = KINDS[kind]()
    one, two = Chan[int](buffer=buffer), Chan[int](buffer=buffer)
    one.send_nowait(1)
    assert len(two) == 0


def test_repr() -> None:
    assert repr(Dropping[int](3)) == "Dropping(3)"
    assert repr(Sliding[int](3)) == "Sliding(3)"
    assert repr(Unbounded[int]()) == "Unbounded()"


@EVERY
def test_the_model_agrees(kind: str) -> None:
    """Sends and receives in all orders of up to eight."""
    for script in range(2**8):
        ch = Chan[int](buffer=KINDS[kind]())
        model = ModelChan.like(0, KINDS[kind]())
        for step in range(8):
            if script >> step & 1 and model.buf:
                assert (ch.recv_nowait(), True, None) == model.recv()
            else:
                ch.send_nowait(step)
                model.send(step)
            ch._check()
            assert list(ch._buf) == list(model.buf)
            assert ch.stats().dropped == model.dropped


class Last:
    """Looks at the channel when it is deleted, which takes the channel's lock."""

    def __init__(self, ch: Chan[Last], seen: list[int]) -> None:
        self.ch = ch
        self.seen = seen

    def __del__(self) -> None:
        self.seen.append(self.ch.stats().length)


async def test_a_dropped_value_may_use_the_channel() -> None:
    seen: list[int] = []
    ch = Chan[Last](buffer=Sliding(1))
    await ch.send(Last(ch, seen))
    await ch.send(Last(ch, seen))
    assert seen == [1]
    ch.send_nowait(Last(ch, seen))
    assert seen == [1, 1]
    case = send(ch, Last(ch, seen))
    assert await select(case) is case
    assert seen == [1, 1, 1]


async def test_a_value_that_is_replaced_in_its_case_may_use_the_channel() -> None:
    seen: list[int] = []
    ch = Chan[Last](2)
    ch.send_nowait(Last(ch, seen))
    ch.send_nowait(Last(ch, seen))
    case = recv(ch)
    await select(case)
    assert seen == []
    await select(case)
    assert seen == [0]
