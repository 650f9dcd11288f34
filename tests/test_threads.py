"""One channel, many threads, several loops."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, blocking_select, buffers, go, recv, select, send
from support.threads import TOGETHER, frequent_switches, start, start_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.usefixtures("one_budget")

Value = tuple[str, int]
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
        for number, name in enumerate(TOGETHER):

            async def sends(name: str = f"{name} {number}") -> None:
                async with gochan.scope():
                    go(self.task_sends, self.values(f"{name} b"))
                    go(self.task_selects_to_send, self.values(f"{name} select"))

            async def receives() -> None:
                async with gochan.scope():
                    go(self.task_receives, self.bag())
                    go(self.task_selects, self.bag())

            senders.append(start_loop(name, sends))
            receivers.append(start_loop(name, receives))
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
    for name in TOGETHER:
        workers += [start_loop(name, task), start_loop(name, selecting)]
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
    for name in TOGETHER:
        workers += [start_loop(name, task), start_loop(name, selecting)]
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
