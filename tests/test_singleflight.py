"""Group: one execution for all who ask, whoever of them is cancelled."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import anyio
import anyio.to_thread
import pytest

from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    RecvChan,
    go,
    nil,
    run,
    scope,
    yield_,
)
from gochan._scope import current_scope
from gochan.singleflight import Group, Result
from support.idle import settle
from support.threads import start, until


class Fetch:
    """A function that waits until it is told to go on."""

    def __init__(self, value: int = 7) -> None:
        self.value = value
        self.began = 0
        self.go_on = Chan[None]()

    async def __call__(self) -> int:
        self.began += 1
        await self.go_on.recv_ok()
        return self.value


async def test_alone() -> None:
    group = Group()
    assert await group.do("key", lambda: 7) == (7, False)
    assert await group.do("key", lambda: 8) == (8, False)

    async def fetch() -> str:
        await yield_()
        return "bar"

    assert await group.do("key", fetch) == ("bar", False)
    assert repr(group) == "<singleflight Group, 0 under way>"


async def test_together() -> None:
    group, fetch = Group(), Fetch()
    async with scope():
        handles = [go(group.do, "key", fetch) for _ in range(5)]
        await settle()
        other = go(group.do, "another key", lambda: 8)
        assert await other == (8, False)
        assert repr(group) == "<singleflight Group, 1 under way>"
        fetch.go_on.close()
        assert [await handle for handle in handles] == [(7, True)] * 5
    assert fetch.began == 1


async def test_an_error_is_shared() -> None:
    group, gate = Group(), Chan[None]()

    async def fails() -> int:
        await gate.recv_ok()
        raise ValueError("shared")

    errors: list[ValueError] = []

    async def call() -> None:
        try:
            await group.do("key", fails)
        except ValueError as error:
            errors.append(error)

    async with scope():
        for _ in range(3):
            go(call)
        await settle()
        gate.close()
    assert len(errors) == 3
    assert all(error is errors[0] for error in errors)
    # the next one tries again
    assert await group.do("key", lambda: 7) == (7, False)


async def start_in_order(group: Group, *fetches: Fetch) -> list[Goroutine[Any]]:
    handles: list[Goroutine[Any]] = []
    for fetch in fetches:
        handles.append(go(group.do, "key", fetch))
        await settle()
    return handles


async def test_a_cancelled_caller_who_runs_it_leaves_it_to_the_next() -> None:
    group, first, second, third = Group(), Fetch(1), Fetch(2), Fetch(3)
    async with scope():
        handles = await start_in_order(group, first, second, third)
        handles[0].cancel()
        await settle()
        assert [f.began for f in (first, second, third)] == [1, 1, 0]
        second.go_on.close()
        assert await handles[1] == (2, True)
        assert await handles[2] == (2, True)


async def test_a_cancelled_caller_who_waits_just_goes() -> None:
    group, first, second = Group(), Fetch(1), Fetch(2)
    async with scope():
        handles = await start_in_order(group, first, second)
        handles[1].cancel()
        await settle()
        first.go_on.close()
        assert await handles[0] == (1, False)
    assert second.began == 0


async def test_when_all_are_cancelled_nothing_is_left() -> None:
    group, fetch = Group(), Fetch()
    async with scope() as s:
        await start_in_order(group, fetch, fetch)
        s.cancel()
    assert repr(group) == "<singleflight Group, 0 under way>"
    fetch.go_on.close()
    assert await group.do("key", fetch) == (7, False)


async def test_forget() -> None:
    group, first, second = Group(), Fetch(1), Fetch(2)
    group.forget("key")
    async with scope():
        old = await start_in_order(group, first, first)
        group.forget("key")
        new = await start_in_order(group, second, second)
        assert (first.began, second.began) == (1, 1)
        first.go_on.close()
        assert [await handle for handle in old] == [(1, True)] * 2
        # the old one has not made it forget the new one
        assert repr(group) == "<singleflight Group, 1 under way>"
        second.go_on.close()
        assert [await handle for handle in new] == [(2, True)] * 2


async def test_a_function_that_asks_for_its_own_key() -> None:
    group = Group()

    async def within() -> int:
        return (await group.do("key", within))[0]

    with pytest.raises(RuntimeError, match=r"group\.do\(key, fn\).* wait for itself"):
        await group.do("key", within)

    async def another() -> int:
        return (await group.do("another", lambda: 7))[0]

    assert await group.do("key", another) == (7, False)


async def test_something_that_is_no_function() -> None:
    group, fetch = Group(), Fetch()
    do: Any = group.do
    do_chan: Any = group.do_chan
    with pytest.raises(TypeError, match=r"write group\.do\(key, fn\)"):
        await do("key", None)
    with pytest.raises(TypeError, match="the function, not the coroutine"):
        do_chan("key", fetch())
    with pytest.raises(TypeError, match="unhashable"):
        await do([], lambda: 7)
    assert repr(group) == "<singleflight Group, 0 under way>"


# On threads


def test_threads_together() -> None:
    group, calls = Group(), list[int]()

    def fetch() -> int:
        until(lambda: group._flights["key"].parties == 4)
        calls.append(1)
        return 7

    threads = [start(group.blocking_do, "key", fetch) for _ in range(4)]
    assert [thread.join() for thread in threads] == [(7, True)] * 4
    assert calls == [1]
    assert group.blocking_do("key", lambda: 8) == (8, False)


def test_a_timeout_is_for_waiting_for_others() -> None:
    group, gate = Group(), list[None]()

    def fetch() -> int:
        until(lambda: gate)
        return 7

    runner = start(group.blocking_do, "key", fetch)
    until(lambda: group._flights)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError):
            group.blocking_do("key", fetch, timeout)
    with pytest.raises(ValueError):
        group.blocking_do("key", fetch, -1)
    gate.append(None)
    assert runner.join() == (7, False)


async def test_a_thread_takes_over_from_a_coroutine() -> None:
    group, fetch = Group(), Fetch()
    async with scope():
        (handle,) = await start_in_order(group, fetch)
        thread = start(group.blocking_do, "key", lambda: 8)
        until(lambda: group._flights["key"].parties == 2)
        until(lambda: group._flights["key"]._waiters)
        handle.cancel()
        await settle()
        assert await anyio.to_thread.run_sync(thread.join) == (8, False)


async def test_blocking_do_on_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"write: await group\.do\(key, fn\)"):
        Group().blocking_do("key", lambda: 7)


def test_a_thread_cannot_run_an_async_function() -> None:
    group, fetch = Group(), Fetch()
    with pytest.raises(TypeError, match=r"write await group\.do\(key, fn\)"):
        group.blocking_do("key", fetch)
    assert repr(group) == "<singleflight Group, 0 under way>"


# On a channel


async def test_do_chan() -> None:
    group, fetch = Group(), Fetch()
    async with scope():
        results = [group.do_chan("key", fetch) for _ in range(3)]
        caller = go(group.do, "key", fetch)
        await settle()
        fetch.go_on.close()
        for ch in results:
            result = await ch.recv()
            assert (result.value, result.error, result.shared) == (7, None, True)
            assert repr(result) == "Result(7, shared=True)"
        assert await caller == (7, True)
    assert fetch.began == 1


async def test_do_chan_counts_from_the_call_on() -> None:
    group, first, second = Group(), Fetch(1), Fetch(2)
    first.go_on.close()
    second.go_on.close()
    async with scope():
        one = group.do_chan("key", first)
        # it has not begun, but it is the one
        other = group.do_chan("key", second)
        assert (await group.do("key", second)) == (1, True)
        assert (await one.recv()).value == (await other.recv()).value == 1
        one = group.do_chan("key", first)
        group.forget("key")
        other = group.do_chan("key", second)
        assert [(await ch.recv()).value for ch in (one, other)] == [1, 2]


async def test_an_error_comes_as_a_result() -> None:
    group = Group()

    def fails() -> int:
        raise ValueError("x")

    async with scope():
        result = await group.do_chan("key", fails).recv()
    assert isinstance(result.error, ValueError)
    assert repr(result) == "Result(error=ValueError('x'), shared=False)"
    with pytest.raises(ValueError, match="x"):
        _ = result.value


@pytest.mark.parametrize("begun", [True, False])
async def test_a_cancelled_goroutine_leaves_a_result_too(begun: bool) -> None:
    group, fetch = Group(), Fetch()
    async with scope():
        async with scope() as s:
            mine = group.do_chan("key", fetch)
            if begun:
                await settle()
            s.cancel("no more")
        result = await mine.recv()
        assert isinstance(result.error, GoroutineCancelled)
        assert "no more" in str(result.error)
        assert repr(group) == "<singleflight Group, 0 under way>"
        # the next one begins anew
        fetch.go_on.close()
        assert await group.do("key", fetch) == (7, False)


@pytest.mark.parametrize("begun", [True, False])
async def test_a_cancelled_goroutine_leaves_it_to_the_others(begun: bool) -> None:
    group, first, second = Group(), Fetch(1), Fetch(2)
    second.go_on.close()
    async with scope() as outer:
        async with scope() as s:
            mine = group.do_chan("key", first)
            if begun:
                await settle()
            other = outer.go(group.do, "key", second)
            if begun:
                await settle()
            s.cancel()
        assert isinstance((await mine.recv()).error, GoroutineCancelled)
        assert await other == (2, False)
    # on trio it runs up to its first checkpoint in any case
    assert first.began or not begun
    assert repr(group) == "<singleflight Group, 0 under way>"


def test_do_chan_outside_of_a_scope() -> None:
    group = Group()
    with pytest.raises(RuntimeError, match=r"group\.do_chan\(\) needs a run or a"):
        group.do_chan("key", lambda: 7)
    assert repr(group) == "<singleflight Group, 0 under way>"


def test_do_chan_in_a_scope_that_was_left(backend: dict[str, Any]) -> None:
    group = Group()

    async def main() -> None:
        async with scope() as s:
            pass
        token = current_scope.set(s)
        try:
            with pytest.raises(RuntimeError, match="is not open"):
                group.do_chan("key", lambda: 7)
        finally:
            current_scope.reset(token)
        assert repr(group) == "<singleflight Group, 0 under way>"
        assert await group.do("key", lambda: 8) == (8, False)

    run(main, **backend)


def test_an_exit_in_the_function_is_the_scopes_business(
    backend: dict[str, Any],
) -> None:
    group = Group()
    results: list[RecvChan[Result[int]]] = []

    def leave() -> int:
        raise SystemExit(3)

    async def main() -> None:
        results.append(group.do_chan("key", leave))
        await nil.recv()

    with pytest.raises(SystemExit):
        run(main, **backend)
    assert isinstance(results[0].recv_nowait().error, SystemExit)
    assert repr(group) == "<singleflight Group, 0 under way>"


def test_matching_a_result() -> None:
    match Result(7, None, True):
        case Result(value, shared):
            assert (value, shared) == (7, True)


def test_it_cannot_be_copied_or_pickled() -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(Group())
