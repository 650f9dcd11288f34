"""The race detector: what it reports, how, and what it keeps."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pickle
import threading
import weakref
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest

import gochan
from gochan import Chan, _instrument, buffers, go, nil, race, time
from gochan._waiter import bar
from gochan.race import Var, _active, _clock
from gochan.race._clock import Clock, Slots, merged
from support.idle import settle
from support.races import found, lines
from support.seeing import Recorder
from support.threads import start


async def _two_writes(x: Var[int]) -> None:
    async def write() -> None:
        x.store(1)

    go(write, name="one")
    await settle()
    go(write, name="two")
    await settle()


# How it reports


def test_raise(backend: dict[str, Any]) -> None:
    x = Var(0, name="x")

    async def main() -> None:
        await _two_writes(x)

    detector = race.detector()
    with pytest.raises(ExceptionGroup, match="^1 data race$") as raised, detector:
        gochan.run(main, **backend)
    assert list(raised.value.exceptions) == detector.races
    assert len(detector.races) == 1


def test_raise_as_an_instrument(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await _two_writes(Var(0))

    with pytest.raises(ExceptionGroup, match="data race"):
        gochan.run(main, **backend, instruments=[race.detector()])
    assert _active.detector is None
    assert _instrument.active is None


def test_raise_when_something_else_is_raised(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await _two_writes(Var(0, name="x"))
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
        await _two_writes(Var(0))

    detector = race.detector(report="collect")
    gochan.run(main, **backend, instruments=[detector])
    assert lines(detector.races) == ["write/write a Var"]


def test_log(backend: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        await _two_writes(Var(0, name="x"))
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


# The report


def _line_of(frames: Any, index: int = -1) -> str:
    return str(frames[index].line)


def test_a_report_has_both_stacks_and_both_creation_sites(
    backend: dict[str, Any],
) -> None:
    x = Var(0, name="x")

    def helper() -> None:
        x.store(2)

    async def writer() -> None:
        helper()

    async def reader() -> None:
        x.load()

    async def starts() -> None:
        go(reader, name="reader")

    async def main() -> None:
        go(writer, name="writer")
        await settle()
        await starts()
        await settle()

    (one,) = found(main, backend)
    assert one.variable == "Var 'x'"
    assert one.access.operation == "read"
    assert one.previous.operation == "write"
    assert one.access.by.startswith("goroutine 'reader' (id ")
    assert f"(id {one.access.goroutine})" in one.access.by
    assert one.previous.by.startswith("goroutine 'writer' (id ")
    assert [frame.line for frame in one.access.stack] == ["x.load()"]
    assert [frame.line for frame in one.previous.stack] == ["helper()", "x.store(2)"]
    assert [frame.line for frame in one.access.created] == [
        "await starts()",
        'go(reader, name="reader")',
    ]
    assert _line_of(one.previous.created) == 'go(writer, name="writer")'


def test_the_text_of_a_report(backend: dict[str, Any]) -> None:
    x = Var(0, name="x")

    async def main() -> None:
        await _two_writes(x)

    (one,) = found(main, backend)
    text = str(one).splitlines()
    assert text[0] == "data race on Var 'x'"
    heads = [line for line in text[1:] if line and not line.startswith(" ")]
    assert heads == [
        f"Write by goroutine 'two' (id {one.access.goroutine}):",
        f"Previous write by goroutine 'one' (id {one.previous.goroutine}):",
        f"Goroutine 'two' (id {one.access.goroutine}) was started at:",
        f"Goroutine 'one' (id {one.previous.goroutine}) was started at:",
    ]
    assert text[2].endswith(", in _two_writes.<locals>.write")
    assert text[3] == "    x.store(1)"


def test_a_report_can_be_pickled(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await _two_writes(Var(0))

    (one,) = found(main, backend)
    again = pickle.loads(pickle.dumps(one))
    assert str(again) == str(one)
    assert again.access == one.access


def test_one_report_for_a_pair_of_places(backend: dict[str, Any]) -> None:
    x, y = Var(0), Var(0)

    async def write() -> None:
        x.store(1)
        y.store(1)

    async def main() -> None:
        for _ in range(5):
            go(write)
        await settle()

    assert len(found(main, backend)) == 2


def test_it_goes_on_after_a_race(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def one() -> None:
        x.store(1)

    async def two() -> None:
        x.store(2)

    async def three() -> None:
        x.store(3)

    async def main() -> None:
        for write in (one, two, three):
            go(write)
            await settle()

    pairs = {
        (_line_of(race.previous.stack), _line_of(race.access.stack))
        for race in found(main, backend)
    }
    assert pairs == {("x.store(1)", "x.store(2)"), ("x.store(2)", "x.store(3)")}


def test_a_race_on_a_channel(backend: dict[str, Any]) -> None:
    ch = Chan[int](5, name="work")

    async def sender() -> None:
        await ch.send(1)

    async def main() -> None:
        go(sender)
        await settle()
        ch.close()

    (one,) = found(main, backend)
    assert one.variable == "channel 'work'"
    assert (one.access.operation, one.previous.operation) == ("close", "send")
    assert _line_of(one.access.stack) == "ch.close()"
    assert _line_of(one.previous.stack) == "await ch.send(1)"


def test_a_send_after_a_close(backend: dict[str, Any]) -> None:
    ch = Chan[int](5)

    async def closer() -> None:
        ch.close()

    async def main() -> None:
        go(closer)
        await settle()
        with contextlib.suppress(gochan.SendOnClosed):
            await ch.send(1)

    (one,) = found(main, backend)
    assert (one.access.operation, one.previous.operation) == ("send", "close")


def test_a_goroutine_that_is_a_send(backend: dict[str, Any]) -> None:
    """Nothing of the user's is on its stack; where it was started says it all."""
    ch = Chan[int](5)

    async def main() -> None:
        go(ch.send, 1)
        await settle()
        ch.close()

    (one,) = found(main, backend)
    assert list(one.previous.stack) == []
    assert "(not known)" in str(one)
    assert _line_of(one.previous.created) == "go(ch.send, 1)"


