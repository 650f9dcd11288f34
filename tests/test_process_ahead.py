"""Values that are lent: received in another process without asking. See ``_ahead``.

Both ends are in this process here, so that each step can be seen.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    Instrument,
    WouldBlock,
    _backends,
)
from gochan._instrument import install, uninstall
from gochan.executors import _ahead
from gochan.executors._protocol import ACK, RECV, TAKEN, VALUE
from support.ends import Asked, Ends, Lent, filled
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = pytest.mark.usefixtures("always_soon")


# What is lent, and to whom


def test_what_is_lent_is_received_without_asking(
    ends: Ends, lent: Lent, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lent.count == 37
    asked = Asked(ends, monkeypatch)
    ways: list[Callable[[], Any]] = [
        lent.there.blocking_recv,
        partial(lent.there.blocking_recv, 0),
        lent.there.recv_nowait,
        partial(next, iter(lent.there)),
        lambda: lent.there.blocking_recv_ok()[0],
    ]
    lent.received += [ways[n % 5]() for n in range(37)]
    assert lent.received == [*range(40)]
    assert asked.count == 0
    until(lent.is_over)
    assert len(lent.ch) == 0
    with pytest.raises(WouldBlock):
        lent.there.recv_nowait()
    assert asked.count == 1


async def test_async_as_well(
    ends: Ends, lent: Lent, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(ends, monkeypatch)
    received = [await lent.there.recv() for _ in range(30)]
    received += [(await lent.there.recv_ok())[0] for _ in range(7)]
    assert received == [*range(3, 40)]
    assert asked.count == 0


async def test_who_receives_lets_others_run(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = Lent(ends, filled(200, 256))
    backend: Any = _backends.backend()
    yield_now, turns = backend.yield_now, 0

    async def counts() -> None:
        nonlocal turns
        turns += 1
        await yield_now()

    monkeypatch.setattr(backend, "yield_now", counts)
    await gochan.yield_()
    turns = 0
    # the 65th operation is not done without a switch
    await Chan[int](1).send(1)
    for _ in range(64):
        await lent.there.recv()
    assert turns == 1


def test_an_answer_is_acknowledged_before_what_has_come_with_it_is_taken(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it might come back, if this end dies now."""
    ch = filled()
    far = ends.handle(ch)
    far.blocking_recv()
    far.blocking_recv()
    until(lambda: not ends.link.unacked)
    post, hold = ends.other.stream.post, threading.Event()
    kinds: list[int] = []

    class Posts:
        broken = False

        def post(self, kind: int, *args: Any) -> None:
            if kind == ACK:
                assert hold.wait(10)
            kinds.append(kind)
            post(kind, *args)

        def __getattr__(self, name: str) -> Any:
            return getattr(stream, name)

    stream = ends.other.stream
    monkeypatch.setattr(ends.other, "stream", Posts())
    assert far.blocking_recv() == 2
    taking = start(far.blocking_recv)
    until(lambda: "take" in where(taking))
    assert kinds == [RECV]
    hold.set()
    assert taking.join() == 3
    assert kinds == [RECV, ACK, TAKEN]


def where(worker: Any) -> str:
    """In which function a thread is."""
    frame = sys._current_frames().get(worker.thread.ident)
    return "" if frame is None else frame.f_code.co_name


def test_more_is_lent_when_that_is_used_up(ends: Ends) -> None:
    lent = Lent(ends, filled(400, 512))
    assert lent.count == 128
    assert lent.take(128) == [*range(3, 131)]
    until(lent.is_over)
    assert lent.take(1) == [131]
    assert lent.ch._ahead.count == 128


def channels() -> Iterator[tuple[str, Chan[Any]]]:
    yield "unbuffered", Chan[Any]()
    yield "a small buffer", filled(6, 6)
    yield "few values", filled(6, 64)
    for buffer in (gochan.buffers.Sliding[Any](64), gochan.buffers.Dropping[Any](64)):
        ch = Chan[Any](buffer=buffer)
        for value in range(40):
            ch.send_nowait(value)
        yield type(buffer).__name__, ch


@pytest.mark.parametrize(("name", "ch"), list(channels()))
def test_nothing_is_lent_where_it_would_be_felt(
    ends: Ends, name: str, ch: Chan[Any]
) -> None:
    far = ends.handle(ch)
    for value in range(len(ch)):
        assert far.blocking_recv() == value
        assert ch._ahead is None


def test_an_unbounded_channel_lends_as_well(ends: Ends) -> None:
    ch = Chan[Any](buffer=gochan.buffers.Unbounded())
    for value in range(100):
        ch.send_nowait(value)
    lent = Lent(ends, ch)
    assert (lent.count, len(ch), ch.cap) == (97, 97, None)
    assert lent.take(97) == [*range(3, 100)]
    until(lent.is_over)


def test_nothing_is_lent_to_who_takes_its_time(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ahead, "_SOON", 0.0)
    ch = filled()
    far = ends.handle(ch)
    for value in range(40):
        assert far.blocking_recv() == value
        assert ch._ahead is None


def test_nothing_is_lent_to_who_asks_for_others(ends: Ends) -> None:
    """A request that is relayed has a payload."""
    ch = filled()
    number = ends.number_of(ch)
    for value in range(20):
        answer = ends.other.call(RECV, number, ends.other.pack(None))
        assert answer == (VALUE, value)
        assert ch._ahead is None


