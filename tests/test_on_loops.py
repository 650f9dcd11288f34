"""Goroutines on event loops in threads of their own."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    _budget,
    _executor,
    _instrument,
    executors,
    go,
    recv,
    run,
    scope,
    select,
    send,
    yield_,
)
from gochan._backends import backend as backend_here
from gochan._instrument import current_party
from support.blocking import eventually, parked
from support.ledger import Ledger, at_rest
from support.parked import Parked, operations
from support.threads import start

if TYPE_CHECKING:
    from collections.abc import Iterator

go_: Any = go


@pytest.fixture(autouse=True)
def _census() -> Iterator[None]:
    """No test leaves a loop's thread behind, nor what belongs to one."""
    budget = _budget.budget
    before = {name: getattr(budget, name) for name in type(budget).__slots__}
    yield
    for name, value in before.items():
        setattr(budget, name, value)
    left = [thread.name for thread in threading.enumerate() if "loops" in thread.name]
    assert left == []
    assert _executor.here == {}
    assert _instrument.parties == {}


async def where() -> str:
    await yield_()
    return threading.current_thread().name


async def wait(ch: Chan[int]) -> int:
    return await ch.recv()


# Where they run


async def test_each_loop_gets_as_many() -> None:
    ch = Chan[int]()

    async def work() -> str:
        await ch.recv()
        return threading.current_thread().name

    async with scope():
        pool = executors.loops(3)
        goroutines = [go(work, on=pool) for _ in range(12)]
        await parked(*goroutines)
        for _ in range(12):
            await ch.send(1)
        names = Counter([await g for g in goroutines])
    assert set(names.values()) == {4}
    assert set(names) == {f"loops(3) loop {number}" for number in (1, 2, 3)}


async def test_a_new_one_goes_where_there_are_fewest() -> None:
    async with scope():
        pool = executors.loops(2)
        ch = Chan[int]()
        # one is placed on each; the second of them ends
        first = go(wait, ch, on=pool)
        assert await go(where, on=pool) == "loops(2) loop 2"
        assert await go(where, on=pool) == "loops(2) loop 2"
        await ch.send(1)
        assert await first == 1
        assert await go(where, on=pool) == "loops(2) loop 1"


async def test_what_it_starts_stays_on_its_loop() -> None:
    async def parent() -> tuple[str, list[str]]:
        children = [go(where) for _ in range(3)]
        async with scope():
            inner = go(where)
        return threading.current_thread().name, [await g for g in [*children, inner]]

    async with scope() as outer:
        pool = executors.loops(2)
        name, names = await go(parent, on=pool)
        assert names == [name] * 4
        # with `on` it is placed anew, and elsewhere `go` is what it always is
        assert await go(where) == threading.current_thread().name

        async def spread() -> set[str]:
            ch = Chan[int]()

            async def child() -> str:
                await ch.recv()
                return threading.current_thread().name

            several = [go(child, on=pool) for _ in range(3)]
            assert {g._scope for g in several} == {outer}
            for _ in several:
                await ch.send(1)
            return {await g for g in several}

        assert len(await go(spread, on=pool)) == 2


async def test_the_loops_are_of_the_same_kind(anyio_backend: Any) -> None:
    async def kind() -> tuple[str, str]:
        name = ""
        if anyio_backend[0] == "asyncio":
            import asyncio

            name = type(asyncio.get_running_loop()).__name__
        return str(backend_here()), name

    async with scope():
        assert await go(kind, on=executors.loops(1)) == await kind()


# Results and errors


async def test_its_result_and_its_context() -> None:
    async def work(number: int) -> tuple[int, str]:
        before = variable.get()
        variable.set("inside")
        await yield_()
        return number, before

    variable.set("outside")
    async with scope():
        assert await go(work, 3, on=executors.loops(1)) == (3, "outside")
        g = go(work, 4, on=executors.loops(1))
        variable.set("later")
        assert await g == (4, "outside")
    assert variable.get() == "later"


