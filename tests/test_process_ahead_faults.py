"""Values that are not to be lent to another process, or do not arrive there.

Both ends are in this process here, so that each step can be seen.
"""

from __future__ import annotations

import gc
import pickle
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gochan import (
    BrokenWorkerProcess,
    Chan,
)
from gochan.executors import _ahead
from gochan.executors._protocol import (
    NACK,
)
from support import in_processes as there
from support.ends import Calls, Ends, Lent, called, drained, filled
from support.interrupts import interrupt
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.usefixtures("always_soon")


# What cannot be lent


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
        rest = [value for value in values if isinstance(value, int)]
        assert (rest, len(values)) == ([4, 5, 6], 4)
    else:
        assert first.join() == "slow"
        assert (second.join(), third.join()) == (4, 5)
        assert drained(ch) == [6]


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

    def lose(*_: Any, **_more: Any) -> None:
        pass

    monkeypatch.setattr(ends.servers[0], "acknowledged", lose)
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
