"""One channel, many threads, several loops."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib.util
import itertools
import os
import random
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, _budget, blocking_select, buffers, go, recv, select, send
from support.closed import ended
from support.idle import settle
from support.threads import Preempted, frequent_switches, start, until

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

Value = tuple[str, int]

# the loops that run at the same time, each in its own thread
LOOPS = ["asyncio", "asyncio"]
if importlib.util.find_spec("trio") is not None:
    LOOPS.append("trio")


@pytest.fixture(autouse=True)
def _one_budget() -> Iterator[None]:
    """Once a second thread runs a loop, gochan counts otherwise: not in other tests."""
    budget = _budget.budget
    before = {name: getattr(budget, name) for name in type(budget).__slots__}
    yield
    for name, value in before.items():
        setattr(budget, name, value)


def loop(name: Any, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return start(functools.partial(gochan.run, main, backend=name))


async def turns() -> None:
    """Let whatever can run on this loop run.

    For tests in which a thread stands still in the middle of waking somebody:
    then nobody seems idle.
    """
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


Receipt = tuple[Chan[Value], Value]


def check_once_and_in_order(
    sent: Iterable[Value], received: list[list[Receipt]]
) -> None:
    """Each value came exactly once; each receiver saw each sender's in order."""
    values = [value for one in received for _, value in one]
    assert Counter(values) == Counter(sent)
    for one in received:
        seen: dict[tuple[Chan[Value], str], int] = defaultdict(lambda: -1)
        for channel, (sender, number) in one:
            assert number > seen[channel, sender]
            seen[channel, sender] = number


# Producers and consumers of all kinds


class Traffic:
    """Senders and receivers in threads and on loops, on the same channels."""

    def __init__(self, count: int, caps: tuple[int, int]) -> None:
        self.count = count
        self.a = Chan[Value](caps[0])
        self.b = Chan[Value](caps[1])
        self.sent: list[Value] = []
        self.received: list[list[Receipt]] = []

    def values(self, name: str) -> list[Value]:
        values = [(name, number) for number in range(self.count)]
        self.sent += values
        return values

    def bag(self) -> list[Receipt]:
        self.received.append([])
        return self.received[-1]

    def thread_sends(self, values: list[Value]) -> None:
        for value in values:
            self.a.blocking_send(value)

    def thread_selects_to_send(self, values: list[Value]) -> None:
        for value in values:
            blocking_select(send(self.a, value), send(self.b, value))

    async def task_sends(self, values: list[Value]) -> None:
        for value in values:
            await self.b.send(value)

    async def task_selects_to_send(self, values: list[Value]) -> None:
        for value in values:
            await select(send(self.a, value), send(self.b, value))

    def thread_receives(self, bag: list[Receipt]) -> None:
        bag.extend((self.a, value) for value in self.a)

    def thread_selects(self, bag: list[Receipt]) -> None:
        a, b = recv(self.a), recv(self.b)
        while True:
            chosen = blocking_select(a, b)
            if not chosen.ok:
                break
            bag.append((self.a if chosen is a else self.b, chosen.value))
        for channel in (self.a, self.b):
            bag.extend((channel, value) for value in channel)

    async def task_receives(self, bag: list[Receipt]) -> None:
        async for value in self.b:
            bag.append((self.b, value))

    async def task_selects(self, bag: list[Receipt]) -> None:
        a, b = recv(self.a), recv(self.b)
        while True:
            chosen = await select(a, b)
            if not chosen.ok:
                break
            bag.append((self.a if chosen is a else self.b, chosen.value))
        for channel in (self.a, self.b):
            async for value in channel:
                bag.append((channel, value))

    def run(self) -> None:
        senders: list[Any] = []
        receivers: list[Any] = []
        for number, name in enumerate(LOOPS):

            async def sends(name: str = f"{name} {number}") -> None:
                async with gochan.scope():
                    go(self.task_sends, self.values(f"{name} b"))
                    go(self.task_selects_to_send, self.values(f"{name} select"))

            async def receives() -> None:
                async with gochan.scope():
                    go(self.task_receives, self.bag())
                    go(self.task_selects, self.bag())

            senders.append(loop(name, sends))
            receivers.append(loop(name, receives))
        for number in range(2):
            sends_of_thread = self.values(f"thread {number}")
            senders.append(start(self.thread_sends, sends_of_thread))
            selects_of_thread = self.values(f"select {number}")
            senders.append(start(self.thread_selects_to_send, selects_of_thread))
            receivers.append(start(self.thread_receives, self.bag()))
            receivers.append(start(self.thread_selects, self.bag()))
        for sender in senders:
            sender.join()
        self.a.close()
        self.b.close()
        for receiver in receivers:
            receiver.join()


