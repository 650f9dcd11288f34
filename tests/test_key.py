"""The quick paths against each other and against the lock, stopped at every line.

See ``Key`` in ``gochan/_waiter.py``.
"""

from __future__ import annotations

import _thread
import itertools
import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    SendOnClosed,
    WouldBlock,
    _budget,
    _waiter,
    blocking_select,
    buffers,
    recv,
    select,
    select_nowait,
    send,
)
from support.threads import Preempted, frequent_switches, start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    # what an operation has sent, and what it has received
    Outcome = tuple[list[int], list[int]]
    Operation = Callable[[Chan[int], int], Outcome]


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of an operation that need not wait; without any loop."""
    # another thread may have spent it
    _budget.budget.left = _budget.OPERATIONS
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    except RuntimeError:
        # nobody to park it: no event loop runs on this thread
        raise WouldBlock from None
    raise AssertionError("it waits without a loop")


def async_send(ch: Chan[int], value: int) -> Outcome:
    drive(ch.send(value))
    return [value], []


def async_recv(ch: Chan[int], _: int) -> Outcome:
    return [], [drive(ch.recv())]


def async_recv_ok(ch: Chan[int], _: int) -> Outcome:
    value, ok = drive(ch.recv_ok())
    return [], [value] if ok else []


def select_recv(ch: Chan[int], _: int) -> Outcome:
    return [], [drive(select(recv(ch), recv(Chan[int]()))).value]


def select_send(ch: Chan[int], value: int) -> Outcome:
    drive(select(recv(Chan[int]()), send(ch, value)))
    return [value], []


def nowait_send(ch: Chan[int], value: int) -> Outcome:
    ch.send_nowait(value)
    return [value], []


def nowait_recv(ch: Chan[int], _: int) -> Outcome:
    return [], [ch.recv_nowait()]


def nowait_select(ch: Chan[int], value: int) -> Outcome:
    chosen = select_nowait(recv(ch), send(ch, value))
    if chosen is None:
        raise WouldBlock
    return ([], [chosen.value]) if chosen.index == 0 else ([value], [])


def blocking_send(ch: Chan[int], value: int) -> Outcome:
    ch.blocking_send(value, timeout=0)
    return [value], []


def blocking_recv(ch: Chan[int], _: int) -> Outcome:
    return [], [ch.blocking_recv(timeout=0)]


def selecting(ch: Chan[int], value: int) -> Outcome:
    chosen = blocking_select(recv(ch), send(ch, value), timeout=0)
    return ([], [chosen.value]) if chosen.index == 0 else ([value], [])


def close(ch: Chan[int], _: int) -> Outcome:
    ch.close()
    return [], []


def stats(ch: Chan[int], _: int) -> Outcome:
    assert 0 <= ch.stats().length <= 2
    return [], []


QUICK: dict[str, Operation] = {
    one.__name__: one
    for one in (
        async_send,
        async_recv,
        select_recv,
        select_send,
        nowait_send,
        nowait_recv,
        blocking_send,
        blocking_recv,
    )
}
ALL: dict[str, Operation] = QUICK | {
    one.__name__: one for one in (async_recv_ok, nowait_select, selecting, close, stats)
}


def attempt(operate: Operation, ch: Chan[int], value: int) -> Outcome:
    try:
        return operate(ch, value)
    except (WouldBlock, TimeoutError, ChanClosed, SendOnClosed):
        return [], []


@pytest.fixture(autouse=True)
def _budget_of_test() -> Generator[None]:
    """The quick paths are taken as long as there is a budget."""
    budget = _budget.budget
    before = budget.left, budget.full
    budget.full = budget.left = _budget.OPERATIONS
    yield
    budget.left, budget.full = before


@pytest.mark.slow
@pytest.mark.parametrize("other", ALL)
@pytest.mark.parametrize("stopped", QUICK)
@pytest.mark.parametrize("filled", [0, 1, 2])
def test_two_operations_one_of_them_stopped_at_each_line(
    stopped: str, other: str, filled: int
) -> None:
    """Nothing is lost, doubled or reordered, and the channel works on."""
    line = 0
    for line in itertools.count():
        ch = Chan[int](2)
        initial = [10, 11][:filled]
        for value in initial:
            ch.send_nowait(value)
        # goes on by itself if the other operation has to wait for it
        thread = Preempted(line, attempt, QUICK[stopped], ch, 1, patience=0.001)
        assert thread.paused.wait(10)
        two = attempt(ALL[other], ch, 2)
        one = thread.join()
        ch._check()
        assert ch._key[1:] == [None], thread.where
        taken = [*one[1], *two[1]]
        left = list(ch._buf)
        sent = [*initial, *one[0], *two[0]]
        assert sorted([*taken, *left]) == sorted(sent), thread.where
        # first in, first out
        old = sum(value >= 10 for value in taken)
        assert [value for value in left if value >= 10] == initial[old:]
        if not thread.reached:
            break
    assert line > 5


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("barred", [False, True])
def test_while_another_thread_has_the_key(name: str, barred: bool) -> None:
    """A quick path waits for nobody: it takes the lock, which does."""
    ch = Chan[int](2)
    ch.send_nowait(10)
    ch._key[0] = not barred
    # what a thread has done that was stopped on a quick path
    del ch._key[1]
    thread = start(attempt, QUICK[name], ch, 1)
    until(ch._lock.locked)
    assert thread.thread.is_alive()
    ch._key.append(None)
    sent, received = thread.join()
    assert (sent, received) in (([1], []), ([], [10]))
    ch._check()


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_path_that_is_barred_is_not_taken(name: str) -> None:
    ch = Chan[int](2)
    ch.send_nowait(10)
    ch._key[0] = False
    assert attempt(QUICK[name], ch, 1) != ([], [])
    # by the slow path, which is the only one to do this
    assert ch._key == [True, None]


def test_who_has_the_lock_waits_for_a_quick_path() -> None:
    ch = Chan[int](1)
    calls: list[Callable[[], object]] = [ch.close, ch.stats, ch._check]
    for call in calls:
        del ch._key[1]
        thread = start(call)
        until(ch._lock.locked)
        assert thread.thread.is_alive()
        ch._key.append(None)
        thread.join()


def test_a_slow_operation_lets_the_quick_paths_in_again() -> None:
    ch = Chan[int](1)
    assert ch._key == [True, None]
    ch.close()
    ch.stats()
    assert ch._key == [False, None]
    with pytest.raises(ChanClosed):
        ch.recv_nowait()
    assert ch._key == [True, None]


@pytest.mark.parametrize("lossy", [buffers.Dropping[int](2), buffers.Sliding[int](2)])
def test_threads_on_every_path_at_once(lossy: buffers.Buffer[int]) -> None:
    """Each value is received once or has been dropped."""
    ch = Chan[int](buffer=lossy)
    stop = threading.Event()
    rounds = 300

    def sender(first: int) -> None:
        for value in range(first, first + rounds):
            (nowait_send if value % 2 else async_send)(ch, value)

    def receiver() -> list[int]:
        got: list[int] = []
        while not stop.is_set() or len(ch):
            for operate in (nowait_recv, async_recv, select_recv):
                got += attempt(operate, ch, 0)[1]
        return got

    with frequent_switches():
        receivers = [start(receiver) for _ in range(2)]
        senders = [start(sender, number * rounds) for number in range(2)]
        for one in senders:
            one.join()
        stop.set()
        got = [value for one in receivers for value in one.join()]
    assert len(set(got)) == len(got)
    assert len(got) + ch.stats().dropped == 2 * rounds
    ch._check()


class Interrupt(Exception):
    """What the signal handler of a test raises."""


def test_an_interrupt_does_not_lose_the_key() -> None:
    """Blocking calls and those that never wait, on the main thread."""

    def interrupt(*_: object) -> None:
        raise Interrupt

    ch = Chan[int](4)
    calls: list[Callable[[], object]] = [
        lambda: ch.blocking_send(1),
        ch.blocking_recv,
        lambda: ch.send_nowait(1),
        ch.recv_nowait,
    ]
    go_on, over = threading.Semaphore(0), threading.Event()

    def send_signals() -> None:
        while True:
            go_on.acquire()
            if over.is_set():
                return
            _thread.interrupt_main(signal.SIGINT)

    interrupted = 0
    before = signal.signal(signal.SIGINT, interrupt)
    thread = start(send_signals)
    # one that measures coverage has locks, too, and an interrupt would leave them taken
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        with frequent_switches():
            for _ in range(1000):
                try:
                    # the other thread comes at any time
                    go_on.release()
                    while True:
                        for call in calls:
                            call()
                except Interrupt:
                    interrupted += 1
                # perhaps barred for nothing: the next slow operation ends that
                assert ch._key[1:] == [None]
                assert not ch._lock.locked()
                # it may have come after a value was sent and before it was received
                while len(ch):
                    ch.recv_nowait()
                ch._check()
    finally:
        signal.signal(signal.SIGINT, before)
        sys.settrace(trace)
        over.set()
        go_on.release()
        thread.join()
    assert interrupted == 1000


def test_an_interrupt_gives_back_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not what another thread has, which gives it back in its next turn."""
    turns: list[float] = []
    key: list[bool | None] = [True]
    monkeypatch.setattr(_waiter, "sleep", turns.append)
    _waiter.give_back(key)
    assert key == [True, None]
    assert len(turns) == 100
    _waiter.give_back(key)
    assert key == [True, None]

    def other_threads_turn(_: float) -> None:
        if len(turns) == 102:
            key.append(None)
        turns.append(0)

    del key[1]
    monkeypatch.setattr(_waiter, "sleep", other_threads_turn)
    _waiter.give_back(key)
    assert len(turns) == 103
    assert key == [True, None]


