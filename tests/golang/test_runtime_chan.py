"""Go's src/runtime/chan_test.go.

Left out is what tests Go's stacks, its write barriers and its compiler:
TestShrinkStackDuringBlockedSend, TestNoShrinkStackWhileParking,
TestSelectStackAdjust, TestChanSendInterface, TestChan(Send)SelectBarrier.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    RecvCase,
    SendCase,
    WouldBlock,
    blocking_select,
    go,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import PATIENCE, WHERE, Face, Threads, World, fresh_seed, until
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

# Go: 0 to 199
CAPS = pytest.mark.parametrize("cap", [*range(8), 15, 16, 17, 64, 199])


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Let the interpreter switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class TestChan:
    """TestChan, one method for each of its blocks."""

    @CAPS
    async def test_receive_from_an_empty_channel_blocks(self, cap: int) -> None:
        ch = Chan[int](cap)
        received: list[object] = []

        async def plain() -> None:
            received.append(await ch.recv())

        async def with_ok() -> None:
            received.append(await ch.recv_ok())

        async with gochan.scope():
            go(plain)
            await settle()
            go(with_ok)
            await settle()
            assert received == []
            assert select_nowait(recv(ch)) is None
            with pytest.raises(WouldBlock):
                ch.recv_nowait()
            await ch.send(0)
            await settle()
            await ch.send(0)
        assert received == [0, (0, True)]

    @CAPS
    async def test_send_to_a_full_channel_blocks(self, cap: int) -> None:
        ch = Chan[int](cap)
        for i in range(cap):
            await ch.send(i)
        async with gochan.scope():
            sender = go(ch.send, cap)
            await settle()
            assert sender.state == "parked"
            assert select_nowait(send(ch, -1)) is None
            with pytest.raises(WouldBlock):
                ch.send_nowait(-1)
            assert await ch.recv() == 0
            await sender
        assert [ch.recv_nowait() for _ in range(len(ch))] == list(range(1, cap + 1))

    @CAPS
    async def test_a_closed_channel_is_drained(self, cap: int) -> None:
        ch = Chan[int](cap)
        for i in range(cap):
            await ch.send(i)
        ch.close()
        for i in range(cap):
            assert await ch.recv() == i
        with pytest.raises(ChanClosed):
            await ch.recv()
        assert await ch.recv_ok() == (None, False)

    @CAPS
    async def test_close_unblocks_a_receive(self, cap: int) -> None:
        ch = Chan[int](cap)
        async with gochan.scope():
            receiver = go(ch.recv_ok)
            await settle()
            ch.close()
            assert await receiver == (None, False)

    @CAPS
    async def test_fifo(self, cap: int) -> None:
        ch = Chan[int](cap)

        async def produce() -> None:
            for i in range(100):
                await ch.send(i)

        async with gochan.scope():
            go(produce)
            for i in range(100):
                assert await ch.recv() == i
            go(produce)
            for i in range(100):
                assert await ch.recv_ok() == (i, True)

    @CAPS
    @WHERE
    async def test_many_to_many(self, where: str, cap: int) -> None:
        ch = Chan[int](cap)
        parties, n = 4, 250
        received: Counter[int] = Counter()
        counts: list[Counter[int]] = [Counter() for _ in range(parties)]

        async def produce(my: Face) -> None:
            for i in range(n):
                await my.send(ch, i)

        async def consume(my: Face, count: Counter[int]) -> None:
            for _ in range(n):
                count[await my.recv(ch)] += 1

        async with World(where) as world:
            for _ in range(parties):
                world.go(produce)
            for count in counts:
                world.go(consume, count)
        for count in counts:
            received.update(count)
        assert received == dict.fromkeys(range(n), parties)
        stats = ch.stats()
        assert stats.length == stats.waiting_senders == stats.waiting_receivers == 0

    @CAPS
    async def test_len_and_cap(self, cap: int) -> None:
        ch = Chan[int](cap)
        assert (len(ch), ch.cap) == (0, cap)
        for i in range(cap):
            await ch.send(i)
        assert (len(ch), ch.cap) == (cap, cap)


# Races of operations that do not wait. Each round has two parties that run at the
# same time, one of them always on a thread of its own.


def test_nonblock_recv_race(eager_switches: None) -> None:
    """A value in the buffer is there, also while the channel is being closed."""
    work = Chan[Chan[int]]()
    results = Chan[bool]()

    def try_to_receive() -> None:
        for ch in work:
            # one of the two gets the value, the other finds the channel closed or
            # the value taken, but it never is "not ready": close came first
            try:
                ch.recv_nowait()
            except ChanClosed:
                pass
            except WouldBlock:
                results.blocking_send(False)
                continue
            results.blocking_send(True)

    with Threads() as threads:
        threads.start(try_to_receive)
        for _ in range(2000):
            ch = Chan[int](1)
            ch.send_nowait(1)
            work.blocking_send(ch)
            ch.close()
            ch.blocking_recv_ok(timeout=0)
            assert results.blocking_recv(PATIENCE), "the channel was not ready"
        work.close()


@pytest.mark.parametrize("second_is", ["sent", "closed"])
def test_nonblock_select_race(eager_switches: None, second_is: str) -> None:
    """TestNonblockSelectRace and Race2: a select sees all channels at one instant.

    From the start of each round on, one of two channels is ready at every moment.
    So the select must find one, however it is interleaved with the change. Quiet
    channels between the two give it time to miss both.
    """
    seed = fresh_seed()
    rng = random.Random(seed)
    work = Chan[tuple[Chan[int], Chan[int]]]()
    results = Chan[bool]()
    quiet = [recv(Chan[int]()) for _ in range(100)]

    def try_to_select() -> None:
        for c1, c2 in work:
            chosen = select_nowait(recv(c2), *quiet, recv(c1))
            results.blocking_send(chosen is not None)

    with Threads() as threads:
        threads.start(try_to_select)
        for _ in range(2000):
            c1, c2 = Chan[int](1), Chan[int](1)
            c1.send_nowait(1)
            work.blocking_send((c1, c2))
            # anywhere in the course of the select
            for _ in range(rng.randrange(300)):
                pass
            if second_is == "sent":
                c2.send_nowait(1)
            else:
                c2.close()
            try:
                c1.recv_nowait()
            except WouldBlock:
                pass
            ready = results.blocking_recv(PATIENCE)
            assert ready, f"no channel was ready, seed {seed}"
        work.close()


@pytest.mark.parametrize("second_is", ["sent", "closed"])
async def test_nonblock_select_race_with_a_loop(
    eager_switches: None, second_is: str
) -> None:
    """The same, with the select on a loop and the changes on a thread."""
    work = Chan[tuple[Chan[int], Chan[int]]]()
    results = Chan[bool]()

    def change() -> None:
        for _ in range(1000):
            c1, c2 = Chan[int](1), Chan[int](1)
            c1.send_nowait(1)
            work.blocking_send((c1, c2), timeout=PATIENCE)
            if second_is == "sent":
                c2.send_nowait(1)
            else:
                c2.close()
            try:
                c1.recv_nowait()
            except WouldBlock:
                pass
            assert results.blocking_recv(PATIENCE), "no channel was ready"
        work.close()

    async with Threads() as threads:
        threads.start(change)
        async for c1, c2 in work:
            await results.send(select_nowait(recv(c1), recv(c2)) is not None)


@WHERE
@pytest.mark.parametrize("cap", [0, 10])
async def test_self_select(where: str, cap: int) -> None:
    """Two goroutines that both send and receive in one select on one channel."""
    ch = Chan[int](cap)

    async def party(my: Face, me: int) -> None:
        for i in range(1000):
            receives, sends = recv(ch), send(ch, me)
            cases: list[RecvCase[int] | SendCase[int]] = [sends, receives]
            if me == 1 and i % 2:
                cases.reverse()
            if await my.select(*cases) is receives and cap == 0:
                assert receives.value != me, "received from itself"

    async with World(where) as world:
        world.go(party, 0)
        world.go(party, 1)
    stats = ch.stats()
    assert (stats.waiting_senders, stats.waiting_receivers) == (0, 0)


@WHERE
async def test_select_stress(where: str) -> None:
    """For each of four channels a plain sender and receiver; across all of them one
    that sends and one that receives in a select of four, until all have had n.
    """
    n = 1000 if where == "loop" else 400
    chans = [Chan[int](cap) for cap in (0, 0, 2, 3)]
    received = [0] * 8

    async def sends(my: Face, ch: Chan[int]) -> None:
        for _ in range(n):
            await my.send(ch, 0)

    async def receives(my: Face, k: int) -> None:
        for _ in range(n):
            await my.recv(chans[k])
            received[k] += 1

    async def sends_all(my: Face) -> None:
        targets: list[Chan[int] | None] = [*chans]
        left = [n] * 4
        for _ in range(4 * n):
            # in another order than the one that receives
            cases = [send(target, 0) for target in reversed(targets)]
            k = 3 - (await my.select(*cases)).index
            left[k] -= 1
            if not left[k]:
                targets[k] = None

    async def receives_all(my: Face) -> None:
        sources: list[Chan[int] | None] = [*chans]
        for _ in range(4 * n):
            cases = [recv(source) for source in sources]
            k = (await my.select(*cases)).index
            received[4 + k] += 1
            if received[4 + k] == n:
                sources[k] = None

    async with World(where) as world:
        for k, ch in enumerate(chans):
            world.go(sends, ch)
            world.go(receives, k)
        world.go(sends_all)
        world.go(receives_all)
    assert received == [n] * 8
    for ch in chans:
        stats = ch.stats()
        assert stats.length == stats.waiting_senders == stats.waiting_receivers == 0


@WHERE
async def test_select_fairness(where: str) -> None:
    """Of four cases two are always ready: each is chosen about half of the time.

    Ten standard deviations are a lot; what is meant is a systematic preference.
    """
    seed = fresh_seed()
    trials = 10_000 if where == "loop" else 2000
    always = [Chan[int](trials + 1) for _ in range(2)]
    for k, ch in enumerate(always):
        for _ in range(trials + 1):
            await ch.send(k)
    quiet = [Chan[int](), Chan[int]()]
    out, done = Chan[int](), Chan[None]()
    counts = [0, 0]

    async def chooser(my: Face) -> None:
        cases = [recv(ch) for ch in (*quiet, *always)]
        stop = recv(done)
        while True:
            value = (await my.select(*cases)).value
            if await my.select(send(out, value), stop) is stop:
                return

    async def counter(my: Face) -> None:
        for _ in range(trials):
            counts[await my.recv(out)] += 1
        done.close()

    async with World(where) as world:
        world.go(chooser)
        world.go(counter)
    deviation = math.sqrt(trials * 0.25)
    assert abs(counts[0] - trials / 2) < 10 * deviation, f"{counts}, seed {seed}"


def test_select_nowait_and_blocking_select_are_fair() -> None:
    """The same for the two forms that Go does not have."""
    seed = fresh_seed()
    trials = 4000
    for form in ("select_nowait", "blocking_select"):
        counts: Counter[int] = Counter()
        a, b = Chan[int](1), Chan[int](1)
        for _ in range(trials):
            for ch in (a, b):
                if len(ch) == 0:
                    ch.send_nowait(0)
            chosen = (
                select_nowait(recv(a), recv(b))
                if form == "select_nowait"
                else blocking_select(recv(a), recv(b))
            )
            assert chosen is not None
            counts[chosen.index] += 1
        deviation = math.sqrt(trials * 0.25)
        wrong = f"{form}: {counts}, seed {seed}"
        assert abs(counts[0] - trials / 2) < 10 * deviation, wrong


@WHERE
@pytest.mark.parametrize("cap", [0, 100])
async def test_pseudo_random_send(where: str, cap: int) -> None:
    """A select of two sends on one channel chooses between them at random."""
    seed = fresh_seed()
    n = 100
    ch = Chan[int](cap)
    received: list[int] = []

    async def receiver(my: Face) -> None:
        for _ in range(n):
            await my.yield_()
            received.append(await my.recv(ch))

    async def sender(my: Face) -> None:
        for _ in range(n):
            await my.select(send(ch, 1), send(ch, 0))

    async with World(where) as world:
        world.go(receiver)
        world.go(sender)
    assert n / 10 < sum(received) < n * 9 / 10, f"{sum(received)} ones, seed {seed}"


@WHERE
async def test_multi_consumer(where: str) -> None:
    """23 workers range over one channel and send on to another.

    Each close is passed on, and nothing is lost.
    """
    workers, n = 23, 10_000 if where == "loop" else 3000
    primes = [2, 3, 7, 11, 13, 17, 19, 23, 27, 31]
    queue, results = Chan[int](workers * 3), Chan[int](workers * 3)
    done = Chan[None](workers)
    seen: Counter[int] = Counter()

    async def worker(my: Face, w: int) -> None:
        async for value in my.each(queue):
            # upset the order in which the workers take their turns
            if primes[w % len(primes)] == value:
                await my.yield_()
            await my.send(results, value)
        await my.send(done, None)

    async def feeder(my: Face) -> None:
        for i in range(n):
            await my.send(queue, primes[i % len(primes)])
        queue.close()
        for _ in range(workers):
            await my.recv(done)
        results.close()

    async def consumer(my: Face) -> None:
        async for value in my.each(results):
            seen[value] += 1

    async with World(where) as world:
        for w in range(workers):
            world.go(worker, w)
        world.go(feeder)
        world.go(consumer)
    assert seen == dict.fromkeys(primes, n // len(primes))


async def test_select_duplicate_channel() -> None:
    """One that waits twice on a channel and is won by another is out of its queue."""
    c, d, e = Chan[int](), Chan[int](), Chan[int]()

    async def a() -> None:
        chosen = await select(recv(c), recv(c), recv(d))
        assert chosen.index == 2
        await e.send(9)

    async with gochan.scope():
        go(a)
        await settle()
        b = go(c.recv)
        await settle()
        assert c.stats().waiting_receivers == 3
        await d.send(7)
        assert await e.recv() == 9
        assert c.stats().waiting_receivers == 1
        await c.send(8)
        assert await b == 8


def test_select_duplicate_channel_on_threads() -> None:
    c, d, e = Chan[int](), Chan[int](), Chan[int]()
    got: list[int] = []

    def a() -> None:
        chosen = blocking_select(recv(c), recv(c), recv(d), timeout=PATIENCE)
        assert chosen.index == 2
        e.blocking_send(9, timeout=PATIENCE)

    def b() -> None:
        got.append(c.blocking_recv(PATIENCE))

    with Threads() as threads:
        threads.start(a)
        until(lambda: c.stats().waiting_receivers == 2, "a waits")
        threads.start(b)
        until(lambda: c.stats().waiting_receivers == 3, "b waits")
        d.blocking_send(7, timeout=PATIENCE)
        assert e.blocking_recv(PATIENCE) == 9
        c.blocking_send(8, timeout=PATIENCE)
    assert got == [8]


async def test_select_duplicate_channel_counts_twice() -> None:
    """select {<-x; <-x; <-y} takes x two times out of three."""
    seed = fresh_seed()
    x, y = Chan[int](1), Chan[int](1)
    counts: Counter[int] = Counter()
    trials = 6000
    for _ in range(trials):
        for ch in (x, y):
            if len(ch) == 0:
                await ch.send(0)
        counts[(await select(recv(x), recv(x), recv(y))).index] += 1
    deviation = math.sqrt(trials * 2 / 9)
    for index in range(3):
        wrong = f"{counts}, seed {seed}"
        assert abs(counts[index] - trials / 3) < 10 * deviation, wrong