variable = contextvars.ContextVar("variable", default="default")


async def test_its_error_leaves_the_scope_of_who_started_it() -> None:
    async def fail() -> None:
        await yield_()
        raise ValueError("failed")

    started: list[Goroutine[Any]] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            pool = executors.loops(2)
            started.append(go(wait, Chan[int](), on=pool))
            await parked(*started)
            go(fail, on=pool)
    (error,) = caught.value.exceptions
    assert repr(error) == "ValueError('failed')"
    assert "goroutine 'fail'" in error.__notes__[0]
    with pytest.raises(GoroutineCancelled, match="another goroutine failed"):
        await started[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exits_end_the_run(backend: dict[str, Any], error: type[BaseException]) -> None:
    ended: list[str] = []

    async def leave() -> None:
        await yield_()
        raise error(3)

    async def waits() -> None:
        try:
            await Chan[int]().recv()
        finally:
            ended.append(threading.current_thread().name)

    async def main() -> None:
        pool = executors.loops(1)
        g = go(waits, on=pool)
        await parked(g)
        go(leave, on=pool)
        await Chan[int]().recv()

    with pytest.raises(error, match="3"):
        run(main, **backend)
    # the loop went on until it had ended
    assert ended == ["loops(1) loop 1"]


async def test_a_scope_inside_of_one() -> None:
    async def fail() -> None:
        raise ValueError

    async def work() -> str:
        try:
            async with scope():
                go(wait, Chan[int]())
                go(fail)
        except ExceptionGroup as group:
            return repr(group.exceptions)
        return "nothing"

    async with scope():
        assert await go(work, on=executors.loops(2)) == "(ValueError(),)"


async def test_what_is_not_async_is_refused() -> None:
    def plain() -> int:
        return 1

    async with scope():
        pool = executors.loops(1)
        with pytest.raises(TypeError, match="plain is a plain function"):
            go_(plain, on=pool)
        with pytest.raises(TypeError, match="not a coroutine"):
            go_(where(), on=pool)


async def test_the_goroutine_is_the_party_and_knows_its_state() -> None:
    async def work() -> tuple[Any, str]:
        await yield_()
        return current_party(), me[0].state

    async with scope():
        pool = executors.loops(1)
        me = [go(work, on=pool)]
        states = [me[0].state]
        assert await me[0] == (me[0], "running")
        g = go(wait, Chan[int](), on=pool)
        await parked(g)
        states.append(g.state)
        g.cancel()
    assert states == ["runnable", "parked"]


# Channels and cancellation


@operations
@pytest.mark.parametrize("order", ["cancel first", "peer first"])
async def test_cancelled(kind: str, cap: int, order: str) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await Chan[None]().recv()

    async with scope():
        g = go(operate, on=executors.loops(1))
        await parked(g)
        if order == "cancel first":
            g.cancel("enough")
            p.peer()
        else:
            assert p.peer()
            g.cancel("enough")
        with pytest.raises(GoroutineCancelled, match="enough"):
            await g
    if order == "peer first":
        assert p.completed
    await p.check()


async def test_it_is_cancelled_at_every_checkpoint() -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await Chan[int]().recv()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.001)
                steps.append("shielded")
            await anyio.sleep(1000)

    async with scope():
        g = go(work, on=executors.loops(1))
        await parked(g)
        g.cancel()
    assert steps == ["shielded"]


async def test_cancelled_before_it_begins() -> None:
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)

    async with scope():
        # neither has its loop begun
        g = go(work, on=executors.loops(1))
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    assert begun == []


async def test_cancelled_while_its_loop_starts() -> None:
    async def work() -> None:
        await Chan[int]().recv()

    for _ in range(20):
        async with scope():
            g = go(work, on=executors.loops(1))
            await anyio.lowlevel.checkpoint()
            g.cancel()
            with pytest.raises(GoroutineCancelled):
                await g


