"""The wait queue against a list, and the claim among threads."""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
)

import gochan
from gochan import Chan, recv, select, send
from gochan._waiter import Node, Waiter, WaitQueue
from support.fake import Party, steppable
from support.threads import frequent_switches

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class Sleeper(Waiter):
    """A waiter that counts how often it is woken."""

    __slots__ = ("woken",)

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.woken = 0

    @override
    def wake(self) -> bool:
        self.woken += 1
        return True


def plain(queue: WaitQueue, value: Any = None) -> Sleeper:
    waiter = Sleeper(value)
    with queue.lock:
        queue.push(waiter)
    return waiter


def selecting(*queues: WaitQueue) -> Sleeper:
    waiter = Sleeper()
    waiter.for_select()
    assert waiter.nodes is not None
    for index, queue in enumerate(queues):
        node = Node(waiter, None, index)
        waiter.nodes.append(node)
        with queue.lock:
            queue.push(node)
    return waiter


def pop(queue: WaitQueue) -> Node | None:
    with queue.lock:
        return queue.pop()


def backwards(queue: WaitQueue) -> list[Node]:
    nodes: list[Node] = []
    node = queue.tail
    while node is not None:
        nodes.append(node)
        node = node.prev
    return nodes


# One queue


def test_first_come_first_served() -> None:
    queue = WaitQueue(allocate_lock())
    assert not queue
    assert pop(queue) is None
    waiters = [plain(queue) for _ in range(3)]
    assert queue
    assert len(queue) == 3
    assert list(queue) == waiters
    assert [pop(queue) for _ in range(4)] == [*waiters, None]
    assert not queue
    assert len(queue) == 0


@pytest.mark.parametrize("at", range(4))
def test_remove(at: int) -> None:
    queue = WaitQueue(allocate_lock())
    waiters = [plain(queue) for _ in range(4)]
    waiter = waiters.pop(at)
    with queue.lock:
        queue.remove(waiter)
    assert list(queue) == waiters
    assert backwards(queue) == waiters[::-1]
    assert (waiter.queue, waiter.next, waiter.prev) == (None, None, None)
    # and it may wait again
    with queue.lock:
        queue.push(waiter)
    assert list(queue) == [*waiters, waiter]


def test_withdraw() -> None:
    queue = WaitQueue(allocate_lock())
    first, second = plain(queue), plain(queue)
    assert not second.claimed()
    assert second.withdraw()
    assert second.claimed()
    assert not second.withdraw()
    assert list(queue) == [first]
    assert pop(queue) is first
    # a peer was faster
    assert first.claimed()
    assert not first.withdraw()


def test_a_select_is_claimed_once() -> None:
    a, b = WaitQueue(allocate_lock()), WaitQueue(allocate_lock())
    waiter = selecting(a, b, a)
    assert (len(a), len(b)) == (2, 1)
    assert not waiter.claimed()
    node = pop(b)
    assert node is not None
    assert node.case == 1
    assert node.waiter is waiter
    assert waiter.claimed()
    # the losers are passed over, even before they are unlinked
    assert pop(a) is None
    assert waiter.settle()
    assert waiter.woken == 1
    assert not waiter.withdraw()
    assert (len(a), len(b)) == (0, 0)


def test_settling_unlinks_the_losers() -> None:
    a, b = WaitQueue(allocate_lock()), WaitQueue(allocate_lock())
    before, waiter, after = plain(a), selecting(b, a), plain(a)
    assert pop(b) is not None
    assert len(a) == 3
    waiter.settle()
    assert list(a) == [before, after]
    assert backwards(a) == [after, before]


def test_a_select_that_withdraws_leaves_every_queue() -> None:
    a, b = WaitQueue(allocate_lock()), WaitQueue(allocate_lock())
    waiter = selecting(a, b, b)
    assert waiter.withdraw()
    assert not waiter.withdraw()
    assert not a
    assert not b
    assert waiter.woken == 0


def test_a_select_of_nothing() -> None:
    waiter = selecting()
    assert not waiter.claimed()
    assert waiter.withdraw()
    assert waiter.claimed()


def test_the_base_class_does_not_know_how_to_wake() -> None:
    with pytest.raises(NotImplementedError):
        Waiter().wake()


class QueueMachine(RuleBasedStateMachine):
    """Two queues, against two lists."""

    waiters = Bundle("waiters")

    def __init__(self) -> None:
        super().__init__()
        self.queues = [WaitQueue(allocate_lock()) for _ in range(2)]
        self.lists: list[list[Sleeper]] = [[], []]
        self.claimed: set[Sleeper] = set()

    @rule(target=waiters, at=st.integers(0, 1))
    def push(self, at: int) -> Sleeper:
        waiter = plain(self.queues[at])
        self.lists[at].append(waiter)
        return waiter

    @rule(target=waiters, order=st.lists(st.integers(0, 1), max_size=4))
    def push_select(self, order: list[int]) -> Sleeper:
        waiter = selecting(*(self.queues[at] for at in order))
        for at in order:
            self.lists[at].append(waiter)
        return waiter

    @rule(at=st.integers(0, 1))
    def pop(self, at: int) -> None:
        node = pop(self.queues[at])
        if not self.lists[at]:
            assert node is None
            return
        assert node is not None
        waiter = self.lists[at][0]
        assert waiter is (node.waiter or node)
        waiter.settle()
        assert waiter.woken == 1
        self.leave(waiter)

    @rule(waiter=waiters)
    def withdraw(self, waiter: Sleeper) -> None:
        assert waiter.withdraw() is (waiter not in self.claimed)
        self.leave(waiter)

    def leave(self, waiter: Sleeper) -> None:
        self.claimed.add(waiter)
        for entries in self.lists:
            entries[:] = [each for each in entries if each is not waiter]

    @invariant()
    def agrees(self) -> None:
        for queue, entries in zip(self.queues, self.lists, strict=True):
            assert [node.waiter or node for node in queue] == entries
            assert backwards(queue) == list(queue)[::-1]
            assert all(node.queue is queue for node in queue)
            assert len(queue) == len(entries)
            assert bool(queue) == bool(entries)


