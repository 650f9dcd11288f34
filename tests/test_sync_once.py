"""Once and what runs once: errors, cancelled runners, calls from within, both faces."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import traceback
import weakref
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from gochan import Chan, Goroutine, _budget, go, nil, scope
from gochan.sync import Once, OnceFunction, once_func, once_value, once_values
from support.closed import ended
from support.fake import Party, steppable
from support.idle import settle
from support.threads import Worker, start, until

if TYPE_CHECKING:
    from collections.abc import Callable


class Calls:
    """A function that counts how often it begins and ends."""

    def __init__(self) -> None:
        self.began = 0
        self.ended = 0
        self.go_on = Chan[None]()

    def plain(self) -> None:
        self.began += 1
        self.ended += 1

    async def awaits(self) -> None:
        self.began += 1
        await self.go_on.recv_ok()
        self.ended += 1


async def test_the_first_function_is_run_and_no_other() -> None:
    once, first, second = Once(), Calls(), Calls()
    await once.do(first.plain)
    await once.do(first.plain)
    await once.do(second.awaits)
    assert (first.began, second.began) == (1, 0)
    assert repr(once) == "<Once, done>"


async def test_the_others_wait_until_it_has_returned() -> None:
    once, calls, other = Once(), Calls(), Calls()
    async with scope():
        runner = go(once.do, calls.awaits)
        await settle()
        waiters = [go(once.do, other.plain) for _ in range(3)]
        await settle()
        assert repr(once) == "<Once, not done>"
        assert not any(g.state == "done" for g in (runner, *waiters))
        calls.go_on.close()
    assert (calls.began, calls.ended, other.began) == (1, 1, 0)


async def test_an_error_counts_as_done() -> None:
    once, calls = Once(), Calls()

    async def fails() -> None:
        await calls.go_on.recv_ok()
        raise ValueError

    async def first() -> None:
        with pytest.raises(ValueError):
            await once.do(fails)

    async with scope():
        go(first)
        await settle()
        second = go(once.do, calls.plain)
        await settle()
        calls.go_on.close()
        # silently
        await second
    await once.do(calls.plain)
    assert calls.began == 0


async def test_a_cancelled_runner_leaves_it_to_the_longest_waiter() -> None:
    once = Once()
    calls = [Calls() for _ in range(4)]
    async with scope():
        handles: list[Goroutine[None]] = []
        for call in calls:
            handles.append(go(once.do, call.awaits))
            await settle()
        # a waiter in the middle
        handles[1].cancel()
        await settle()
        assert [call.began for call in calls] == [1, 0, 0, 0]
        handles[0].cancel()
        await settle()
        assert [call.began for call in calls] == [1, 0, 1, 0]
        calls[2].go_on.close()
        await handles[3]
    assert [call.ended for call in calls] == [0, 0, 1, 0]


async def test_a_cancelled_runner_leaves_it_to_who_comes_next() -> None:
    once, calls = Once(), Calls()
    with anyio.move_on_after(0):
        await once.do(calls.awaits)
    assert (calls.began, calls.ended) == (1, 0)
    assert repr(once) == "<Once, not done>"
    await once.do(calls.plain)
    assert (calls.began, calls.ended) == (2, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_does_not_count(error: type[BaseException]) -> None:
    once, calls = Once(), Calls()

    def stop() -> None:
        raise error

    with pytest.raises(error):
        once.blocking_do(stop)
    once.blocking_do(calls.plain)
    assert calls.ended == 1


def test_a_runner_whose_coroutine_is_closed_leaves_it_to_others() -> None:
    with steppable() as runtime:
        once, calls = Once(), Calls()

        async def wait() -> None:
            await runtime.yield_now()

        runner = Party(runtime, once.do(wait))
        waiter = Party(runtime, once.do(calls.plain))
        runner.run()
        waiter.run()
        runner.close()
        waiter.run()
        assert calls.ended == 1


def test_a_waiter_that_is_closed_with_the_turn_leaves_it_to_others() -> None:
    with steppable() as runtime:
        once, calls = Once(), Calls()
        runner = Party(runtime, once.do(runtime.yield_now))
        runner.run()
        first, second = (Party(runtime, once.do(calls.plain)) for _ in range(2))
        first.run()
        second.run()
        runner.cancel()
        first.close()
        assert calls.began == 0
        second.run()
        assert calls.ended == 1


def test_a_waiter_whose_loop_was_closed_is_passed_over() -> None:
    once, calls = Once(), Calls()
    gate: list[None] = []

    def stop() -> None:
        until(lambda: gate)
        raise KeyboardInterrupt

    runner = start(once.blocking_do, stop)
    until(lambda: once._call._running)
    with ended(once.do(calls.awaits)):
        waiter = start(once.blocking_do, calls.plain)
        until(lambda: len(once._call._waiters) == 2)
        gate.append(None)
        waiter.join()
    with pytest.raises(KeyboardInterrupt):
        runner.join()
    assert calls.ended == 1


async def test_a_call_from_within_would_wait_for_ever() -> None:
    once = Once()

    async def within() -> None:
        await once.do(within)

    with pytest.raises(RuntimeError, match=r"once\.do\(fn\).* wait for itself"):
        await once.do(within)
    # that was an error, which counts as done
    await once.do(within)


def test_a_call_from_within_on_a_thread() -> None:
    once = Once()

    def within() -> None:
        once.blocking_do(within)

    with pytest.raises(RuntimeError, match="wait for itself"):
        once.blocking_do(within)


async def test_a_second_once_within_the_first() -> None:
    first, second, calls = Once(), Once(), Calls()

    async def nested() -> None:
        await second.do(calls.plain)

    await first.do(nested)
    assert calls.ended == 1


async def test_it_gives_way_every_64th_time() -> None:
    once = Once()
    await once.do(lambda: None)
    turns = 0

    async def other() -> None:
        nonlocal turns
        turns += 1

    async with scope():
        go(other)
        for _ in range(3 * _budget.OPERATIONS):
            await once.do(lambda: None)
        assert turns == 1


def test_it_gives_way_before_it_runs_anything() -> None:
    with steppable() as runtime:
        once, calls = Once(), Calls()
        _budget.budget.left = 0
        party = Party(runtime, once.do(calls.plain))
        party.run()
        assert calls.began == 0
        assert party.cancel()
        assert calls.began == 0
        assert not once._call._running


# On threads


def test_blocking_do() -> None:
    once, calls = Once(), Calls()
    threads = [start(once.blocking_do, calls.plain) for _ in range(5)]
    for thread in threads:
        thread.join()
    assert (calls.began, calls.ended) == (1, 1)


def test_a_timeout_is_for_waiting_for_others() -> None:
    once, gate = Once(), list[None]()
    runner = start(once.blocking_do, lambda: until(lambda: gate))
    until(lambda: once._call._running)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError, match=f"not done within {timeout} seconds"):
            once.blocking_do(lambda: None, timeout)
    with pytest.raises(ValueError):
        once.blocking_do(lambda: None, -1)
    gate.append(None)
    runner.join()
    once.blocking_do(lambda: None, 0)


async def test_a_thread_and_a_coroutine_wait_for_each_other() -> None:
    once, calls = Once(), Calls()
    async with scope():
        go(once.do, calls.awaits)
        await settle()
        thread = start(once.blocking_do, calls.plain)
        until(lambda: once._call._waiters)
        calls.go_on.close()
        await anyio.to_thread.run_sync(thread.join)
    assert calls.ended == 1
    once, gate = Once(), list[None]()
    thread = start(once.blocking_do, lambda: until(lambda: gate))
    until(lambda: once._call._running)
    async with scope():
        go(once.do, calls.plain)
        await settle()
        gate.append(None)
        await anyio.to_thread.run_sync(thread.join)
    assert calls.ended == 1


async def test_blocking_calls_on_a_loop_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"write: await once\.do\(fn\)"):
        Once().blocking_do(lambda: None)
    with pytest.raises(RuntimeError, match=r"write: await f\(\)"):
        once_value(lambda: 1).blocking_call()


def test_a_thread_cannot_run_an_async_function() -> None:
    once, calls = Once(), Calls()
    with pytest.raises(TypeError, match=r"write await once\.do\(fn\)"):
        once.blocking_do(calls.awaits)
    with pytest.raises(TypeError, match=r"write await f\(\)"):
        once_func(calls.awaits).blocking_call()
    assert calls.began == 0
    # nothing has been done
    once.blocking_do(calls.plain)
    assert calls.ended == 1


# Bad use


async def test_something_that_is_no_function() -> None:
    once, calls = Once(), Calls()
    do: Any = once.do
    blocking_do: Any = once.blocking_do
    with pytest.raises(TypeError, match="the function, not the coroutine"):
        await do(calls.awaits())
    with pytest.raises(TypeError, match=r"write once\.do\(fn\)"):
        await do(None)
    with pytest.raises(TypeError, match=r"write once\.blocking_do\(fn\)"):
        await anyio.to_thread.run_sync(blocking_do, 7)
    make: Any
    for make in (once_func, once_value, once_values):
        with pytest.raises(TypeError, match=rf"write {make.__name__}\(fn\)"):
            make(None)
    gc.collect()


def test_they_cannot_be_copied_or_pickled() -> None:
    for thing in (Once(), once_value(lambda: 1)):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot be copied or pickled"):
                attempt(thing)


# Functions that run once


async def test_once_value_of_both_kinds() -> None:
    calls = 0

    def plain() -> int:
        nonlocal calls
        calls += 1
        return calls

    async def awaits() -> int:
        await anyio.lowlevel.checkpoint()
        return plain()

    one, two = once_value(plain), once_value(awaits)
    assert [await one(), await one(), await one()] == [1, 1, 1]
    assert [await two(), await two()] == [2, 2]
    assert await once_value(functools.partial(pow, 2, 5))() == 32


async def test_once_values() -> None:
    async def address() -> tuple[str, int]:
        return "localhost", 80

    function = once_values(address)
    host, port = await function()
    assert (host, port) == ("localhost", 80)
    assert await function() is await function()


async def test_once_func_returns_nothing() -> None:
    class Big: ...

    alive: list[weakref.ref[Big]] = []

    def make() -> Big:
        big = Big()
        alive.append(weakref.ref(big))
        return big

    function: OnceFunction[Any] = once_func(make)
    assert await function() is None
    assert await function() is None
    gc.collect()
    # nor does it keep what the function returned
    assert [ref() for ref in alive] == [None]


async def test_a_goroutine_of_a_function_that_runs_once() -> None:
    function = once_value(lambda: 7)
    async with scope():
        assert [await g for g in [go(function) for _ in range(3)]] == [7, 7, 7]


def test_on_a_thread() -> None:
    function = once_value(lambda: [1])
    threads: list[Worker[list[int]]] = [start(function.blocking_call) for _ in range(4)]
    first, *others = [thread.join() for thread in threads]
    assert all(other is first for other in others)
    assert function.blocking_call(0) is first
    assert once_func(lambda: 7).blocking_call() is None


async def test_every_call_raises_the_same_error() -> None:
    calls = 0
    gate = Chan[None]()

    async def fails() -> int:
        nonlocal calls
        calls += 1
        await gate.recv_ok()
        raise ValueError("once")

    function = once_value(fails)
    errors: list[ValueError] = []

    async def call() -> None:
        try:
            await function()
        except ValueError as error:
            errors.append(error)

    async with scope():
        for _ in range(3):
            go(call)
        await settle()
        gate.close()
    await call()
    assert calls == 1
    assert len(errors) == 4
    assert all(error is errors[0] for error in errors)
    # which does not get longer each time
    depth = len(traceback.extract_tb(errors[0].__traceback__))
    for _ in range(5):
        await call()
    assert len(traceback.extract_tb(errors[0].__traceback__)) == depth
    names = [frame.name for frame in traceback.extract_tb(errors[0].__traceback__)]
    assert names[-1] == "fails"


def test_every_thread_gets_the_same_error() -> None:
    def fails() -> int:
        raise ValueError("once")

    function = once_value(fails)
    errors: list[ValueError] = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            function.blocking_call()
        errors.append(caught.value)
    assert all(error is errors[0] for error in errors)


async def test_the_function_is_forgotten_when_it_has_run() -> None:
    class Function:
        def __call__(self) -> int:
            return 7

    make: Callable[[Any], OnceFunction[Any]]
    for make in (once_func, once_value):
        plain = Function()
        alive = weakref.ref(plain)
        function = make(plain)
        del plain
        gc.collect()
        assert alive() is not None
        await function()
        gc.collect()
        assert alive() is None
        await function()


async def test_a_cancelled_call_of_a_function_is_made_again() -> None:
    calls = Calls()
    function = once_func(calls.awaits)
    with anyio.move_on_after(0):
        await function()
    async with scope():
        waiting = go(function)
        await settle()
        calls.go_on.close()
        await waiting
    assert (calls.began, calls.ended) == (2, 1)
    await function()
    assert (calls.began, calls.ended) == (2, 1)


async def test_repr_of_a_function_that_runs_once() -> None:
    def load() -> int:
        return 7

    function = once_value(load)
    assert repr(function) == "<once load, has not run>"
    await function()
    assert repr(function) == "<once load, has run>"
    assert repr(function._call) == "<call of f(), over>"
    never = once_func(nil.recv)
    async with scope() as s:
        for _ in range(2):
            go(never)
        await settle()
        assert repr(never._call) == "<call of f(), running, 1 waiting>"
        s.cancel()
