"""The Go specification and src/runtime/select.go, rule by rule.

See also test_chan_select3.py (what blocks), test_chan_select5.py (operands) and
test_reflect_select.py (random selects against a model).
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    SendOnClosed,
    blocking_select,
    go,
    recv,
    select,
    select_nowait,
    send,
)
from golang.helpers import (
    PATIENCE,
    WHERE,
    Face,
    Threads,
    World,
    fresh_seed,
    nil_int,
    until,
)
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_exactly_one_case_happens() -> None:
    a, b, c = Chan[int](1), Chan[int](1), Chan[int](1)
    await a.send(1)
    await b.send(2)
    for _ in range(20):
        from_a, from_b, to_c = recv(a), recv(b), send(c, 3)
        chosen = await select(from_a, from_b, to_c)
        assert (len(a), len(b), 1 - len(c)).count(0) == 1
        if chosen is from_a:
            await a.send(from_a.value)
        elif chosen is from_b:
            await b.send(from_b.value)
        else:
            assert await c.recv() == 3


async def test_the_first_to_come_wins_a_waiting_select() -> None:
    a, b = Chan[int](), Chan[int]()
    async with gochan.scope():
        selects = go(both, a, b)
        await settle()
        b.send_nowait(2)
        # it has been decided, although it has not run yet
        with pytest.raises(gochan.WouldBlock):
            a.send_nowait(1)
        assert await selects == (1, 2)


async def both(a: Chan[int], b: Chan[int]) -> tuple[int, int]:
    chosen = await select(recv(a), recv(b))
    return chosen.index, chosen.value


async def test_who_loses_a_select_serves_the_next() -> None:
    """A sender that finds a select already decided goes on to who waits behind it."""
    a, b = Chan[int](), Chan[int]()
    async with gochan.scope():
        selects = go(both, a, b)
        await settle()
        behind = go(a.recv)
        await settle()
        b.send_nowait(1)
        a.send_nowait(2)
        assert await selects == (1, 1)
        assert await behind == 2


async def test_two_selects_meet_once() -> None:
    """On one of two channels that both name."""
    a, b = Chan[int](), Chan[int]()

    async def sends() -> tuple[int, int]:
        chosen = await select(send(a, 1), send(b, 2))
        return chosen.index, chosen.value

    async def receives() -> tuple[int, int]:
        return await both(a, b)

    for first, second in ((sends, receives), (receives, sends)):
        async with gochan.scope():
            one = go(first)
            await settle()
            two = go(second)
            assert await one == await two


async def test_a_waiting_select_that_names_a_channel_twice() -> None:
    """Which of the two cases is done is drawn; what it says is what was done."""
    seed = fresh_seed()
    ch = Chan[int]()
    sent: Counter[int] = Counter()
    received: Counter[int] = Counter()

    async def sends(*, biased: bool) -> tuple[int, int]:
        case = await select(send(ch, 0), send(ch, 1), biased=biased)
        return case.index, case.value

    async def receives(*, biased: bool) -> tuple[int, int]:
        case = await select(recv(ch), recv(ch), biased=biased)
        return case.index, case.value

    async with gochan.scope():
        for i in range(100):
            selects = go(partial(sends, biased=i == 0))
            await settle()
            value = await ch.recv()
            assert await selects == (value, value)
            if i == 0:
                assert value == 0
            sent[value] += 1

            selects = go(partial(receives, biased=i == 0))
            await settle()
            await ch.send(7)
            index, value = await selects
            assert value == 7
            if i == 0:
                assert index == 0
            received[index] += 1
        # Go's bound, in TestPseudoRandomSend
        for counts in (sent, received):
            assert min(counts[0], counts[1]) > 10, f"{sent}, {received}, seed {seed}"


@WHERE
async def test_selects_on_both_sides_lose_nothing(where: str) -> None:
    """Senders and receivers that all select among the same channels."""
    chans = [Chan[int](cap) for cap in (0, 0, 1)]
    n, parties = 300, 4
    received: list[list[int]] = [[] for _ in range(parties)]

    async def sends(my: Face, me: int) -> None:
        for i in range(n):
            await my.select(*[send(ch, me * n + i) for ch in chans])

    async def receives(my: Face, values: list[int]) -> None:
        cases = [recv(ch) for ch in chans]
        for _ in range(n):
            values.append((await my.select(*cases)).value)

    async with World(where) as world:
        for me in range(parties):
            world.go(sends, me)
        for values in received:
            world.go(receives, values)
    assert sorted(itertools.chain(*received)) == list(range(parties * n))
    for ch in chans:
        stats = ch.stats()
        assert stats.length == stats.waiting_senders == stats.waiting_receivers == 0


async def test_send_and_receive_on_one_channel_meet_others_only() -> None:
    ch = Chan[int]()

    async def itself() -> int:
        sends, receives = send(ch, 1), recv(ch)
        chosen = await select(sends, receives)
        return 0 if chosen is sends else receives.value

    async with gochan.scope():
        one = go(itself)
        await settle()
        assert one.state == "parked"
        stats = ch.stats()
        assert (stats.waiting_senders, stats.waiting_receivers) == (1, 1)
        two = go(itself)
        assert sorted([await one, await two]) == [0, 1]
    stats = ch.stats()
    assert (stats.waiting_senders, stats.waiting_receivers) == (0, 0)


async def test_a_closed_channel_spins_until_it_is_nil() -> None:
    closed, busy = Chan[int](), Chan[int](1)
    closed.close()
    source: Chan[int] | None = closed
    rounds = 0
    while True:
        if len(busy) == 0:
            await busy.send(7)
        from_source, from_busy = recv(source), recv(busy)
        chosen = await select(from_source, from_busy)
        if chosen is from_busy:
            if source is None:
                break
        else:
            assert not from_source.ok
            with pytest.raises(ChanClosed):
                from_source.value  # noqa: B018
            rounds += 1
            if rounds == 5:
                source = nil_int()
    assert rounds == 5


@pytest.mark.parametrize("sends", [False, True])
async def test_close_wakes_a_waiting_select(*, sends: bool) -> None:
    ch, quiet = Chan[int](), Chan[int]()

    async def selects() -> bool:
        if sends:
            with pytest.raises(SendOnClosed):
                await select(recv(quiet), send(ch, 1))
            return False
        case = recv(ch)
        assert await select(recv(quiet), case) is case
        return case.ok

    async with gochan.scope():
        waits = go(selects)
        await settle()
        ch.close()
        assert not await waits
    assert quiet.stats().waiting_receivers == 0


async def test_one_channel_closed_for_many_selects() -> None:
    """The usual ``done``: closing it stops everybody, whatever else they wait for."""
    done = Chan[None]()
    work = [Chan[int]() for _ in range(100)]

    async def worker(ch: Chan[int]) -> int:
        n = 0
        job, stop = recv(ch), recv(done)
        while await select(job, stop) is job:
            n += job.value
        return n

    async with gochan.scope():
        workers = [go(worker, ch) for ch in work]
        for i, ch in enumerate(work):
            await ch.send(i)
        await settle()
        assert done.stats().waiting_receivers == 100
        done.close()
        assert [await g for g in workers] == list(range(100))
    assert all(ch.stats().waiting_receivers == 0 for ch in work)


def waiting(ch: Chan[int], n: int) -> Callable[[], bool]:
    return lambda: ch.stats().waiting_receivers == n


def test_threads_that_select_are_served_in_order() -> None:
    ch, quiet = Chan[int](), Chan[int]()
    got: list[tuple[int, int]] = []

    def selects(i: int) -> None:
        case = recv(ch)
        assert blocking_select(recv(quiet), case, timeout=PATIENCE) is case
        got.append((i, case.value))

    with Threads() as threads:
        for i in range(4):
            threads.start(selects, i)
            until(waiting(ch, i + 1), "they wait in turn")
        for i in range(4):
            ch.blocking_send(i, timeout=PATIENCE)
    assert sorted(got) == [(i, i) for i in range(4)]
    assert quiet.stats().waiting_receivers == 0


async def test_default_leaves_nothing_behind() -> None:
    a, b = Chan[int](), Chan[int]()
    for _ in range(10):
        assert select_nowait(recv(a), send(b, 1), recv(b)) is None
    for ch in (a, b):
        stats = ch.stats()
        assert stats.waiting_senders == stats.waiting_receivers == 0