@pytest.mark.slow
@pytest.mark.parametrize("caps", [(0, 0), (1, 0), (3, 2)])
def test_threads_and_loops_share_two_channels(caps: tuple[int, int]) -> None:
    traffic = Traffic(100, caps)
    traffic.run()
    check_once_and_in_order(traffic.sent, traffic.received)
    for channel in (traffic.a, traffic.b):
        channel._check()


@pytest.mark.slow
def test_threads_and_loops_share_two_channels_and_switch_all_the_time() -> None:
    traffic = Traffic(30, (1, 0))
    with frequent_switches():
        traffic.run()
    check_once_and_in_order(traffic.sent, traffic.received)


@pytest.mark.parametrize("cap", [0, 2])
def test_a_pool_of_threads(cap: int) -> None:
    ch = Chan[Value](cap)

    def produce(name: str) -> list[Value]:
        values = [(name, number) for number in range(50)]
        for value in values:
            ch.blocking_send(value)
        return values

    with ThreadPoolExecutor(6) as pool:
        producers = [pool.submit(produce, name) for name in "abc"]
        consumers = [pool.submit(list[Value], ch) for _ in "xyz"]
        sent = [value for each in producers for value in each.result(30)]
        ch.close()
        received = [[(ch, value) for value in each.result(30)] for each in consumers]
    check_once_and_in_order(sent, received)


async def test_worker_threads_of_the_loop() -> None:
    jobs, results = Chan[int](), Chan[int]()

    def worker() -> None:
        for job in jobs:
            results.blocking_send(job * job)

    squares: list[int] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(anyio.to_thread.run_sync, worker)

        async def feed() -> None:
            for number in range(30):
                await jobs.send(number)
            jobs.close()

        tasks.start_soon(feed)
        squares += [await results.recv() for _ in range(30)]
    assert sorted(squares) == [number * number for number in range(30)]


def test_close_wakes_everybody_everywhere() -> None:
    ch = Chan[int]()
    arrived = Chan[str](20)

    async def task() -> bool:
        arrived.send_nowait("task")
        _, ok = await ch.recv_ok()
        return ok

    async def selecting() -> bool:
        arrived.send_nowait("select")
        case = recv(ch)
        assert await select(case, send(None, 1)) is case
        return case.ok

    def thread() -> bool:
        arrived.send_nowait("thread")
        return ch.blocking_recv_ok()[1]

    workers = [start(thread), start(thread)]
    for name in LOOPS:
        workers += [loop(name, task), loop(name, selecting)]
    for _ in workers:
        arrived.blocking_recv(10)
    ch.close()
    assert [worker.join() for worker in workers] == [False] * len(workers)
    ch._check()


def test_close_panics_senders_everywhere() -> None:
    ch = Chan[int]()
    arrived = Chan[str](20)

    async def task() -> None:
        arrived.send_nowait("task")
        with pytest.raises(gochan.SendOnClosed):
            await ch.send(1)

    async def selecting() -> None:
        arrived.send_nowait("select")
        with pytest.raises(gochan.SendOnClosed):
            await select(send(ch, 2))

    def thread() -> None:
        arrived.send_nowait("thread")
        with pytest.raises(gochan.SendOnClosed):
            ch.blocking_send(3)

    workers = [start(thread), start(thread)]
    for name in LOOPS:
        workers += [loop(name, task), loop(name, selecting)]
    for _ in workers:
        arrived.blocking_recv(10)
    ch.close()
    for worker in workers:
        worker.join()
    assert ch.blocking_recv_ok() == (None, False)