async def test_it_may_return_in_spite_of_it() -> None:
    async def work() -> str:
        try:
            await Chan[int]().recv()
        except BaseException:
            return "a result"
        return "not cancelled"

    async with scope():
        g = go(work, on=executors.loops(1))
        await parked(g)
        g.cancel()
        assert await g == "a result"


async def test_a_task_that_is_cancelled_by_somebody_else() -> None:
    async def work() -> None:
        with anyio.CancelScope() as own:
            own.cancel()
            await yield_()
        # as asyncio.Task.cancel() would: no scope of its own catches it
        me[0].cancel("by itself")
        await Chan[int]().recv()

    async with scope():
        me = [go(work, on=executors.loops(1))]
        with pytest.raises(GoroutineCancelled, match="by itself"):
            await me[0]


@pytest.mark.parametrize("cap", [0, 1, 5])
async def test_a_pipeline_over_several_loops(cap: int) -> None:
    ledger = Ledger()
    a, b = Chan[int](cap), Chan[int](cap)

    async def produce() -> None:
        for _ in range(100):
            value = ledger.new()
            await a.send(value)
            ledger.sent(value)

    async def pass_on() -> None:
        async for value in a:
            await b.send(value)

    async def consume() -> None:
        async for value in b:
            ledger.got(value)

    async with scope():
        pool = executors.loops(3)
        consumers = [go(consume, on=pool) for _ in range(2)]
        async with scope():
            for _ in range(4):
                go(pass_on, on=pool)
            async with scope():
                go(produce)
            a.close()
        b.close()
        for g in consumers:
            await g
    ledger.check(a, b)


async def test_a_select_over_all_kinds() -> None:
    # a coroutine, a thread, another loop
    channels = [Chan[int]() for _ in range(3)]

    async def feed(ch: Chan[int]) -> None:
        for number in range(30):
            await ch.send(number)

    def feed_blocking(ch: Chan[int]) -> None:
        for number in range(30):
            ch.blocking_send(number)

    async def collect() -> list[tuple[int, int]]:
        cases = [recv(ch) for ch in channels]
        got: list[tuple[int, int]] = []
        while len(got) < 90:
            chosen = await select(*cases, send(None, 1))
            got.append((chosen.index, chosen.value))
        return got

    async with scope():
        pool = executors.loops(2)
        go(feed, channels[0])
        go(feed_blocking, channels[1], on=gochan.threads)
        go(feed, channels[2], on=pool)
        got = await go(collect, on=pool)
    for index in range(3):
        assert [n for i, n in got if i == index] == list(range(30))
    at_rest(*channels)


async def test_a_select_is_fair_over_all_kinds() -> None:
    channels = [Chan[int]() for _ in range(3)]
    counts = Counter[int]()
    over = Chan[None]()

    async def feed(ch: Chan[int]) -> None:
        while (await select(send(ch, 1), recv(over))).index == 0:
            pass

    def feed_blocking(ch: Chan[int]) -> None:
        while gochan.blocking_select(send(ch, 1), recv(over)).index == 0:
            pass

    async with scope():
        pool = executors.loops(1)
        go(feed, channels[0])
        go(feed_blocking, channels[1], on=gochan.threads)
        go(feed, channels[2], on=pool)
        cases = [recv(ch) for ch in channels]
        total = 0
        while total < 600:
            # all of them are there
            await eventually(lambda: all(ch._senders for ch in channels))
            counts[(await select(*cases)).index] += 1
            total += 1
        over.close()
    # each 200 on average, with a standard deviation of 12
    assert min(counts.values()) > 120
    at_rest(*channels)


# How long they last


async def test_with_waits_for_goroutines() -> None:
    ch = Chan[int]()
    async with scope():
        async with executors.loops(2) as pool:
            g = go(wait, ch, on=pool)
            go(ch.send, 5)
        assert g.state == "done"
        with pytest.raises(RuntimeError, match=r"loops\(2\) has been closed"):
            go(wait, ch, on=pool)
    # no warning that it was not awaited


