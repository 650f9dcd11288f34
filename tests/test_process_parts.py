"""The parts of a link, over a pair of sockets here: what is rare elsewhere."""

from __future__ import annotations

import contextlib
import logging
import pickle
import signal
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import BrokenWorkerProcess, Chan, Instrument, go
from gochan._instrument import install, uninstall
from gochan._waiter import Waiter
from gochan.executors import _home, _lending, _link, _pickling
from gochan.executors._link import Link
from gochan.executors._page import INDEX, SEEN, Page
from gochan.executors._protocol import (
    CALL,
    FAILED,
    LEND,
    NACK,
    NOWAIT,
    RECALL,
    RECV,
    RUN,
    SEND,
    TAKEN,
    VALUE,
    WITHDRAW,
)
from gochan.executors._serving import Server
from gochan.executors._wire import Stream
from support import in_processes as there
from support.census import eventually
from support.ends import Ends, Gone, drained
from support.interrupts import interrupt
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gochan._waiter import Key

go_: Any = go


# Messages


@pytest.fixture
def streams() -> Iterator[tuple[Stream, Stream]]:
    ours, theirs = socket.socketpair()
    pages = Page.pair()
    pair = Stream(ours, pages[0]), Stream(theirs, pages[1])
    yield pair
    for stream in pair:
        stream.close()
        stream.dispose()


Streams = tuple[Stream, Stream]


def take(stream: Stream, number: int) -> list[Any]:
    """The next messages, copied."""
    taken: list[Any] = []
    for kind, target, request, payload, buffers in stream.messages():
        taken.append((kind, target, request, bytes(payload), list(map(bytes, buffers))))
        if len(taken) == number:
            break
    return taken


def test_messages_of_all_sizes(streams: Streams) -> None:
    ours, theirs = streams
    sizes = [0, 1, 1000, 131_000, 131_072, 131_073, 3_000_000]
    expected: list[Any] = []
    for number, size in enumerate(sizes):
        payload = bytes([number]) * size
        for buffers in ([], [b""], [b"ab", bytes(200_000)]):
            ours.post(7, number, size, payload, [memoryview(each) for each in buffers])
            expected.append((7, number, size, payload, buffers))
    assert start(take, theirs, len(expected)).join() == expected


def test_all_messages_are_counted(streams: Streams) -> None:
    ours, theirs = streams
    for _ in range(2):
        ours.post(1)
        ours.post(1, 0, 0, b"", [memoryview(b"ab")])
        assert ours.post_whole(1, 0, b"")
    assert ours.posted == 6
    ours.close()
    assert len(list(theirs.messages())) == theirs.handled == 6


def test_writing_never_waits_for_reading(streams: Streams) -> None:
    ours, theirs = streams
    for number in range(500):
        ours.post(1, number, 0, bytes(10_000))
        if number % 50 == 0:
            ours.post(2, number, 0, b"", [memoryview(bytes(50_000))])
    # nor what has to be there at once
    assert not ours.post_whole(3, 0, b"")
    taken = start(take, theirs, 510).join()
    assert [each[1] for each in taken if each[0] == 1] == [*range(500)]
    until(lambda: ours._flusher is None)
    assert ours.post_whole(3, 0, b"now")
    assert take(theirs, 1) == [(3, 0, 0, b"now", [])]


def test_what_does_not_fit_whole_is_not_sent(streams: Streams) -> None:
    ours, theirs = streams
    sent = 0
    while ours.post_whole(1, sent, bytes(10_000)):
        sent += 1
    assert ours._flusher is None
    assert [each[1] for each in start(take, theirs, sent).join()] == [*range(sent)]


@pytest.mark.parametrize("buffers", [(), (memoryview(b"ab"),)])
def test_the_other_side_has_gone(streams: Streams, buffers: Any) -> None:
    ours, theirs = streams
    for _ in range(100):
        ours.post(1, 0, 0, bytes(50_000))
    theirs.close()
    theirs.dispose()
    until(lambda: ours._flusher is None)
    for _ in range(2):
        ours.post(1, 0, 0, b"", buffers)
    assert ours.broken
    assert not ours.post_whole(1, 0, b"")
    assert list(ours.messages()) == []


