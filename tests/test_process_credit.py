"""Sends that need no answer, as their sender sees them: see ``_credit``."""

from __future__ import annotations

import contextlib
import socket
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gochan import Chan, WouldBlock, _backends
from gochan.executors import _credit, _home, _lending
from gochan.executors._link import Link
from gochan.executors._page import INDEX, MASK, PLACES, SEEN, Page
from gochan.executors._protocol import (
    ACK,
    LEND,
    RECALL,
    RELEASE,
    RETURNED,
    SENT,
    UNUSED,
)
from gochan.executors._serving import Server
from gochan.executors._wire import Stream
from support.ends import Asked, drained
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.ends import Ends

NUMBER = 5


class Sender:
    """One who has been lent sends to channel 5. The home is the test's."""

    def __init__(self, home: Stream, ours: Stream) -> None:
        self.home = home
        self.link = Link(ours, "the home")
        Server(self.link)
        self.reader = threading.Thread(target=self.link.read, daemon=True)
        self.reader.start()
        # somebody has a handle
        self.link.handles[NUMBER] = [lambda: self, 1]
        self.lend(7, 1, 0)

    def post(self, *message: Any) -> None:
        """Have it hear something."""
        self.home.post(*message)
        until(lambda: self.link.stream.handled == self.home.posted & MASK)

    def lend(self, index: int, serial: int, slots: int) -> None:
        self.home.page.reset(index)
        self.grant(index, slots)
        self.post(LEND, NUMBER, serial, INDEX.pack(index))

    def grant(self, index: int, slots: int) -> None:
        self.home.page.grant(index, slots, self.home.posted)

    def spend(self) -> int:
        """How many sends there are."""
        count = 0
        while self.link.credits.spend(NUMBER, b""):
            count += 1
        return count

    def told(self, number: int) -> list[Any]:
        """What the home hears: kind, target, request and payload."""
        heard = islice(self.home.messages(), number)
        return [(*message[:3], bytes(message[3])) for message in heard]


@pytest.fixture
def sender() -> Iterator[Sender]:
    pages = Page.pair()
    pairs = zip(socket.socketpair(), pages, strict=True)
    streams = [Stream(sock, page) for sock, page in pairs]
    sender = Sender(*streams)
    yield sender
    sender.home.close()
    sender.reader.join(10)
    assert not sender.reader.is_alive()
    sender.home.page.close()
    for stream in streams:
        stream.dispose()


def returned(unused: int, *seen: int) -> Any:
    return RETURNED, NUMBER, unused, SEEN.pack(*seen) if seen else b""


# What is granted


def test_as_many_as_are_granted(sender: Sender) -> None:
    assert sender.spend() == 0
    for slots in (1, 5):
        sender.grant(7, slots)
        assert sender.spend() == slots
    # one that is not ours
    sender.grant(8, 1)
    assert sender.spend() == 0
    assert sender.told(6) == [(SENT, NUMBER, 0, b"")] * 6


