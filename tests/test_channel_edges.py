"""What the events of channels and goroutines order, and what they must not.

Vector clocks, which know only those events, tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, go, nil, recv, select, send
from support.idle import settle
from support.seeing import Clocks, watch
from support.threads import start

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


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