def test_sends_of_very_many_goroutines(backend: dict[str, Any]) -> None:
    ch = Chan[int](1000)

    async def main() -> None:
        for number in range(300):
            go(ch.send, number)
        await settle()
        ch.close()

    (one,) = found(main, backend)
    assert one.access.operation == "close"


def test_sends_that_are_ordered_are_forgotten(backend: dict[str, Any]) -> None:
    ch = Chan[int](1000)

    async def main() -> None:
        for number in range(300):
            await go(ch.send, number)
        ch.close()

    assert found(main, backend) == []


def test_an_earlier_send_that_is_not_ordered(backend: dict[str, Any]) -> None:
    """A close comes after the last send, and not after the one before that."""

    async def main() -> None:
        ch = Chan[int](3)

        async def sends(times: int) -> None:
            for _ in range(times):
                await ch.send(1)

        go(sends, 1, name="not waited for")
        await settle()
        await go(sends, 2)
        ch.close()

    (one,) = found(main, backend)
    assert (one.access.operation, one.previous.operation) == ("close", "send")
    assert "'not waited for'" in one.previous.by


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


# Parties


def test_what_runs_before_it_was_entered(backend: dict[str, Any]) -> None:
    x, wake = Var(0), Chan[None]()

    async def early() -> None:
        await wake.recv()
        x.store(1)

    async def main() -> list[race.DataRace]:
        g = go(early, name="early")
        await settle()
        with race.detector(report="collect") as detector:
            await wake.send(None)
            await settle()
            x.store(2)
            g.cancel()
            await settle()
        return detector.races

    (one,) = gochan.run(main, **backend)
    assert one.previous.by.startswith("goroutine 'early'")
    assert _line_of(one.previous.created) == 'g = go(early, name="early")'


