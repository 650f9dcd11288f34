"""Small random programs on several threads: their histories make sense.

Each party performs its operations one after the other, in a thread or on a loop,
and notes when each began and ended. Then a search tells whether some order of the
operations explains all that was seen.
"""

from __future__ import annotations

import importlib.util
import itertools
import random
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import pytest

import gochan
from gochan import Chan, _budget
from support.linear import Event, linearizable
from support.model import (
    CLOSED,
    PANIC,
    WOULD_BLOCK,
    Case,
    Op,
    Outcome,
    chosen,
    perform,
    perform_nowait,
)
from support.threads import frequent_switches, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.from_thread import BlockingPortal

CHANNELS = 2


pytestmark = pytest.mark.usefixtures("one_budget")


# Programs


def random_op(luck: random.Random, values: Iterator[int]) -> Op:
    def case() -> Case:
        way: Any = luck.choice(["send", "recv"])
        # mostly the same channel: more happens
        channel = luck.choice([0, 0, 0, 1])
        return Case(way, channel, next(values) if way == "send" else None)

    def one(kind: Any, way: Any) -> Op:
        return Op(kind, (Case(way, 0, next(values) if way == "send" else None),))

    makes: list[Callable[[], Op]] = [
        lambda: one("send", "send"),
        lambda: one("send", "send"),
        lambda: one("recv", "recv"),
        lambda: one("recv", "recv"),
        lambda: one("try_send", "send"),
        lambda: one("try_recv", "recv"),
        lambda: Op("select", (case(), case())),
        lambda: Op("select", (case(), case())),
        lambda: Op("try_select", (case(), case())),
        lambda: Op("close", channel=luck.choice([0, 0, 0, 1])),
    ]
    return luck.choice(makes)()


def blocking(op: Op, channels: list[Chan[Any]], timeout: float) -> Outcome:
    """Do ``op`` in a thread."""
    if not op.waits:
        return perform_nowait(op, channels)
    try:
        if op.kind == "select":
            cases: list[gochan.Case] = [
                gochan.send(channels[case.channel], case.value)
                if case.way == "send"
                else gochan.recv(channels[case.channel])
                for case in op.cases
            ]
            return chosen(gochan.blocking_select(*cases, timeout=timeout))
        (case,) = op.cases
        channel = channels[case.channel]
        if op.kind == "send":
            channel.blocking_send(case.value, timeout)
            return (0, None, True)
        value, ok = channel.blocking_recv_ok(timeout)
    except TimeoutError:
        return WOULD_BLOCK
    except gochan.SendOnClosed:
        return PANIC
    return (0, value, ok)


async def awaiting(op: Op, channels: list[Chan[Any]], timeout: float) -> Outcome:
    """Do ``op`` on a loop."""
    outcome: Outcome = WOULD_BLOCK
    # else it might have to yield first, and a timeout there says nothing
    _budget.refill()
    with anyio.move_on_after(timeout):
        outcome = await perform(op, channels)
    return outcome


# Histories


def through(portal: BlockingPortal) -> Callable[[Op, list[Chan[Any]], float], Outcome]:
    def call(op: Op, channels: list[Chan[Any]], timeout: float) -> Outcome:
        outcome: Outcome = portal.call(awaiting, op, channels, timeout)
        return outcome

    return call


def history(
    luck: random.Random,
    cap: int,
    faces: list[Callable[[Op, list[Chan[Any]], float], Outcome]],
) -> list[Event]:
    channels: list[Chan[Any]] = [Chan(cap) for _ in range(CHANNELS)]
    values = itertools.count()
    clock = itertools.count()
    parties = luck.randint(2, 4)
    programs = [
        [random_op(luck, values) for _ in range(luck.randint(2, 4))]
        for _ in range(parties)
    ]
    patience = [luck.choice([0, 1e-5, 1e-4, 2e-3]) for _ in range(parties)]
    face = [luck.choice(faces) for _ in range(parties)]
    barrier = threading.Barrier(parties)

    def party(at: int) -> list[Event]:
        events: list[Event] = []
        barrier.wait(10)
        for op in programs[at]:
            began = next(clock)
            outcome = face[at](op, channels, patience[at])
            events.append(Event(op, outcome, began, next(clock)))
        return events

    threads = [start(party, at) for at in range(parties)]
    events = [event for thread in threads for event in thread.join()]
    # what is left in the buffers has to be explained as well
    for number, channel in enumerate(channels):
        channel._check()
        assert not channel._senders
        assert not channel._receivers
        for _ in range(len(channel)):
            drain = Op("try_recv", (Case("recv", number),))
            began = next(clock)
            outcome = perform_nowait(drain, channels)
            events.append(Event(drain, outcome, began, next(clock)))
    return events


def report(events: list[Event]) -> str:
    return "\n".join(
        f"{event.began:3} {event.ended:3} {event.op.kind} {event.op.cases} "
        f"-> {event.outcome}"
        for event in sorted(events, key=lambda event: event.began)
    )


@pytest.mark.slow
@pytest.mark.parametrize("cap", [0, 1, 2])
def test_histories_of_threads(cap: int) -> None:
    luck = random.Random(cap)
    with frequent_switches():
        for _ in range(400):
            events = history(luck, cap, [blocking])
            assert linearizable(events, CHANNELS, cap), report(events)


@pytest.mark.slow
@pytest.mark.parametrize("cap", [0, 1, 2])
def test_histories_of_threads_and_loops(cap: int) -> None:
    luck = random.Random(cap)
    with ExitStack() as loops:
        faces: list[Any] = [blocking]
        for name in ("asyncio", "asyncio", "trio"):
            if importlib.util.find_spec(name) is not None:
                portal = anyio.from_thread.start_blocking_portal(name)
                faces.append(through(loops.enter_context(portal)))
        with frequent_switches():
            for _ in range(150):
                events = history(luck, cap, faces)
                assert linearizable(events, CHANNELS, cap), report(events)


# The search itself


def event(kind: Any, way: Any, value: Any, span: tuple[int, int]) -> Event:
    sent = value if way == "send" else None
    outcome = (0, None if way == "send" else value, True)
    return Event(Op(kind, (Case(way, 0, sent),)), outcome, *span)


def test_the_search_finds_what_makes_no_sense() -> None:
    send_1, send_2 = event("send", "send", 1, (0, 1)), event("send", "send", 2, (2, 3))
    recv_1, recv_2 = event("recv", "recv", 1, (4, 5)), event("recv", "recv", 2, (6, 7))
    assert linearizable([send_1, send_2, recv_1, recv_2], 1, 2)
    # out of order
    late_1, early_2 = event("recv", "recv", 1, (6, 7)), event("recv", "recv", 2, (4, 5))
    assert not linearizable([send_1, send_2, early_2, late_1], 1, 2)
    # more than fits
    assert not linearizable([send_1, send_2, recv_1, recv_2], 1, 1)
    # an unbuffered send that ended before its receive began
    assert not linearizable([send_1, recv_1], 1, 0)
    assert linearizable([send_1, event("recv", "recv", 1, (0, 5))], 1, 0)
    # twice, or out of nothing
    assert not linearizable([send_1, recv_1, event("recv", "recv", 1, (6, 7))], 1, 2)
    assert not linearizable([recv_1], 1, 2)
    # after the close
    close = Event(Op("close"), CLOSED, 0, 1)
    assert not linearizable([close, send_2], 1, 2)
    # there was room
    full = Event(send_2.op, WOULD_BLOCK, 2, 3)
    assert linearizable([send_1, full], 1, 1)
    assert not linearizable([send_1, full], 1, 2)
