"""Weighted: order, large requests, what waits for ever, misuse, both faces."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import Goroutine, _budget, go, scope
from gochan.semaphore import ReleasedTooMuch, Weighted
from support.closed import ended
from support.fake import Party, steppable
from support.idle import settle
from support.threads import start, until


async def test_acquire_and_release() -> None:
    w = Weighted(3)
    await w.acquire()
    await w.acquire(2)
    assert repr(w) == "<Weighted, 3 of 3 held>"
    assert not w.try_acquire()
    w.release(3)
    assert w.try_acquire(3)
    w.release()
    w.release(2)
    # nothing is always there
    await w.acquire(0)
    w.release(0)
    assert repr(w) == "<Weighted, 0 of 3 held>"


async def test_hold() -> None:
    w = Weighted(3)
    hold = w.hold(2)
    with pytest.raises(ValueError):
        async with hold:
            assert repr(w) == "<Weighted, 2 of 3 held>"
            raise ValueError
    async with hold, w.hold():
        assert repr(w) == "<Weighted, 3 of 3 held>"
    assert repr(hold) == "<hold of 2 of <Weighted, 0 of 3 held>>"


def test_hold_on_a_thread() -> None:
    w = Weighted(3)
    with w.hold(2), w.hold():
        assert not w.try_acquire()
    assert w.try_acquire(3)


async def test_first_come_first_served() -> None:
    w = Weighted(3)
    order: list[int] = []

    async def want(n: int) -> None:
        await w.acquire(n)
        order.append(n)

    await w.acquire(3)
    async with scope():
        for n in (2, 3, 1):
            go(want, n)
            await settle()
        w.release(1)
        await settle()
        # one is there, and the last one wants it, but it was not the first to come
        assert order == []
        assert not w.try_acquire()
        w.release(2)
        await settle()
        assert order == [2]
        w.release(2)
        await settle()
        assert order == [2, 3]
        w.release(3)
    assert order == [2, 3, 1]


async def test_one_release_may_serve_several() -> None:
    w = Weighted(3)
    await w.acquire(3)
    async with scope():
        handles = [go(w.acquire, 1) for _ in range(3)]
        await settle()
        assert repr(w) == "<Weighted, 3 of 3 held, 3 waiting>"
        w.release(2)
        await settle()
        assert sum(handle.state == "done" for handle in handles) == 2
        w.release()


async def test_more_than_there_is_waits_for_its_cancellation_alone() -> None:
    w = Weighted(2)
    async with scope():
        hopeless = go(w.acquire, 3)
        await settle()
        # others are not held up
        async with w.hold(2):
            pass
        await settle()
        assert hopeless.state == "parked"
        assert not w.try_acquire(3)
        hopeless.cancel()
    assert repr(w) == "<Weighted, 0 of 2 held>"


async def test_cancelling_a_large_request_lets_those_behind_it_go_on() -> None:
    w = Weighted(3)
    await w.acquire()
    async with scope():
        large = go(w.acquire, 3)
        await settle()
        small: list[Goroutine[None]] = [go(w.acquire, 1) for _ in range(3)]
        await settle()
        assert all(handle.state == "parked" for handle in small)
        large.cancel()
        await settle()
        assert sum(handle.state == "done" for handle in small) == 2
        w.release()


def test_on_threads() -> None:
    w = Weighted(2)
    w.blocking_acquire()
    threads = [start(w.blocking_acquire, 2)]
    until(lambda: w._waiters)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError, match=f"not free within {timeout} seconds"):
            w.blocking_acquire(1, timeout)
        with pytest.raises(TimeoutError):
            w.blocking_acquire(5, timeout)
    with pytest.raises(ValueError):
        w.blocking_acquire(1, -1)
    w.release()
    threads[0].join()
    w.release(2)
    w._check()
    assert not w._hopeless


def test_a_large_request_that_times_out_lets_those_behind_it_go_on() -> None:
    w = Weighted(3)
    w.blocking_acquire()
    large = start(w.blocking_acquire, 3, 0.2)
    until(lambda: w._waiters)
    small = start(w.blocking_acquire, 1)
    until(lambda: len(w._waiters) == 2)
    with pytest.raises(TimeoutError):
        large.join()
    small.join()


async def test_a_thread_serves_a_coroutine() -> None:
    w = Weighted(1)
    await w.acquire()
    async with scope():
        handle = go(w.acquire)
        await settle()
        await anyio.to_thread.run_sync(w.release)
        await handle


async def test_blocking_calls_on_a_loop_are_refused() -> None:
    w = Weighted(1)
    with pytest.raises(RuntimeError, match=r"write: await w\.acquire\(n\)"):
        w.blocking_acquire()
    with pytest.raises(RuntimeError, match=r"async with w\.hold\(n\)"), w.hold():
        pass
    assert repr(w) == "<Weighted, 0 of 1 held>"


def test_releasing_more_than_is_held() -> None:
    w = Weighted(3)
    w.blocking_acquire(2)
    with pytest.raises(ReleasedTooMuch) as caught:
        w.release(3)
    assert str(caught.value) == "semaphore: released more than held"
    assert isinstance(caught.value, gochan.Panic)
    assert repr(w) == "<Weighted, 2 of 3 held>"


@pytest.mark.parametrize("n", [-1, 1.0, "1", None])
async def test_numbers_that_are_none(n: Any) -> None:
    w = Weighted(1)
    expected = ValueError if n == -1 else TypeError
    for call in (Weighted, w.try_acquire, w.release, w.hold):
        with pytest.raises(expected, match="a semaphore counts"):
            call(n)
    with pytest.raises(expected):
        await w.acquire(n)
    with pytest.raises(expected):
        await anyio.to_thread.run_sync(w.blocking_acquire, n)
    assert repr(w) == "<Weighted, 0 of 1 held>"


def test_it_gives_way_every_64th_time() -> None:
    with steppable() as runtime:
        w = Weighted(1)
        _budget.budget.left = 0
        party = Party(runtime, w.acquire())
        party.run()
        assert repr(w) == "<Weighted, 0 of 1 held>"
        assert party.cancel()
        _budget.budget.left = 0
        party = Party(runtime, w.acquire())
        party.run()
        party.run()
        assert repr(w) == "<Weighted, 1 of 1 held>"
        # who has to wait anyway does not give way first
        _budget.budget.left = 0
        party = Party(runtime, w.acquire())
        party.run()
        assert party.state == "parked"
        party.close()


def test_a_waiter_whose_loop_was_closed_is_passed_over() -> None:
    w = Weighted(2)
    w.blocking_acquire(2)
    with ended(w.acquire(2)), ended(w.acquire(1)):
        thread = start(w.blocking_acquire, 2)
        until(lambda: len(w._waiters) == 3)
        w.release(2)
        thread.join()
    assert repr(w) == "<Weighted, 2 of 2 held>"


def test_a_coroutine_that_is_closed_with_units_in_its_hand() -> None:
    with steppable():
        w = Weighted(1)
        assert w.try_acquire()
        first, second = w.acquire(), w.acquire()
        first.send(None)
        second.send(None)
        w.release()
        first.close()
        with pytest.raises(StopIteration):
            second.send(None)
    assert repr(w) == "<Weighted, 1 of 1 held>"


def test_it_cannot_be_copied_or_pickled() -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(Weighted(1))