def test_foreign_tasks_count_as_their_goroutine(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def child() -> None:
        x.store(x.load() + 1)

    async def main() -> None:
        x.store(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
            tasks.start_soon(child)
        x.store(1)

        async def other() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child)

        # ... and so it is another one's here
        go(other)
        x.store(1)
        await settle()

    races = found(main, backend)
    assert {one.access.by.split("'")[1] for one in races} == {"other"}


def test_worker_threads_count_as_their_goroutine(backend: dict[str, Any]) -> None:
    x = Var(0)

    def work() -> None:
        x.store(2)
        anyio.from_thread.run(again)

    async def again() -> None:
        x.store(3)

    async def main() -> None:
        x.store(1)
        await anyio.to_thread.run_sync(work)
        x.store(4)

    assert found(main, backend) == []


def test_foreign_tasks_without_a_run() -> None:
    x = Var(0)

    async def child() -> None:
        x.store(1)

    async def main() -> None:
        one, two = asyncio.create_task(child()), asyncio.create_task(child())
        await asyncio.gather(one, two)
        asyncio.get_running_loop().call_soon(x.store, 2)
        await asyncio.sleep(0)

    with race.detector():
        asyncio.run(main())


def test_threads_with_the_same_id_are_different() -> None:
    """A thread that has ended leaves its id to the next one."""
    x = Var(0, name="x")
    idents: set[int] = set()

    def work() -> None:
        idents.add(threading.get_ident())
        x.store(1)

    with race.detector(report="collect") as detector:
        for _ in range(10):
            thread = threading.Thread(target=work)
            thread.start()
            # waits for it without ordering anything
            ended = weakref.ref(thread)
            while thread.is_alive():
                pass
            del thread
            if ended() is not None:
                gc.collect()
            assert ended() is None
    assert len(idents) < 10, "they all had ids of their own"
    (one,) = detector.races
    assert one.access.by.startswith("thread 'Thread-")
    assert _line_of(one.access.created) == "thread.start()"


def test_starting_and_joining_threads() -> None:
    x = Var(0)

    def work() -> None:
        x.store(x.load() + 1)

    with race.detector():
        x.store(1)
        for _ in range(3):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        x.store(x.load() + 1)
    assert x.load() == 5


def test_joining_in_vain() -> None:
    x, go_on = Var(0), threading.Event()

    def work() -> None:
        x.store(1)
        go_on.wait(30)

    with race.detector(report="collect") as detector:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.001)
        x.store(2)
        go_on.set()
        thread.join()
        # while no detector knows it: nothing to join
        threading.Thread().join  # noqa: B018
    assert len(detector.races) == 1


def test_threads_are_as_before() -> None:
    before = threading.Thread.start, threading.Thread.join
    with race.detector():
        assert threading.Thread.start is not before[0]
    assert (threading.Thread.start, threading.Thread.join) == before


def test_a_thread_that_parks_before_the_detector_comes() -> None:
    x, ch = Var(0), Chan[int]()

    def work() -> None:
        ch.blocking_recv()
        x.store(1)

    worker = start(work)
    while not ch.stats().waiting_receivers:
        pass
    with race.detector():
        x.store(2)
        ch.blocking_send(1)
        worker.join()


def test_several_instruments(backend: dict[str, Any]) -> None:
    seen = Recorder()
    x, ch = Var(0), Chan[int]()

    async def child() -> None:
        x.store(1)
        await ch.send(1)

    async def main() -> None:
        go(child)
        await ch.recv()
        x.store(2)

    gochan.run(main, **backend, instruments=[seen, race.detector()])
    assert len([event for event in seen.events if event.startswith("completed")]) >= 2


def test_acting_in_nobodys_name(backend: dict[str, Any]) -> None:
    """What is done as a party of its own is ordered with nobody else's acts."""
    x, ch = Var(0), Chan[int](1)

    class Nobody:
        pass

    async def child() -> None:
        x.store(1)
        with _instrument.acting(Nobody()):
            ch.send_nowait(1)

    async def main() -> None:
        go(child)
        await ch.recv()
        x.store(2)

    assert lines(found(main, backend)) == ["write/write a Var"]


def test_nested_detectors(backend: dict[str, Any]) -> None:
    """The inner one sees accesses, both see what synchronises."""
    x, ch = Var(0), Chan[int]()

    async def child() -> None:
        x.store(1)
        await ch.send(1)

    async def main() -> None:
        go(child)
        await ch.recv()
        x.store(2)

    with race.detector(report="collect") as outer:
        assert found(main, backend) == []
        assert _active.detector is outer
        gochan.run(_unordered, **backend)
        # those of another detector mean nothing here
        x.store(3)
    assert lines(outer.races) == ["write/write a Var"]
    assert _active.detector is None


async def _unordered() -> None:
    await _two_writes(Var(0))