async def test_what_runs_may_start_others_after_it_was_closed() -> None:
    ch = Chan[int]()

    async def parent() -> tuple[int, int]:
        number = await ch.recv()
        return number, await go(child)

    async def child() -> int:
        return await ch.recv()

    async with scope():
        with executors.loops(2) as pool:
            g = go(parent, on=pool)
            await parked(g)
        await ch.send(1)
        await ch.send(2)
        assert await g == (1, 2)


def test_with_outside_of_a_run(backend: dict[str, Any]) -> None:
    async def main(pool: executors.Executor) -> str:
        return await go(where, on=pool)

    with executors.loops(1) as pool:
        assert run(main, pool, **backend) == run(main, pool, **backend)
        assert "loops(1) loop 1" in {each.name for each in threading.enumerate()}


def test_operations_cost_what_they_did_when_the_loops_are_gone(
    backend: dict[str, Any],
) -> None:
    budget = _budget.budget
    budget.loops = frozenset()

    async def main() -> None:
        await yield_()
        assert not budget.threads
        await go(where, on=executors.loops(2))
        assert budget.threads

    run(main, **backend)
    assert not budget.threads
    assert budget.full


async def test_entered_and_never_used() -> None:
    async with executors.loops(2):
        pass
    with executors.loops(2):
        pass


async def test_two_runs_at_the_same_time(backend: dict[str, Any]) -> None:
    async def main(number: int) -> list[int]:
        pool = executors.loops(2)
        ch = Chan[int]()
        goroutines = [go(wait, ch, on=pool) for _ in range(20)]
        for each in range(20):
            await ch.send(number + each)
        return sorted([await g for g in goroutines])

    workers = [start(partial(run, main, n, **backend)) for n in (0, 100)]
    assert [worker.join() for worker in workers] == [
        list(range(20)),
        list(range(100, 120)),
    ]


async def test_a_loop_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("too many open files")

    def chosen(*_: object) -> Any:
        return fail

    monkeypatch.setattr("gochan._backends.passing_options", chosen)
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            pool = executors.loops(1)
            g = go(wait, Chan[int](), on=pool)
            await eventually(lambda: g.state == "done")
            go(wait, Chan[int](), on=pool)
    for error in caught.value.exceptions:
        assert str(error) == "the event loop of loops(1) has failed"
    cause = caught.value.exceptions[0].__cause__
    assert repr(cause) == "OSError('too many open files')"


PROGRAM = """
import signal, sys, threading
from gochan import Chan, go, run, executors, yield_

async def waits():
    try:
        await Chan().recv()
    finally:
        ended.append(1)

async def fails():
    raise ValueError

ended = []

async def main(how):
    pools = [executors.loops(2), executors.loops(1)]
    goroutines = [go(waits, on=pool) for pool in pools for _ in range(5)]
    while any(g.state != "parked" for g in goroutines):
        await yield_()
    assert threading.active_count() == 4
    match how:
        case "success":
            return
        case "error":
            raise KeyError
        case "failure":
            go(fails, on=pools[0])
        case "ctrl-c":
            signal.raise_signal(signal.SIGINT)
    await Chan().recv()

how, backend = sys.argv[1:]
try:
    run(main, how, backend=backend)
except BaseException as error:
    print(type(error).__name__)
else:
    print("returned")
print(threading.active_count(), len(ended))
"""


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("success", "returned"),
        ("error", "KeyError"),
        ("failure", "ExceptionGroup"),
        ("ctrl-c", "KeyboardInterrupt"),
    ],
)
def test_no_thread_is_left(backend: dict[str, Any], how: str, outcome: str) -> None:
    command = [sys.executable, "-c", PROGRAM, how, backend["backend"]]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
    assert done.stdout.split() == [outcome, "1", "10"]
