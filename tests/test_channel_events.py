"""What an instrument is told of channels: each event, row by row.

The rows are those of the table of Go's race detector (``runtime/chan.go``,
``select.go``).
"""

from __future__ import annotations

from typing import Any

import pytest

import gochan
from gochan import Chan, buffers, go, nil, recv, select, send
from support.idle import settle
from support.seeing import Recorder, watch


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