@pytest.mark.slow
def test_exactly_one_thread_closes() -> None:
    with frequent_switches(), ThreadPoolExecutor(4) as pool:
        for _ in range(300):
            ch = Chan[int](1)
            barrier = threading.Barrier(4)

            def close(ch: Chan[int] = ch, barrier: threading.Barrier = barrier) -> int:
                barrier.wait(10)
                try:
                    ch.close()
                except gochan.CloseOfClosed:
                    return 0
                return 1

            closers = [pool.submit(close) for _ in range(4)]
            assert sum(closer.result(10) for closer in closers) == 1


# Blocking calls where they cannot work


async def test_blocking_calls_are_refused_on_a_loop() -> None:
    ch = Chan[int](1)
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: ch.blocking_send(1), "await ch.send(v)"),
        (ch.blocking_recv, "await ch.recv()"),
        (lambda: ch.blocking_recv(0), "await ch.recv()"),
        (ch.blocking_recv_ok, "await ch.recv()"),
        (lambda: blocking_select(recv(ch)), "await select"),
        (lambda: next(iter(ch)), "async for value in ch"),
        (lambda: next(ch), "await ch.recv()"),
    ]
    for call, remedy in calls:
        with pytest.raises(RuntimeError, match="event loop") as caught:
            call()
        assert remedy in str(caught.value)
    assert len(ch) == 0
    ch._check()


async def test_blocking_calls_work_beside_a_loop() -> None:
    ch = Chan[int](1)

    def both() -> int:
        ch.blocking_send(1)
        return ch.blocking_recv()

    assert await anyio.to_thread.run_sync(both) == 1


def test_awaiting_without_a_loop_says_what_to_write() -> None:
    ch = Chan[int]()
    with pytest.raises(RuntimeError, match="blocking"):
        ch.recv().send(None)
    with pytest.raises(RuntimeError, match="blocking"):
        ch.send(1).send(None)
    # the lock is free and nobody waits
    ch._check()
    assert ch.stats().waiting_receivers == ch.stats().waiting_senders == 0


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_timeout_must_not_be_negative(timeout: float) -> None:
    ch = Chan[int](1)
    with pytest.raises(ValueError, match="timeout"):
        ch.blocking_send(1, timeout)
    with pytest.raises(ValueError, match="timeout"):
        ch.blocking_recv(timeout)
    with pytest.raises(ValueError, match="timeout"):
        ch.blocking_recv_ok(timeout)
    with pytest.raises(ValueError, match="timeout"):
        blocking_select(recv(ch), timeout=timeout)
    assert len(ch) == 0


@pytest.mark.parametrize("timeout", [None, 1e10, float("inf")])
def test_a_timeout_may_be_very_long(timeout: float | None) -> None:
    ch = Chan[int]()
    receiver = start(ch.blocking_recv, timeout)
    ch.blocking_send(5, timeout)
    assert receiver.join() == 5


# Loops that have been closed


def test_a_value_passes_over_the_receiver_of_a_closed_loop() -> None:
    ch = Chan[int]()
    with ended(ch.recv()):
        with pytest.raises(gochan.WouldBlock):
            ch.send_nowait(1)
        receiver = start(ch.blocking_recv)
        ch.blocking_send(2)
        assert receiver.join() == 2
    ch._check()


def test_a_value_is_buffered_if_only_a_closed_loop_waits_for_it() -> None:
    ch = Chan[int](1)
    with ended(ch.recv()):
        ch.send_nowait(1)
        assert len(ch) == 1
        assert ch.recv_nowait() == 1


