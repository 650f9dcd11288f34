"""Values that are lent to another process, and whoever else wants to receive.

Both ends are in this process here, so that each step can be seen.
"""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import pytest

from gochan import (
    Chan,
    WouldBlock,
    blocking_select,
    recv,
    select,
    select_nowait,
    send,
)
from gochan._report import described
from gochan.executors import _ahead
from gochan.executors._protocol import (
    CHOSEN,
    NOWAIT,
    RECV,
    SELECT,
    SEND,
)
from support import in_processes as there
from support.ends import Calls, Ends, Gone, Lent, called
from support.threads import start, until

pytestmark = pytest.mark.usefixtures("always_soon")


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


def test_reports_wait_for_nobody(lent: Lent) -> None:
    ch = lent.ch
    with lent.ends.other.lock:
        assert described(ch) == f"chan {ch.name!r} (37/64)"
        assert repr(ch) == f"<Chan[Any] {ch.name!r}, 37/64 buffered>"
    assert ch._ahead is not None


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
