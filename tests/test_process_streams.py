"""Processes that receive from buffered channels, as they do in earnest."""

from __future__ import annotations

import os
import random
import signal
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from anyio import BrokenWorkerProcess

import gochan
from gochan import Chan, WouldBlock, go, scope
from gochan.executors import _ahead, _serving
from support import in_processes
from support import receiving as there
from support.census import METHOD, eventually, stop
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


go_: Any = go


pytestmark = pytest.mark.usefixtures("always_soon")


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with gochan.executors.processes(3, METHOD) as pool:
        yield pool


def filled(number: int, cap: int = 64) -> Chan[Any]:
    ch = Chan[Any](cap)
    for value in range(number):
        ch.send_nowait(value)
    return ch


async def send_all(ch: Chan[Any], number: int) -> None:
    for value in range(number):
        await ch.send(value)


def drained(ch: Chan[Any]) -> list[Any]:
    values: list[Any] = []
    while True:
        try:
            values.append(ch.recv_nowait())
        except WouldBlock:
            return values


async def test_a_stream_needs_few_questions(pool: Any) -> None:
    ch = Chan[Any](128)
    async with scope():
        g = go(there.receive_and_count, ch, 2000, on=pool)
        await send_all(ch, 2000)
        received, asked = await g
    assert received == [*range(2000)]
    assert asked < 1000
    ch._check()


async def test_async_functions_as_well(pool: Any) -> None:
    ch = Chan[Any](32)
    async with scope():
        g = go_(there.areceive, ch, 1000, on=pool)
        await send_all(ch, 1000)
        assert await g == [*range(1000)]