def test_a_task_passes_over_the_receiver_of_a_closed_loop(
    backend: dict[str, Any],
) -> None:
    """The inlined rungs of ``send``, which that of threads has not."""
    ch = Chan[int]()

    async def main() -> list[int]:
        async def sender() -> None:
            for number in range(3):
                await ch.send(number)

        go(sender)
        return [await ch.recv() for _ in range(3)]

    with ended(ch.recv()), ended(ch.recv_ok()):
        assert gochan.run(main, **backend) == [0, 1, 2]
    ch._check()


def test_a_task_buffers_past_the_receiver_of_a_closed_loop(
    backend: dict[str, Any],
) -> None:
    ch = Chan[int](1)

    async def main() -> None:
        await ch.send(1)

    with ended(ch.recv()):
        gochan.run(main, **backend)
        assert len(ch) == 1
        assert ch.blocking_recv(0) == 1


def test_a_select_of_a_closed_loop_is_passed_over_on_all_its_channels() -> None:
    a, b = Chan[int](), Chan[int]()

    async def both() -> None:
        await select(recv(a), recv(b))

    with ended(both()):
        for ch in (a, b):
            receiver = start(ch.blocking_recv)
            ch.blocking_send(1)
            assert receiver.join() == 1
    for ch in (a, b):
        ch._check()
        assert ch.stats().waiting_receivers == 0


def test_a_select_that_sends_passes_over_the_receiver_of_a_closed_loop() -> None:
    ch = Chan[int]()
    with ended(ch.recv()):
        assert gochan.select_nowait(send(ch, 1)) is None
        receiver = start(ch.blocking_recv)
        blocking_select(send(ch, 2), timeout=10)
        assert receiver.join() == 2
    ch._check()


def test_a_sender_of_a_closed_loop_does_not_hold_up_others() -> None:
    ch = Chan[str]()
    with ended(ch.send("dead")):
        sender = start(ch.blocking_send, "alive")
        got = [ch.blocking_recv(10)]
        if got == ["dead"]:
            # it was sent before the loop was closed
            got.append(ch.blocking_recv(10))
        assert got[-1] == "alive"
        sender.join()
    ch._check()
    assert ch.stats().waiting_senders == 0


def test_closing_a_channel_that_a_closed_loop_waits_for() -> None:
    a, b = Chan[int](), Chan[int]()

    async def both() -> None:
        await select(recv(a), send(b, 1))

    with ended(a.recv()), ended(b.send(1)), ended(both()):
        receiver = start(a.blocking_recv_ok)
        a.close()
        b.close()
        assert receiver.join() == (None, False)
    for ch in (a, b):
        ch._check()


def test_a_loop_is_closed_with_a_wake_pending() -> None:
    ch = Chan[int]()
    with ended(ch.recv(), last=functools.partial(ch.send_nowait, 1)):
        # 1 is lost with the goroutine that it was handed to; 2 and 3 are not
        receiver = start(ch.blocking_recv)
        ch.blocking_send(2)
        assert receiver.join() == 2
    receiver = start(ch.blocking_recv)
    ch.blocking_send(3)
    assert receiver.join() == 3
    ch._check()


def test_a_loop_is_closed_with_some_woken_and_some_parked() -> None:
    ch = Chan[int]()

    async def three() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(ch.recv())

    loop = asyncio.new_event_loop()
    task = loop.create_task(three())
    loop.run_until_complete(settle())
    tasks = asyncio.all_tasks(loop)
    ch.send_nowait(1)
    loop.close()
    with pytest.raises(gochan.WouldBlock):
        ch.send_nowait(2)
    receiver = start(ch.blocking_recv)
    ch.blocking_send(3)
    assert receiver.join() == 3
    for each in (task, *tasks):
        each._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_coroutine_that_is_closed_leaves_no_ghost() -> None:
    ch, other = Chan[int](), Chan[int]()

    async def both() -> None:
        await select(recv(ch), send(other, 1))

    coroutines = [ch.recv(), ch.recv_ok(), other.send(1), both()]
    with contextlib.ExitStack() as places:
        for coroutine in coroutines:
            places.enter_context(ended(coroutine))
        for coroutine in coroutines:
            coroutine.close()
        for each in (ch, other):
            each._check()
            assert each.stats().waiting_receivers == each.stats().waiting_senders == 0