def test_closed_while_something_is_left_to_be_written(streams: Streams) -> None:
    ours, theirs = streams
    for _ in range(100):
        ours.post(1, 0, 0, bytes(50_000))
    assert ours._flusher is not None
    ours.close()
    ours.post(1)
    ours.post(1, 0, 0, b"", [memoryview(b"ab")])
    until(lambda: ours._flusher is None)
    # the last message is cut off
    assert all(len(payload) == 50_000 for *_, payload, _ in theirs.messages())


def test_no_thread_to_write_what_does_not_fit(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message without its end: then that is the end."""
    ours, theirs = streams
    monkeypatch.setattr(threading.Thread, "start", no_more_threads)
    for _ in range(100):
        ours.post(1, 0, 0, bytes(50_000))
    monkeypatch.undo()
    assert ours.broken
    assert list(ours.messages()) == []
    assert 0 < len(list(theirs.messages())) < 100


def test_a_message_that_ends_too_soon(streams: Streams) -> None:
    ours, theirs = streams
    ours._sock.sendall(b"\x01\x00" + bytes(8) + (300_000).to_bytes(8, "little") + b"x")
    ours.close()
    assert list(theirs.messages()) == []


def no_more_threads(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# Links


def test_what_cannot_be_asked_for(ends: Ends) -> None:
    ask = ends.other.call
    kind, (error, text) = ask(RUN, 0, ends.other.pack("x"))
    assert kind == FAILED
    assert "does not run goroutines for others" in str(error)
    assert "TypeError" in text
    _, (error, _) = ask(RECV, 12345)
    assert str(error) == "the other end has no handle number 12345"
    number = ends.number_of(Chan[int]())
    _, (error, _) = ask(9, number, ends.other.pack(1))
    assert "there is no request 9" in str(error)
    wg = gochan.sync.WaitGroup()
    _, (error, _) = ask(CALL, ends.number_of(wg), ends.other.pack(("wait",)))
    assert "wait cannot be called from another process" in str(error)


def test_a_call_by_the_thread_that_reads_the_answers(ends: Ends) -> None:
    seen: list[BaseException] = []

    class Asks(Waiter):
        def wake(self) -> bool:
            try:
                ends.other.call(RECV, 1)
            except RuntimeError as error:
                seen.append(error)
            return True

    ends.other.ask(Asks(), RECV, 1)
    until(lambda: seen)
    assert "cannot be used while a value is unpickled" in str(seen[0])


def test_an_answer_for_a_loop_that_was_closed(ends: Ends) -> None:
    ch = Chan[int](1)
    ch.send_nowait(1)
    ends.other.ask(Gone(), RECV, ends.number_of(ch))
    # the value comes back
    until(lambda: not ends.link.unacked and len(ch))
    assert ch.recv_nowait() == 1


async def test_who_waits_is_closed(ends: Ends) -> None:
    """A coroutine that is thrown away: what is answered then is sent back."""
    ch = Chan[int]()
    number = ends.number_of(ch)
    waiting = ends.other.asked(RECV, number)
    parked = anyio.Event()

    async def drive() -> None:
        with contextlib.suppress(RuntimeError):
            parked.set()
            await waiting

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drive)
        await eventually(lambda: ch.stats().waiting_receivers)
        (waiter,) = ends.other.calls.values()
        # as if the coroutine had been closed
        ends.other.abandon(waiter)
        ends.other.abandon(waiter)
        await eventually(lambda: not ch.stats().waiting_receivers)
        tasks.cancel_scope.cancel()
        waiter.value = (VALUE, None)
        waiter.queue = None
        waiter.wake()


def test_a_value_for_who_has_just_gone(ends: Ends) -> None:
    ch = Chan[int](1)
    ch.send_nowait(1)
    number = ends.number_of(ch)

    class Late(Waiter):
        pass

    waiter = Late()
    with ends.other.lock:
        # it is abandoned before the answer is looked at
        number_of_call = next(ends.other._numbers)
    ends.other.stream.post(RECV, number, number_of_call)
    until(lambda: not ends.link.unacked and len(ch))
    assert ch.recv_nowait() == 1
    assert waiter.queue is None


@pytest.mark.parametrize("method", ["call", "blocking_asked"])
def test_interrupted_while_it_waits(ends: Ends, method: str) -> None:
    ch = Chan[int]()
    number = ends.number_of(ch)
    main = threading.get_ident()
    raised: list[int] = []

    def once(signal: int, frame: object) -> None:
        if not raised:
            raised.append(signal)
            raise KeyboardInterrupt

    def again() -> bool:
        # one that comes just before it falls asleep does not wake it
        signal.pthread_kill(main, signal.SIGINT)
        return bool(raised)

    def interrupt() -> None:
        until(lambda: ch.stats().waiting_receivers)
        until(again)

    before = signal.signal(signal.SIGINT, once)
    interrupting = start(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            getattr(ends.other, method)(RECV, number)
        interrupting.join()
    finally:
        signal.signal(signal.SIGINT, before)
    until(lambda: not ch.stats().waiting_receivers)
    assert not ends.other.calls


OPERATIONS: dict[str, Callable[[Link, int], object]] = {
    "call": lambda link, number: link.call(RECV + NOWAIT, number),
    "that waits": lambda link, number: link.blocking_asked(RECV, number, timeout=0),
    "that is done": lambda link, number: link.blocking_asked(
        SEND, number, link.pack(1), timeout=0
    ),
}


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_interrupted_wherever_it_may_be(ends: Ends, operation: str) -> None:
    """As in test_interrupts.py: nothing stays locked, and nobody queued."""
    places = 0
    where = "the start"
    while where:
        ch = Chan[int](1)
        ask = partial(OPERATIONS[operation], ends.other, ends.number_of(ch))
        where = interrupt(ask, places)
        until(lambda ch=ch: not ch.stats().waiting_receivers)  # type: ignore[misc]
        assert not ends.other.lock.locked(), where
        assert not ends.other.calls, where
        places += 1
    assert places > 10


def test_withdrawing_what_is_not_there(ends: Ends) -> None:
    ends.other.stream.post(WITHDRAW, 0, 99)
    ends.other.stream.post(NACK, 0, 99)
    kind, _ = ends.other.call(RECV, 1)
    assert kind == FAILED


def test_delivered_when_the_link_is_over() -> None:
    ends = Ends()
    ends.close()
    undone: list[int] = []
    server = ends.servers[0]
    server.deliver(VALUE, 1, "value", partial(undone.append, 1))
    assert undone == [1]
    with pytest.raises(BrokenWorkerProcess, match="has gone"):
        ends.link.ask(Gone(), RECV, 1)
    # nothing is granted any more
    ends.link._grant([Chan[int]()])
    assert not ends.link.granted


class Stop(BaseException):
    """What is no Exception."""


class Stops:
    def __reduce__(self) -> Any:
        raise Stop


def test_interrupted_while_a_value_is_pickled(ends: Ends) -> None:
    ch = Chan[Any](2)
    value = Stops()
    ch.send_nowait(value)
    kind, _ = ends.other.call(RECV, ends.number_of(ch))
    assert kind == FAILED
    assert ch.recv_nowait() is value


def test_a_mistake_of_ours_ends_the_link(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    def explain() -> str:
        raise KeyError("nobody knows")

    ch = Chan[int]()
    ends.link.explain = explain
    waiter = Gone()
    ends.other.ask(waiter, RECV, ends.number_of(ch))
    until(lambda: ch.stats().waiting_receivers)
    # of what is not lent
    ends.other.stream.post(TAKEN, 4321)
    until(lambda: waiter.value)
    kind, (error, _) = waiter.value
    assert kind == FAILED
    assert isinstance(error, BrokenWorkerProcess)
    assert ch.stats().waiting_receivers == 0
    until(lambda: len(caplog.records) >= 2)
    texts = [record.getMessage() for record in caplog.records]
    assert "the link to the other end fails" in texts
    assert "nobody knows why the other end has gone" in texts


def test_a_late_failure_that_nobody_can_be_told(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    ends.servers[0].sent(77, memoryview(b"x"))
    assert caplog.messages == ["a send by the other end fails: KeyError(77)"]


# Lending


class Lender:
    """A channel of 16 that has lent slots by a link. The other end is the test's."""

    def __init__(self, streams: Streams) -> None:
        ours, self.theirs = streams
        self.link = Link(ours, "the other end")
        self.server = Server(self.link)
        self.ch = Chan[int](16)
        self.link._grant([self.ch])
        self.number = _home.number_of(self.ch)
        self.lend()
        self.slots = 16 - self.ch._limit
        self.serial = self.lent()

    def lend(self) -> None:
        with self.ch._lock:
            _lending.lend(self.ch, self.link, self.number)

    def lent(self) -> int:
        """The other end is told where to look, and finds them there."""
        ((kind, number, serial, payload, _),) = take(self.theirs, 1)
        assert (kind, number) == (LEND, self.number)
        slots, posted = self.theirs.page.read(*INDEX.unpack(payload))
        assert slots == self.slots
        # the message that tells of it comes after that
        assert posted == self.link.stream.posted - 1
        return int(serial)

    def sent(self, value: int) -> None:
        self.server.sent(self.number, memoryview(pickle.dumps(value)))

    def returned(self, slots: int) -> None:
        place = self.link.places.get(self.number)
        granted = 0 if place is None else self.link.stream.page.granted(place.index)
        seen = SEEN.pack(self.serial, granted)
        self.server.returned(self.number, slots, seen)


@pytest.fixture
def lender(streams: Streams) -> Lender:
    return Lender(streams)


def test_an_instrument_is_told_of_what_arrives(lender: Lender) -> None:
    """One that is installed while slots are lent."""
    ch = lender.ch

    class Seen(Instrument):
        sent = 0

        def completed(
            self, party: Any, operation: Any, channel: Any, slot: Any
        ) -> None:
            self.sent += operation == "send"

    seen = Seen()
    install(seen)
    try:
        room = ch._limit
        for value in range(room):
            ch.send_nowait(value)
        # who parks, as there is no room that is not lent
        waiting = start(ch.blocking_send, room)
        until(lambda: ch.stats().waiting_senders)
        lender.sent(10)
        lender.returned(lender.slots - 1)
        waiting.join()
    finally:
        uninstall(seen)
    ch._check()
    assert (ch.cap, len(ch), seen.sent) == (16, room + 2, room + 2)
    assert ch._loans is None


def test_nothing_is_lent_again_before_it_has_come_back(lender: Lender) -> None:
    ch = lender.ch
    loans = ch._loans
    with ch._lock:
        loans.recall()
        # once is enough
        loans.recall()
    lender.lend()
    assert 16 - ch._limit == lender.slots
    recall: Any = (RECALL, lender.number, lender.serial, b"", [])
    assert take(lender.theirs, 1) == [recall]
    lender.returned(lender.slots)
    assert ch._limit == 16
    assert ch._loans is None
    lender.lend()
    again = lender.lent()
    assert again > lender.serial
    # what comes late is of what was lent before
    lender.returned(0)
    lender.server.returned(lender.number, 0, b"")
    assert lender.link.places[lender.number].serial == again


def test_a_value_arrives_while_somebody_is_at_the_channel(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the lock has barred the quick ways: it is waited for."""
    waited: list[Key] = []
    monkeypatch.setattr(_lending, "bar", waited.append)
    lender.sent(1)
    assert waited == []
    lender.ch._key[0] = False
    lender.sent(2)
    assert waited == [lender.ch._key]
    assert drained(lender.ch) == [1, 2]


def test_a_value_arrives_for_a_closed_channel(
    lender: Lender, caplog: pytest.LogCaptureFixture
) -> None:
    lender.ch.close()
    lender.sent(1)
    assert "SendOnClosed" in caplog.text
    assert not lender.ch._buf


def test_a_streamed_value_for_a_loop_that_was_closed(lender: Lender) -> None:
    ch = lender.ch
    with ch._lock:
        ch._park(Gone(), ch._receivers, "chan receive")
    lender.sent(3)
    assert ch.recv_nowait() == 3


def test_slots_of_a_handle_that_has_gone_come_back(ends: Ends) -> None:
    ch = Chan[int](16)
    number = ends.number_of(ch)
    with ch._lock:
        _lending.lend(ch, ends.link, number)
    assert ch._limit < 16
    # the other end has no handle, and says so
    until(lambda: ch._limit == 16)
    assert ch._loans is None


# Values


class Odd:
    """Refuses in its own words."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("not me")


class Slotted:
    __slots__ = ("part",)

    def __init__(self, part: Any) -> None:
        self.part = part


class Listed(list[Any]):
    pass


class Mapped(dict[str, Any]):
    pass


class Built:
    def __init__(self, part: Any) -> None:
        self.part = part

    def __reduce__(self) -> Any:
        return Built, (self.part,)


class Stated:
    def __getstate__(self) -> Any:
        return [there.Locked()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Odd(), "value: not me"),
        (Slotted(Odd()), "value.part: not me"),
        ({"a": (1, {Odd()})}, "value['a'][1] element "),
        ({Odd(): 1}, "value key "),
        (Listed([1, Odd()]), "value[1]: not me"),
        (Mapped(a=Odd()), "value['a']: not me"),
        (Built(Odd()), "value.__reduce__()[1][0]: not me"),
        (Stated(), "value.__getstate__()[0].config['lock']: cannot pickle"),
        (there.Locked().config["lock"].acquire, "value.__reduce__()[1][0]: cannot"),
        (partial(print, Odd()), "value.__getstate__()"),
        (type("Local", (), {}), "value: "),
        (type("Local", (), {})(), "value: "),
        (threading.Lock(), "value: cannot pickle '_thread.lock' object"),
    ],
)
def test_what_cannot_be_pickled_is_found(value: Any, text: str) -> None:
    if text == "value":
        _pickling.pack(value, "value", _home.as_handle)
        return
    with pytest.raises(TypeError) as caught:
        _pickling.pack(value, "value", _home.as_handle)
    assert str(caught.value).startswith(text)