def test_a_moment_later(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home has gone on while a thread slept."""

    def sleep(seconds: float) -> None:
        assert seconds == 0
        sender.grant(7, granted.pop())

    granted = [0, 2]
    spend = sender.link.credits.spend
    monkeypatch.setattr(_credit, "sleep", sleep)
    assert not spend(NUMBER, b"")
    # and has not, the second time
    assert [spend(NUMBER, b"", waits=True) for _ in range(3)] == [True, True, False]
    assert granted == []


def test_for_ever(sender: Sender) -> None:
    """Numbers that have no end, in words that have."""
    sender.grant(7, MASK - 2)
    sender.link.credits.by_number[NUMBER].seen = MASK - 2
    sender.grant(7, 5)
    assert sender.home.page.read(7) == (0, 0)
    assert sender.link.stream.page.read(7)[0] == 2
    assert sender.spend() == 5
    sender.home.posted = sender.link.stream.handled = MASK
    for _ in range(3):
        sender.grant(7, 1)
        assert sender.spend() == 1
        sender.home.post(ACK)
        until(lambda: sender.link.stream.handled == sender.home.posted)


def test_who_sends_comes_after_what_came_before_the_grant(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that a receiver has sent before it made room."""
    allowed = threading.Semaphore(0)

    def slowly(*_: object, **_options: object) -> None:
        allowed.acquire()

    monkeypatch.setattr(Server, "acknowledged", slowly)
    handled = sender.link.stream.handled
    sender.grant(7, 1)
    for _ in range(3):
        sender.home.post(ACK)
    # the last word counts
    sender.grant(7, 1)
    for number in range(3):
        until(lambda: sender.link.stream.handled == handled + number)  # noqa: B023
        assert sender.spend() == 0
        allowed.release()
    until(lambda: sender.link.stream.handled == handled + 3)
    assert sender.spend() == 2


def test_one_at_a_time_by_many_threads(sender: Sender) -> None:
    def spend() -> int:
        begin.wait()
        return sum(sender.spend() for _ in range(200))

    begin = threading.Barrier(4)
    threads = [start(spend) for _ in range(3)]
    begin.wait()
    for _ in range(500):
        sender.grant(7, 2)
    sent = sum(thread.join() for thread in threads) + sender.spend()
    assert sent == 1000
    # another one has drawn them
    credit = sender.link.credits.by_number[NUMBER]
    sender.grant(7, 2)
    for _ in range(2):
        assert sender.link.credits._draw(NUMBER, credit)
    assert sender.spend() == 2


# What is given back


def test_what_is_recalled(sender: Sender) -> None:
    sender.grant(7, 5)
    assert sender.link.credits.spend(NUMBER, b"")
    # and what it has not looked at
    sender.grant(7, 3)
    sender.post(RECALL, NUMBER, 1)
    assert sender.spend() == 0
    assert sender.told(2) == [(SENT, NUMBER, 0, b""), returned(7, 1, 8)]


def test_a_recall_of_what_has_been_given_back(sender: Sender) -> None:
    """And something else was lent meanwhile."""
    sender.lend(9, 2, 4)
    sender.post(RECALL, NUMBER, 1)
    assert sender.spend() == 4


def test_the_handle_has_gone(sender: Sender) -> None:
    sender.grant(7, 3)
    sender.link.handles[NUMBER] = [lambda: None, 2]
    sender.link.dropped.append(NUMBER)
    sender.link.post(ACK)
    # first what it had, since the home may have told of the channel again
    assert sender.told(2) == [returned(3, 1, 3), (RELEASE, NUMBER, 2, b"")]


def test_a_full_pipe(sender: Sender) -> None:
    sender.grant(7, 1_000)
    payload = bytes(10_000)
    sent = 0
    while sender.link.credits.spend(NUMBER, payload):
        sent += 1
    assert 0 < sent < 1_000
    assert len(sender.told(sent)) == sent == sender.link.stream.posted
    # none is lost
    assert sender.spend() == 1_000 - sent
    assert sender.link.stream._flusher is None


def test_recalled_while_the_pipe_is_full(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has taken a token gives it back by itself."""
    sender.grant(7, 2)

    def post_whole(*_: object) -> bool:
        sender.post(RECALL, NUMBER, 1)
        return False

    monkeypatch.setattr(Stream, "post_whole", post_whole)
    assert not sender.link.credits.spend(NUMBER, b"")
    assert sender.told(2) == [returned(1, 1, 2), returned(1)]


def test_a_full_stack(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes to send cannot be called: as if nobody had tried."""
    sender.grant(7, 2)

    class Sock:
        def send(self, *_: object) -> int:
            raise RecursionError

    with monkeypatch.context() as patch:
        patch.setattr(sender.link.stream, "_sock", Sock())
        with pytest.raises(RecursionError):
            sender.link.credits.spend(NUMBER, b"")
    assert sender.spend() == 2 == sender.link.stream.posted


def test_a_forked_child_grants_nothing(sender: Sender) -> None:
    """It has a copy of the channels, and of who waits there."""
    sender.grant(7, 2)
    sender.home.page.forked()
    sender.grant(7, 3)
    assert sender.home.page.granted(7) == 5
    assert sender.spend() == 2
    sender.home.page.close()
    # as when the link had ended before the fork
    sender.home.page.forked()


def test_the_link_is_over(sender: Sender) -> None:
    sender.grant(7, 2)
    credit = sender.link.credits.by_number[NUMBER]
    sender.home.close()
    sender.reader.join(10)
    # somebody was about to draw
    assert not sender.link.credits._draw(NUMBER, credit)
    assert sender.spend() == 0


# At home


def lend(ends: Ends, ch: Chan[Any]) -> Any:
    """A handle that has been lent slots, as many as there may be."""
    handle = ends.handle(ch)
    number = _home.number_of(ch)
    with ch._lock:
        _lending.lend(ch, ends.link, number)
    if number in ends.link.places:
        until(lambda: number in ends.other.credits.by_number)
    return handle


def room(ch: Chan[Any]) -> int:
    ch._check()
    return ch._limit


def test_slots_that_come_back_after_the_others(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of who had a token when they were recalled."""
    ch = Chan[int](16)
    handle = lend(ends, ch)
    assert room(ch) == 4
    recalled = threading.Event()

    def full(*_: object) -> bool:
        return False

    def recall_first(self: _credit.Credits, number: int, credit: Any) -> None:
        with ch._lock:
            ch._loans.recall()
        until(lambda: not self.by_number)
        until(lambda: room(ch) == 15)
        recalled.set()
        spare(self, number, credit)

    spare = _credit.Credits._spare
    with monkeypatch.context() as patch:
        patch.setattr(_credit.Credits, "_spare", recall_first)
        patch.setattr(Stream, "post_whole", full)
        handle.send_nowait(1)
    assert recalled.is_set()
    until(lambda: room(ch) == 16)
    assert ch._loans is None
    assert ch.recv_nowait() == 1


def test_a_value_that_comes_after_the_others_have_come_back(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    ch = Chan[int](16)
    handle = lend(ends, ch)

    def recall_first(self: Stream, *message: Any) -> bool:
        with ch._lock:
            ch._loans.recall()
        until(lambda: room(ch) == 15)
        # nothing is left that could be recalled
        with ch._lock:
            ch._loans.recall()
        return post_whole(self, *message)

    post_whole = Stream.post_whole
    with monkeypatch.context() as patch:
        patch.setattr(Stream, "post_whole", recall_first)
        handle.send_nowait(1)
    until(lambda: len(ch) == 1)
    # it is lent again, since more may come
    with ch._lock:
        if ch._loans is not None:
            ch._loans.recall()
    until(lambda: room(ch) == 16)
    assert ch._loans is None


def test_lent_again_though_one_is_missing(ends: Ends) -> None:
    """Whose send was interrupted: nobody knows whether it has taken place."""
    ch = Chan[int](16)
    handle = lend(ends, ch)
    credits_ = ends.other.credits
    credit = credits_.by_number[handle._number]
    assert credits_._draw(handle._number, credit)
    del credit.tokens[-1]
    with ch._lock:
        ch._loans.recall()
    until(lambda: room(ch) == 15)
    with ch._lock:
        _lending.lend(ch, ends.link, handle._number)
    assert room(ch) < 15


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The home looks at what is sent when this is set. To be had before the ends."""
    goes_on = threading.Event()
    sent = Server.sent

    def wait_and(self: Server, number: int, payload: memoryview) -> None:
        goes_on.wait(10)
        sent(self, number, payload)

    monkeypatch.setattr(Server, "sent", wait_and)
    return goes_on


def is_whole(ch: Chan[Any], ends: Ends) -> bool:
    """All of the buffer can be had here again, if it is asked for."""
    with ch._lock:
        if ch._loans is not None:
            ch._loans.recall()
    posted = ends.link.stream.posted, ends.other.stream.posted
    handled = ends.other.stream.handled, ends.link.stream.handled
    return posted == handled and room(ch) == 16 and ch._loans is None


def test_granted_after_the_others_have_come_back(
    slowly: threading.Event, ends: Ends
) -> None:
    """Values were on their way that made the home grant more, where nobody looks."""
    ch = Chan[Any](16)
    handle = lend(ends, ch)
    for value in range(4):
        ch.send_nowait(value)
    for value in range(12):
        handle.send_nowait(value)
    with pytest.raises(WouldBlock):
        ch.send_nowait(4)
    until(lambda: not ends.other.credits.by_number)
    assert [ch.recv_nowait() for _ in range(4)] == [*range(4)]
    slowly.set()
    until(lambda: len(ch) == 12)
    assert drained(ch) == [*range(12)]
    until(lambda: is_whole(ch, ends))


def test_granted_after_the_handle_had_gone(slowly: threading.Event, ends: Ends) -> None:
    """And the same channel was passed again meanwhile."""
    ch = Chan[Any](16)
    handle = lend(ends, ch)
    for value in range(12):
        handle.send_nowait(value)
    ends.number_of(ch)
    del handle
    ends.other.post(ACK)
    until(lambda: not ends.other.credits.by_number)
    slowly.set()
    until(lambda: len(ch) == 12)
    assert drained(ch) == [*range(12)]
    until(lambda: is_whole(ch, ends))


def test_no_more_channels_than_there_are_counters(ends: Ends) -> None:
    channels = [Chan[int](16) for _ in range(PLACES + 1)]
    handles = [lend(ends, ch) for ch in channels]
    assert [room(ch) for ch in channels] == [4] * PLACES + [16]
    # they are used again
    del handles[0]
    ends.other.post(ACK)
    until(lambda: room(channels[0]) == 16)
    handles.append(lend(ends, channels[-1]))
    assert room(channels[-1]) == 4
    for _ in range(12):
        handles[-1].send_nowait(1)
    until(lambda: len(channels[-1]) == 12)


def test_the_same_channel_again(ends: Ends) -> None:
    """Its handle had gone when the home told of it once more."""
    ch = Chan[int](16)
    handle = lend(ends, ch)
    ends.number_of(ch)
    del handle
    ends.other.post(ACK)
    until(lambda: room(ch) == 16)
    for value in range(16):
        ch.send_nowait(value)
    with pytest.raises(WouldBlock):
        ch.send_nowait(16)


def test_answers_to_what_has_gone(ends: Ends) -> None:
    """They may be on their way when a handle goes, and both sides know of that."""
    ch = Chan[int](16)
    handle = lend(ends, ch)
    seen = SEEN.pack(1 << 20, 0)
    ends.other.stream.post(RETURNED, 4321, 5, seen)
    ends.other.stream.post(UNUSED, 4321, 5)
    # or of what the same channel was granted before
    ends.other.stream.post(RETURNED, handle._number, 5, seen)
    handle.send_nowait(1)
    until(lambda: len(ch) == 1)
    assert room(ch) == 5
    ends.other.stream.post(RETURNED, handle._number, 2)
    until(lambda: room(ch) == 7)


async def test_more_is_granted_when_the_loop_comes_round(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    ch = Chan[int](16)
    handle = lend(ends, ch)
    sent = 0
    with contextlib.suppress(WouldBlock):
        while True:
            handle.send_nowait(sent)
            sent += 1
    assert sent == 16
    waits = start(handle.blocking_send, sent)
    until(lambda: ch.stats().waiting_senders)
    assert [await ch.recv() for _ in range(17)] == [*range(17)]
    waits.join()
    while room(ch) == 16:
        await anyio.sleep(0)
    asked = Asked(ends, monkeypatch)
    handle.send_nowait(1)
    assert asked.count == 0


def test_let_in_where_no_loop_can_be_asked(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a callback of the loop that trio is a guest of: that loop is not ours."""
    ch = Chan[int](16)
    handle = lend(ends, ch)
    with contextlib.suppress(WouldBlock):
        while True:
            handle.send_nowait(1)
    waits = start(handle.blocking_send, 2)
    until(lambda: ch.stats().waiting_senders)
    monkeypatch.setattr(_backends, "running_loop", lambda: "trio")
    assert ch.recv_nowait() == 1
    waits.join()


def test_nothing_more_by_a_link_that_is_over(ends: Ends) -> None:
    ch = Chan[int](16)
    lend(ends, ch)
    ends.other.close()
    until(lambda: ends.link.over)
    ends.readers[0].join(10)
    _lending.more(ch, ends.link, _home.number_of(ch))
    assert room(ch) == 16
    assert ch._loans is None