def test_a_channel_is_collected_silently_with_the_tasks_of_a_closed_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[object] = []

    def complain(what: Any) -> None:
        complaints.append(what.exc_value)

    monkeypatch.setattr(sys, "unraisablehook", complain)

    def leave() -> None:
        ch = Chan[int]()

        async def both() -> None:
            await select(recv(ch), recv(Chan[int]()))

        with ended(ch.recv()), ended(ch.recv_ok()), ended(both()):
            pass
        full = Chan[int]()
        with ended(full.send(1)), ended(full.send(2)):
            pass

    gc.collect()
    complaints.clear()
    leave()
    gc.collect()
    assert complaints == []


def test_a_new_loop_after_one_that_was_closed(backend: dict[str, Any]) -> None:
    """The same thread, the same channel, one loop after the other."""
    ch = Chan[int]()

    async def main(number: int) -> int:
        go(ch.send, number)
        return await ch.recv()

    for number in range(5):
        with ended(ch.recv()):
            assert gochan.run(main, number, **backend) == number


# Preemption: a thread stands still before each line of gochan in turn


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


# Time


@pytest.mark.slow
@pytest.mark.parametrize("cap", [0, 1])
def test_timeouts_race_with_the_hand_over(cap: int) -> None:
    ch, other = Chan[int](cap), Chan[int](cap)
    rounds = 1500
    finished = threading.Event()

    def sender(first: int) -> list[int]:
        sent: list[int] = []
        luck = random.Random(first)
        for number in range(first, first + rounds):
            with contextlib.suppress(TimeoutError):
                ch.blocking_send(number, luck.choice([0, 1e-6, 1e-5, 1e-4]))
                sent.append(number)
        return sent

    def selecting_sender(first: int) -> list[int]:
        sent: list[int] = []
        luck = random.Random(first)
        for number in range(first, first + rounds):
            with contextlib.suppress(TimeoutError):
                blocking_select(
                    send(ch, number),
                    send(other, number),
                    timeout=luck.choice([0, 1e-6, 1e-5, 1e-4]),
                )
                sent.append(number)
        return sent

    def receiver() -> list[int]:
        received: list[int] = []
        luck = random.Random(cap)
        while not finished.is_set() or len(ch) or len(other):
            with contextlib.suppress(TimeoutError):
                received.append(ch.blocking_recv(luck.choice([0, 1e-6, 1e-5, 1e-4])))
            with contextlib.suppress(TimeoutError):
                chosen = blocking_select(
                    recv(ch), recv(other), timeout=luck.choice([0, 1e-6, 1e-5])
                )
                received.append(chosen.value)
        return received

    with frequent_switches():
        receivers = [start(receiver) for _ in range(2)]
        senders = [start(sender, 0), start(selecting_sender, rounds)]
        sent = [number for each in senders for number in each.join()]
        finished.set()
        received = [number for each in receivers for number in each.join()]
    assert Counter(sent) == Counter(received)
    assert sent
    for channel in (ch, other):
        channel._check()
        assert not channel._receivers
        assert not channel._senders


@pytest.mark.slow
@pytest.mark.parametrize("cap", [0, 1])
async def test_deadlines_race_with_the_hand_over_from_a_thread(cap: int) -> None:
    ch, other = Chan[int](cap), Chan[int]()
    count = 1000
    received: list[int] = []

    def sender() -> None:
        for number in range(count):
            ch.blocking_send(number, 20)
        ch.close()

    luck = random.Random(cap)
    a, b = recv(ch), recv(other)
    with frequent_switches():
        thread = start(sender)
        while True:
            try:
                with anyio.move_on_after(luck.choice([0, 1e-6, 1e-5, 1e-4])):
                    received.append(await ch.recv())
            except gochan.ChanClosed:
                break
            with anyio.move_on_after(luck.choice([0, 1e-6, 1e-5, 1e-4])):
                chosen = await select(a, b)
                if chosen.ok:
                    received.append(chosen.value)
        await anyio.to_thread.run_sync(thread.join)
    assert received == list(range(count))


