"""What an instrument is told: every event, and every edge of Go's memory model.

Each row of the table of Go's race detector (``runtime/chan.go``, ``select.go``)
is compared event by event. Then vector clocks, which know only those events, tell
what is ordered, and what must not be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, _budget, _instrument, buffers, go, nil, recv, select, send
from support.idle import settle
from support.seeing import Clocks, Recorder
from support.threads import start

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Main = Callable[[], Coroutine[Any, Any, None]]


def watch(main: Main, backend: dict[str, Any], seen: gochan.Instrument) -> None:
    gochan.run(main, **backend, instruments=[seen])


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


# Channels, row by row


async def _pair(seen: Recorder, ch: Chan[int], first: str) -> None:
    """A sender and a receiver; ``first`` has parked when the other one comes."""
    parties = [("sender", ch.send, (1,)), ("receiver", ch.recv, ())]
    if first == "receiver":
        parties.reverse()
    for name, fn, args in parties:
        go(fn, *args, name=name)  # type: ignore[call-overload,arg-type,unused-ignore]
        await settle()


def rows(backend: dict[str, Any], body: Any, cap: int = 0) -> None:
    """Run ``body(seen, ch)`` with a recorder that has seen nothing of ``ch``."""
    seen = Recorder()

    async def main() -> None:
        ch = Chan[int](cap, name="ch")
        seen.take()
        await body(seen, ch)

    watch(main, backend, seen)


def test_a_sender_meets_a_parked_receiver(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        await _pair(seen, ch, "receiver")
        assert seen.sync() == [
            "read sender ch",
            "release sender ch[0]",
            "acquire receiver ch[0]",
            "release receiver ch[0]",
            "acquire sender ch[0]",
        ]

    rows(backend, body)


def test_a_receiver_meets_a_parked_sender(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        await _pair(seen, ch, "sender")
        assert seen.sync() == [
            "read sender ch",
            "release receiver ch[0]",
            "acquire sender ch[0]",
            "release sender ch[0]",
            "acquire receiver ch[0]",
        ]

    rows(backend, body)


def test_both_operations_of_a_rendezvous_complete_at_once(
    backend: dict[str, Any],
) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        await _pair(seen, ch, "receiver")
        assert seen.take("completed", "goroutine_woken") == [
            "completed sender send ch 0",
            "completed receiver recv ch 0",
            "goroutine_woken receiver",
        ]
        await _pair(seen, ch, "sender")
        assert seen.take("completed", "goroutine_woken") == [
            "completed receiver recv ch 0",
            "completed sender send ch 0",
            "goroutine_woken sender",
        ]

    rows(backend, body)


def test_slots_of_a_buffer_advance_and_wrap(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        for number in range(2):
            await ch.send(number)
        assert seen.sync() == [
            "read main ch",
            "release_acquire main ch[0]",
            "read main ch",
            "release_acquire main ch[1]",
        ]
        await ch.recv()
        await ch.send(2)
        await ch.recv_ok()
        ch.recv_nowait()
        ch.send_nowait(3)
        assert list(seen.take("completed")) == [
            "completed main recv ch 0",
            "completed main send ch 2",
            "completed main recv ch 1",
            "completed main recv ch 2",
            "completed main send ch 0",
        ]
        await ch.recv()
        assert seen.sync() == ["release_acquire main ch[0]"]

    rows(backend, body, 3)


def test_a_hand_over_goes_through_the_slot_of_a_buffer(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        # as if the value went through the buffer: the indices advance
        for slot in (0, 1, 2, 0):
            await _pair(seen, ch, "receiver")
            assert seen.take("release_acquire", "completed", "acquire", "release") == [
                f"release_acquire sender ch[{slot}]",
                f"release_acquire receiver ch[{slot}]",
                f"completed sender send ch {slot}",
                f"completed receiver recv ch {slot}",
            ]
        await ch.send(1)
        assert seen.take("completed") == ["completed main send ch 1"]

    rows(backend, body, 3)


def test_a_parked_sender_takes_the_slot_that_is_left(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        for number in range(2):
            ch.send_nowait(number)
        for slot in (0, 1, 0):
            go(ch.send, 7, name="sender")
            await settle()
            assert seen.sync()[-1] == "read sender ch"
            await ch.recv()
            assert seen.take("release_acquire", "completed", "acquire", "release") == [
                f"release_acquire main ch[{slot}]",
                f"release_acquire sender ch[{slot}]",
                f"completed main recv ch {slot}",
                f"completed sender send ch {slot}",
            ]
        # then the buffer is read from where it has come to
        await ch.recv()
        assert seen.take("completed") == ["completed main recv ch 1"]

    rows(backend, body, 2)


def test_closing(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        go(ch.recv_ok, name="first")
        await settle()
        go(_selects, ch, name="second")
        await settle()
        seen.take()
        ch.close()
        assert seen.events == [
            "write main ch",
            "release main ch",
            "completed main close ch None",
            "acquire first ch",
            "goroutine_woken first",
            "acquire second ch",
            "goroutine_woken second",
        ]

    async def _selects(ch: Chan[int]) -> None:
        await select(recv(nil), recv(ch))

    rows(backend, body)


def test_closing_with_parked_senders(backend: dict[str, Any]) -> None:
    async def sender(ch: Chan[int]) -> None:
        with pytest.raises(gochan.SendOnClosed):
            await ch.send(1)

    async def body(seen: Recorder, ch: Chan[int]) -> None:
        go(sender, ch, name="sender")
        await settle()
        seen.take()
        ch.close()
        assert seen.sync() == ["write main ch", "release main ch", "acquire sender ch"]

    rows(backend, body)


def test_what_is_closed_already(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        ch.send_nowait(1)
        ch.close()
        seen.take()
        with pytest.raises(gochan.CloseOfClosed):
            ch.close()
        assert "release main ch" not in seen.sync()
        # what is buffered comes from its slot
        assert await ch.recv() == 1
        assert seen.sync() == ["release_acquire main ch[0]"]
        await ch.recv_ok()
        with pytest.raises(gochan.ChanClosed):
            await ch.recv()
        with pytest.raises(gochan.ChanClosed):
            ch.recv_nowait()
        await select(ch)
        async for _ in ch:
            pass
        assert seen.sync() == ["acquire main ch"] * 5
        with pytest.raises(gochan.SendOnClosed):
            await ch.send(1)
        with pytest.raises(gochan.SendOnClosed):
            ch.send_nowait(1)
        assert seen.sync() == ["read main ch"] * 2

    rows(backend, body, 1)


def test_what_would_block_makes_no_edge(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        with pytest.raises(gochan.WouldBlock):
            ch.recv_nowait()
        assert gochan.select_nowait(recv(ch)) is None
        assert seen.events == []
        with pytest.raises(gochan.WouldBlock):
            ch.send_nowait(1)
        # Go reads on entry
        assert seen.events == ["read main ch"]

    async def prepared(seen: Recorder, ch: Chan[int]) -> None:
        seen.take()
        await body(seen, ch)

    rows(backend, prepared)


def test_looking_at_a_channel_makes_no_edge(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        seen.take()
        assert (len(ch), ch.cap, ch.closed, bool(ch)) == (0, 0, False, True)
        ch.stats()
        repr(ch)
        assert seen.events == []

    rows(backend, body)


def test_lossy_buffers(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        dropping = Chan[int](buffer=buffers.Dropping(1), name="dropping")
        sliding = Chan[int](buffer=buffers.Sliding(2), name="sliding")
        await dropping.send(1)
        seen.take()
        await dropping.send(2)
        # nobody will ever see it
        assert seen.sync() == ["read main dropping"]
        for number in range(4):
            await sliding.send(number)
        assert seen.take("release_acquire") == [
            "release_acquire main sliding[0]",
            "release_acquire main sliding[1]",
            "release_acquire main sliding[0]",
            "release_acquire main sliding[1]",
        ]
        assert await sliding.recv() == 2
        assert await sliding.recv() == 3
        assert seen.take("completed") == [
            "completed main recv sliding 0",
            "completed main recv sliding 1",
        ]

    watch(main, backend, seen)


def test_an_unbounded_buffer_has_a_slot_for_each_value(backend: dict[str, Any]) -> None:
    seen = Recorder()

    async def main() -> None:
        ch = Chan[int](buffer=buffers.Unbounded(), name="ch")
        for number in range(3):
            await ch.send(number)
        assert await ch.recv() == 0
        await ch.send(3)
        assert seen.take("completed") == [
            "completed main send ch 0",
            "completed main send ch 1",
            "completed main send ch 2",
            "completed main recv ch 0",
            "completed main send ch 3",
        ]

    watch(main, backend, seen)


# Select


def test_select_does_what_the_chosen_operation_does(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        other = Chan[int](name="other")
        seen.take()
        await select(recv(other), send(ch, 1), recv(nil))
        assert seen.events == [
            "read main ch",
            "release_acquire main ch[0]",
            "completed main send ch 0",
        ]
        seen.take()
        await select(recv(other), recv(ch))
        assert seen.events == [
            "release_acquire main ch[0]",
            "completed main recv ch 0",
        ]

    rows(backend, body, 1)


def test_a_parked_select_is_served_by_its_peer(backend: dict[str, Any]) -> None:
    async def selects(ch: Chan[int], other: Chan[int]) -> None:
        await select(recv(other), recv(ch))

    async def body(seen: Recorder, ch: Chan[int]) -> None:
        other = Chan[int](name="other")
        go(selects, ch, other, name="selects")
        await settle()
        seen.take()
        await ch.send(1)
        await settle()
        # not a word about the case that lost
        assert seen.events == [
            "read main ch",
            "release main ch[0]",
            "acquire selects ch[0]",
            "release selects ch[0]",
            "acquire main ch[0]",
            "completed main send ch 0",
            "completed selects recv ch 0",
            "goroutine_woken selects",
            "release_merge selects scope",
            "goroutine_finished selects",
        ]

    rows(backend, body)


def test_a_select_meets_a_parked_peer(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        other = Chan[int](name="other")
        go(ch.recv, name="receiver")
        await settle()
        seen.take()
        await select(send(ch, 1), recv(other), send(other, 2))
        assert seen.sync() == [
            "read main ch",
            "release main ch[0]",
            "acquire receiver ch[0]",
            "release receiver ch[0]",
            "acquire main ch[0]",
        ]

    rows(backend, body)


def test_a_default_makes_no_edge(backend: dict[str, Any]) -> None:
    async def body(seen: Recorder, ch: Chan[int]) -> None:
        seen.take()
        assert gochan.select_nowait(recv(ch), send(ch, 1), recv(nil)) is None
        edges = ("acquire", "release", "release_merge", "release_acquire")
        assert seen.take(*edges, "completed", "goroutine_parked") == []

    rows(backend, body)


# Edges


def edges(body: Callable[[Clocks], Any], backend: dict[str, Any]) -> Clocks:
    clocks = Clocks()

    async def main() -> None:
        await body(clocks)

    watch(main, backend, clocks)
    return clocks


@pytest.mark.parametrize("first", ["sender", "receiver"])
def test_a_rendezvous_orders_both_ways(backend: dict[str, Any], first: str) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int]()

        async def sender() -> None:
            clocks.mark("before send")
            await ch.send(1)
            clocks.mark("after send")

        async def receiver() -> None:
            clocks.mark("before recv")
            await ch.recv()
            clocks.mark("after recv")

        for party in (sender, receiver) if first == "sender" else (receiver, sender):
            go(party)
            await settle()

    clocks = edges(body, backend)
    assert clocks.before("before send", "after recv")
    assert clocks.before("before recv", "after send")
    assert not clocks.ordered("before send", "before recv")
    assert not clocks.ordered("after send", "after recv")


def test_a_buffered_send_comes_before_its_receive_only(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int](1)

        async def sender() -> None:
            clocks.mark("before send")
            await ch.send(1)
            clocks.mark("after send")

        async def receiver() -> None:
            clocks.mark("before recv")
            await ch.recv()
            clocks.mark("after recv")

        go(sender)
        await settle()
        go(receiver)
        await settle()

    clocks = edges(body, backend)
    assert clocks.before("before send", "after recv")
    assert not clocks.ordered("after send", "after recv")
    assert not clocks.ordered("before recv", "after send")


def numbered(
    clocks: Clocks, ch: Chan[int], what: str, number: int
) -> Callable[[], Coroutine[Any, Any, None]]:
    """A goroutine for each operation, so that only the channel orders them."""

    async def party() -> None:
        clocks.mark(f"before {what} {number}")
        await (ch.send(number) if what == "send" else ch.recv())
        clocks.mark(f"after {what} {number}")

    return party


@pytest.mark.parametrize("parked", [False, True])
def test_the_kth_receive_comes_before_the_send_that_reuses_its_slot(
    backend: dict[str, Any], parked: bool
) -> None:
    """Capacity 2. ``parked``: sends 2 and 3 wait for room, else they find it."""

    async def body(clocks: Clocks) -> None:
        ch = Chan[int](2)
        script = [("send", 0), ("send", 1)]
        if parked:
            script += [("send", 2), ("send", 3), ("recv", 0), ("recv", 1)]
        else:
            script += [("recv", 0), ("recv", 1), ("send", 2), ("send", 3)]
        script += [("recv", 2), ("recv", 3)]
        for what, number in script:
            go(numbered(clocks, ch, what, number))
            await settle()

    clocks = edges(body, backend)
    for k in range(4):
        assert clocks.before(f"before send {k}", f"after recv {k}")
    for k in range(2):
        assert clocks.before(f"before recv {k}", f"after send {k + 2}")
    # neighbours use different slots
    for one, two in [(0, 1), (2, 3), (1, 2), (0, 3)]:
        for what in ("send", "recv"):
            assert not clocks.ordered(f"after {what} {one}", f"after {what} {two}")
    assert not clocks.ordered("after recv 0", "after send 1")
    assert not clocks.ordered("after recv 0", "after send 3")
    assert not clocks.ordered("after recv 1", "after send 2")
    assert not clocks.before("before send 2", "after recv 0")


def test_a_slot_swaps_and_does_not_add_up(backend: dict[str, Any]) -> None:
    """What a receive takes from a slot is the send's clock, not all before it."""

    async def body(clocks: Clocks) -> None:
        ch = Chan[int](1)
        for number in range(2):
            for what in ("send", "recv"):
                go(numbered(clocks, ch, what, number))
                await settle()

    clocks = edges(body, backend)
    assert clocks.before("before recv 0", "after send 1")
    assert clocks.before("before send 1", "after recv 1")
    # send 1 released before it acquired
    assert not clocks.ordered("before recv 0", "after recv 1")