def test_a_cycle_that_cannot_be_pickled() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    value["odd"] = Odd()
    with pytest.raises(TypeError, match=r"^value\['odd'\]: not me"):
        _pickling.pack(value, "value", _home.as_handle)


def test_many_buffers() -> None:
    buffers = [pickle.PickleBuffer(bytearray(20_000)) for _ in range(300)]
    payload, out, _ = _pickling.pack(buffers, "value", _home.as_handle)
    # as many as a header can tell of, and the rest with the others
    assert len(out) == 255
    assert len(payload) > 45 * 20_000


def test_a_handle_without_its_link() -> None:
    ch = Chan[int]()
    payload, _, things = _pickling.pack(ch, "value", _home.as_handle)
    assert things == [ch]
    with pytest.raises(TypeError, match="only where it was sent to"):
        pickle.loads(payload)
    with pytest.raises(TypeError, match="cannot be passed to another process"):
        _home.as_handle(object())


def test_the_names_of_the_messages_differ() -> None:
    from gochan.executors import _protocol

    kinds = [v for v in vars(_protocol).values() if type(v) is int]
    kinds.remove(_protocol.NOWAIT)
    assert len(kinds) == len(set(kinds))
    assert SEND + _protocol.NOWAIT not in kinds
    assert logging.getLogger("gochan") is _link._log