@pytest.mark.slow
@pytest.mark.parametrize("buffer", [buffers.Dropping[int](2), buffers.Sliding[int](2)])
def test_lossy_buffers_account_for_every_value(buffer: buffers.Buffer[int]) -> None:
    ch = Chan[int](buffer=buffer)

    def sender(first: int) -> None:
        for number in range(first, first + 500):
            ch.blocking_send(number)

    with frequent_switches():
        senders = [start(sender, first) for first in (0, 500, 1000)]
        receivers = [start(list[int], ch) for _ in range(2)]
        for each in senders:
            each.join()
        ch.close()
        received = [number for each in receivers for number in each.join()]
    assert len(received) == len(set(received))
    assert len(received) + ch.stats().dropped == 1500


# A loop that has just been started


async def hand_over() -> int:
    """The first operation here waits; not in a goroutine."""
    ch = Chan[int]()
    async with anyio.create_task_group() as others:

        async def give() -> None:
            await settle()
            await ch.send(7)

        others.start_soon(give)
        return await ch.recv()


@pytest.mark.parametrize("name", LOOPS[1:])
@pytest.mark.parametrize("how", ["gochan", "anyio"])
def test_the_first_operation_of_a_loop_while_another_one_is_busy(
    name: Any, how: str
) -> None:
    """Nothing is known of it before that; the other loop must not be taken for it."""
    _budget.budget.loops = frozenset()
    _budget.budget.threads = False
    _budget.budget.full = _budget.budget.left = _budget.OPERATIONS
    ch = Chan[int]()

    async def busy() -> int:
        await ch.recv()
        # woken by a peer, and the loop stands still here
        start_loop = gochan.run if how == "gochan" else anyio.run
        return start(functools.partial(start_loop, hand_over, backend=name)).join()

    async def main() -> int:
        g = go(busy)
        await settle()
        await ch.send(1)
        return await g

    assert gochan.run(main) == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_first_operation_of_a_loop_in_a_forked_child() -> None:
    """The parent's loop, which was draining, does not run there."""
    ch = Chan[int]()

    async def fork() -> int:
        await ch.recv()
        child = os.fork()
        if child == 0:
            try:
                # not anyio.run(), which takes the parent's loop for running
                os._exit(asyncio.run(exchange()))
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    async def exchange() -> int:
        inner = Chan[int]()
        give = asyncio.create_task(inner.send(7))
        value = await inner.recv()
        await give
        return value

    async def main() -> int:
        g = go(fork)
        await settle()
        await ch.send(1)
        return await g

    assert gochan.run(main) == 7


# The budget


@pytest.mark.slow
def test_goroutines_of_several_loops_give_way() -> None:
    """On each loop, somebody else runs at least every 64th operation."""
    together = threading.Barrier(len(LOOPS))

    async def main() -> int:
        ch = Chan[int](1)
        turn = 0
        stop = False

        async def other() -> None:
            nonlocal turn
            while not stop:
                turn += 1
                await gochan.yield_()

        go(other)
        await gochan.yield_()
        together.wait(10)
        longest = since = 0
        last = turn
        for _ in range(3000):
            await ch.send(1)
            await ch.recv()
            since = 0 if turn != last else since + 2
            last = turn
            longest = max(longest, since)
        stop = True
        return longest

    with frequent_switches():
        workers = [loop(name, main) for name in LOOPS]
        longest = [worker.join() for worker in workers]
    assert max(longest) <= 2 * _budget.OPERATIONS