def test_nothing_is_lent_again_soon_to_who_had_to_give_it_back(
    ends: Ends, lent: Lent
) -> None:
    assert lent.ch.recv_nowait() == 3
    for _ in range(_ahead._PENALTY):
        lent.ch.send_nowait(0)
        lent.there.blocking_recv()
        assert lent.ch._ahead is None
    for _ in range(2):
        lent.there.blocking_recv()
    assert lent.ch._ahead is not None


def test_nothing_is_lent_while_an_instrument_watches(ends: Ends) -> None:
    ch = filled()
    far = ends.handle(ch)
    with Instrument():
        for value in range(20):
            assert far.blocking_recv() == value
            assert ch._ahead is None


def test_an_instrument_that_comes_while_values_are_lent(lent: Lent) -> None:
    ch = lent.ch

    class Seen(Instrument):
        def __init__(self) -> None:
            self.told: list[tuple[Any, Any]] = []

        def completed(
            self, party: Any, operation: Any, channel: Any, slot: Any
        ) -> None:
            self.told.append((operation, slot))

    seen = Seen()
    install(seen)
    try:
        ch.send_nowait(40)
        assert lent.take(2) == [3, 4]
        until(lent.known)
        waiting = start(ch.blocking_recv)
        assert waiting.join() == 5
        assert ch.recv_nowait() == 6
    finally:
        uninstall(seen)
    # a send has the slot after all that are buffered, a receive that of the first
    assert seen.told == [("send", 37), *(("recv", slot) for slot in range(4))]


# What can be seen of it


def test_what_is_lent_counts_until_it_is_received(lent: Lent) -> None:
    ch = lent.ch
    ch._check()
    lent.take(7)
    # who has it tells
    assert len(lent.there) == 30
    assert lent.ch._ahead is not None
    assert lent.there.stats().length == 30
    assert len(ch) == 30
    assert lent.ch._ahead is None
    lent.there.blocking_recv()
    assert (ch.stats().length, ch.stats().waiting_senders) == (29, 0)
    assert repr(ch) == f"<Chan[Any] {ch.name!r}, 29/64 buffered>".replace("typing.", "")


def test_the_kth_receive_completes_the_k_plus_capth_send(ends: Ends) -> None:
    ch = filled(64)
    lent = Lent(ends, ch)
    for value in range(64, 67):
        ch.send_nowait(value)
    sent: list[int] = []

    def fill() -> None:
        for value in range(67, 100):
            ch.blocking_send(value)
            sent.append(value)

    filling = start(fill)
    until(lambda: len(ch._senders) == 1)
    assert sent == []
    for number in range(33):
        lent.take(1)
        until(lambda n=number: len(sent) == n + 1)  # type: ignore[misc]
        until(lambda n=number: n == 32 or len(ch._senders) == 1)  # type: ignore[misc]
        ch._check()
        assert len(ch._buf) == 64
        assert lent.ch._ahead is not None
    filling.join()
    assert [ch.recv_nowait() for _ in range(64)] == [*range(36, 100)]


def test_one_who_waits_to_send_while_another_waits_to_receive(ends: Ends) -> None:
    ch = filled(64)
    lent = Lent(ends, ch)
    with ends.other.lock:
        receiving = start(ch.blocking_recv)
        until(lambda: len(ch._receivers))
        for value in range(64, 67):
            ch.send_nowait(value)
        sending = start(ch.blocking_send, 67)
        until(lambda: len(ch._senders))
        ch._check()
    assert receiving.join() == 3
    sending.join()
    until(lent.is_over)
    assert [ch.recv_nowait() for _ in range(64)] == [*range(4, 68)]


def test_all_is_taken_while_one_waits_to_send_and_one_to_receive(ends: Ends) -> None:
    ch = filled(8, 8)
    sending = start(lambda: [ch.blocking_send(value) for value in range(8, 12)])
    until(lambda: len(ch._senders))
    far = ends.handle(ch)
    for value in range(3):
        assert far.blocking_recv() == value
        until(lambda: len(ch._senders))
    assert ch._ahead.count == len(ch._buf) == 8
    with ends.other.lock:
        receiving = start(ch.blocking_recv)
        until(lambda: len(ch._receivers))
        # as if that had come before it was asked to give anything back, and at once
        _ahead.taken(ch, ends.link, 8)
        assert receiving.join() == 11
    sending.join()
    ch._check()
    ends.other.stocks.by_number.clear()


def test_closed_while_values_are_lent(lent: Lent) -> None:
    ch = lent.ch
    ch.close()
    assert lent.there.closed
    assert lent.take(37) == [*range(3, 40)]
    with pytest.raises(ChanClosed):
        lent.there.blocking_recv()
    until(lent.is_over)


def test_closed_while_somebody_waits_for_what_is_lent(lent: Lent) -> None:
    ch = lent.ch
    lent.take(35)
    until(lent.known)
    with lent.ends.other.lock:
        receiving: list[Any] = []
        for number in range(4):
            receiving.append(start(ch.blocking_recv_ok))
            until(lambda n=number: len(ch._receivers) == n + 1)  # type: ignore[misc]
        ch.close()
        ch._check()
        assert len(ch._receivers) == 4
    told = [each.join() for each in receiving]
    assert told == [(38, True), (39, True), (None, False), (None, False)]
    until(lent.is_over)


def test_a_closed_channel_lends_what_it_has(ends: Ends) -> None:
    ch = filled()
    ch.close()
    lent = Lent(ends, ch)
    assert lent.received + list(lent.there) == [*range(40)]