def test_a_channel_of_one_is_a_mutex(backend: dict[str, Any]) -> None:
    entered: list[int] = []

    async def body(clocks: Clocks) -> None:
        lock = Chan[None](1)

        async def party(number: int) -> None:
            await lock.send(None)
            clocks.mark(f"in {len(entered)}")
            entered.append(number)
            # the others wait for the lock meanwhile
            await gochan.yield_()
            await lock.recv()

        for number in range(3):
            go(party, number)
        await settle()

    clocks = edges(body, backend)
    assert clocks.before("in 0", "in 1")
    assert clocks.before("in 1", "in 2")
    assert not clocks.before("in 1", "in 0")


def test_a_hand_over_on_a_buffered_channel(backend: dict[str, Any]) -> None:
    """The receiver waits: the send comes before it, and not the other way."""

    async def body(clocks: Clocks) -> None:
        ch = Chan[int](1)
        go(numbered(clocks, ch, "recv", 0))
        await settle()
        go(numbered(clocks, ch, "send", 0))
        await settle()

    clocks = edges(body, backend)
    assert clocks.before("before send 0", "after recv 0")
    assert not clocks.ordered("before recv 0", "after send 0")


@pytest.mark.parametrize("parked", [False, True])
def test_a_close_comes_before_what_sees_it(
    backend: dict[str, Any], parked: bool
) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int]()

        async def closer() -> None:
            clocks.mark("before close")
            ch.close()
            clocks.mark("after close")

        async def receiver() -> None:
            clocks.mark("before recv")
            await ch.recv_ok()
            clocks.mark("after recv")

        async def selects() -> None:
            await select(recv(nil), recv(ch))
            clocks.mark("after select")

        parties = [receiver, selects, closer]
        for party in parties if parked else reversed(parties):
            go(party)
            await settle()

    clocks = edges(body, backend)
    assert clocks.before("before close", "after recv")
    assert clocks.before("before close", "after select")
    assert not clocks.ordered("after close", "after recv")
    assert not clocks.ordered("before recv", "after close")
    assert not clocks.ordered("after recv", "after select")


