"""Mutex, RWMutex and its read half: both faces, misuse, fairness, what is left."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import _budget, go, scope, yield_
from gochan.sync import Locker, Mutex, RLocker, RWMutex, UnlockOfUnlocked, _mutex
from support.closed import ended
from support.fake import Party, steppable
from support.idle import settle
from support.threads import start, until

if TYPE_CHECKING:
    from collections.abc import Callable


def read_half() -> Locker:
    return RWMutex().rlocker()


LOCKERS: dict[str, Callable[[], Locker]] = {
    "Mutex": Mutex,
    "RWMutex": RWMutex,
    "rlocker": read_half,
}
lockers = pytest.mark.parametrize("make", LOCKERS.values(), ids=LOCKERS)


class Clock:
    """Time for what a Mutex thinks is long."""

    def __init__(self) -> None:
        self.now = 0.0

    def pass_by(self) -> None:
        self.now += 2 * _mutex.STARVING


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_mutex, "clock", lambda: clock.now)
    return clock


def obstruct(locker: Locker) -> Callable[[], None]:
    """Lock it so that ``lock`` has to wait; how to undo that."""
    if isinstance(locker, (Mutex, RWMutex)):
        assert locker.try_lock()
        return locker.unlock
    assert isinstance(locker, RLocker)
    assert locker._rw.try_lock()
    return locker._rw.unlock


# All of them


@lockers
async def test_lock_and_unlock(make: Callable[[], Locker]) -> None:
    locker = make()
    await locker.lock()
    locker.unlock()
    async with locker:
        pass
    assert locker.try_lock()
    locker.unlock()


@lockers
async def test_who_comes_second_waits(make: Callable[[], Locker]) -> None:
    locker = make()
    undo = obstruct(locker)
    order: list[str] = []

    async def second() -> None:
        async with locker:
            order.append("inside")

    async with scope():
        go(second)
        await settle()
        assert not locker.try_lock()
        order.append("undone")
        undo()
    assert order == ["undone", "inside"]


@lockers
async def test_it_is_unlocked_when_the_block_raises(make: Callable[[], Locker]) -> None:
    locker = make()
    with pytest.raises(ValueError):
        async with locker:
            raise ValueError
    obstruct(locker)()


@lockers
async def test_anybody_may_unlock(make: Callable[[], Locker]) -> None:
    locker = make()
    await locker.lock()

    async def other() -> None:
        locker.unlock()

    async with scope():
        go(other)
    obstruct(locker)()


@lockers
def test_on_threads(make: Callable[[], Locker]) -> None:
    locker = make()
    locker.blocking_lock()
    locker.unlock()
    with pytest.raises(ValueError), locker:
        raise ValueError
    undo = obstruct(locker)
    thread = start(locker.blocking_lock)
    until(lambda: "waiting" in repr(locker))
    undo()
    thread.join()
    locker.unlock()
    obstruct(locker)()


@lockers
async def test_a_thread_and_a_coroutine_share_it(make: Callable[[], Locker]) -> None:
    locker = make()
    undo = obstruct(locker)
    thread = start(locker.blocking_lock)
    until(lambda: "waiting" in repr(locker))
    undo()
    await anyio.to_thread.run_sync(thread.join)
    # the coroutine may unlock what the thread has locked
    locker.unlock()
    assert "unlocked" in repr(locker)


@lockers
def test_a_timeout_changes_nothing(make: Callable[[], Locker]) -> None:
    locker = make()
    locker.blocking_lock(timeout=0)
    locker.unlock()
    undo = obstruct(locker)
    before = repr(locker)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError, match=f"within {timeout} seconds"):
            locker.blocking_lock(timeout)
        assert repr(locker) == before
    undo()
    locker.blocking_lock(1e10)


@lockers
def test_a_bad_timeout(make: Callable[[], Locker]) -> None:
    locker = make()
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            locker.blocking_lock(timeout)
    obstruct(locker)()


@lockers
async def test_blocking_calls_on_a_loop_are_refused(make: Callable[[], Locker]) -> None:
    locker = make()
    with pytest.raises(RuntimeError, match=r"write: await \w+\.r?lock\(\)"):
        locker.blocking_lock()
    with pytest.raises(RuntimeError, match="write: async with lock"), locker:
        pass
    obstruct(locker)()


@lockers
async def test_cancelled_while_it_waits(make: Callable[[], Locker]) -> None:
    locker = make()
    undo = obstruct(locker)
    before = repr(locker)
    with anyio.move_on_after(0) as cancelled:
        await locker.lock()
    assert cancelled.cancelled_caught
    async with scope() as s:
        for _ in range(3):
            go(locker.lock)
        await settle()
        s.cancel()
    assert repr(locker) == before
    undo()
    assert "unlocked" in repr(locker)


@lockers
def test_a_free_lock_does_not_give_way_but_the_64th_does(
    make: Callable[[], Locker],
) -> None:
    with steppable():
        locker = make()

        async def many() -> None:
            for _ in range(_budget.OPERATIONS):
                await locker.lock()
                locker.unlock()
            await locker.lock()

        coroutine = many()
        coroutine.send(None)
        # it has given way before it took effect
        assert "unlocked" in repr(locker)
        with pytest.raises(StopIteration):
            coroutine.send(None)
        assert "unlocked" not in repr(locker)


@lockers
def test_cancelled_where_it_gives_way(make: Callable[[], Locker]) -> None:
    with steppable() as runtime:
        locker = make()
        _budget.budget.left = 0
        party = Party(runtime, locker.lock())
        party.run()
        # nothing has happened yet
        assert "unlocked" in repr(locker)
        assert party.cancel()
        assert party.state == "cancelled"
        assert "unlocked" in repr(locker)
        # who has to wait anyway does not give way first
        undo = obstruct(locker)
        _budget.budget.left = 0
        party = Party(runtime, locker.lock())
        party.run()
        assert party.state == "parked"
        party.close()
        undo()
        assert "unlocked" in repr(locker)


@lockers
def test_a_waiter_whose_loop_was_closed_is_passed_over(
    make: Callable[[], Locker], clock: Clock
) -> None:
    locker = make()
    undo = obstruct(locker)
    with ended(locker.lock()), ended(locker.lock()):
        thread = start(locker.blocking_lock)
        until(lambda: repr(locker).count("waiting") and "3" in repr(locker))
        undo()
        thread.join()
        locker.unlock()
    assert "unlocked" in repr(locker)
    assert "waiting" not in repr(locker)


@lockers
def test_a_coroutine_that_is_closed_with_the_lock_in_its_hand(
    make: Callable[[], Locker],
) -> None:
    # it was given to it, but it will never run again: the next one has it
    with steppable():
        locker = make()
        undo = obstruct(locker)
        first, second = locker.lock(), locker.lock()
        first.send(None)
        second.send(None)
        undo()
        first.close()
        with pytest.raises(StopIteration):
            second.send(None)
        locker.unlock()
        assert "unlocked" in repr(locker)


@lockers
def test_it_cannot_be_copied_or_pickled(make: Callable[[], Locker]) -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(make())


@lockers
async def test_many_users(make: Callable[[], Locker]) -> None:
    locker = make()
    inside = most = 0

    async def use() -> None:
        nonlocal inside, most
        for _ in range(20):
            async with locker:
                inside += 1
                most = max(most, inside)
                await yield_()
                inside -= 1

    async with scope():
        for _ in range(10):
            go(use)
    assert most == (10 if make is read_half else 1)
    assert "unlocked" in repr(locker)


# Mutex


def test_repr_of_a_mutex() -> None:
    mu = Mutex()
    assert repr(mu) == "<Mutex, unlocked>"
    mu.blocking_lock()
    assert repr(mu) == "<Mutex, locked>"
    with steppable():
        waits = mu.lock()
        waits.send(None)
        assert repr(mu) == "<Mutex, locked, 1 waiting>"
        waits.close()
    assert repr(mu) == "<Mutex, locked>"


def test_unlock_of_an_unlocked_mutex() -> None:
    mu = Mutex()
    for _ in range(2):
        with pytest.raises(UnlockOfUnlocked) as caught:
            mu.unlock()
        assert str(caught.value) == "sync: unlock of unlocked mutex"
        assert isinstance(caught.value, gochan.Panic)
    mu.blocking_lock()
    mu.unlock()
    with pytest.raises(UnlockOfUnlocked):
        mu.unlock()
    assert mu.try_lock()


async def test_leaving_a_block_that_was_unlocked_in_it() -> None:
    mu = Mutex()
    with pytest.raises(UnlockOfUnlocked):
        async with mu:
            mu.unlock()
    with pytest.raises(UnlockOfUnlocked):
        await anyio.to_thread.run_sync(unlock_within, mu)
    assert mu.try_lock()


def unlock_within(mu: Mutex) -> None:
    with mu:
        mu.unlock()


def test_unlock_of_an_unlocked_mutex_that_is_waited_for(clock: Clock) -> None:
    mu = Mutex()
    mu.blocking_lock()
    with steppable():
        first, second = mu.lock(), mu.lock()
        first.send(None)
        second.send(None)
        mu.unlock()
        # the first has been woken, and the second waits
        with pytest.raises(UnlockOfUnlocked):
            mu.unlock()
        with pytest.raises(StopIteration):
            first.send(None)
        mu.unlock()
        with pytest.raises(StopIteration):
            second.send(None)


@pytest.mark.parametrize("how", ["unlock", "async with"])
def test_who_queues_while_it_is_unlocked_is_woken(how: str) -> None:
    # after the first look at the queue, and before the gate is free
    with steppable():
        mu = Mutex()
        waits, block = mu.lock(), mu.__aexit__(None, None, None)
        assert mu.try_lock()
        free = mu._free

        def queue_and_free() -> None:
            waits.send(None)
            free()

        mu._free = queue_and_free
        if how == "unlock":
            mu.unlock()
        else:
            with pytest.raises(StopIteration):
                block.send(None)
        block.close()
        with pytest.raises(StopIteration):
            waits.send(None)
    assert repr(mu) == "<Mutex, locked>"


def test_a_mutex_that_is_unlocked_while_somebody_queues() -> None:
    # after the first try, and before the waiter can be seen
    with steppable():
        mu = Mutex()
        assert mu.try_lock()
        take, tries = mu._take, 0

        def take_in_vain(blocking: bool) -> bool:
            nonlocal tries
            tries += 1
            taken = take(blocking)
            if tries == 2:
                mu._free()
            return taken

        mu._take = take_in_vain  # type: ignore[assignment]
        with pytest.raises(StopIteration):
            mu.lock().send(None)
        assert tries == 3
    assert repr(mu) == "<Mutex, locked>"


@pytest.mark.parametrize("loaded", [{}, {"asyncio": None}])
def test_a_thread_where_no_runtime_is_loaded(
    loaded: dict[str, None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mutex, "modules", loaded)
    mu = Mutex()
    mu.blocking_lock()
    mu.unlock()
    with mu:
        assert not mu.try_lock()
    with pytest.raises(ValueError):
        mu.blocking_lock(-1)
    assert repr(mu) == "<Mutex, unlocked>"


async def test_a_mutex_is_not_reentrant() -> None:
    mu = Mutex()
    async with mu:
        with anyio.move_on_after(0.01) as waited:
            await mu.lock()
    assert waited.cancelled_caught


async def test_who_runs_may_take_it_before_those_who_wait(clock: Clock) -> None:
    mu = Mutex()
    order: list[str] = []

    async def wait() -> None:
        async with mu:
            order.append("waited")

    async with scope():
        await mu.lock()
        go(wait)
        await settle()
        mu.unlock()
        # it is on its way, but does not run yet
        await mu.lock()
        order.append("barged")
        await settle()
        assert order == ["barged"]
        mu.unlock()
    assert order == ["barged", "waited"]


async def test_who_has_waited_for_a_millisecond_is_next(clock: Clock) -> None:
    mu = Mutex()
    order: list[str] = []

    async def wait() -> None:
        async with mu:
            order.append("waited")

    async with scope():
        await mu.lock()
        go(wait)
        await settle()
        clock.pass_by()
        mu.unlock()
        assert not mu.try_lock()
        await mu.lock()
        order.append("came later")
        mu.unlock()
    assert order == ["waited", "came later"]


async def test_who_loses_keeps_its_place(clock: Clock) -> None:
    mu = Mutex()
    order: list[int] = []

    async def wait(number: int) -> None:
        async with mu:
            order.append(number)

    async with scope():
        await mu.lock()
        for number in range(5):
            go(wait, number)
            await settle()
        for _ in range(3):
            mu.unlock()
            await mu.lock()
            await settle()
        mu.unlock()
    assert order == list(range(5))


def test_a_starving_waiter_whose_loop_was_closed_is_passed_over(clock: Clock) -> None:
    mu = Mutex()
    mu.blocking_lock()
    with ended(mu.lock()), ended(mu.lock()):
        thread = start(mu.blocking_lock)
        until(lambda: "3 waiting" in repr(mu))
        clock.pass_by()
        mu.unlock()
        thread.join()
        mu.unlock()
    assert repr(mu) == "<Mutex, unlocked>"


def test_closed_with_the_lock_handed_over(clock: Clock) -> None:
    mu = Mutex()
    mu.blocking_lock()
    with steppable():
        first, second = mu.lock(), mu.lock()
        first.send(None)
        second.send(None)
        clock.pass_by()
        mu.unlock()
        first.close()
        assert not mu.try_lock()
        with pytest.raises(StopIteration):
            second.send(None)
    mu.unlock()


def test_a_thread_that_was_woken_and_lost_waits_for_the_rest_of_its_timeout() -> None:
    mu = Mutex()
    mu.blocking_lock()
    thread = start(mu.blocking_lock, 0.2)
    lost = 0
    while thread.thread.is_alive():
        lost += lose(mu)
    with pytest.raises(TimeoutError):
        thread.join()
    assert lost > 0
    mu.unlock()
    assert repr(mu) == "<Mutex, unlocked>"


def lose(mu: Mutex) -> bool:
    """Wake who waits, as ``unlock`` does, but take the gate before it can."""
    with mu._guard:
        waiter: Any = mu._waiters.pop()
        if waiter is None:
            return False
        mu._waking = True
        waiter.ok, waiter.value = True, _mutex._WOKEN
    waiter.wake()
    until(lambda: not mu._waking)
    return True


# RWMutex


async def test_readers_together_and_writers_alone() -> None:
    rw = RWMutex()
    await rw.rlock()
    await rw.rlock()
    assert rw.try_rlock()
    assert not rw.try_lock()
    for _ in range(3):
        rw.runlock()
    await rw.lock()
    assert not rw.try_rlock()
    assert not rw.try_lock()
    rw.unlock()
    assert repr(rw) == "<RWMutex, unlocked>"


def test_unlock_of_an_unlocked_rwmutex() -> None:
    rw = RWMutex()
    with pytest.raises(UnlockOfUnlocked) as caught:
        rw.unlock()
    assert str(caught.value) == "sync: Unlock of unlocked RWMutex"
    with pytest.raises(UnlockOfUnlocked) as caught:
        rw.runlock()
    assert str(caught.value) == "sync: RUnlock of unlocked RWMutex"
    # not in this way
    rw.blocking_rlock()
    with pytest.raises(UnlockOfUnlocked):
        rw.unlock()
    rw.runlock()
    rw.blocking_lock()
    with pytest.raises(UnlockOfUnlocked):
        rw.runlock()
    rw.unlock()
    assert repr(rw) == "<RWMutex, unlocked>"


async def test_a_writer_that_waits_holds_back_new_readers() -> None:
    rw = RWMutex()
    order: list[str] = []

    async def write() -> None:
        async with rw:
            order.append("write")
            await yield_()

    async def read(name: str) -> None:
        async with rw.rlocker():
            order.append(name)

    async with scope():
        await rw.rlock()
        go(write)
        await settle()
        assert not rw.try_rlock()
        go(read, "read")
        await settle()
        assert order == []
        rw.runlock()
    assert order == ["write", "read"]


async def test_readers_that_wait_come_before_the_next_writer() -> None:
    rw = RWMutex()
    order: list[str] = []

    async def write() -> None:
        async with rw:
            order.append("write")

    async def read() -> None:
        async with rw.rlocker():
            order.append("read")

    async with scope():
        await rw.lock()
        go(write)
        await settle()
        for _ in range(2):
            go(read)
        await settle()
        assert repr(rw) == "<RWMutex, locked, 1 writers waiting, 2 readers waiting>"
        rw.unlock()
        assert repr(rw) == "<RWMutex, read-locked 2 times, 1 writers waiting>"
    assert order == ["read", "read", "write"]


async def test_a_cancelled_writer_lets_the_readers_go_on() -> None:
    rw = RWMutex()
    await rw.rlock()
    async with scope():
        writer = go(rw.lock)
        await settle()
        readers = [go(rw.rlock) for _ in range(3)]
        await settle()
        writer.cancel()
        await settle()
        assert all(reader.state == "done" for reader in readers)
    assert repr(rw) == "<RWMutex, read-locked 4 times>"


async def test_one_of_two_cancelled_writers_does_not() -> None:
    rw = RWMutex()
    await rw.rlock()
    async with scope():
        writers = [go(rw.lock) for _ in range(2)]
        await settle()
        reader = go(rw.rlock)
        await settle()
        writers[0].cancel()
        await settle()
        assert reader.state == "parked"
        writers[1].cancel()
    assert repr(rw) == "<RWMutex, read-locked 2 times>"


def test_a_writer_that_times_out_lets_the_readers_go_on() -> None:
    rw = RWMutex()
    rw.blocking_rlock()
    writer = start(rw.blocking_lock, 0.2)
    until(lambda: rw._waiting_writers)
    reader = start(rw.blocking_rlock)
    until(lambda: rw._waiting_readers)
    with pytest.raises(TimeoutError):
        writer.join()
    reader.join()
    assert repr(rw) == "<RWMutex, read-locked 2 times>"


def test_readers_whose_loops_were_closed_do_not_keep_a_writer_out() -> None:
    rw = RWMutex()
    rw.blocking_lock()
    with ended(rw.rlock()), ended(rw.rlock()):
        writer = start(rw.blocking_lock)
        until(lambda: rw._waiting_writers)
        rw.unlock()
        writer.join()
    rw._check()


async def test_blocking_rlock_on_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"write: await rw\.rlock\(\)"):
        RWMutex().blocking_rlock()


def test_repr_of_a_read_half() -> None:
    assert repr(RWMutex().rlocker()) == "<RLocker of <RWMutex, unlocked>>"