@pytest.mark.parametrize("kind", [buffers.Sliding, buffers.Dropping])
def test_a_buffer_that_drops(kind: Any, backend: dict[str, Any]) -> None:
    """Nobody waits for room in it, watched or not."""

    async def main() -> None:
        ch = Chan[int](buffer=kind(2))

        async def sender() -> None:
            for value in range(4):
                await ch.send(value)

        await go(sender)
        assert ch.stats().dropped == 2
        got = [await ch.recv(), await ch.recv()]
        assert got == ([2, 3] if kind is buffers.Sliding else [0, 1])

    assert found(main, backend) == []


def test_an_operation_that_no_loop_runs(backend: dict[str, Any]) -> None:
    """Driven by hand in a thread that has a goroutine's context: it counts as that."""
    x, ch = Var(0), Chan[int](2)

    def by_hand() -> None:
        for operation in (ch.send(1), ch.send(2), ch.recv()):
            with pytest.raises(StopIteration):
                operation.send(None)
        x.store(1)

    async def main() -> None:
        x.store(0)
        await anyio.to_thread.run_sync(by_hand)
        assert await ch.recv() == 2
        x.store(2)

    assert found(main, backend) == []


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


# Clocks


def test_slots_are_used_again() -> None:
    slots = Slots()
    one = Clock(slots, "one")
    assert (one.slot, one.time) == (0, 1)
    one.time = 7
    del one
    two = Clock(slots, "two")
    assert (two.slot, two.time) == (0, 8)
    three = Clock(slots, "three")
    assert three.slot == 1


def test_a_slot_of_one_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many parties, the next one takes over the slot that ended first."""
    monkeypatch.setattr(_clock, "SLOTS", 2)
    slots = Slots()
    one, two = Clock(slots, "one"), Clock(slots, "two")
    two.time = 5
    two.absorb((*one.snapshot()[:2], 1))
    slots.ended.append(weakref.ref(two))
    three = Clock(slots, "three")
    assert (three.slot, three.time) == (1, 6)
    # as if two's end came before it
    assert three.knows(two, 5)
    assert three.knows(one, 1)
    assert two.slots is None
    # nothing has ended any more: one more slot
    assert Clock(slots, "four").slot == 2
    # and the slot that was taken over is not given back twice
    del two
    assert list(slots.free) == [(2, 1)]


def test_an_ended_party_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_clock, "SLOTS", 1)
    slots = Slots()
    one = Clock(slots, "one")
    slots.ended.append(weakref.ref(one))
    keep = slots.free
    del one
    keep.clear()
    assert Clock(slots, "two").slot == 1


def test_absorbing_and_merging() -> None:
    slots = Slots()
    a, b, c = (Clock(slots, name) for name in "abc")
    first = c.snapshot()
    c.time += 1
    a.absorb(first)
    assert a.knows(c, 1)
    assert not a.knows(c, 2)
    # known already; its own; and what somebody else merged
    known = a.known
    a.absorb(first)
    a.absorb(a.snapshot())
    assert a.known is known
    both = merged(merged(None, b.snapshot()), c.snapshot())
    d = Clock(slots, "d")
    d.absorb(both)
    assert d.knows(b, 1)
    assert d.knows(c, 2)
    known = d.known
    d.absorb((known, None, 0))
    assert d.known is known
    assert not d.knows(a, 1)
    assert merged(both, a.snapshot())[0][a.slot] == 1


@pytest.mark.parametrize("more", [0, 3])
def test_meeting(more: int) -> None:
    slots = Slots()
    others = [Clock(slots, "other") for _ in range(more)]
    a, b = Clock(slots, "a"), Clock(slots, "b")
    for other in others:
        a.absorb(other.snapshot())
    for _ in range(2):
        times = a.time, b.time
        _clock.meet(a, b)
        assert a.knows(b, times[1])
        assert b.knows(a, times[0])
        assert not a.knows(b, b.time)
        assert not b.knows(a, a.time)
    assert all(b.knows(other, other.time) for other in others)


def test_pending_is_passed_on() -> None:
    slots = Slots()
    for meets in (False, True):
        a, b, c = (Clock(slots, name) for name in "abc")
        b.pending = a.snapshot()
        if meets:
            _clock.meet(c, b)
            a.time += 1
            b.pending = a.snapshot()
            _clock.meet(b, c)
        else:
            c.absorb(b.snapshot())
        assert c.knows(a, a.time)


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
    assert _line_of(one.access.created) == "time.after_func(0, later)"


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
