"""The short way of channels under the detector: when it is taken, and if it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, Instrument, _instrument, go, race
from gochan._waiter import Waiter
from gochan._watched import DONE, NOT_USUAL
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable


def _fail(*_: object) -> Any:
    raise KeyboardInterrupt


class Fails:
    """In place of the detector's."""

    sends_to = takes_from = puts = takes = waits_to_send = waits = staticmethod(_fail)


FAILS = Fails()


def state(ch: Chan[Any]) -> list[Any]:
    return [len(ch), list(ch._senders), list(ch._receivers)]


def free(ch: Chan[Any]) -> bool:
    """Whether nobody has the key; checks the channel besides."""
    free = ch._key == [True, None]
    ch._check()
    return free


def quick() -> object:
    return _instrument.quick


def test_who_has_it() -> None:
    assert quick() is None
    with race.detector() as detector:
        assert quick() is detector._channels
        with Instrument():
            # that one wants to be told everything
            assert quick() is None
        assert quick() is detector._channels
    assert quick() is None


@pytest.mark.parametrize("taken", ["key", "lock"])
def test_another_thread_is_at_it(taken: str) -> None:
    ch = Chan[int](1)
    if taken == "key":
        del ch._key[1]
    else:
        ch._key[0] = False
    assert ch._send_watched(1, FAILS) is NOT_USUAL
    assert ch._recv_watched(FAILS) == (NOT_USUAL, None)
    assert ch._key == ([True] if taken == "key" else [False, None])
    assert len(ch) == 0


def _with_receiver(ch: Chan[int]) -> None:
    go(ch.recv)


def _with_sender(ch: Chan[int]) -> None:
    go(ch.send, 1)


def _with_value(ch: Chan[int]) -> None:
    ch.send_nowait(1)


def _with_nobody(_: Chan[int]) -> None:
    pass


@pytest.mark.parametrize(
    ("cap", "prepare", "receives"),
    [
        (0, _with_receiver, False),
        (1, _with_nobody, False),
        (0, _with_nobody, False),
        (0, _with_sender, True),
        (1, _with_value, True),
        (0, _with_nobody, True),
    ],
)
def test_an_event_that_raises(
    cap: int,
    prepare: Callable[[Chan[int]], None],
    receives: bool,
    backend: dict[str, Any],
) -> None:
    """Nothing has happened, and the channel is free."""

    async def main() -> None:
        ch = Chan[int](cap)
        prepare(ch)
        await settle()
        before = state(ch)
        with pytest.raises(KeyboardInterrupt):
            if receives:
                ch._recv_watched(FAILS)
            else:
                ch._send_watched(1, FAILS)
        assert free(ch)
        assert state(ch) == before

    gochan.run(main, **backend)


class Passes:
    """In place of the detector's."""

    @staticmethod
    def sends_to(*_: object) -> None:
        pass

    takes_from = sends_to


@pytest.mark.parametrize("receives", [False, True])
async def test_an_interrupt_while_another_thread_has_the_key(receives: bool) -> None:
    """It comes where the peer is woken, and the key has been given back."""
    ch = Chan[int]()

    class Peer(Waiter):
        def settle(self) -> bool:
            # another thread's quick path is inside
            del ch._key[1]
            raise KeyboardInterrupt

    with ch._lock:
        (ch._senders if receives else ch._receivers).push(Peer(1))
    seen: Any = Passes()
    with pytest.raises(KeyboardInterrupt):
        if receives:
            ch._recv_watched(seen)
        else:
            ch._send_watched(1, seen)
    # it has it still, and nobody else
    assert ch._key == [True]


def test_a_goroutine_on_it_gives_way(backend: dict[str, Any]) -> None:
    """Not for as long as it likes, though it never has to wait."""
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    async def main() -> None:
        ch = Chan[int](1000)
        go(other)
        for _ in range(200):
            await ch.send(0)
        turns.append("main")

    with race.detector():
        gochan.run(main, **backend)
    assert turns == ["other", "main"]


def test_done_is_not_a_value(backend: dict[str, Any]) -> None:
    async def main() -> None:
        ch = Chan[object](2)
        for value in (DONE, NOT_USUAL):
            await ch.send(value)
        assert [await ch.recv(), await ch.recv()] == [DONE, NOT_USUAL]
        go(ch.send, DONE)
        assert await ch.recv() is DONE

    with race.detector():
        gochan.run(main, **backend)


@pytest.mark.parametrize("cap", [0, 1])
def test_foreign_code_sends_and_receives(cap: int, backend: dict[str, Any]) -> None:
    """It has one clock, for both ends: that of who has started it."""
    import anyio

    async def main() -> None:
        ch = Chan[int](cap)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ch.send, 1)
            await settle()
            assert await ch.recv() == 1
            tasks.start_soon(ch.recv)
            await settle()
            await ch.send(2)
            tasks.start_soon(ch.send, 3)
            await settle()
            assert await ch.recv() == 3

    with race.detector():
        gochan.run(main, **backend)
        # in no goroutine at all: the thread's
        anyio.run(main, **backend)
