"""Values that are lent: received in another process without asking. See ``_ahead``.

Both ends are in this process here, so that each step can be seen.
"""

from __future__ import annotations

import gc
import pickle
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import (
    BrokenWorkerProcess,
    Chan,
    ChanClosed,
    Instrument,
    WouldBlock,
    _backends,
    blocking_select,
    recv,
    select,
    select_nowait,
    send,
)
from gochan._instrument import install, uninstall
from gochan.executors import _ahead
from gochan.executors._protocol import (
    CHOSEN,
    NACK,
    NOWAIT,
    RECV,
    SELECT,
    SEND,
    VALUE,
)
from support import in_processes as there
from support.ends import Ends, Gone
from support.interrupts import interrupt
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _always_soon(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """However slow this machine is."""
    monkeypatch.setattr(_ahead, "_SOON", 1e9)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


def filled(number: int = 40, cap: int = 64) -> Chan[Any]:
    ch = Chan[Any](cap)
    for value in range(number):
        ch.send_nowait(value)
    return ch


class Lent:
    """A channel of 64 with 40 values: three were received there, the rest is lent."""

    def __init__(self, ends: Ends, ch: Chan[Any] | None = None) -> None:
        self.ends = ends
        self.ch = filled() if ch is None else ch
        self.key = self.ch._key
        self.there = ends.handle(self.ch)
        self.received = self.take(3)
        assert self.ch._ahead is not None
        self.count = self.ch._ahead.count

    def take(self, number: int) -> list[Any]:
        return [self.there.recv_nowait() for _ in range(number)]

    def known(self) -> bool:
        """All that was taken is known here."""
        stock = self.ends.other.stocks.by_number[self.there._number]
        return bool(self.ch._ahead.count == len(stock.values))

    def is_over(self) -> bool:
        self.ch._check()
        over = self.ch._ahead is None
        if over:
            # as it was, quick ways and all
            assert self.ch._key is self.ch._receivers.key is self.ch._senders.key
            assert self.ch._key is self.key
            assert not self.ends.other.stocks.by_number
        return over


@pytest.fixture
def lent(ends: Ends) -> Lent:
    return Lent(ends)


class Asked:
    """Counts what is asked by a link."""

    def __init__(self, ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        ask = ends.other.ask

        def counts(*args: Any) -> int:
            self.count += 1
            return ask(*args)

        monkeypatch.setattr(ends.other, "ask", counts)


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


def test_more_is_lent_when_that_is_used_up(ends: Ends) -> None:
    lent = Lent(ends, filled(200, 256))
    assert lent.count == 64
    assert lent.take(64) == [*range(3, 67)]
    until(lent.is_over)
    assert lent.take(1) == [67]
    assert lent.ch._ahead.count == 64


def channels() -> Iterator[tuple[str, Chan[Any]]]:
    yield "unbuffered", Chan[Any]()
    yield "a small buffer", filled(6, 6)
    yield "few values", filled(6, 64)
    for kind in (gochan.buffers.Sliding, gochan.buffers.Dropping):
        ch = Chan[Any](buffer=kind(64))
        for value in range(40):
            ch.send_nowait(value)
        yield kind.__name__, ch


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
    assert (lent.count, len(ch), ch.cap) == (64, 97, None)
    assert lent.take(64) == [*range(3, 67)]
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


# Whoever else receives


@pytest.mark.parametrize(
    "how",
    [
        "nowait",
        "select",
        "with one elsewhere",
        "one try",
        "one look",
        "thread",
        "for",
        "far away",
    ],
)
def test_what_was_not_taken_is_received_at_home(
    ends: Ends, lent: Lent, how: str
) -> None:
    """All of it, and in order; and nobody is told that there is nothing."""
    ch = lent.ch
    received = lent.received + lent.take(5)
    match how:
        case "nowait":
            received += [ch.recv_nowait() for _ in range(32)]
        case "select":
            for _ in range(32):
                chosen: Any = select_nowait(recv(Chan[int]()), recv(ch))
                received.append(chosen.value)
        case "with one elsewhere":
            far = ends.handle(Chan[int]())
            for _ in range(32):
                chosen = select_nowait(recv(ch), recv(far), biased=True)
                received.append(chosen.value)
        case "one try":
            received += [ch.blocking_recv(0) for _ in range(32)]
        case "one look":
            for _ in range(32):
                chosen = blocking_select(recv(Chan[int]()), recv(ch), timeout=0)
                received.append(chosen.value)
        case "thread":
            received += [ch.blocking_recv() for _ in range(32)]
        case "for":
            ch.close()
            received += list(ch)
        case _:
            others = Ends()
            far = others.handle(ch)
            received += [far.recv_nowait() for _ in range(32)]
            until(lambda: not others.link.unacked)
            others.close()
    assert received == [*range(40)]
    until(lent.is_over)
    if how != "for":
        with pytest.raises(WouldBlock):
            ch.recv_nowait()


async def test_what_was_not_taken_is_received_on_a_loop(lent: Lent) -> None:
    ch = lent.ch
    received = lent.received + lent.take(5)
    for number in range(32):
        if number % 3 == 0:
            received.append(await ch.recv())
        elif number % 3 == 1:
            received.append((await ch.recv_ok())[0])
        else:
            received.append((await select(recv(ch), recv(Chan[int]()))).value)
    assert received == [*range(40)]


def test_several_wait_for_what_is_lent(lent: Lent) -> None:
    """While the other end does not answer: then in the order in which they came."""
    ch = lent.ch
    receiving: list[Any] = []
    with lent.ends.other.lock:
        for number in range(3):
            receiving.append(start(ch.blocking_recv))
            until(lambda n=number: len(ch._receivers) == n + 1)  # type: ignore[misc]
    assert [each.join() for each in receiving] == [3, 4, 5]
    assert len(ch) == 34


def test_one_who_waits_gives_up(lent: Lent) -> None:
    ch = lent.ch
    with lent.ends.other.lock, pytest.raises(TimeoutError):
        ch.blocking_recv(0.001)
    until(lent.is_over)
    assert ch.recv_nowait() == 3


def test_what_is_sent_meanwhile_comes_after(lent: Lent) -> None:
    ch = lent.ch
    with lent.ends.other.lock:
        receiving = start(ch.blocking_recv)
        until(lambda: len(ch._receivers))
        # there is somebody who waits, and it is not for this one
        ch.send_nowait(40)
        ch._check()
    assert receiving.join() == 3
    assert [ch.recv_nowait() for _ in range(37)] == [*range(4, 41)]


def test_who_waits_is_of_a_loop_that_was_closed(lent: Lent) -> None:
    ch = lent.ch
    with lent.ends.other.lock, ch._lock:
        ch._try_recv()
        ch._park(Gone(), ch._receivers, "chan receive")
    until(lent.is_over)
    assert ch.recv_nowait() == 3


def test_many_who_do_not_wait_there(ends: Ends, lent: Lent) -> None:
    """Requests of another link that must be answered at once, though not here yet."""
    ch = lent.ch
    others = Ends()
    far = others.handle(ch)
    ask = others.other.blocking_asked
    cases = others.other.pack((True, [(False, ch, None)]))
    with ends.other.lock:
        waiting = start(ask, SELECT, 0, cases)
        until(lambda: len(ch._receivers) == 1)
        asking: list[Any] = []
        for call in (
            partial(len, far),
            partial(ask, SELECT + NOWAIT, 0, cases),
            far.stats,
            far.recv_nowait,
        ):
            asking.append(start(call))
            until(lambda: len(ch._ahead.waiting) == len(asking))
        # its reader does not wait: it answers what needs nobody
        assert far.closed is False
    # in the order in which they came, but who waits in earnest is the first
    assert waiting.join() == (CHOSEN, (0, True, 3))
    length, chosen, stats, value = (each.join() for each in asking)
    assert (length, chosen, stats.length, value) == (36, (CHOSEN, (0, True, 4)), 35, 5)
    others.close()


def test_both_wait_for_each_other(ends: Ends, lent: Lent) -> None:
    """Two links that have lent something to each other's clients."""
    others = Ends()
    second = Lent(others)
    one, two = others.handle(lent.ch), ends.handle(second.ch)
    with ends.other.lock, others.other.lock:
        # asked by hand, since the locks are taken
        others.other.stream.post(RECV + NOWAIT, one._number, 501)
        ends.other.stream.post(RECV + NOWAIT, two._number, 502)
        until(lambda: lent.ch._ahead.waiting and second.ch._ahead.waiting)
    until(lent.is_over)
    until(second.is_over)
    # nobody wanted the answers
    until(lambda: not ends.link.unacked and not others.link.unacked)
    assert (lent.ch.recv_nowait(), second.ch.recv_nowait()) == (3, 3)
    others.close()


def test_a_reader_waits_for_nobody(ends: Ends, lent: Lent) -> None:
    """What is unpickled there may use channels, and be told that nothing is here."""
    told: list[Any] = []
    ch = lent.ch

    def look() -> None:
        told.append(len(ch))
        told.append(there.outcome(ch.recv_nowait)[0])
        told.append(select_nowait(recv(ch)))

    called.append(look)
    back = Chan[Any](4)
    far = ends.handle(back)
    with ends.other.lock:
        ends.other.stream.post(SEND, far._number, 77, pickle.dumps(Calls(), 5))
        until(lambda: len(told) == 3)
    assert told == [37, WouldBlock, None]
    until(lent.is_over)


called: list[Callable[[], object]] = []


def _call() -> str:
    called.pop()()
    return "called"


class Calls:
    """Calls something when it is unpickled."""

    def __reduce__(self) -> Any:
        return _call, ()


def test_patience_ends(lent: Lent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process may have been stopped."""
    monkeypatch.setattr(_ahead, "_PATIENCE", 0.001)
    ch = lent.ch
    with lent.ends.other.lock:
        with pytest.raises(WouldBlock):
            ch.recv_nowait()
        assert select_nowait(recv(ch)) is None
        with pytest.raises(TimeoutError):
            ch.blocking_recv(0)
        assert len(ch) == 37
        assert select_nowait(recv(ch), send(ch, 1)) is not None
    until(lent.is_over)
    assert ch.recv_nowait() == 3


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


# What cannot be lent


class OnceOnly:
    """Can be pickled once, and then not any more."""

    def __init__(self) -> None:
        self.left = 1

    def __reduce__(self) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("not again")
        return OnceOnly, ()


STOPS: dict[str, Callable[[], Any]] = {
    "large": lambda: bytes(20_000),
    "a buffer": lambda: pickle.PickleBuffer(bytearray(20_000)),
    "a channel": lambda: [Chan[int]()],
    "not to be pickled": there.Locked,
}


@pytest.mark.parametrize("what", list(STOPS))
def test_what_is_not_lent_is_asked_for(ends: Ends, what: str) -> None:
    ch = Chan[Any](64)
    for value in range(10):
        ch.send_nowait(value)
    stop = STOPS[what]()
    ch.send_nowait(stop)
    for value in range(11, 20):
        ch.send_nowait(value)
    lent = Lent(ends, ch)
    assert lent.count == 7
    assert lent.take(7) == [*range(3, 10)]
    if what == "not to be pickled":
        for _ in range(2):
            with pytest.raises(TypeError, match="cannot pickle"):
                lent.there.blocking_recv()
        assert ch.recv_nowait() is stop
    elif what == "a buffer":
        assert bytes(lent.there.blocking_recv()) == bytes(20_000)
    elif what == "large":
        assert lent.there.blocking_recv() == stop
    else:
        (_,) = lent.there.blocking_recv()
    assert lent.take(9) == [*range(11, 20)]


def test_nothing_is_lent_again_soon_where_it_was_in_vain(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    ch = Chan[Any](128)
    for value in range(100):
        ch.send_nowait([Chan[int]()] if value % 2 else value)
    far = ends.handle(ch)
    tried: list[int] = []
    pack = ends.link.pack

    def counts(value: Any, *name: str) -> Any:
        tried.append(1)
        return pack(value, *name)

    monkeypatch.setattr(ends.link, "pack", counts)
    for _ in range(60):
        far.blocking_recv()
    assert len(tried) == 60 + 1


def test_as_much_as_fits_into_the_pipe(ends: Ends) -> None:
    ch = Chan[Any](64)
    for value in range(60):
        ch.send_nowait(bytes([value]) * 10_000)
    lent = Lent(ends, ch)
    assert lent.count == 13
    assert [value[0] for value in lent.take(57)] == [*range(3, 60)]


def test_nothing_is_lent_with_a_large_answer(ends: Ends) -> None:
    ch = Chan[Any](64)
    for value in range(10):
        ch.send_nowait(bytes(20_000) if value == 2 else value)
    far = ends.handle(ch)
    for _ in range(3):
        far.blocking_recv()
    assert ch._ahead is None
    assert far.blocking_recv() == 3
    assert ch._ahead is not None


def test_what_cannot_be_unpickled_goes_back_with_what_follows(ends: Ends) -> None:
    ch = Chan[Any](64)
    for value in range(10):
        ch.send_nowait(value)
    broken = there.Unpicklable()
    ch.send_nowait(broken)
    for value in range(11, 20):
        ch.send_nowait(value)
    lent = Lent(ends, ch)
    assert lent.count == 17
    lent.take(7)
    # as often as it is asked for, and nobody gets past it
    for _ in range(5):
        with pytest.raises(ValueError, match="cannot be made again") as caught:
            lent.there.blocking_recv()
        assert "while unpickling" in caught.value.__notes__[0]
    until(lent.is_over)
    until(lambda: not ends.link.unacked)
    assert ch.recv_nowait() is broken
    assert lent.take(9) == [*range(11, 20)]


def test_the_answer_itself_cannot_be_unpickled(ends: Ends) -> None:
    """What has come with it goes back, too."""
    ch = Chan[Any](64)
    broken = there.Unpicklable()
    for value in (0, 1, broken, 3, 4, 5, 6):
        ch.send_nowait(value)
    far = ends.handle(ch)
    assert [far.blocking_recv(), far.blocking_recv()] == [0, 1]
    for _ in range(5):
        with pytest.raises(ValueError, match="cannot be made again"):
            far.blocking_recv()
    until(lambda: len(ch) == 5)
    assert ch.recv_nowait() is broken
    assert [far.blocking_recv() for _ in range(4)] == [3, 4, 5, 6]


class Slow:
    """Is unpickled when that is allowed."""

    begun = threading.Event()
    allowed = threading.Event()
    fails = False

    def __reduce__(self) -> Any:
        return _slowly, ()


def _slowly() -> Any:
    Slow.begun.set()
    assert Slow.allowed.wait(10)
    if Slow.fails:
        raise ValueError("it fails")
    return "slow"


@pytest.mark.parametrize("fails", [False, True])
def test_one_is_unpickled_while_another_is_asked_for(ends: Ends, fails: bool) -> None:
    """Who asks meanwhile comes after, whatever becomes of the first."""
    Slow.begun.clear()
    Slow.allowed.clear()
    Slow.fails = fails
    ch = Chan[Any](64)
    for value in (0, 1, 2, Slow(), 4, 5, 6):
        ch.send_nowait(value)
    lent = Lent(ends, ch)
    first = start(there.outcome, lent.there.blocking_recv)
    assert Slow.begun.wait(10)
    second = start(lent.there.blocking_recv)
    third = start(ch.recv_nowait)
    until(lambda: len(ch._receivers) and lent.ch._ahead.waiting)
    Slow.allowed.set()
    if fails:
        assert first.join()[0] is ValueError
        with pytest.raises(ValueError, match="it fails"):
            second.join()
        # it comes back, once more
        values = [third.join()]
        until(lambda: len(ch) == 3)
        values += drained(ch)
        assert [type(value) for value in values].count(Slow) == 1
        values = [value for value in values if type(value) is not Slow]
        assert values == [4, 5, 6]
    else:
        assert first.join() == "slow"
        assert (second.join(), third.join()) == (4, 5)
        assert drained(ch) == [6]


def drained(ch: Chan[Any]) -> list[Any]:
    values: list[Any] = []
    while len(ch):
        values.append(ch.recv_nowait())
    return values


def test_the_link_is_not_to_be_asked_while_one_is_unpickled(ends: Ends) -> None:
    ch = Chan[Any](64)
    for value in (0, 1, 2, Calls(), 4, 5, 6):
        ch.send_nowait(value)
    told: list[Any] = []
    lent = Lent(ends, ch)
    called.append(lambda: told.append(there.outcome(len, lent.there)))
    assert lent.there.blocking_recv() == "called"
    assert told[0][0] is RuntimeError


# When it ends


def test_the_handle_is_collected(lent: Lent) -> None:
    lent.take(7)
    ends, ch = lent.ends, lent.ch
    del lent.there
    gc.collect()
    # told with the next message
    ends.other.post(NACK, 0, 99)
    until(lambda: ch._ahead is None)
    assert not ends.other.stocks.by_number
    assert [ch.recv_nowait() for _ in range(30)] == [*range(10, 40)]


def test_lent_when_the_handle_has_just_been_collected(ends: Ends) -> None:
    ch = filled()
    number = ends.number_of(ch)
    answer = ends.link.pack(1)
    _ahead.lend(ch, ends.link, number, _ahead.Pace(), answer)
    # the other end has no handle, and says so
    until(lambda: ch._ahead is None)
    assert ch.recv_nowait() == 0


def test_the_link_ends(lent: Lent) -> None:
    ch = lent.ch
    lent.take(7)
    lent.ends.other.stream.close()
    until(lambda: ch._ahead is None)
    until(lambda: lent.ends.other.over)
    assert not lent.ends.other.stocks.by_number
    with pytest.raises(BrokenWorkerProcess):
        lent.there.blocking_recv()
    assert [ch.recv_nowait() for _ in range(30)] == [*range(10, 40)]


def test_what_is_not_acknowledged_comes_before_what_was_lent(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link ends with an answer on its way, and more that came with it."""
    ch = filled()
    far = ends.handle(ch)
    far.blocking_recv()
    far.blocking_recv()
    until(lambda: not ends.link.unacked)
    monkeypatch.setattr(ends.servers[0], "acknowledged", lambda *_, **__: None)
    far.blocking_recv()
    assert ch._ahead.count == 37
    assert far.blocking_recv() == 3
    assert len(ends.link.unacked) == 1
    ends.other.stream.close()
    until(lambda: ch._ahead is None)
    assert drained(ch) == [2, *range(4, 40)]


def test_values_that_come_back_meanwhile_from_elsewhere(lent: Lent) -> None:
    """They were received before, so they come before; the last of them first."""
    ch = lent.ch
    server = lent.ends.servers[0]
    with lent.ends.other.lock:
        receiving = start(ch.blocking_recv)
        until(lambda: len(ch._receivers))
        server.undo(ch, "b")()
        server.undo(ch, "a")()
        assert ch._ahead.front == ["b", "a"]
    assert receiving.join() == "a"
    assert drained(ch) == ["b", *range(3, 40)]


def test_a_value_that_comes_back_to_a_full_buffer(ends: Ends) -> None:
    lent = Lent(ends, filled(64))
    ch = lent.ch
    for value in range(64, 67):
        ch.send_nowait(value)
    lent.ends.servers[0].undo(ch, "a")()
    until(lent.is_over)
    ch._check()
    # the last waits as a sender's would
    assert (len(ch), ch.stats().waiting_senders) == (64, 1)
    assert drained(ch) == ["a", *range(3, 67)]


def test_given_back_while_it_is_being_lent(ends: Ends) -> None:
    """Somebody else wants the values before they are on their way."""
    ch = Chan[Any](64)
    seen: list[Any] = []

    class Asks:
        def __reduce__(self) -> Any:
            if not seen:
                seen.append(ch._ahead)
                receiving.append(start(ch.blocking_recv))
                until(lambda: len(ch._receivers))
            return Asks, ()

    receiving: list[Any] = []
    for value in (0, 1, 2, 3, Asks(), 5, 6):
        ch.send_nowait(value)
    far = ends.handle(ch)
    assert [far.blocking_recv() for _ in range(3)] == [0, 1, 2]
    assert seen[0] is not None
    assert receiving[0].join() == 3
    assert ch._ahead is None
    assert len(ch) == 3


def test_interrupted_wherever_it_may_be(ends: Ends) -> None:
    """As in test_interrupts.py: nothing stays locked, and nothing is taken twice."""
    places = 0
    where = "the start"
    while where:
        lent = Lent(ends)
        where = interrupt(partial(lent.there.blocking_recv, 0), places)
        assert not ends.other.lock.locked(), where
        # it may have been received, and lost with the exception
        assert drained(lent.ch)[-36:] == [*range(4, 40)], where
        until(lent.is_over)
        places += 1
    assert places > 10


def test_interrupted_while_it_waits_for_what_is_lent(ends: Ends) -> None:
    places = 0
    where = "the start"
    while where:
        lent = Lent(ends)
        where = interrupt(lent.ch.recv_nowait, places)
        assert not lent.ch._lock.locked(), where
        assert drained(lent.ch)[-36:] == [*range(4, 40)], where
        until(lent.is_over)
        places += 1
    assert places > 10
