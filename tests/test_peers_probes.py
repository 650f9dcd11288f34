"""The probes that other channel libraries for Python fail, one test each.

Fourteen libraries were probed in 2026: none that has an ``await`` API passes all.
Each test says what was seen to go wrong.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    CloseOfClosed,
    GoroutineCancelled,
    SendOnClosed,
    WouldBlock,
    go,
    recv,
    run,
    scope,
    select,
    select_nowait,
    send,
    yield_,
)
from support.idle import settle
from support.ledger import at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

caps = pytest.mark.parametrize("cap", [0, 1])


async def test_rendezvous() -> None:
    # a send that returns before its value is taken
    ch = Chan[int]()
    steps: list[str] = []

    async def produce() -> None:
        steps.append("sending")
        await ch.send(1)
        steps.append("sent")

    async with scope():
        go(produce)
        await settle()
        assert steps == ["sending"]
        assert await ch.recv() == 1
        await settle()
        assert steps == ["sending", "sent"]


@pytest.mark.parametrize("cap", [0, 1, 3, 128])
async def test_fifo(cap: int) -> None:
    ch = Chan[int](cap)

    async def produce() -> None:
        for number in range(1000):
            await ch.send(number)
        ch.close()

    async with scope():
        go(produce)
        assert [value async for value in ch] == list(range(1000))


@pytest.mark.parametrize("cap", [0, 1, 3])
async def test_fifo_of_blocked_senders(cap: int) -> None:
    ch = Chan[int](cap)
    async with scope():
        for number in range(50):
            go(ch.send, number)
            await settle()
        assert [await ch.recv() for _ in range(50)] == list(range(50))


@pytest.mark.parametrize("cap", [0, 1])
async def test_fifo_of_blocked_receivers(cap: int) -> None:
    ch = Chan[int](cap)
    got: dict[int, int] = {}

    async def receive(number: int) -> None:
        got[number] = await ch.recv()

    async with scope():
        for number in range(50):
            go(receive, number)
            await settle()
        for number in range(50):
            await ch.send(number)
    assert all(got[number] == number for number in range(50))


async def test_close_drains() -> None:
    # what is buffered is discarded by close
    ch = Chan[int](3)
    for number in range(3):
        await ch.send(number)
    ch.close()
    assert [await ch.recv() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ChanClosed):
        await ch.recv()
    assert await ch.recv_ok() == (None, False)


@caps
async def test_close_wakes_all_receivers(cap: int) -> None:
    # only one, or none
    ch = Chan[int](cap)
    closed = 0

    async def receive(how: int) -> None:
        nonlocal closed
        if how == 0:
            with pytest.raises(ChanClosed):
                await ch.recv()
        elif how == 1:
            assert await ch.recv_ok() == (None, False)
        elif how == 2:
            async for _ in ch:
                raise AssertionError("there was no value")
        else:
            assert not (await select(recv(ch), recv(Chan[int]()))).ok
        closed += 1

    async with scope():
        for number in range(100):
            go(receive, number % 4)
        await settle()
        ch.close()
    assert closed == 100
    at_rest(ch)


@caps
async def test_close_fails_blocked_senders(cap: int) -> None:
    # they stay blocked, or their value is delivered after the close
    ch = Chan[int](cap)
    failed = 0

    async def produce(number: int) -> None:
        nonlocal failed
        with pytest.raises(SendOnClosed):
            if number % 2:
                await ch.send(99)
            else:
                await select(send(ch, 99), recv(Chan[int]()))
        failed += 1

    async with scope():
        for _ in range(cap):
            ch.send_nowait(1)
        for number in range(20):
            go(produce, number)
        await settle()
        ch.close()
        assert [value async for value in ch] == [1] * cap
    assert failed == 20
    at_rest(ch)


@caps
async def test_send_on_closed_fails(cap: int) -> None:
    # it succeeds, and nobody ever gets the value
    ch = Chan[int](cap)
    ch.close()
    with pytest.raises(SendOnClosed):
        await ch.send(1)
    with pytest.raises(SendOnClosed):
        ch.send_nowait(1)
    with pytest.raises(SendOnClosed):
        await select(send(ch, 1))
    with pytest.raises(SendOnClosed):
        select_nowait(send(ch, 1))


async def test_second_close_fails() -> None:
    # all of them accept it in silence
    ch = Chan[int]()
    ch.close()
    with pytest.raises(CloseOfClosed, match="^close of closed channel$"):
        ch.close()


@caps
async def test_none_is_a_value(cap: int) -> None:
    # refused, or taken for the end
    ch = Chan[None](cap)
    async with scope():
        go(ch.send, None)
        assert await ch.recv_ok() == (None, True)
        go(ch.send, None)
        chosen = await select(recv(ch))
        assert chosen.ok
        assert chosen.value is None
        go(ch.send, None)
        async for value in ch:
            assert value is None
            break


@pytest.mark.parametrize("kind", ["recv", "send"])
@pytest.mark.parametrize("count", [2, 3])
async def test_select_is_fair(kind: str, count: int) -> None:
    # always the first one that is ready
    channels = [Chan[int](1) for _ in range(count)]
    if kind == "recv":
        for each in channels:
            each.send_nowait(1)
    chosen_how_often = [0] * count
    for _ in range(10_000):
        if kind == "recv":
            chosen = await select(*[recv(each) for each in channels])
            channels[chosen.index].send_nowait(1)
        else:
            made = await select(*[send(each, 1) for each in channels])
            channels[made.index].recv_nowait()
            chosen = recv(channels[made.index])
            chosen.index = made.index
        chosen_how_often[chosen.index] += 1
    expected = 10_000 / count
    # more than six standard deviations away: one run in 10^9
    for times in chosen_how_often:
        assert abs(times - expected) < 6 * (expected * (1 - 1 / count)) ** 0.5


async def test_select_is_fair_among_those_that_park() -> None:
    a, b = Chan[int](), Chan[int]()
    got = {0: 0, 1: 0}

    async def produce(ch: Chan[int]) -> None:
        while True:
            await ch.send(1)

    async with scope() as s:
        go(produce, a)
        go(produce, b)
        for _ in range(2000):
            got[(await select(recv(a), recv(b))).index] += 1
        s.cancel()
    assert min(got.values()) > 500


@caps
async def test_cancelled_receive_then_send(cap: int) -> None:
    # the send fails in the sender, or goes to the one that is gone
    ch = Chan[int](cap)
    async with scope():
        g = go(ch.recv)
        await settle()
        g.cancel()
        await settle()
        if cap:
            await ch.send(5)
        else:
            with pytest.raises(WouldBlock):
                ch.send_nowait(5)
            go(ch.send, 5)
        assert await ch.recv() == 5
    at_rest(ch)


@caps
async def test_hand_over_and_cancelled_receive_in_the_same_tick(cap: int) -> None:
    # the value is lost: 200 of 200 with a native cancellation in anyio's streams
    ch = Chan[int](cap)
    for number in range(50):
        async with scope():
            g = go(ch.recv)
            await settle()
            ch.send_nowait(number)
            g.cancel()
            try:
                value = await g
            except GoroutineCancelled:
                value = ch.recv_nowait()
            assert value == number
    at_rest(ch)


@caps
async def test_cancelled_send_leaves_nothing(cap: int) -> None:
    # its value is delivered later
    ch = Chan[int](cap)
    for _ in range(cap):
        ch.send_nowait(0)
    async with scope():
        g = go(ch.send, 99)
        await settle()
        g.cancel()
        await settle()
        if cap:
            assert ch.recv_nowait() == 0
        with pytest.raises(WouldBlock):
            ch.recv_nowait()
        go(ch.send, 5)
        assert await ch.recv() == 5
    at_rest(ch)


@caps
async def test_take_and_cancelled_send_in_the_same_tick(cap: int) -> None:
    # the value is delivered and yet the sender is told that it was cancelled
    ch = Chan[int](cap)
    for number in range(50):
        async with scope():
            for _ in range(cap):
                ch.send_nowait(-1)
            g = go(ch.send, number)
            await settle()
            taken = [ch.recv_nowait()]
            g.cancel()
            try:
                await g
            except GoroutineCancelled:
                with pytest.raises(WouldBlock):
                    ch.recv_nowait()
                continue
            while cap and len(ch):
                taken.append(ch.recv_nowait())
            assert taken[-1] == number
    at_rest(ch)


async def test_cancelled_select_leaves_no_ghost() -> None:
    # a value sent later goes to the select that is gone
    a, b = Chan[int](1), Chan[int]()
    for number in range(100):
        async with scope():
            g = go(lambda: select(recv(a), recv(b), send(b, 3)))
            await settle()
            g.cancel()
            await settle()
            at_rest(a, b)
            a.send_nowait(number)
            assert a.recv_nowait() == number
            with pytest.raises(WouldBlock):
                b.recv_nowait()
            with pytest.raises(WouldBlock):
                b.send_nowait(1)


async def test_both_ready_the_loser_keeps_its_value() -> None:
    # it is lost, 20 of 20
    a, b = Chan[int](1), Chan[int](1)
    for _ in range(200):
        a.send_nowait(1)
        b.send_nowait(2)
        chosen = await select(recv(a), recv(b))
        other = b if chosen.index == 0 else a
        assert other.recv_nowait() + chosen.value == 3


async def test_both_become_ready_while_it_waits() -> None:
    a, b = Chan[int](1), Chan[int](1)
    for _ in range(100):
        async with scope():
            g = go(lambda: select(recv(a), recv(b)))
            await settle()
            a.send_nowait(1)
            b.send_nowait(2)
            chosen = await g
            assert chosen.value == 1
            assert b.recv_nowait() == 2
    at_rest(a, b)


async def test_select_leaves_no_waiters() -> None:
    # 5000 waiters on the idle channel after 5000 selects
    busy, idle = Chan[int](), Chan[int]()

    async def produce() -> None:
        for number in range(5000):
            await busy.send(number)

    async with scope():
        go(produce)
        for number in range(5000):
            chosen = await select(recv(idle), recv(busy))
            assert chosen.value == number
    assert idle.stats().waiting_receivers == 0
    at_rest(busy, idle)


async def test_more_than_1024_parked() -> None:
    # "no more than 1024 pending gets are allowed on a single channel"
    ch = Chan[int]()
    got: list[int] = []

    async def receive() -> None:
        got.append(await ch.recv())

    async with scope():
        for _ in range(5000):
            go(receive)
        await settle()
        assert ch.stats().waiting_receivers == 5000
        for number in range(5000):
            await ch.send(number)
    assert sorted(got) == list(range(5000))


# At scale


def resident() -> int:
    """Bytes of memory in use."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def report(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n    {text}")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "n"), [("recv", 100_000), ("send", 20_000), ("select", 20_000)]
)
def test_100_000_parked_on_one_channel(
    backend: dict[str, Any], kind: str, n: int, capsys: pytest.CaptureFixture[str]
) -> None:
    # refused, or hung for a minute
    ch = Chan[int]()
    other = Chan[int]()
    done = 0

    async def receive() -> None:
        nonlocal done
        await ch.recv()
        done += 1

    async def produce() -> None:
        nonlocal done
        await ch.send(1)
        done += 1

    async def choose() -> None:
        nonlocal done
        await select(recv(ch), recv(other))
        done += 1

    async def main() -> None:
        work = {"recv": receive, "send": produce, "select": choose}[kind]
        gc.collect()
        memory = resident()
        start = time.perf_counter()
        for _ in range(n):
            go(work)
        await settle()
        parked = time.perf_counter()
        memory = resident() - memory
        stats = ch.stats()
        assert stats.waiting_receivers + stats.waiting_senders == n
        for _ in range(1000):
            if kind == "send":
                await ch.recv()
            else:
                await ch.send(1)
        while done < 1000:
            await yield_()
        woken = time.perf_counter()
        report(
            capsys,
            f"{n} in {kind} on {backend['backend']}: {memory // n} bytes each, "
            f"parked in {parked - start:.2f} s, "
            f"1000 woken in {woken - parked:.3f} s",
        )
        # sanity: in proportion, and not by the length of the queue
        assert memory // n < 30_000
        assert woken - parked < 10 * (parked - start)

    run(main, **backend)
    assert ch.stats().waiting_receivers == 0
    at_rest(ch, other)


