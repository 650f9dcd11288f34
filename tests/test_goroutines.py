"""go() and what it returns: results, errors, names, states, contexts."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import weakref
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    go,
    recv,
    run,
    scope,
    select,
    select_nowait,
    yield_,
)
from support.idle import settle


async def forever() -> None:
    await Chan[None]().recv()


async def double(number: int) -> int:
    await yield_()
    return 2 * number


async def fail(text: str = "failed") -> None:
    await yield_()
    raise ValueError(text)


async def failed(text: str = "failed") -> Goroutine[None]:
    """A goroutine that has failed, in a scope that has been left."""
    handles: list[Goroutine[None]] = []
    with pytest.raises(ExceptionGroup):
        async with scope():
            handles.append(go(fail, text))
    return handles[0]


# Results


async def test_its_result() -> None:
    async with scope():
        g = go(double, 21)
        assert await g == 42


async def test_its_result_after_its_end() -> None:
    async with scope():
        g = go(double, 21)
    assert g.state == "done"
    assert await g == 42


async def test_none_is_a_result() -> None:
    async with scope():
        g: Goroutine[Any] = go(yield_)
        assert await g is None


async def test_joined_twice_and_by_several() -> None:
    results: list[int] = []

    async def join(g: Goroutine[int]) -> None:
        results.append(await g)

    async with scope():
        g = go(double, 4)
        for _ in range(3):
            go(join, g)
        assert await g == 8
        assert await g == 8
    assert results == [8, 8, 8]


async def test_results_come_in_the_order_asked_for() -> None:
    async with scope():
        handles = [go(double, number) for number in range(10)]
        assert [await g for g in reversed(handles)] == [
            18,
            16,
            14,
            12,
            10,
            8,
            6,
            4,
            2,
            0,
        ]


async def test_what_can_be_started() -> None:
    class Worker:
        async def work(self, number: int) -> int:
            return number

        async def __call__(self, number: int) -> int:
            return -number

    async def keywords(a: int, *, b: int) -> int:
        return a + b

    async with scope():
        assert await go(Worker().work, 1) == 1
        assert await go(Worker(), 1) == -1
        assert await go(functools.partial(keywords, 1, b=2)) == 3
        assert await go(lambda: double(3)) == 6


async def test_arguments_are_evaluated_at_go() -> None:
    ch = Chan[int](1)
    async with scope():
        value = 1
        g = go(ch.send, value)
        value = 2
        await g
        assert await ch.recv() == 1


# Errors


async def test_await_raises_what_it_raised() -> None:
    g = await failed("again")
    for _ in range(3):
        with pytest.raises(ValueError, match="again") as caught:
            await g
        assert caught.value is g._error


async def test_await_in_a_shield_sees_the_error_of_the_same_scope() -> None:
    seen: list[str] = []
    with pytest.raises(ExceptionGroup):
        async with scope():
            g = go(fail)
            with anyio.CancelScope(shield=True):
                try:
                    await g
                except ValueError as error:
                    seen.append(str(error))
    assert seen == ["failed"]


async def test_await_in_the_same_scope_is_cancelled_or_sees_the_error() -> None:
    # the failure cancels the body of the scope; the error comes out in any case
    seen: list[BaseException] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g = go(fail)
            try:
                await g
            except BaseException as error:
                seen.append(error)
                raise
    assert len(seen) == 1
    assert isinstance(seen[0], (ValueError, anyio.get_cancelled_exc_class()))
    # once, also if the body has raised it on
    assert len(caught.value.exceptions) == 1


async def test_the_note_tells_name_id_and_where_it_was_started() -> None:
    started: list[Goroutine[Any]] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            started.append(go(fail, name="worker-3"))
    (g,) = started
    (error,) = caught.value.exceptions
    (note,) = error.__notes__
    where = "test_the_note_tells_name_id_and_where_it_was_started"
    assert note.startswith(f"goroutine 'worker-3' (id {g.id}) started at ")
    assert f"test_goroutines.py:{g.created_at.split(':')[1].split(' ')[0]} in" in note
    assert note.endswith(where)


async def test_created_at_is_the_line_of_the_call() -> None:
    async with scope():
        line = sys._getframe().f_lineno + 1
        g = go(yield_)
        assert g.created_at.startswith(f"test_goroutines.py:{line} in ")
        async with scope() as s:
            line = sys._getframe().f_lineno + 1
            g = s.go(yield_)
            assert g.created_at.startswith(f"test_goroutines.py:{line} in ")


async def test_the_traceback_shows_where_it_was_raised() -> None:
    g = await failed()
    with pytest.raises(ValueError) as caught:
        await g
    assert "fail" in [entry.name for entry in caught.traceback]


async def test_an_error_group_of_its_own_stays_whole() -> None:
    async def fail_twice() -> None:
        raise ExceptionGroup("two", [ValueError(1), KeyError(2)])

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(fail_twice)
    group: Any = caught.value.exceptions[0]
    assert group.message == "two"
    assert len(group.exceptions) == 2


async def test_a_thousand_fail_at_once() -> None:
    ready = Chan[None]()

    async def fail_together(number: int) -> None:
        await ready.recv_ok()
        raise ValueError(number)

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            for number in range(1000):
                go(fail_together, number)
            await settle()
            ready.close()
    errors = caught.value.exceptions
    numbers = [error.args[0] for error in errors]
    # each error once; who was cancelled before it ran on did not raise
    assert len(set(numbers)) == len(numbers) >= 1
    assert all(len(error.__notes__) == 1 for error in errors)


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit])
async def test_odd_errors_do_not_pass_for_an_end(kind: type[BaseException]) -> None:
    async def odd() -> None:
        raise kind

    with pytest.raises(BaseExceptionGroup):
        async with scope():
            go(odd)


# Cancelled ones


async def test_await_of_a_cancelled_one() -> None:
    async with scope():
        g = go(forever, name="sleeper")
        await settle()
        g.cancel("enough")
        with pytest.raises(GoroutineCancelled) as caught:
            await g
    assert caught.value.reason == "enough"
    text = str(caught.value)
    assert "sleeper" in text
    assert str(g.id) in text
    assert "enough" in text
    with pytest.raises(GoroutineCancelled):
        await g


async def test_cancelled_without_a_reason() -> None:
    async with scope():
        g = go(forever)
        await settle()
        g.cancel()
        with pytest.raises(GoroutineCancelled) as caught:
            await g
    assert caught.value.reason is None
    assert str(caught.value).endswith("was cancelled")


async def test_awaiting_is_cancelled_and_the_goroutine_runs_on() -> None:
    release = Chan[int]()
    async with scope():
        g = go(release.recv)
        with anyio.CancelScope() as waiting:
            async with scope():
                go(wait_for, g)
                await settle()
                waiting.cancel()
        assert waiting.cancel_called
        await release.send(7)
        assert await g == 7


async def wait_for(g: Goroutine[Any]) -> None:
    await g


async def test_an_uncaught_goroutine_cancelled_is_an_error_of_who_waits() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g = go(forever)
            go(wait_for, g)
            await settle()
            g.cancel("gone")
    assert caught.group_contains(GoroutineCancelled, match="gone", depth=1)


async def test_one_that_waits_for_itself() -> None:
    handle: list[Goroutine[None]] = []

    async def wait() -> None:
        await handle[0]

    with pytest.raises(ExceptionGroup) as caught:
        with anyio.fail_after(5):
            async with scope():
                handle.append(go(wait))
    assert caught.group_contains(RuntimeError)


# Names, ids, states


async def test_names() -> None:
    async with scope():
        g = go(double, 1)
        assert g.name == "double"
        assert go(double, 1, name="other").name == "other"
        assert go(functools.partial(double, 1)).name == "double"
        assert "double" in repr(g)
        assert str(g.id) in repr(g)


async def test_the_task_has_its_name() -> None:
    names: list[str] = []

    async def note() -> None:
        names.append(anyio.get_current_task().name or "")

    async with scope():
        go(note, name="worker-1")
        go(note)
    assert sorted(names) == ["note", "worker-1"]


async def test_ids_are_unique_and_grow() -> None:
    async with scope():
        ids = [go(yield_).id for _ in range(50)]
    assert ids == sorted(set(ids))


async def test_states() -> None:
    states: list[str] = []
    ch = Chan[None]()
    handle: list[Goroutine[None]] = []

    async def work() -> None:
        states.append(handle[0].state)
        await ch.recv()
        states.append(handle[0].state)

    async with scope():
        handle.append(go(work))
        states.append(handle[0].state)
        await settle()
        states.append(handle[0].state)
        await ch.send(None)
    states.append(handle[0].state)
    assert states == ["runnable", "running", "parked", "running", "done"]
    assert "done" in repr(handle[0])


# Selecting on them


async def test_select_on_a_goroutine() -> None:
    ch = Chan[int]()
    async with scope() as s:
        g = go(double, 1)
        idle = go(forever)
        chosen = await select(recv(ch), g, idle)
        assert chosen.index == 1
        # the end is no value: it is a channel that is closed
        assert not chosen.ok
        assert await g == 2
        assert select_nowait(idle) is None
        # it stays ready
        assert (await select(idle, g)).index == 1
        s.cancel()


async def test_select_on_one_that_has_ended_or_failed() -> None:
    g = await failed()
    assert (await select(g)).index == 0
    with pytest.raises(ValueError):
        await g


async def test_selecting_is_cancelled_without_a_trace() -> None:
    async with scope() as s:
        g = go(forever)

        async def look() -> None:
            await select(g, recv(Chan[int]()))

        looking = [go(look) for _ in range(20)]
        await settle()
        for each in looking:
            each.cancel()
        await settle()
        assert g._done is not None
        assert g._done.stats().waiting_receivers == 0
        s.cancel()


# Context variables

variable = contextvars.ContextVar("variable", default="default")


async def test_context_variables_are_copied_at_go() -> None:
    async def read() -> str:
        before = variable.get()
        variable.set("set inside")
        await yield_()
        assert variable.get() == "set inside"
        return before

    async with scope():
        token = variable.set("one")
        first = go(read)
        variable.set("two")
        second = go(read)
        assert await first == "one"
        assert await second == "two"
        assert variable.get() == "two"
        variable.reset(token)
    assert variable.get() == "default"


# Giving way


async def test_yield_lets_the_others_run() -> None:
    turns: list[str] = []

    async def work(name: str) -> None:
        for _ in range(5):
            turns.append(name)
            await yield_()

    async with scope():
        go(work, "a")
        go(work, "b")
    assert turns.count("a") == turns.count("b") == 5
    # nobody has two turns more than another who is ready as well
    for length in range(1, 11):
        so_far = turns[:length]
        assert abs(so_far.count("a") - so_far.count("b")) <= 2


async def test_one_that_always_yields_does_not_starve_a_new_one() -> None:
    seen: list[str] = []
    there = Chan[None]()

    async def work() -> None:
        seen.append("ran")

    async with scope():
        # woken by a peer, that is, from inside a batch
        go(there.send, None)
        await there.recv()
        go(work)
        turns = 0
        while not seen:
            await yield_()
            turns += 1
            assert turns < 200


async def test_one_that_always_yields_does_not_starve_timers_and_tasks() -> None:
    async def spin() -> None:
        while True:
            await yield_()

    async with scope() as s:
        go(spin)
        go(spin)
        await anyio.sleep(0.001)
        await anyio.lowlevel.checkpoint()
        s.cancel()


async def test_one_that_is_always_ready_does_not_starve_the_others() -> None:
    ch = Chan[int](1)
    turns = 0

    async def hog() -> None:
        while True:
            await ch.send(1)
            await ch.recv()

    async with scope() as s:
        go(hog)
        for _ in range(10):
            await yield_()
            turns += 1
        await anyio.sleep(0.001)
        s.cancel()
    assert turns == 10


async def test_a_pair_that_plays_ping_pong_does_not_starve_the_others() -> None:
    ping, pong = Chan[int](), Chan[int]()

    async def play() -> None:
        while True:
            await ping.send(1)
            await pong.recv()

    async def reply() -> None:
        while True:
            await ping.recv()
            await pong.send(1)

    async with scope() as s:
        go(play)
        go(reply)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.001)
        s.cancel()


# Memory


async def test_an_ended_goroutine_is_not_kept() -> None:
    class Value:
        pass

    async def make() -> Value:
        return Value()

    async with scope():
        g = go(make)
        value = weakref.ref(await g)
        del g
        await settle()
        gc.collect()
        assert value() is None


async def test_a_failed_goroutine_makes_no_garbage_that_only_gc_finds() -> None:
    class Value:
        pass

    async def use(value: Value) -> None:
        await yield_()
        raise ValueError("with a frame that refers to it")

    gc.collect()
    gc.disable()
    try:
        value = Value()
        left = weakref.ref(value)
        try:
            async with scope():
                go(use, value)
        except ExceptionGroup as group:
            del group
        del value
        await settle()
        assert left() is None
    finally:
        gc.enable()


def test_the_main_goroutine(backend: dict[str, Any]) -> None:
    # in an interpreter of its own: ids go on over the runs of a process
    async def main() -> str:
        return anyio.get_current_task().name or ""

    assert run(main, **backend) == "main"


async def test_goroutines_next_to_plain_tasks() -> None:
    # a task that is none may use channels, and go() if it inherited a scope
    ch = Chan[int]()

    async def plain() -> None:
        await ch.send(1)
        go(ch.send, 2)

    async with scope():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plain)
            assert await ch.recv() == 1
        assert await ch.recv() == 2


def test_handles_outlive_their_loop(backend: dict[str, Any]) -> None:
    handles: list[Goroutine[int]] = []

    async def main() -> None:
        async with scope():
            handles.append(go(double, 2))

    run(main, **backend)
    assert handles[0].blocking_join() == 4
    assert handles[0].blocking_join(0) == 4

    async def again() -> int:
        return await handles[0]

    assert run(again, **backend) == 4
    assert asyncio.run(again()) == 4


def test_public_names() -> None:
    assert gochan.Goroutine.__module__ == "gochan"
