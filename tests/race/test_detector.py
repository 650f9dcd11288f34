"""The race detector: what it reports, how, and what it keeps."""

from __future__ import annotations

import contextlib
import gc
import logging
import weakref
from typing import Any

import pytest

import gochan
from gochan import Chan, _instrument, go, nil, race, time
from gochan._waiter import bar
from gochan.race import Var, _active
from support.idle import settle
from support.races import found, line_of, lines, two_writes
from support.threads import start

# How it reports


def test_raise(backend: dict[str, Any]) -> None:
    x = Var(0, name="x")

    async def main() -> None:
        await two_writes(x)

    detector = race.detector()
    with pytest.raises(ExceptionGroup, match="^1 data race$") as raised, detector:
        gochan.run(main, **backend)
    assert list(raised.value.exceptions) == detector.races
    assert len(detector.races) == 1


def test_raise_as_an_instrument(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await two_writes(Var(0))

    with pytest.raises(ExceptionGroup, match="data race"):
        gochan.run(main, **backend, instruments=[race.detector()])
    assert _active.detector is None
    assert _instrument.active is None


def test_raise_when_something_else_is_raised(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await two_writes(Var(0, name="x"))
        raise KeyError

    with pytest.raises(KeyError) as raised:
        gochan.run(main, **backend, instruments=[race.detector()])
    (note,) = raised.value.__notes__
    assert note.startswith("data race on Var 'x'\n")


def test_raise_without_races(backend: dict[str, Any]) -> None:
    async def main() -> int:
        return 7

    assert gochan.run(main, **backend, instruments=[race.detector()]) == 7


def test_collect(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await two_writes(Var(0))

    detector = race.detector(report="collect")
    gochan.run(main, **backend, instruments=[detector])
    assert lines(detector.races) == ["write/write a Var"]


def test_log(backend: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        await two_writes(Var(0, name="x"))
        assert len(caplog.records) == 1

    detector = race.detector(report="log")
    gochan.run(main, **backend, instruments=[detector])
    (record,) = caplog.records
    assert record.name == "gochan.race"
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"{detector.races[0]}\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"report": "print"}, 'report must be "raise", "collect" or "log", not'),
        ({"mode": "await-atomic"}, 'mode must be "strict" or "await_atomic", not'),
    ],
)
def test_bad_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        race.detector(**options)


def test_entered_twice() -> None:
    detector = race.detector()
    with detector:
        pass
    with pytest.raises(RuntimeError, match="write race.detector\\(\\) each time"):
        detector.__enter__()


# Checks that the litmus tests do not reach


def test_two_readers_and_a_writer(backend: dict[str, Any]) -> None:
    x, ready = Var(0), Chan[None](2)

    async def reader() -> None:
        x.load()
        await ready.send(None)

    async def main() -> None:
        go(reader, name="first")
        go(reader, name="second")
        # ordered with one of them alone
        await ready.recv()
        await settle()
        x.store(1)

    (one,) = found(main, backend)
    assert (one.access.operation, one.previous.operation) == ("write", "read")


def test_many_readers_and_a_writer(backend: dict[str, Any]) -> None:
    """More than are remembered: the latest is among them, and does not know others."""
    x = Var(0)

    async def reader() -> None:
        x.load()

    async def main() -> None:
        for _ in range(200):
            go(reader)
        await settle()
        x.store(1)

    assert lines(found(main, backend)) == ["write/read a Var"]


def test_readers_that_are_ordered_with_the_writer(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def reader() -> None:
        x.load()

    async def main() -> None:
        async with gochan.scope():
            for _ in range(200):
                go(reader)
        x.store(1)
        # and again, after the write that has made them past
        async with gochan.scope():
            go(reader)
        x.store(1)

    assert found(main, backend) == []


def test_a_chain_of_readers(backend: dict[str, Any]) -> None:
    """Readers that know those before them are dropped, without losing the last."""
    x = Var(0)

    async def reader() -> None:
        x.load()

    async def main() -> None:
        async with gochan.scope():
            for _ in range(2):
                go(reader)
        for _ in range(200):
            await go(reader)
        go(reader)
        await settle()
        x.store(1)

    assert lines(found(main, backend)) == ["write/read a Var"]


# What it keeps


def test_nothing_is_kept_alive(backend: dict[str, Any]) -> None:
    class Value:
        pass

    kept: list[weakref.ref[Any]] = []

    async def child(ch: Chan[Any], x: Var[Any]) -> None:
        x.store(Value())
        kept.append(weakref.ref(x.load()))
        await ch.send(x)

    async def once() -> None:
        ch, x = Chan[Any](), Var[Any](None)
        g = go(child, ch, x)
        kept.extend([weakref.ref(ch), weakref.ref(x), weakref.ref(g)])
        await ch.recv()
        await g

    async def main() -> None:
        for _ in range(5):
            await once()
        await settle()
        gc.collect()
        alive = [one() for one in kept if one() is not None]
        assert alive == []
        assert not detector._addresses or len(detector._addresses) <= 2

    with race.detector() as detector:
        gochan.run(main, **backend)


def test_plain_values_as_addresses() -> None:
    x = Var(0)

    def work() -> None:
        seen = _instrument.active
        assert seen is not None
        x.store(1)
        seen.release(_instrument.current_party(), ("a", 1))
        seen.release(_instrument.current_party(), 5)

    with race.detector():
        worker = start(work)
        worker.thread.join()
        seen = _instrument.active
        assert seen is not None
        seen.acquire(_instrument.current_party(), ("a", 1))
        seen.acquire(_instrument.current_party(), 5)
        x.store(2)


def test_a_swap_at_a_plain_address() -> None:
    x, y = Var(0, name="x"), Var(0, name="y")

    def work() -> None:
        seen = _instrument.active
        assert seen is not None
        x.store(1)
        seen.release_acquire(_instrument.current_party(), "swap")
        y.store(1)

    with race.detector(report="collect") as detector:
        worker = start(work)
        while worker.thread.is_alive():
            pass
        seen = _instrument.active
        assert seen is not None
        seen.release_acquire(_instrument.current_party(), "swap")
        x.store(2)
        y.store(2)
    assert lines(detector.races) == ["write/write Var 'y'"]


def test_a_party_that_allows_no_weak_references() -> None:
    """It has a new clock each time: nobody knows when it is gone."""
    x = Var(0)
    with race.detector(report="collect") as detector:
        with _instrument.acting(("some", "body")):
            x.store(1)
        x.load()
    assert detector.races[0].previous.by == "('some', 'body')"


# Cancellation


def test_a_cancellation_of_a_running_goroutine(backend: dict[str, Any]) -> None:
    """What it does before it notices is taken to come after; none is accused."""
    x = Var(0)

    async def child() -> None:
        with contextlib.suppress(BaseException):
            await nil.recv()
        x.store(1)

    async def main() -> None:
        g = go(child)
        await settle()
        x.store(2)
        g.cancel()
        # a second one changes nothing
        g.cancel()
        with contextlib.suppress(gochan.GoroutineCancelled):
            await g
        x.store(3)

    assert found(main, backend) == []


def test_main_was_not_started_anywhere(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def child() -> None:
        x.store(1)

    async def main() -> None:
        go(child)
        await settle()
        x.store(2)

    (one,) = found(main, backend)
    assert one.access.by == f"goroutine 'main' (id {one.access.goroutine})"
    assert list(one.access.created) == []
    assert str(one).count("was started at:") == 1


def test_what_a_timer_has_started(backend: dict[str, Any]) -> None:
    """Nothing of the program's is on the stack then: where the timer was set."""
    x, done = Var(0), Chan[None]()

    async def later() -> None:
        x.store(1)
        await done.send(None)

    async def main() -> None:
        time.after_func(0, later)
        x.store(2)
        await done.recv()

    (one,) = found(main, backend)
    assert line_of(one.access.created) == "time.after_func(0, later)"


def test_a_cancelled_goroutine_closes_what_the_canceller_sent_to(
    backend: dict[str, Any],
) -> None:
    ch = Chan[int](3)

    async def child() -> None:
        try:
            await nil.recv()
        finally:
            ch.close()

    async def main() -> None:
        g = go(child)
        await settle()
        await ch.send(1)
        g.cancel()
        await settle()

    assert found(main, backend) == []


def test_a_scope_from_before_is_cancelled(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def child() -> None:
        try:
            await nil.recv()
        finally:
            x.store(1)

    async def main() -> None:
        async with gochan.scope() as s:
            with race.detector():
                go(child)
                await settle()
                x.store(2)
                s.cancel()
                with contextlib.suppress(BaseException):
                    await settle()

    gochan.run(main, **backend)


@pytest.mark.parametrize("received", [True, False])
def test_a_value_that_is_put_back_brings_what_its_holder_did(
    backend: dict[str, Any], received: bool
) -> None:
    """As when a process that was lent it has ended."""
    x = Var(0, name="x")

    async def main() -> None:
        ch = Chan[int](1)
        await ch.send(1)

        async def borrow() -> None:
            with ch._lock:
                bar(ch._key)
                value, ok, _ = ch._try_recv()
            assert ok
            x.store(1)
            with ch._lock:
                bar(ch._key)
                assert ch._put_back(value) is None

        go(borrow)
        await settle()
        if received:
            await ch.recv()
        x.load()

    assert len(found(main, backend)) == (0 if received else 1)
