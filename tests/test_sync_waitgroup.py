"""WaitGroup: counting, waiting on both faces, goroutines that it counts, misuse."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import Chan, _budget, go, nil, recv, run, scope, select, select_nowait
from gochan.sync import NegativeCounter, WaitGroup, WaitGroupReused
from support.closed import ended
from support.fake import Party, steppable
from support.idle import settle
from support.threads import start, until


async def test_wait_returns_at_zero() -> None:
    wg = WaitGroup()
    await wg.wait()
    wg.add(3)
    async with scope():
        waiters = [go(wg.wait) for _ in range(3)]
        for left in (3, 2, 1):
            await settle()
            assert repr(wg) == f"<WaitGroup, {left} to be done, 3 waiting>"
            assert not any(waiter.state == "done" for waiter in waiters)
            wg.done()
    assert repr(wg) == "<WaitGroup, 0 to be done>"
    await wg.wait()


def test_add_may_be_anything_that_does_not_end_below_zero() -> None:
    wg = WaitGroup()
    wg.add(0)
    wg.add(5)
    wg.add(-3)
    wg.add(True)
    assert repr(wg) == "<WaitGroup, 3 to be done>"
    wg.add(-3)
    wg.blocking_wait(0)


@pytest.mark.parametrize("delta", [1.0, "1", None])
def test_add_of_something_else(delta: Any) -> None:
    with pytest.raises(TypeError, match=r"write wg\.add\(1\)"):
        WaitGroup().add(delta)


def test_a_negative_counter_panics_and_changes_nothing() -> None:
    wg = WaitGroup()
    with pytest.raises(NegativeCounter) as caught:
        wg.done()
    assert str(caught.value) == "sync: negative WaitGroup counter"
    assert isinstance(caught.value, gochan.Panic)
    wg.blocking_wait(0)
    wg.add(2)
    with pytest.raises(NegativeCounter):
        wg.add(-3)
    thread = start(wg.blocking_wait)
    until(lambda: wg._waiters)
    wg.add(-2)
    thread.join()


async def test_it_can_be_used_again() -> None:
    wg = WaitGroup()
    for _ in range(3):
        wg.add(2)
        async with scope():
            waiter = go(wg.wait)
            await settle()
            assert waiter.state == "parked"
            wg.done()
            wg.done()


async def test_used_again_too_early() -> None:
    wg = WaitGroup()
    wg.add(1)
    errors: list[str] = []

    async def wait() -> None:
        try:
            await wg.wait()
        except WaitGroupReused as panic:
            errors.append(str(panic))

    async with scope():
        go(wait)
        await settle()
        wg.done()
        wg.add(1)
    assert errors == ["sync: WaitGroup is reused before previous Wait has returned"]


def test_a_thread_finds_it_used_again_too_early() -> None:
    with steppable():
        wg = WaitGroup()
        wg.add(1)
        waits = wg.wait()
        waits.send(None)
        wg.done()
        wg.add(1)
        with pytest.raises(WaitGroupReused):
            waits.send(None)
    errors: list[BaseException] = []
    wg = WaitGroup()

    def wait() -> None:
        try:
            wg.blocking_wait()
        except WaitGroupReused as panic:
            errors.append(panic)

    while not errors:
        wg.add(1)
        thread = start(wait)
        until(lambda: wg._waiters)
        wg.done()
        wg.add(1)
        thread.join()
        wg.done()


def test_blocking_wait() -> None:
    wg = WaitGroup()
    wg.blocking_wait()
    wg.add(1)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError, match=f"not zero within {timeout} seconds"):
            wg.blocking_wait(timeout)
    assert not wg._waiters
    with pytest.raises(ValueError):
        wg.blocking_wait(-1)
    threads = [start(wg.blocking_wait) for _ in range(3)]
    until(lambda: len(wg._waiters) == 3)
    wg.done()
    for thread in threads:
        thread.join()


async def test_blocking_wait_on_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"write: await wg\.wait\(\)"):
        WaitGroup().blocking_wait()


async def test_a_thread_counts_down_for_a_coroutine() -> None:
    wg = WaitGroup()
    wg.add(1)
    async with scope():
        waiter = go(wg.wait)
        await settle()
        await anyio.to_thread.run_sync(wg.done)
        await waiter


async def test_cancelled_while_it_waits() -> None:
    wg = WaitGroup()
    wg.add(1)
    with anyio.move_on_after(0) as cancelled:
        await wg.wait()
    assert cancelled.cancelled_caught
    assert repr(wg) == "<WaitGroup, 1 to be done>"


def test_it_gives_way_every_64th_time() -> None:
    with steppable() as runtime:
        wg = WaitGroup()

        async def many() -> str:
            for _ in range(_budget.OPERATIONS + 1):
                await wg.wait()
            return "done"

        party = Party(runtime, many())
        party.run()
        # it has given way
        assert party.result is None
        party.run()
        assert party.result == "done"


def test_those_whose_loops_were_closed_are_forgotten() -> None:
    wg = WaitGroup()
    wg.add(1)
    with ended(wg.wait()):
        thread = start(wg.blocking_wait)
        until(lambda: len(wg._waiters) == 2)
        wg.done()
        thread.join()


def test_it_cannot_be_copied_or_pickled() -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(WaitGroup())


# In a select


async def test_select_waits_for_zero() -> None:
    wg = WaitGroup()
    wg.add(2)
    chosen: list[object] = []

    async def wait() -> None:
        done, never = recv(Chan[int]()), recv(nil)
        case = await select(wg, done, never)
        chosen.append(case.index)

    async with scope():
        go(wait)
        go(wait)
        await settle()
        wg.done()
        await settle()
        assert chosen == []
        wg.done()
    assert chosen == [0, 0]


def test_select_nowait() -> None:
    wg = WaitGroup()
    assert select_nowait(wg) is not None
    wg.add(1)
    assert select_nowait(wg) is None
    wg.done()
    assert select_nowait(wg) is not None
    # used again
    wg.add(1)
    assert select_nowait(wg) is None
    case = wg.__gochan_case__()
    assert select_nowait(case) is None
    wg.done()
    assert select_nowait(case) is case
    # what was zero then stays so
    wg.add(1)
    assert select_nowait(case) is case
    assert select_nowait(wg) is None


# Goroutines that it counts


async def test_go_counts_until_the_end() -> None:
    wg = WaitGroup()
    results: list[int] = []

    async def work(number: int) -> int:
        await gochan.yield_()
        results.append(number)
        return number

    async with scope():
        handles = [wg.go(work, number) for number in range(5)]
        assert repr(wg) == "<WaitGroup, 5 to be done>"
        await wg.wait()
        assert sorted(results) == list(range(5))
        assert [await handle for handle in handles] == list(range(5))
    assert "test_sync_waitgroup.py" in handles[0].created_at
    assert "test_go_counts_until_the_end" in handles[0].created_at


async def test_go_of_a_goroutine_that_goes_on() -> None:
    wg = WaitGroup()
    depth = 0

    async def work(left: int) -> None:
        nonlocal depth
        depth += 1
        if left:
            wg.go(work, left - 1)

    async with scope():
        wg.go(work, 5)
        await wg.wait()
        assert depth == 6


async def test_a_cancelled_goroutine_counts_as_done() -> None:
    wg = WaitGroup()
    async with scope():
        parked = wg.go(nil.recv)
        await settle()
        parked.cancel()
        await wg.wait()
        # also one that has not begun
        wg.go(nil.recv).cancel()
        await wg.wait()


async def test_a_failure_does_not_let_wait_return_in_its_scope() -> None:
    # Go: the program has crashed by then
    wg = WaitGroup()
    returned: list[str] = []

    async def fails() -> None:
        await settle()
        raise ValueError

    async def wait() -> None:
        await wg.wait()
        returned.append("goroutine")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            wg.go(fails)
            go(wait)
            await wg.wait()
            returned.append("body")
    assert caught.group_contains(ValueError)
    assert returned == []


async def test_a_failure_lets_wait_return_elsewhere() -> None:
    wg = WaitGroup()
    wg.add(1)

    async def fails() -> None:
        raise ValueError

    async with scope():
        waiter = go(wg.wait)
        await settle()
        with pytest.raises(ExceptionGroup):
            async with scope():
                wg.go(fails)
        wg.done()
        await waiter


async def test_go_with_something_else_counts_nothing() -> None:
    wg = WaitGroup()
    wrong: Any = wg.go
    async with scope():
        with pytest.raises(TypeError, match="plain function"):
            wrong(len, "abc")
        with pytest.raises(TypeError, match="an async function, not None"):
            wrong(None)
    await wg.wait()


def test_go_outside_of_a_scope() -> None:
    wg = WaitGroup()

    async def work() -> None: ...

    with pytest.raises(RuntimeError, match=r"wg\.go\(\) needs a run or a scope"):
        wg.go(work)
    wg.blocking_wait(0)


def test_a_function_that_also_counts_itself_down(backend: dict[str, Any]) -> None:
    wg = WaitGroup()

    async def work() -> None:
        wg.done()

    async def main() -> None:
        wg.go(work)
        await nil.recv()

    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    assert caught.group_contains(NegativeCounter)