def ratio_of_costs(
    cost: Callable[[int], float], n: int, capsys: pytest.CaptureFixture[str], what: str
) -> float:
    """How much more 4n cost than n: 4 if linear, 16 if quadratic. Median of 3.

    Costs are seconds of this thread's processor time.
    """
    ratios: list[float] = []
    texts: list[str] = []
    for _ in range(3):
        small, large = cost(n), cost(4 * n)
        ratios.append(large / small)
        texts.append(f"{small:.3f}/{large:.3f}")
    ratio = statistics.median(ratios)
    report(capsys, f"{what}: {n}/{4 * n} in {', '.join(texts)} s, ratio {ratio:.1f}")
    return ratio


async def parked_on(ch: Chan[int], kind: str) -> None:
    match kind:
        case "recv":
            await ch.recv()
        case "send":
            await ch.send(1)
        case _:
            await select(recv(ch), recv(Chan[int]()))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("recv", "first first"),
        ("recv", "scope"),
        ("send", "middle first"),
        ("select", "last first"),
    ],
)
def test_cancelling_20_000_is_not_quadratic(
    backend: dict[str, Any],
    kind: str,
    order: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # a queue that is searched for the one to remove
    def cost(n: int) -> float:
        ch = Chan[int]()
        seconds = 0.0

        async def main() -> None:
            nonlocal seconds
            async with scope() as s:
                handles = [go(parked_on, ch, kind) for _ in range(n)]
                await settle()
                if order == "last first":
                    handles.reverse()
                elif order == "middle first":
                    half = n // 2
                    handles = handles[half:] + handles[:half]
                gc.collect()
                gc.disable()
                start = time.thread_time()
                if order == "scope":
                    s.cancel()
                else:
                    for g in handles:
                        g.cancel()
            seconds = time.thread_time() - start
            gc.enable()

        run(main, **backend)
        at_rest(ch)
        return seconds

    what = f"cancel {kind}, {order}, {backend['backend']}"
    assert ratio_of_costs(cost, 5000, capsys, what) < 8


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_end_of_a_run_is_not_quadratic(
    backend: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def cost(n: int) -> float:
        ch = Chan[int]()
        start = 0.0

        async def main() -> None:
            nonlocal start
            for number in range(n):
                go(parked_on, ch, ("recv", "select")[number % 2])
            await settle()
            gc.collect()
            gc.disable()
            start = time.thread_time()

        run(main, **backend)
        seconds = time.thread_time() - start
        gc.enable()
        at_rest(ch)
        return seconds

    what = f"end of a run, {backend['backend']}"
    assert ratio_of_costs(cost, 5000, capsys, what) < 8


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_close_of_a_channel_with_thousands_is_not_quadratic(
    backend: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def cost(n: int) -> float:
        done = Chan[int]()
        others = [Chan[int]() for _ in range(10)]
        seconds = 0.0

        async def wait(number: int) -> None:
            await select(recv(done), recv(others[number % 10]))

        async def main() -> None:
            nonlocal seconds
            async with scope():
                for number in range(n):
                    go(wait, number)
                await settle()
                gc.collect()
                gc.disable()
                start = time.thread_time()
                done.close()
            seconds = time.thread_time() - start
            gc.enable()

        run(main, **backend)
        at_rest(done, *others)
        return seconds

    what = f"close, {backend['backend']}"
    assert ratio_of_costs(cost, 5000, capsys, what) < 8


async def test_thousands_of_ready_operations_leave_nothing_behind() -> None:
    # no waiters, no tasks, no memory
    ch = Chan[int](1)
    idle = Chan[int]()
    for number in range(2000):
        await ch.send(number)
        assert (await select(recv(ch), recv(idle))).value == number
    before = len(gc.get_objects())
    for number in range(20_000):
        await ch.send(number)
        await select(recv(ch), recv(idle))
    gc.collect()
    assert len(gc.get_objects()) - before < 500
    at_rest(ch, idle)


def test_coroutines_that_are_not_awaited_do_nothing() -> None:
    ch = Chan[int](1)
    coroutine: Coroutine[Any, Any, None] = ch.send(1)
    coroutine.close()
    assert len(ch) == 0
    assert gochan.select_nowait(ch) is None
