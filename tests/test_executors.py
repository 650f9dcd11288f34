"""What is the same for plain functions wherever they run."""

from __future__ import annotations

import contextvars
import functools
import gc
import re
import threading
import traceback
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    blocking_select,
    go,
    recv,
    run,
    scope,
    yield_,
)
from gochan._instrument import current_party
from support.blocking import BlockingParked, eventually, parked
from support.ledger import at_rest
from support.parked import operations

if TYPE_CHECKING:
    from gochan.executors import Executor

go_: Any = go


def wait(ch: Chan[int]) -> int:
    return ch.blocking_recv()


def double(number: int) -> int:
    return 2 * number


# Results and errors


async def test_its_result(on: Executor) -> None:
    async with scope():
        g = go(double, 21, on=on)
        assert await g == 42
        assert (g.name, g.state) == ("double", "done")
        assert await go(functools.partial(double, 4), on=on, name="eight") == 8


async def test_its_error_leaves_the_scope_with_a_note(on: Executor) -> None:
    def fail() -> None:
        raise ValueError("failed")

    # the other one has to end as well
    waiting: list[Goroutine[Any]] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            waiting.append(go(wait, Chan[int](), on=on))
            await parked(waiting[0])
            waiting.append(go(fail, on=on, name="bad"))
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)
    (note,) = error.__notes__
    assert re.fullmatch(
        rf"goroutine 'bad' \(id {waiting[1].id}\) started at test_executors.py:\d+ in "
        r"test_its_error_leaves_the_scope_with_a_note",
        note,
    )
    # the frames of the function are there
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"
    with pytest.raises(ValueError, match="failed"):
        await waiting[1]
    # that concerned the other one
    with pytest.raises(GoroutineCancelled, match="another goroutine failed"):
        await waiting[0]


@pytest.mark.parametrize("on", [None, gochan.threads])
async def test_the_error_keeps_nothing_alive(on: Any) -> None:
    class Thing:
        pass

    def fail(thing: Thing) -> None:
        raise ValueError

    async def fail_async(thing: Thing) -> None:
        fail(thing)

    thing = Thing()
    seen = weakref.ref(thing)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ExceptionGroup):
            async with scope():
                go(fail if on else fail_async, thing, on=on)
                del thing
        await eventually(lambda: seen() is None)
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exits_end_the_run(
    on: Executor, backend: dict[str, Any], error: type[BaseException]
) -> None:
    ended: list[str] = []

    def waits() -> None:
        try:
            Chan[int]().blocking_recv()
        finally:
            ended.append("waits")

    async def main() -> None:
        g = go(waits, on=on)
        await parked(g)

        def leave() -> None:
            raise error(3)

        go(leave, on=on)
        await Chan[int]().recv()

    with pytest.raises(error, match="3"):
        run(main, **backend)
    assert ended == ["waits"]


async def test_a_stop_iteration_is_an_error_like_any_other(on: Executor) -> None:
    def fail() -> int:
        return next(iter(()))

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(fail, on=on)
    assert "StopIteration" in repr(caught.value.exceptions[0])


async def test_an_exception_group_of_its_own(on: Executor) -> None:
    def fail() -> None:
        raise ExceptionGroup("both", [ValueError(1), KeyError(2)])

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(fail, on=on)
    (inner,) = caught.value.exceptions
    assert repr(inner) == "ExceptionGroup('both', [ValueError(1), KeyError(2)])"


# What it is given is checked


async def coroutine_function() -> None: ...


@pytest.mark.parametrize(
    "fn", [coroutine_function, functools.partial(coroutine_function)]
)
async def test_an_async_function_is_refused(on: Executor, fn: Any) -> None:
    async with scope():
        with pytest.raises(TypeError) as caught:
            go_(fn, on=on)
    text = str(caught.value)
    assert "is an async function" in text
    assert "on=gochan.executors.loops(2)" in text
    if fn is coroutine_function:
        assert "write go(coroutine_function, ...)" in text


async def test_what_turns_out_to_be_async_is_refused(on: Executor) -> None:
    # no warning that it was not awaited: warnings are errors
    def disguised() -> Any:
        return coroutine_function()

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(disguised, on=on)
    (error,) = caught.value.exceptions
    assert isinstance(error, TypeError)
    assert "disguised is an async function" in str(error)


async def test_what_cannot_be_called_is_refused(on: Executor) -> None:
    async with scope():
        with pytest.raises(TypeError, match="async function, not None"):
            go_(None, on=on)
        with pytest.raises(TypeError, match="not a coroutine"):
            go_(coroutine_function(), on=on)


@pytest.mark.parametrize("on", [5, "threads", threading.Thread, object()], ids=repr)
async def test_what_is_no_executor_is_refused(on: Any) -> None:
    async with scope() as s:
        for start in (go_, s.go):
            with pytest.raises(TypeError, match="on= wants an executor, not .*threads"):
                start(double, 1, on=on)


# Who and where it is


variable = contextvars.ContextVar("variable", default="default")


async def test_context_variables_are_carried_in_and_not_out(on: Executor) -> None:
    def work() -> str:
        before = variable.get()
        variable.set("inside")
        return before

    variable.set("outside")
    async with scope():
        first = go(work, on=on)
        variable.set("later")
        second = go(work, on=on)
        assert (await first, await second) == ("outside", "later")
    assert variable.get() == "later"