def test_a_key_that_is_replaced_while_somebody_waits_for_the_lock() -> None:
    keys: list[list[bool | None]] = [[True], [True, None]]

    class Replaces:
        def __enter__(self) -> None:
            queue.key = keys[1]

        def __exit__(self, *error: object) -> None:
            # that is the one that others may have by now
            assert keys == [[True], [False, None]]

    lock: Any = Replaces()
    queue = _waiter.WaitQueue(lock, keys[0])
    node = _waiter.Waiter()
    queue.push(node)
    assert queue.drop(node)


def test_a_key_that_nobody_gets() -> None:
    key = _waiter.Shut([False, None])
    _waiter.unbar(key)
    assert key[0] is False
    # who is left no stack to give it back does not keep others waiting
    del key[1]
    key[1:] = (None,)
    _waiter.bar(key)
    with pytest.raises(IndexError):
        del key[1]


def test_whoever_takes_the_lock_of_a_channel_bars_the_quick_paths() -> None:
    """It would not be noticed otherwise until two threads meet."""
    package = Path(gochan.__file__).parent
    taken = re.compile(r"^ *with ([a-z]*)\.(_?)lock:\n(.*)\n", re.MULTILINE)
    found = 0
    channels = {
        f"_{name}.py"
        for name in ("blocking", "chan", "core", "select", "state", "ticks")
    }
    for file in package.rglob("*.py"):
        for match in taken.finditer(file.read_text(encoding="utf-8")):
            owner, private, first = match.groups()
            if owner in ("ch", "channel", "done") or file.name in channels:
                found += 1
                assert first.strip() == f"bar({owner}.{private}key)", (
                    f"{file}: {match[0]}"
                )
    assert found >= 20