def test_a_close_is_not_ordered_with_what_was_buffered(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int](1)
        ch.send_nowait(1)

        async def closer() -> None:
            clocks.mark("before close")
            ch.close()

        async def receiver() -> None:
            await ch.recv()
            clocks.mark("after value")
            await ch.recv_ok()
            clocks.mark("after closed")

        go(closer)
        await settle()
        go(receiver)
        await settle()

    clocks = edges(body, backend)
    assert not clocks.ordered("before close", "after value")
    assert clocks.before("before close", "after closed")


def test_starting_and_joining(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        async def child() -> None:
            clocks.mark("child")

        async def sibling() -> None:
            clocks.mark("sibling")

        clocks.mark("before go")
        g = go(child)
        clocks.mark("after go")
        go(sibling)
        await settle()
        # its end alone orders nothing
        clocks.mark("after end")
        await g
        clocks.mark("after join")

    clocks = edges(body, backend)
    assert clocks.before("before go", "child")
    assert not clocks.ordered("after go", "child")
    assert not clocks.ordered("child", "after end")
    assert clocks.before("child", "after join")
    assert not clocks.ordered("child", "sibling")


def test_selecting_on_a_goroutine_is_joining(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        async def child(wake: Chan[None]) -> None:
            await wake.recv()
            clocks.mark("child")

        for parked in (False, True):
            wake = Chan[None](1)
            g = go(child, wake)
            if not parked:
                wake.send_nowait(None)
                await settle()
            else:
                go(wake.send, None)
            await select(g)
            clocks.mark("after select")
            assert clocks.before("child", "after select")
            clocks.forget()

    edges(body, backend)


def test_yielding_and_looking_order_nothing(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int](1)

        async def one() -> None:
            clocks.mark("one")
            await gochan.yield_()
            ch.send_nowait(1)

        async def two() -> None:
            while len(ch) == 0:
                await gochan.yield_()
            repr(ch)
            clocks.mark("two")

        go(one)
        go(two)
        await settle()

    clocks = edges(body, backend)
    assert not clocks.ordered("one", "two")


def test_only_the_chosen_case_orders(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        a, b = Chan[int](), Chan[int]()

        async def selects() -> None:
            await select(recv(a), recv(b))
            clocks.mark("after select")

        async def loser() -> None:
            clocks.mark("before losing")
            await b.send(1)

        async def winner() -> None:
            clocks.mark("before winning")
            await a.send(1)
            clocks.mark("after winning")

        go(selects)
        await settle()
        go(winner)
        await settle()
        go(loser)
        await settle()

    clocks = edges(body, backend)
    assert clocks.before("before winning", "after select")
    assert not clocks.ordered("before losing", "after select")


def test_nothing_is_ordered_by_a_default(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int](1)

        async def one() -> None:
            clocks.mark("one")
            ch.send_nowait(1)

        async def two() -> None:
            assert gochan.select_nowait(send(ch, 2)) is None
            with pytest.raises(gochan.WouldBlock):
                ch.send_nowait(2)
            clocks.mark("two")

        go(one)
        await settle()
        go(two)
        await settle()

    clocks = edges(body, backend)
    assert not clocks.ordered("one", "two")


def test_a_cancelled_operation_orders_nothing(backend: dict[str, Any]) -> None:
    async def body(clocks: Clocks) -> None:
        ch = Chan[int]()

        async def one() -> None:
            clocks.mark("one")
            await ch.send(1)

        async def two() -> None:
            clocks.mark("before")
            await ch.recv()

        g = go(one)
        await settle()
        g.cancel()
        await settle()
        go(two)
        await settle()

    clocks = edges(body, backend)
    assert not clocks.ordered("one", "before")


def test_edges_between_threads_and_a_loop(backend: dict[str, Any]) -> None:
    clocks = Clocks()

    async def main() -> None:
        ch, back = Chan[int](), Chan[int](1)

        def thread() -> None:
            clocks.mark("thread before send")
            ch.blocking_send(1)
            clocks.mark("thread after send")
            back.blocking_send(2)

        worker = start(thread)
        clocks.mark("main before recv")
        await ch.recv()
        clocks.mark("main after recv")
        await back.recv()
        clocks.mark("main after back")
        worker.join()

    watch(main, backend, clocks)
    assert clocks.before("thread before send", "main after recv")
    assert clocks.before("main before recv", "thread after send")
    assert not clocks.before("thread after send", "main after recv")
    assert clocks.before("thread after send", "main after back")
