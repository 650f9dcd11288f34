"""What channels and errors look like, and how they travel."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any, Generic, TypeVar

import anyio
import pytest

import gochan
from gochan import (
    Cancelled,
    Chan,
    ChanClosed,
    CloseOfClosed,
    CloseOfNil,
    DeadlockError,
    GoroutineCancelled,
    Panic,
    SendOnClosed,
    buffers,
    nil,
)
from support.idle import settle

K = TypeVar("K")
V = TypeVar("V")


class Job:
    """Something to send."""


# repr


def test_repr_of_a_new_channel() -> None:
    bare: Any = Chan
    assert repr(bare(name="c")) == "<Chan 'c', unbuffered>"
    assert repr(Chan[int](name="c")) == "<Chan[int] 'c', unbuffered>"
    assert repr(Chan[int](3, name="c")) == "<Chan[int] 'c', 0/3 buffered>"
    assert repr(Chan[Job](name="c")) == "<Chan[Job] 'c', unbuffered>"
    assert repr(Chan[list[int]](name="c")) == "<Chan[list[int]] 'c', unbuffered>"
    assert repr(Chan[int | None](name="c")) == "<Chan[int | None] 'c', unbuffered>"
    assert repr(Chan[Any](name="c")) == "<Chan[Any] 'c', unbuffered>"


def test_repr_of_a_generic_subclass() -> None:
    class Table(Chan[dict[K, V]], Generic[K, V]):
        """A channel of dictionaries."""

    assert repr(Table[str, int](name="c")) == "<Chan[str, int] 'c', unbuffered>"


def test_the_largest_buffer_has_a_bound() -> None:
    ch = Chan[int](sys.maxsize, name="c")
    assert ch.cap == sys.maxsize
    assert repr(ch) == f"<Chan[int] 'c', 0/{sys.maxsize} buffered>"
    assert Chan[int](buffer=buffers.Unbounded()).cap is None


def test_repr_names_a_channel_without_a_name() -> None:
    ch = Chan[int]()
    assert repr(ch) == f"<Chan[int] '{ch.name}', unbuffered>"


def test_repr_of_what_is_buffered_and_closed() -> None:
    ch = Chan[int](3, name="c")
    ch.send_nowait(1)
    ch.send_nowait(2)
    assert repr(ch) == "<Chan[int] 'c', 2/3 buffered>"
    ch.close()
    assert repr(ch) == "<Chan[int] 'c', 2/3 buffered, closed>"


def test_repr_of_buffers() -> None:
    sliding = Chan[int](buffer=buffers.Sliding(2), name="c")
    assert repr(sliding) == "<Chan[int] 'c', 0/2 buffered, sliding>"
    dropping = Chan[int](buffer=buffers.Dropping(2), name="c")
    assert repr(dropping) == "<Chan[int] 'c', 0/2 buffered, dropping>"
    unbounded = Chan[int](buffer=buffers.Unbounded(), name="c")
    unbounded.send_nowait(1)
    assert repr(unbounded) == "<Chan[int] 'c', 1 buffered, unbounded>"


async def test_repr_counts_who_waits() -> None:
    ch = Chan[int](name="c")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.recv)
        tasks.start_soon(ch.recv)
        await settle()
        assert repr(ch) == "<Chan[int] 'c', unbuffered, 2 waiting to receive>"
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.send, 1)
        await settle()
        assert repr(ch) == "<Chan[int] 'c', unbuffered, 1 waiting to send>"
        tasks.cancel_scope.cancel()
    assert repr(ch) == "<Chan[int] 'c', unbuffered>"


def test_repr_of_views_and_nil() -> None:
    ch = Chan[int](name="c")
    assert repr(ch.sender()) == f"<Sender of {ch!r}>"
    assert repr(ch.receiver()) == f"<Receiver of {ch!r}>"
    assert repr(nil) == "gochan.nil"


# Pickling a channel

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_channel_stays_where_it_was_made(protocol: int) -> None:
    ch = Chan[int](name="jobs")
    things: list[Any] = [ch, ch.sender(), ch.receiver(), [ch], Chan[int](2)]
    for thing in things:
        with pytest.raises(TypeError, match="only as an argument of a goroutine"):
            pickle.dumps(thing, protocol)


def test_a_channel_is_not_copied() -> None:
    ch = Chan[int](name="jobs")
    with pytest.raises(TypeError, match="'jobs'.*cannot be pickled or copied"):
        copy.copy(ch)
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        copy.deepcopy({"ch": ch})


async def test_a_goroutine_is_not_copied() -> None:
    async with gochan.scope():
        goroutine = gochan.go(gochan.yield_)
        for use in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                use(goroutine)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nil_is_everywhere(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(nil, protocol)) is nil  # own
    assert copy.copy(nil) is nil
    assert copy.deepcopy([nil]) == [nil]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_buffers_and_stats_travel(protocol: int) -> None:
    for buffer in (buffers.Dropping[int](3), buffers.Unbounded[int]()):
        again = pickle.loads(pickle.dumps(buffer, protocol))  # own
        assert repr(again) == repr(buffer)
    stats = Chan[int]().stats()
    assert pickle.loads(pickle.dumps(stats, protocol)) == stats  # own


# Errors

TEXTS: dict[type[Exception], str] = {
    ChanClosed: "receive on closed channel",
    SendOnClosed: "send on closed channel",
    CloseOfClosed: "close of closed channel",
    CloseOfNil: "close of nil channel",
    DeadlockError: "all goroutines are asleep - deadlock!",
}


@pytest.mark.parametrize("error", TEXTS)
def test_texts_are_those_of_go(error: type[Exception]) -> None:
    assert str(error()) == TEXTS[error]


def test_panics() -> None:
    for error in (SendOnClosed, CloseOfClosed, CloseOfNil, DeadlockError):
        assert issubclass(error, Panic)
    assert issubclass(Panic, RuntimeError)
    assert not issubclass(ChanClosed, Panic)
    assert issubclass(ChanClosed, Exception)
    assert not issubclass(Cancelled, Exception)


@pytest.mark.parametrize("error", [ChanClosed, SendOnClosed, CloseOfClosed, CloseOfNil])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_travel_without_their_channel(error: Any, protocol: int) -> None:
    ch = Chan[int]()
    before = error(ch)
    assert before.channel is ch
    assert str(before) == TEXTS[error]
    after = pickle.loads(pickle.dumps(before, protocol))  # own
    assert type(after) is error
    assert after.channel is None
    assert str(after) == str(before)


def test_errors_that_were_raised_travel_too() -> None:
    ch = Chan[int](1)
    ch.close()
    calls: list[Any] = [lambda: ch.send_nowait(1), ch.recv_nowait, ch.close, nil.close]
    for call in calls:
        with pytest.raises(Exception, match="channel") as caught:
            call()
        after = pickle.loads(pickle.dumps(caught.value))  # own
        assert type(after) is caught.type
        assert str(after) == str(caught.value)


def test_notes_travel() -> None:
    error = SendOnClosed(Chan[int]())
    error.add_note("goroutine 'worker' (id 7) started at pipeline.py:41")
    after = pickle.loads(pickle.dumps(error))  # own
    assert after.__notes__ == error.__notes__


def test_other_errors_travel() -> None:
    for error in (
        DeadlockError(),
        DeadlockError("other text"),
        GoroutineCancelled("goroutine 'worker' (id 7)", "too slow"),
        GoroutineCancelled(),
        Cancelled(),
        Panic("sync: negative WaitGroup counter"),
    ):
        after = pickle.loads(pickle.dumps(error))  # own
        assert type(after) is type(error)
        assert str(after) == str(error)
        assert after.args == error.args
    reasoned = pickle.loads(pickle.dumps(GoroutineCancelled("g", "why")))  # own
    assert reasoned.reason == "why"


def test_the_text_of_a_cancelled_goroutine() -> None:
    error = GoroutineCancelled("goroutine 'worker' (id 7)", "too slow")
    assert str(error) == "goroutine 'worker' (id 7) was cancelled: too slow"
    assert error.reason == "too slow"
    assert str(GoroutineCancelled("g")) == "g was cancelled"


def test_public_names_say_where_they_are_imported_from() -> None:
    for thing in (Chan, ChanClosed, gochan.select, gochan.recv, gochan.RecvCase):
        assert thing.__module__ == "gochan"
