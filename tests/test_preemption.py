"""A thread stands still before each line of gochan in turn, and others go on."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import pytest

import gochan
from gochan import Chan, blocking_select, recv, select, send
from support.idle import settle
from support.threads import Preempted, start, until

pytestmark = pytest.mark.usefixtures("one_budget")


async def turns() -> None:
    """Let whatever can run on this loop run.

    For tests in which a thread stands still in the middle of waking somebody:
    then nobody seems idle.
    """
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("face", ["blocking", "nowait", "select"])
async def test_a_thread_is_preempted_while_it_wakes_a_busy_loop(face: str) -> None:
    """The loop goes to sleep in the middle of being woken."""
    lost: list[str] = []
    line = 0
    for line in itertools.count():
        ch, turn = Chan[int](), Chan[None]()
        got: list[int] = []
        threads: list[Preempted[Any]] = []
        call: dict[str, Callable[[], object]] = {
            "blocking": functools.partial(ch.blocking_send, 7),
            "nowait": functools.partial(ch.send_nowait, 7),
            "select": functools.partial(blocking_select, send(ch, 7)),
        }

        async def consumer(ch: Chan[int] = ch, got: list[int] = got) -> None:
            got.append(await ch.recv())

        async def busy(
            turn: Chan[None] = turn,
            threads: list[Preempted[Any]] = threads,
            call: Callable[[], object] = call[face],
            line: int = line,
        ) -> None:
            # so that the thread comes while the loop works off what was woken
            await turn.recv()
            threads.append(Preempted(line, call))
            assert threads[0].paused.wait(10)
            await turn.recv()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consumer)
            tasks.start_soon(busy)
            await settle()
            turn.send_nowait(None)
            await turns()
            await anyio.to_thread.run_sync(threads[0].join)
            await turns()
            if got != [7]:
                lost.append(threads[0].where)
            # wakes the loop in any case
            turn.send_nowait(None)
        assert got == [7]
        if not threads[0].reached:
            break
    assert line > 10
    assert lost == [], "a wake was lost when the thread stood there"


@pytest.mark.parametrize("where", ["recv", "send", "select"])
async def test_a_task_is_cancelled_while_a_thread_hands_over(where: str) -> None:
    """Either the value is transferred and all goes well, or it never was."""
    line = 0
    for line in itertools.count():
        ch, other = Chan[int](), Chan[int]()
        done: list[object] = []
        scope = anyio.CancelScope()
        threads: list[Preempted[Any]] = []
        transferred = True

        async def party(
            ch: Chan[int] = ch,
            other: Chan[int] = other,
            done: list[object] = done,
            scope: anyio.CancelScope = scope,
        ) -> None:
            with scope:
                if where == "recv":
                    done.append(await ch.recv())
                elif where == "send":
                    await ch.send(7)
                    done.append("sent")
                else:
                    chosen = await select(recv(other), recv(ch))
                    done.append(chosen.value)

        def peer(ch: Chan[int] = ch) -> object:
            if where == "send":
                return ch.recv_nowait()
            return ch.send_nowait(7)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(party)
            await settle()
            threads.append(Preempted(line, peer, patience=0.003))
            assert threads[0].paused.wait(10)
            # may have to wait for a lock that the thread holds
            scope.cancel()
            await turns()
            try:
                await anyio.to_thread.run_sync(threads[0].join)
            except gochan.WouldBlock:
                transferred = False
        assert bool(done) is transferred, threads[0].where
        for channel in (ch, other):
            channel._check()
            assert not channel._receivers
            assert not channel._senders
        if not threads[0].reached:
            break
    assert line > 10


@pytest.mark.parametrize("event", ["send", "close", "room"])
def test_a_select_misses_nothing_while_it_goes_to_sleep(event: str) -> None:
    """Between its look at the channels and its place in their queues."""

    def happen(a: Chan[int], b: Chan[int]) -> None:
        match event:
            case "send":
                a.send_nowait(1)
            case "close":
                a.close()
            case _:
                b.recv_nowait()

    def round_of(line: int) -> bool:
        a, b = Chan[int](1), Chan[int](1)
        b.send_nowait(0)
        selects = functools.partial(blocking_select, recv(a), send(b, 1), timeout=5)
        thread = Preempted(line, selects)
        # not stats(): the thread may stand there with the lock
        until(lambda: thread.paused.is_set() or a._receivers)
        # it may have to wait for a lock that the other one holds
        other = start(happen, a, b)
        other.thread.join(0.003)
        chosen = thread.join()
        other.join()
        assert chosen.index == (1 if event == "room" else 0), thread.where
        return thread.reached

    line = 0
    while round_of(line):
        line += 1
    assert line > 10


# What a step has sent, and what it has received.
Sums = tuple[list[Any], list[Any]]
Step = Callable[[list[Chan[Any]], Any], Sums]


def _sends(channels: list[Chan[Any]], value: Any) -> Sums:
    channels[0].blocking_send(value, 0)
    return [value], []


def _receives(channels: list[Chan[Any]], _: Any) -> Sums:
    return [], [channels[0].blocking_recv(0)]


def _selects(channels: list[Chan[Any]], value: Any) -> Sums:
    out, back = send(channels[0], value), recv(channels[1])
    if blocking_select(out, back, timeout=0) is out:
        return [value], []
    return [], [back.value] if back.ok else []


def _selects_back(channels: list[Chan[Any]], value: Any) -> Sums:
    return _selects(channels[::-1], value)


def _tries(channels: list[Chan[Any]], _: Any) -> Sums:
    chosen = gochan.select_nowait(recv(channels[0]), recv(channels[1]))
    return [], [chosen.value] if chosen is not None and chosen.ok else []


def _closes(channels: list[Chan[Any]], _: Any) -> Sums:
    channels[0].close()
    return [], []


STEPS: list[Step] = [_sends, _receives, _selects, _selects_back, _tries, _closes]


def _outcome(step: Step, channels: list[Chan[Any]], value: str) -> Sums:
    try:
        return step(channels, value)
    except (
        TimeoutError,
        gochan.WouldBlock,
        gochan.ChanClosed,
        gochan.SendOnClosed,
        gochan.CloseOfClosed,
    ):
        return [], []


@pytest.mark.slow
@pytest.mark.parametrize("cap", [0, 1])
@pytest.mark.parametrize("first", STEPS)
def test_one_thread_is_preempted_by_another(first: Step, cap: int) -> None:
    for second in STEPS:
        for line in itertools.count():
            channels = [Chan[Any](cap), Chan[Any](cap)]
            for channel in channels[:cap]:
                channel.send_nowait("stock")
            thread = Preempted(line, _outcome, first, channels, "first", patience=0.003)
            assert thread.paused.wait(10)
            sent, received = _outcome(second, channels, "second")
            more_sent, more_received = thread.join()
            for channel in channels:
                channel._check()
                assert not channel._receivers
                assert not channel._senders
                received += channel._buf
            stock = ["stock"] * cap
            assert Counter([*stock, *sent, *more_sent]) == Counter(
                [*received, *more_received]
            ), (second, thread.where)
            if not thread.reached:
                break
