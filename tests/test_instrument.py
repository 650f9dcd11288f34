"""What an instrument is told of goroutines, and how one is installed.

What it is told of channels is in test_channel_events.py and test_channel_edges.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, _budget, _instrument, go, nil, recv, select, send
from support.idle import settle
from support.seeing import Recorder, watch

if TYPE_CHECKING:
    from collections.abc import Callable


# Installing


def test_install_and_uninstall() -> None:
    one, two = Recorder(), Recorder()
    ch = Chan[int](1, name="ch")
    ch.send_nowait(0)
    ch.recv_nowait()
    _instrument.install(one)
    try:
        ch.send_nowait(1)
        _instrument.install(two)
        try:
            ch.recv_nowait()
        finally:
            _instrument.uninstall(two)
        ch.send_nowait(2)
    finally:
        _instrument.uninstall(one)
    ch.recv_nowait()
    assert two.take("completed") == ["completed thread recv ch 0"]
    assert one.take("completed") == [
        "completed thread send ch 0",
        "completed thread recv ch 0",
        "completed thread send ch 0",
    ]


def test_every_event_reaches_every_instrument(backend: dict[str, Any]) -> None:
    one, two = Recorder(), Recorder()

    async def main() -> None:
        ch = Chan[int](name="ch")
        go(ch.send, 1, name="sender")
        await ch.recv()

    gochan.run(main, **backend, instruments=[one, two])
    assert one.events == two.events
    assert one.events


def test_the_base_class_does_nothing(backend: dict[str, Any]) -> None:
    async def main() -> None:
        ch = Chan[int]()
        g = go(ch.send, 1)
        assert await ch.recv() == 1
        await g
        ch.close()

    watch(main, backend, gochan.Instrument())
    assert _instrument.active is None


def test_the_budget_is_as_before_after_an_instrument() -> None:
    before = _budget.budget.full
    seen = gochan.Instrument()
    _instrument.install(seen)
    _instrument.uninstall(seen)
    assert _budget.budget.full == before


# Goroutines


def test_the_life_of_a_goroutine(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        ch = Chan[int](name="ch")
        g = go(ch.recv, name="child")
        await settle()
        await ch.send(1)
        await g

    watch(main, backend, seen)
    own = ("goroutine_created", "goroutine_started", "goroutine_finished", "joined")
    assert [
        event
        for event in seen.events
        if event.startswith(own)
        or event.startswith(("goroutine_parked child", "goroutine_woken child"))
        or event.endswith("recv ch 0")
        if "child" in event.split()
    ] == [
        "goroutine_created child main",
        "goroutine_started child",
        "goroutine_parked child chan receive ch",
        "completed child recv ch 0",
        "goroutine_woken child",
        "goroutine_finished child",
        "joined main child",
    ]


def test_the_life_of_main(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        seen.events.append("body")

    watch(main, backend, seen)
    own = ("goroutine_started main", "goroutine_finished main", "body")
    assert [event for event in seen.events if event.startswith(own)] == [
        "goroutine_started main",
        "body",
        "goroutine_finished main",
    ]


def test_a_goroutine_that_fails_or_is_cancelled_finishes_too(
    backend: dict[str, Any],
) -> None:
    seen = Recorder()

    async def fails() -> None:
        raise ValueError

    async def main() -> None:
        async with gochan.scope():
            go(nil.recv, name="cancelled")
            await settle()
            go(fails, name="fails")

    with pytest.raises(ExceptionGroup):
        watch(main, backend, seen)
    finished = seen.take("goroutine_finished")
    assert "goroutine_finished fails" in finished
    assert "goroutine_finished cancelled" in finished


async def _select_nothing(_: Chan[int]) -> None:
    await select()


WAITS: dict[str, tuple[Callable[[Chan[int]], Any], str]] = {
    "send": (lambda ch: ch.send(1), "chan send ch"),
    "recv": (lambda ch: ch.recv(), "chan receive ch"),
    "recv_ok": (lambda ch: ch.recv_ok(), "chan receive ch"),
    "nil send": (lambda _: nil.send(1), "chan send (nil chan) nil"),
    "nil recv": (lambda _: nil.recv(), "chan receive (nil chan) nil"),
    "select": (lambda ch: select(recv(ch), send(ch, 1)), "select None"),
    "nil select": (lambda _: select(nil), "select None"),
    "no cases": (_select_nothing, "select (no cases) None"),
}


@pytest.mark.parametrize("what", WAITS)
def test_parked_and_woken_by_a_cancellation(backend: dict[str, Any], what: str) -> None:
    seen = Recorder()
    wait, expected = WAITS[what]

    async def waits(ch: Chan[int]) -> None:
        await wait(ch)

    async def main() -> None:
        g = go(waits, Chan[int](name="ch"), name="g")
        await settle()
        assert f"goroutine_parked g {expected}" in seen.take("goroutine_parked")
        g.cancel()
        await settle()
        events = seen.take("goroutine_woken", "goroutine_finished")
        assert events == ["goroutine_woken g", "goroutine_finished g"]

    watch(main, backend, seen)


def test_woken_by_a_timeout() -> None:
    seen = Recorder()
    _instrument.install(seen)
    try:
        with pytest.raises(TimeoutError):
            Chan[int](name="ch").blocking_recv(0)
    finally:
        _instrument.uninstall(seen)
    assert seen.events == [
        "goroutine_parked thread chan receive ch",
        "goroutine_woken thread",
    ]