TestQueues = QueueMachine.TestCase
TestQueues.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# What unlinking costs


class Counting(Sleeper):
    """Counts how often its links are looked at or changed."""

    touched = 0


def _counted(name: str) -> property:
    slot = Node.__dict__[name]

    def get(self: Node) -> Any:
        Counting.touched += 1
        return slot.__get__(self)

    def put(self: Node, value: Any) -> None:
        Counting.touched += 1
        slot.__set__(self, value)

    return property(get, put)


for _name in ("next", "prev", "queue"):
    setattr(Counting, _name, _counted(_name))


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_to_withdraw_costs_the_same_among_many(place: str) -> None:
    costs: set[int] = set()
    for n in (10, 100, 10_000):
        queue = WaitQueue(allocate_lock())
        waiters = [Counting() for _ in range(n)]
        for waiter in waiters:
            with queue.lock:
                queue.push(waiter)
        at = {"first": 0, "middle": n // 2, "last": n - 1}[place]
        Counting.touched = 0
        assert waiters[at].withdraw()
        costs.add(Counting.touched)
    assert len(costs) == 1
    assert costs.pop() < 20


def test_a_lost_case_costs_the_same_among_many() -> None:
    costs: set[int] = set()
    for n in (10, 10_000):
        crowded, other = WaitQueue(allocate_lock()), WaitQueue(allocate_lock())
        for _ in range(n):
            with crowded.lock:
                crowded.push(Counting())
        waiter = selecting(crowded, other)
        for _ in range(n):
            with crowded.lock:
                crowded.push(Counting())
        Counting.touched = 0
        assert pop(other) is not None
        waiter.settle()
        costs.add(Counting.touched)
    assert len(costs) == 1


@pytest.mark.slow
def test_a_channel_that_many_select_on() -> None:
    """Each select on ``done`` and a channel of its own leaves ``done`` at once."""
    done = Chan[None]()
    with steppable() as runtime:

        async def party(ch: Chan[int]) -> None:
            await select(recv(done), recv(ch))

        channels = [Chan[int]() for _ in range(5000)]
        parties = [Party(runtime, party(ch)) for ch in channels]
        for each in parties:
            each.run()
        assert done.stats().waiting_receivers == 5000
        for number, ch in enumerate(channels):
            ch.send_nowait(1)
            if number % 1000 == 0:
                done._check()
                assert done.stats().waiting_receivers == 4999 - number
        for each in parties:
            each.run()
            assert each.state == "done"
    assert done.stats().waiting_receivers == 0


# The claim, among threads


@pytest.mark.slow
def test_exactly_one_thread_claims() -> None:
    with frequent_switches(), ThreadPoolExecutor(4) as pool:
        for _ in range(500):
            waiter = Sleeper()
            waiter.for_select()
            barrier = threading.Barrier(4)

            def claim(
                waiter: Sleeper = waiter, barrier: threading.Barrier = barrier
            ) -> bool:
                barrier.wait(10)
                return waiter.claim()

            claims = [pool.submit(claim) for _ in range(4)]
            assert sum(each.result(10) for each in claims) == 1
            assert waiter.claimed()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "select"])
def test_a_claim_races_with_withdrawing(kind: str) -> None:
    with frequent_switches(), ThreadPoolExecutor(3) as pool:
        for _ in range(500):
            a, b = WaitQueue(allocate_lock()), WaitQueue(allocate_lock())
            waiter = plain(a) if kind == "plain" else selecting(a, b)
            barrier = threading.Barrier(3)

            def take(queue: WaitQueue, barrier: threading.Barrier = barrier) -> bool:
                barrier.wait(10)
                node = pop(queue)
                if node is None:
                    return False
                peer: Any = node.waiter or node
                return bool(peer.settle())

            def leave(
                waiter: Sleeper = waiter, barrier: threading.Barrier = barrier
            ) -> bool:
                barrier.wait(10)
                return waiter.withdraw()

            left = pool.submit(leave)
            taken = [pool.submit(take, a), pool.submit(take, b)]
            winners = [left.result(10), *(each.result(10) for each in taken)]
            assert sum(winners) == 1
            assert waiter.woken == (not left.result())
            assert not a
            assert not b


@pytest.mark.slow
def test_selects_that_cross() -> None:
    """Two threads select on two channels in opposite order: no deadlock."""
    a, b = Chan[int](), Chan[int]()
    rounds = 500

    def sender() -> None:
        for number in range(rounds):
            gochan.blocking_select(send(a, number), send(b, number), timeout=20)

    def receiver() -> list[int]:
        return [
            gochan.blocking_select(recv(b), recv(a), timeout=20).value
            for _ in range(rounds)
        ]

    with frequent_switches(), ThreadPoolExecutor(4) as pool:
        received = [pool.submit(receiver) for _ in range(2)]
        sent = [pool.submit(sender) for _ in range(2)]
        for each in sent:
            each.result(40)
        values = [value for each in received for value in each.result(40)]
    assert sorted(values) == sorted([*range(rounds), *range(rounds)])
    for ch in (a, b):
        ch._check()
        assert not ch._receivers
        assert not ch._senders
