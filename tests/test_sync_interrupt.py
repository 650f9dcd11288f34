"""Ctrl-C on a thread that waits for a primitive: nothing is lost by it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from gochan import singleflight
from gochan._backends import _thread
from gochan.semaphore import Weighted
from gochan.sync import Cond, Mutex, Once, RWMutex, WaitGroup, _mutex
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextlib.contextmanager
def interrupted() -> Generator[None]:
    """Interrupt this thread, the main one, once it sleeps in a blocking call.

    More than once, if need be: a signal that comes just before a thread goes to sleep
    does not wake it. But it raises only once.
    """
    armed = True

    def handler(*_: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    def interrupt() -> None:
        until(lambda: sys._current_frames()[main].f_code is asleep)
        while armed:
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.001)

    main = threading.get_ident()
    asleep = _thread.Waiter.park_thread.__code__
    before = signal.signal(signal.SIGINT, handler)
    try:
        thread = start(interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="needs pthread_kill"
)


@needs_signals
def test_a_real_interrupt() -> None:
    mu, rw, wg = Mutex(), RWMutex(), WaitGroup()
    assert mu.try_lock()
    assert rw.try_rlock()
    wg.add(1)
    for wait, queue in (
        (mu.blocking_lock, mu._waiters),
        (rw.blocking_lock, rw._waiting_writers),
        (wg.blocking_wait, wg._waiters),
    ):
        with interrupted():
            wait()
        assert not queue
    assert repr(mu) == "<Mutex, locked>"
    assert rw.try_rlock()
    assert repr(wg) == "<WaitGroup, 1 to be done>"


@needs_signals
def test_a_real_interrupt_of_a_wait_on_a_cond() -> None:
    cond = Cond(Mutex())
    cond.locker.blocking_lock()
    with interrupted():
        cond.blocking_wait()
    assert not cond._waiters
    # it is held again
    cond.locker.unlock()


class Unlucky(_thread.Waiter):
    """One whose thread is interrupted just when it has been woken."""

    __slots__ = ()

    def park_thread(self, timeout: float | None) -> bool:
        assert super().park_thread(timeout)
        raise KeyboardInterrupt


class Impatient(_thread.Waiter):
    """One whose thread is interrupted before it is woken."""

    __slots__ = ()

    def park_thread(self, timeout: float | None) -> bool:
        self.withdraw()
        raise KeyboardInterrupt


Pair = tuple["Callable[[], object]", "Callable[[], object]", "list[Any]"]


def mutex() -> Pair:
    mu = Mutex()
    assert mu.try_lock()
    return mu.blocking_lock, mu.unlock, [mu._waiters]


def writer() -> Pair:
    rw = RWMutex()
    assert rw.try_rlock()
    return rw.blocking_lock, rw.runlock, [rw._waiting_writers]


def reader() -> Pair:
    rw = RWMutex()
    assert rw.try_lock()
    return rw.blocking_rlock, rw.unlock, [rw._waiting_readers]


def weighted() -> Pair:
    w = Weighted(1)
    assert w.try_acquire()
    return w.blocking_acquire, w.release, [w._waiters]


def wait_group() -> Pair:
    wg = WaitGroup()
    wg.add(1)
    return wg.blocking_wait, wg.done, [wg._waiters]


def condition() -> Pair:
    cond = Cond(Mutex())

    def wait() -> None:
        with cond:
            cond.blocking_wait()

    return wait, cond.signal, [cond._waiters]


def once() -> Pair:
    o = Once()
    assert o._call.reserve()
    return lambda: o.blocking_do(lambda: None), o._call.abandon, [o._call._waiters]


def group() -> Pair:
    g = singleflight.Group()
    flight = g._join("key").flight
    assert flight.reserve()
    return (
        lambda: g.blocking_do("key", lambda: None),
        flight.abandon,
        [flight._waiters],
    )


@pytest.mark.parametrize(
    "pair", [mutex, writer, reader, weighted, wait_group, condition, once, group]
)
@pytest.mark.parametrize("starving", [False, True])
def test_interrupted_just_when_it_was_woken(
    pair: Callable[[], Pair], starving: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the operation has happened, and cannot be told: the next one has it."""
    now = 0.0
    monkeypatch.setattr(_mutex, "clock", lambda: now)
    wait, let_on, (queue,) = pair()
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "waiter", Unlucky)
        first = start(wait)
        until(lambda: queue)
    second = start(wait)
    until(lambda: len(queue) == 2)
    now = float(starving)
    let_on()
    with pytest.raises(KeyboardInterrupt):
        first.join()
    second.join()
    assert not queue


def test_interrupted_while_it_locks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait on a Cond: it holds the lock all the same."""
    cond = Cond(Mutex())
    made: list[Any] = []

    def firm_waiter(value: Any = None) -> Any:
        # twice, then it is left alone
        made.append((Impatient if len(made) < 2 else _thread.Waiter)(value))
        return made[-1]

    monkeypatch.setattr(_thread, "firm_waiter", firm_waiter)
    steps: list[str] = []

    def wait() -> None:
        cond.locker.blocking_lock()
        try:
            cond.blocking_wait()
        finally:
            steps.append("raised")
            cond.locker.unlock()

    thread = start(wait)
    until(lambda: cond._waiters)
    cond.locker.blocking_lock()
    cond.signal()
    until(lambda: len(made) == 3 and "waiting" in repr(cond.locker))
    steps.append("unlocked")
    cond.locker.unlock()
    with pytest.raises(KeyboardInterrupt):
        thread.join()
    assert steps == ["unlocked", "raised"]
    assert repr(cond.locker) == "<Mutex, unlocked>"
