"""Cond: signals reach who waited, once; the lock is held again, whatever happens."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from gochan import go, run, scope
from gochan.sync import (
    Cond,
    CondCopied,
    Locker,
    Mutex,
    RLocker,
    RWMutex,
    UnlockOfUnlocked,
)
from support.closed import ended
from support.fake import Party, steppable
from support.idle import settle
from support.native import on_asyncio
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


@lockers
async def test_a_signal_wakes_the_longest_waiter(make: Callable[[], Locker]) -> None:
    cond = Cond(make())
    order: list[int] = []

    async def wait(number: int) -> None:
        async with cond:
            await cond.wait()
            order.append(number)

    async with scope():
        for number in range(4):
            go(wait, number)
            await settle()
        assert repr(cond).endswith("unlocked>, 4 waiting>") or "RLocker" in repr(cond)
        for _ in range(2):
            cond.signal()
            await settle()
        assert order == [0, 1]
        async with cond:
            cond.broadcast()
        await settle()
        assert sorted(order) == [0, 1, 2, 3]
        # nobody waits: lost
        cond.signal()
        go(wait, 4)
        await settle()
        assert 4 not in order
        cond.signal()


async def test_wait_for() -> None:
    cond = Cond(Mutex())
    things: list[str] = []
    got: list[str] = []

    async def take() -> None:
        async with cond:
            await cond.wait_for(lambda: things)
            got.append(things.pop())

    async with scope():
        async with cond:
            things.append("at once")
            assert await cond.wait_for(lambda: things[-1]) == "at once"
            things.clear()
        go(take)
        await settle()
        for _ in range(3):
            # it looks, and goes on waiting
            cond.signal()
            await settle()
        async with cond:
            things.append("a")
            cond.signal()
    assert got == ["a"]


async def test_waiting_without_the_lock() -> None:
    for cond, text in (
        (Cond(Mutex()), "sync: unlock of unlocked mutex"),
        (Cond(RWMutex()), "sync: Unlock of unlocked RWMutex"),
        (Cond(RWMutex().rlocker()), "sync: RUnlock of unlocked RWMutex"),
    ):
        with pytest.raises(UnlockOfUnlocked, match=text):
            await cond.wait()
        assert not cond._waiters


@pytest.mark.parametrize("locker", [None, object(), Mutex])
def test_a_locker_of_another_kind(locker: Any) -> None:
    with pytest.raises(TypeError, match=r"write Cond\(Mutex\(\)\)"):
        Cond(locker)


def test_a_cond_is_not_to_be_copied() -> None:
    cond = Cond(Mutex())
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(CondCopied) as caught:
            attempt(cond)
        assert str(caught.value) == "sync.Cond is copied"


def test_on_threads() -> None:
    cond = Cond(Mutex())
    things: list[int] = []

    def take() -> int:
        with cond:
            cond.blocking_wait_for(lambda: things)
            return things.pop()

    threads = [start(take) for _ in range(3)]
    until(lambda: len(cond._waiters) == 3)
    for number in range(3):
        with cond:
            things.append(number)
            cond.signal()
    assert sorted(thread.join() for thread in threads) == [0, 1, 2]


@lockers
def test_a_timeout_holds_the_lock_again(make: Callable[[], Locker]) -> None:
    cond = Cond(make())
    cond.locker.blocking_lock()
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError, match=f"no signal within {timeout} seconds"):
            cond.blocking_wait(timeout)
        with pytest.raises(TimeoutError):
            cond.blocking_wait_for(lambda: False, timeout)
    assert not cond._waiters
    cond.locker.unlock()
    with pytest.raises(ValueError):
        cond.blocking_wait(-1)
    with pytest.raises(ValueError):
        cond.blocking_wait_for(lambda: True, -1)


def test_wait_for_has_one_timeout_for_all_its_waits() -> None:
    cond = Cond(Mutex())

    def wait() -> None:
        with cond:
            cond.blocking_wait_for(lambda: False, 0.1)

    thread = start(wait)
    while thread.thread.is_alive():
        cond.signal()
    with pytest.raises(TimeoutError):
        thread.join()


async def test_blocking_calls_on_a_loop_are_refused() -> None:
    cond = Cond(Mutex())
    with pytest.raises(RuntimeError, match=r"write: await cond\.wait\(\)"):
        cond.blocking_wait()
    with pytest.raises(RuntimeError, match=r"write: await cond\.wait\(\)"):
        cond.blocking_wait_for(lambda: True)
    with pytest.raises(RuntimeError, match="write: async with cond"), cond:
        pass


async def test_a_thread_signals_a_coroutine_and_the_reverse() -> None:
    cond = Cond(Mutex())
    turn = "loop"

    def is_turn_of(who: str) -> bool:
        return turn == who

    def thread() -> None:
        nonlocal turn
        for _ in range(20):
            with cond:
                cond.blocking_wait_for(lambda: is_turn_of("thread"))
                turn = "loop"
                cond.signal()

    other = start(thread)
    for _ in range(20):
        async with cond:
            await cond.wait_for(lambda: is_turn_of("loop"))
            turn = "thread"
            cond.signal()
    await anyio.to_thread.run_sync(other.join)


# Cancellation


@lockers
async def test_a_cancelled_wait_holds_the_lock_before_it_raises(
    make: Callable[[], Locker],
) -> None:
    cond = Cond(make())
    # what keeps it out
    write = cond.locker._rw if isinstance(cond.locker, RLocker) else cond.locker
    steps: list[str] = []

    async def wait() -> None:
        await cond.locker.lock()
        try:
            await cond.wait()
        finally:
            steps.append("raised")
            cond.locker.unlock()

    async with scope() as s:
        go(wait)
        await settle()
        await write.lock()
        s.cancel()
        with anyio.CancelScope(shield=True):
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        steps.append("unlocked")
        write.unlock()
    assert steps == ["unlocked", "raised"]
    await write.lock()


async def test_a_cancelled_wait_has_used_up_no_signal() -> None:
    cond = Cond(Mutex())
    woken: list[str] = []

    async def wait(name: str) -> None:
        async with cond:
            await cond.wait()
            woken.append(name)

    async with scope():
        first = go(wait, "first")
        await settle()
        go(wait, "second")
        await settle()
        first.cancel()
        cond.signal()
    assert woken == ["second"]


async def test_a_wait_that_was_signalled_returns_though_cancelled() -> None:
    cond = Cond(Mutex())
    steps: list[str] = []

    async def wait() -> None:
        async with cond:
            await cond.wait()
            steps.append("returned")
            await anyio.lowlevel.checkpoint()
            steps.append("not cancelled")

    async with scope():
        waiter = go(wait)
        await settle()
        cond.signal()
        waiter.cancel()
    assert steps == ["returned"]
    assert cond.locker.try_lock()


async def test_cancelled_while_it_locks_again() -> None:
    cond = Cond(Mutex())
    steps: list[str] = []

    async def wait() -> None:
        async with cond:
            await cond.wait()
            steps.append("returned")
            await anyio.lowlevel.checkpoint()
            steps.append("not cancelled")

    async with scope():
        waiter = go(wait)
        await settle()
        await cond.locker.lock()
        cond.signal()
        await settle()
        waiter.cancel()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert steps == []
        cond.locker.unlock()
    assert steps == ["returned"]
    assert cond.locker.try_lock()


@on_asyncio
async def test_task_cancel_while_it_locks_again() -> None:
    # asyncio does not repeat a cancellation: it must not get lost
    cond = Cond(Mutex())
    steps: list[str] = []

    async def wait() -> None:
        async with cond:
            await cond.wait()
            steps.append("returned")
            await asyncio.sleep(10)

    task = asyncio.create_task(wait())
    await settle()
    await cond.locker.lock()
    cond.signal()
    await settle()
    task.cancel()
    await settle()
    task.cancel()
    await settle()
    cond.locker.unlock()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["returned"]
    assert cond.locker.try_lock()


@on_asyncio
async def test_a_timeout_while_it_locks_again_leaves_nothing_behind() -> None:
    cond = Cond(Mutex())

    async def wait() -> int:
        task = asyncio.current_task()
        assert task is not None
        async with cond:
            try:
                async with asyncio.timeout(None) as timeout:
                    timeouts.append(timeout)
                    await cond.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return task.cancelling()

    timeouts: list[asyncio.Timeout] = []
    task = asyncio.create_task(wait())
    await settle()
    await cond.locker.lock()
    timeouts[0].reschedule(0)
    await settle()
    cond.locker.unlock()
    assert await task == 0


async def test_a_scope_that_is_cancelled_while_it_locks_again_does_not_spin() -> None:
    cond = Cond(Mutex())
    async with scope():

        async def wait() -> None:
            with anyio.CancelScope() as inner:
                scopes.append(inner)
                async with cond:
                    await cond.wait()

        scopes: list[anyio.CancelScope] = []
        go(wait)
        await settle()
        await cond.locker.lock()
        scopes[0].cancel()
        # anyio repeats it at every turn of the loop; here nobody is ready any more
        await settle()
        cond.locker.unlock()
    assert cond.locker.try_lock()


def test_a_coroutine_that_is_closed_while_it_waits() -> None:
    with steppable() as runtime:
        cond = Cond(Mutex())

        async def wait() -> None:
            async with cond:
                await cond.wait()

        waits, other = wait(), Party(runtime, wait())
        waits.send(None)
        other.run()
        waits.close()
        assert len(cond._waiters) == 1
        cond.signal()
        other.run()
        assert other.state == "done"
        assert cond.locker.try_lock()


def test_a_coroutine_that_is_closed_with_a_signal() -> None:
    # it will not act on it: the next one is to
    with steppable() as runtime:
        cond = Cond(Mutex())

        async def wait() -> None:
            async with cond:
                await cond.wait()

        waits, other = wait(), Party(runtime, wait())
        waits.send(None)
        other.run()
        cond.signal()
        waits.close()
        other.run()
        assert other.state == "done"


def test_a_coroutine_that_is_closed_while_it_locks_again() -> None:
    for make in (Mutex, RWMutex):
        with steppable():
            cond = Cond(make())

            async def wait(cond: Cond = cond) -> None:
                await cond.wait()

            assert cond.locker.try_lock()
            waits = wait()
            waits.send(None)
            assert cond.locker.try_lock()
            cond.signal()
            waits.send(None)
            assert "1 " in repr(cond.locker)
            waits.close()
            assert "waiting" not in repr(cond.locker)


def test_a_waiter_whose_loop_was_closed_is_passed_over() -> None:
    cond = Cond(Mutex())

    async def wait() -> None:
        await cond.locker.lock()
        await cond.wait()

    with ended(wait()):

        def thread() -> None:
            with cond:
                cond.blocking_wait()

        waits = start(thread)
        until(lambda: len(cond._waiters) == 2)
        cond.signal()
        waits.join()
    with ended(wait()):
        cond.broadcast()
    assert not cond._waiters


def test_many_producers_and_consumers(backend: dict[str, Any]) -> None:
    cond = Cond(Mutex())
    things = used = 0

    def any_things() -> int:
        return things

    async def produce() -> None:
        nonlocal things
        for _ in range(50):
            async with cond:
                things += 1
                cond.signal()

    async def consume() -> None:
        nonlocal things, used
        for _ in range(50):
            async with cond:
                await cond.wait_for(any_things)
                things -= 1
                used += 1

    async def main() -> None:
        async with scope():
            for _ in range(5):
                go(consume)
                go(produce)

    run(main, **backend)
    assert (things, used) == (0, 250)