@pytest.mark.parametrize("seed", range(4))
async def test_many_receive_in_order(
    pool: Any, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two processes, in a thread and on this loop; each value once."""
    monkeypatch.setattr(_ahead, "_PENALTY", 3)
    rng = random.Random(seed)
    ch, started = Chan[Any](64), Chan[None]()
    path, parties = str(tmp_path / "ledger"), 4
    number = 4000
    received: list[Any] = []
    lent: list[int] = []
    post = _ahead.Ahead.post

    def note(ahead: Any, packed: Any) -> None:
        lent.append(len(packed))
        post(ahead, packed)

    monkeypatch.setattr(_ahead.Ahead, "post", note)
    async with scope():
        receiving = [
            go(
                there.receive_in_order,
                *(ch, started, path, party, parties, seed, spin),
                on=where,
            )
            for party, (where, spin) in enumerate(
                ((pool, 20_000), (pool, 20_000), (gochan.threads, 300_000))
            )
        ]
        for _ in receiving:
            await started.recv()
        with there.Ledger(path, parties) as ledger:
            # none has received 0 yet
            for value in range(1, number + 1):
                await ch.send(value)
                if rng.random() < 0.02:
                    before = ledger.latest()
                    one = in_processes.outcome(ch.recv_nowait)
                    if type(one) is int:
                        ledger.note(3, one, before)
                        received.append(one)
                if rng.random() < 0.01:
                    assert 0 <= len(ch) <= 64
                    ch._check()
        ch.close()
        for each in receiving:
            part = await each
            assert part == sorted(part)
            received += part
    assert sorted(received) == [*range(1, number + 1)]
    assert lent
    ch._check()


async def test_a_process_that_does_not_go_on(pool: Any) -> None:
    ch, told, until = filled(40), Chan[Any](), Chan[None]()
    async with scope():
        go(there.receive_and_wait, ch, 10, told, until, on=pool)
        assert await told.recv() == [*range(10)]
        assert ch._ahead is not None
        assert len(ch) == 30
        assert drained(ch) == [*range(10, 40)]
        until.close()


async def test_a_process_that_has_done(pool: Any) -> None:
    ch = filled(40)
    async with scope():
        assert await go(there.receive, ch, 10, on=pool) == [*range(10)]
        # another that may or may not have the same handle
        assert await go(there.receive, ch, 10, on=pool) == [*range(10, 20)]
    assert drained(ch) == [*range(20, 40)]


async def test_a_full_buffer_and_a_process_that_stops(pool: Any) -> None:
    """As many sends are done as there were receives, and one waits."""
    ch, told, until = filled(64), Chan[Any](), Chan[None]()
    sent: list[int] = []

    async def fill() -> None:
        for value in range(64, 100):
            await ch.send(value)
            sent.append(value)

    async with scope() as tasks:
        go(fill)
        go(there.receive_and_wait, ch, 10, told, until, on=pool)
        assert await told.recv() == [*range(10)]
        await eventually(lambda: len(sent) == 10)
        assert ch._ahead is not None
        assert (len(ch), ch.stats().waiting_senders) == (64, 1)
        until.close()
        tasks.cancel()
    assert drained(ch) == [*range(10, 74)]


async def test_killed_with_values_that_it_has_not_received(pool: Any) -> None:
    ch, told, until = filled(40), Chan[Any](), Chan[None]()
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g: Any = go(there.receive_and_wait, ch, 10, told, until, on=pool)
            assert await told.recv() == [*range(10)]
            assert ch._ahead is not None
            os.kill(int(g.away.link.peer.removeprefix("process ")), signal.SIGKILL)
    assert isinstance(caught.value.exceptions[0], BrokenWorkerProcess)
    assert drained(ch) == [*range(10, 40)]
    ch._check()


async def test_what_has_been_received_is_not_received_again(pool: Any) -> None:
    """However soon it dies."""
    for number in range(4, 40, 5):
        ch = filled(60)
        with pytest.raises(ExceptionGroup):
            async with scope():
                go(there.receive_and_die, ch, number, on=pool)
        assert drained(ch) == [*range(number, 60)]


async def test_killed_while_others_wait_for_what_it_has(pool: Any) -> None:
    ch, told, until = filled(40), Chan[Any](), Chan[None]()
    received: list[Any] = []

    async def one() -> None:
        received.append(await ch.recv())

    with pytest.raises(ExceptionGroup):
        async with scope():
            g: Any = go(there.receive_and_wait, ch, 10, told, until, on=pool)
            await told.recv()
            pid = int(g.away.link.peer.removeprefix("process "))
            await stop(pid)

            for _ in range(3):
                go(one)
            await settle()
            assert received == []
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: len(received) == 3)
    assert sorted(received) == [10, 11, 12]
    assert drained(ch) == [*range(13, 40)]


@pytest.mark.parametrize("fn", [there.receive_for_ever, there.areceive_for_ever])
async def test_cancelled_in_the_middle(pool: Any, fn: Any) -> None:
    """What it has not received is here, and nothing else."""
    ch, told = filled(60), Chan[Any](4)
    async with scope() as tasks:
        go(fn, ch, told, on=pool)
        received = [await told.recv() for _ in range(20)]
        tasks.cancel()
    received += drained(told)
    assert received == [*range(len(received))]
    rest = drained(ch)
    # perhaps it had received one, and could not tell
    assert rest[-1] == 59
    assert rest == [*range(rest[0], 60)]
    assert rest[0] - len(received) in (0, 1)


async def test_select_after_receives(pool: Any) -> None:
    ch, until = filled(60), Chan[None]()
    async with scope():
        g = go_(there.areceive_until, ch, until, on=pool)
        await eventually(lambda: not len(ch))
        until.close()
        assert await g == [*range(60)]


async def test_a_process_beyond_the_process(pool: Any) -> None:
    """What it asks for goes by the one in the middle, which is lent something."""
    ch = Chan[Any](64)
    async with scope():
        g = go(there.receive_further_on, ch, 5, on=pool)
        await send_all(ch, 130)
        assert await g == [*range(100)]
    assert drained(ch) == [*range(100, 130)]


async def test_a_channel_that_was_made_in_a_process(pool: Any) -> None:
    """Then this process is the one that is lent something."""
    async with scope():
        made: Any = await go(there.make_filled, 100, on=pool)
        received = [await made.recv() for _ in range(40)]
        assert len(made) == 60
        received += [made.recv_nowait() for _ in range(60)]
        assert received == [*range(100)]
        with pytest.raises(WouldBlock):
            made.recv_nowait()


KILLS = 20


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_killed_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value is received once, or by one that did not live to write it down."""
    monkeypatch.setattr(_ahead, "_PENALTY", 3)
    rng = random.Random(1)
    pool = gochan.executors.processes(2, METHOD)
    ch, log = Chan[Any](64), str(tmp_path / "log")
    links: dict[str, Any] = {}
    killed: set[str] = set()
    # those of which is known that they have died
    buried: set[str] = set()
    # what came with an answer or was taken without one, and by whom that is known
    taken: set[int] = set()
    account, deliver = _ahead.taken, _serving.Server.deliver
    acknowledged = _serving.Server.acknowledged
    delivered: dict[tuple[int, int], int] = {}

    def note_taken(channel: Any, link: Any, count: int) -> None:
        taken.update(islice(channel._buf, count))
        account(channel, link, count)

    def note_delivery(
        self: Any, kind: int, request: int, value: Any, *more: Any
    ) -> None:
        delivered[id(self), request] = value
        deliver(self, kind, request, value, *more)

    def note_acknowledgement(self: Any, request: int, *, received: bool) -> None:
        if received:
            taken.add(delivered[id(self), request])
        acknowledged(self, request, received=received)

    monkeypatch.setattr(_ahead, "taken", note_taken)
    monkeypatch.setattr(_serving.Server, "deliver", note_delivery)
    monkeypatch.setattr(_serving.Server, "acknowledged", note_acknowledgement)

    async def keep_receiving(name: str) -> None:
        generation = 0
        while not ch.closed:
            generation += 1
            party = f"{name}.{generation}"
            try:
                async with scope():
                    g: Any = go(there.receive_and_note, ch, party, log, on=pool)
                    await eventually(lambda g=g: g.state != "runnable")  # type: ignore[misc]
                    if g.away is not None and g.away.link is not None:
                        links[party] = g.away.link
            except ExceptionGroup:
                assert party in killed
                buried.add(party)
            finally:
                links.pop(party, None)

    def noted() -> list[list[str]]:
        with open(log, "a+") as file:
            file.seek(0)
            return [line.split() for line in file]

    async with scope():
        go(keep_receiving, "a")
        go(keep_receiving, "b")
        number = 0
        for kill in range(KILLS):
            aim = len(noted()) + rng.randrange(300)
            victims: list[str] = []
            while not victims or len(noted()) < aim:
                for _ in range(20):
                    await ch.send(number)
                    number += 1
                # every other time, one that has been lent something
                victims = [
                    party
                    for party, link in links.items()
                    if kill % 2 or (ch._ahead is not None and ch._ahead.link is link)
                ]
            party = rng.choice(victims)
            killed.add(party)
            link = links.pop(party)
            os.kill(int(link.peer.removeprefix("process ")), signal.SIGKILL)
        # otherwise what comes back might find that nobody receives any more
        await eventually(lambda: killed <= buried)
        ch.close()
    received: dict[int, list[str]] = {}
    last: dict[str, int] = {}
    late = 0
    for party, text in noted():
        value = int(text)
        received.setdefault(value, []).append(party)
        late += value < last.get(party, -1)
        last[party] = value
    # an answer that was on its way comes back; what was lent has not been passed
    assert late <= KILLS
    for value in range(number):
        parties = received.get(value, [])
        assert len([each for each in parties if each not in killed]) <= 1
        assert parties or value in taken
    assert len(ch) == 0