async def test_the_goroutine_is_the_party(on: Executor) -> None:
    async with scope():
        g = go(current_party, on=on)
        assert await g is g


async def test_go_in_it_joins_the_scope_around_it(on: Executor) -> None:
    async def child(number: int) -> int:
        await yield_()
        return number + 1

    def parent() -> tuple[Goroutine[int], Goroutine[int], int]:
        first = go(child, 1)
        second = go(double, 2, on=gochan.threads)
        return first, second, first.blocking_join()

    async with scope() as outer:
        async with scope() as inner:
            first, second, result = await go(parent, on=on)
            assert result == 2
            assert await second == 4
            for g in (first, second):
                assert g._scope is inner
        parents = outer.go(parent, on=on)
        for g in (await parents)[:2]:
            assert g._scope is outer


async def test_an_error_of_what_it_started_cancels_it(on: Executor) -> None:
    async def fail() -> None:
        raise ValueError

    def parent() -> None:
        go(fail)
        Chan[int]().blocking_recv()

    started: list[Goroutine[None]] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            started.append(go(parent, on=on))
    assert len(caught.value.exceptions) == 1
    with pytest.raises(GoroutineCancelled):
        await started[0]


async def test_states(on: Executor) -> None:
    ch = Chan[int]()

    def look() -> tuple[str, int]:
        return me[0].state, ch.blocking_recv()

    async with scope():
        me = [go(look, on=on)]
        states = [me[0].state]
        await parked(*me)
        await ch.send(5)
        assert await me[0] == ("running", 5)
        states.append(me[0].state)
    assert states == ["runnable", "done"]


async def test_it_cannot_wait_for_itself(on: Executor) -> None:
    def work() -> None:
        with pytest.raises(RuntimeError, match="awaits its own end"):
            me[0].blocking_join()

    async with scope():
        me = [go(work, on=on)]


async def test_join_with_a_timeout(on: Executor) -> None:
    ch = Chan[int]()

    def join() -> int:
        with pytest.raises(TimeoutError):
            waiting.blocking_join(0)
        with pytest.raises(TimeoutError):
            waiting.blocking_join(0.001)
        go_on.blocking_send(None)
        return waiting.blocking_join(30)

    go_on = Chan[None]()
    async with scope():
        waiting = go(wait, ch, on=gochan.threads)
        g = go(join, on=on)
        await go_on.recv()
        await ch.send(7)
        assert await g == 7


# Operations


@operations
async def test_a_parked_operation_is_completed(
    on: Executor, kind: str, cap: int
) -> None:
    p = BlockingParked(kind, cap)
    async with scope():
        g = go(p.blocking_operate, on=on)
        await parked(g)
        assert p.waits()
        assert p.peer()
        await g
    assert p.completed
    await p.check()


@operations
async def test_a_parked_operation_finds_the_channel_closed(
    on: Executor, kind: str, cap: int
) -> None:
    p = BlockingParked(kind, cap)
    async with scope():
        g = go(p.blocking_operate, on=on)
        await parked(g)
        p.channel.close()
        await g
    assert p.closed
    await p.check()


@operations
async def test_a_timeout_changes_nothing(on: Executor, kind: str, cap: int) -> None:
    p = BlockingParked(kind, cap)

    def work() -> None:
        for timeout in (0, 0.001):
            with pytest.raises(TimeoutError):
                p.block(timeout)

    async with scope():
        await go(work, on=on)
        p.unchanged()
        g = go(p.blocking_operate, 30, on=on)
        await parked(g)
        assert p.peer()
    assert p.completed
    await p.check()


async def test_for_loops_and_timeouts(on: Executor) -> None:
    numbers, squares = Chan[int](), Chan[int](2)

    def square() -> int:
        count = 0
        for number in numbers:
            squares.blocking_send(number * number, timeout=30)
            count += 1
        squares.close()
        return count

    async def feed() -> None:
        for number in range(10):
            await numbers.send(number)
        numbers.close()

    async with scope():
        g = go(square, on=on)
        go(feed)
        assert [n async for n in squares] == [n * n for n in range(10)]
        assert await g == 10


async def test_a_bad_timeout(on: Executor) -> None:
    def work() -> None:
        with pytest.raises(ValueError, match="not -1"):
            Chan[int]().blocking_recv(-1)

    async with scope():
        go(work, on=on)


async def test_a_select_over_all_of_them(on: Executor) -> None:
    # one from a coroutine, one from here, one from a thread
    a, b, c = Chan[int](), Chan[int](), Chan[int]()
    done = Chan[None]()

    async def feed() -> None:
        for number in range(20):
            await a.send(number)

    def feed_blocking(ch: Chan[int]) -> None:
        for number in range(20):
            ch.blocking_send(number)

    def collect() -> list[tuple[str, int]]:
        got: list[tuple[str, int]] = []
        names = {a: "a", b: "b", c: "c"}
        cases = [recv(a), recv(b), recv(c)]
        while len(got) < 60:
            chosen = blocking_select(*cases, recv(done))
            assert chosen.index < 3
            got.append((names[chosen.channel], chosen.value))  # type: ignore[index, arg-type]
        return got

    async with scope():
        go(feed)
        go(feed_blocking, b, on=on)
        go(feed_blocking, c, on=gochan.threads)
        got = await go(collect, on=on)
    for name in "abc":
        assert [n for where, n in got if where == name] == list(range(20))
    at_rest(a, b, c, done)
