"""What is particular to goroutines in threads: the pool, names, the end of a run."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import Chan, Goroutine, arun, executors, go, run, scope, threads
from gochan._backends import _thread
from support.blocking import eventually, parked
from support.idle import settle
from support.seeing import Clocks

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _census() -> Iterator[None]:
    """No test leaves a thread behind, nor a seat."""
    before = set(threading.enumerate())
    yield
    # those of anyio's pytest plugin and of trio are not ours
    left = [
        thread
        for thread in set(threading.enumerate()) - before
        if not thread.name.startswith(("AnyIO", "Trio"))
    ]
    assert left == []
    assert _thread._seats == {}
    assert _thread.cancelled == set()


def wait(ch: Chan[int]) -> int:
    return ch.blocking_recv()


def parse(text: str) -> int:
    return int(text)


def name() -> str:
    return threading.current_thread().name


# The pool


async def test_many_short_goroutines_over_few_threads() -> None:
    idents: set[int] = set()

    def work(number: int) -> int:
        idents.add(threading.get_ident())
        return number

    async with scope():
        goroutines = [go(work, number, on=threads) for number in range(3000)]
        assert [await g for g in goroutines] == list(range(3000))
    assert len(idents) <= 40


async def test_no_more_run_at_a_time_than_were_asked_for() -> None:
    lock = threading.Lock()
    running = most = 0
    three = threading.Barrier(3)

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        # three at a time can get here
        three.wait(30)
        with lock:
            running -= 1

    pool = executors.threads(3)
    async with scope():
        for _ in range(30):
            go(work, on=pool)
    assert most == 3


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_parked_goroutines_do_not_keep_others_out(size: int) -> None:
    # each waits for one that is started after it
    chain = [Chan[int]() for _ in range(51)]

    def link(number: int) -> None:
        chain[number].blocking_send(chain[number + 1].blocking_recv() + 1)

    async with scope():
        pool = executors.threads(size)
        for number in range(50):
            go(link, number, on=pool)
        go(chain[50].blocking_send, 0, on=pool)
        assert await chain[0].recv() == 50


async def test_those_that_wait_for_a_place_get_it_in_turn() -> None:
    order: list[int] = []
    gate = threading.Event()
    async with scope():
        pool = executors.threads(1)
        first = go(gate.wait, 30, on=pool)
        await eventually(lambda: first.state == "running")
        goroutines: list[Goroutine[None]] = []
        for number in range(20):
            goroutines.append(go(order.append, number, on=pool))
            await settle()
        assert {g.state for g in goroutines} == {"runnable"}
        # its turn comes, but it has been given up
        goroutines[7].cancel()
        await eventually(lambda: goroutines[7].state == "done")
        gate.set()
    assert order == [number for number in range(20) if number != 7]


async def test_threads_that_are_no_longer_needed_end() -> None:
    async with executors.threads(3) as pool, scope():
        before = threading.active_count()
        ch = Chan[int]()
        waiting = [go(wait, ch, on=pool) for _ in range(30)]
        await parked(*waiting)
        assert threading.active_count() == before + 30
        for number in range(30):
            await ch.send(number)
        for g in waiting:
            await g
        # as many stay idle as may run
        await eventually(lambda: threading.active_count() == before + 3)


async def test_idle_threads_are_used_again() -> None:
    idents: set[int] = set()
    async with executors.threads(4) as pool, scope():
        crew: Any = pool._own
        for _ in range(20):
            idents.add(await go(threading.get_ident, on=pool))
            # it has its result before its thread is idle
            await eventually(lambda: crew._idle)
    assert len(idents) == 1


async def test_a_thread_has_the_name_of_its_goroutine() -> None:
    async with executors.threads(1) as pool, scope():
        assert await go(name, on=pool, name="worker-3") == "worker-3"
        assert await go(name, on=pool) == "name"
        idle = {thread.name for thread in threading.enumerate()}
        assert "threads(1)" in idle
        assert "worker-3" not in idle


async def test_the_system_has_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ch = Chan[int]()
    async with executors.threads(1) as pool:
        with pytest.raises(ExceptionGroup) as caught:
            async with scope():
                first = go(wait, ch, on=pool)
                await parked(first)
                monkeypatch.setattr(threading.Thread, "start", refuse)
                go(wait, ch, on=pool, name="one more")
        (error,) = caught.value.exceptions
        assert str(error) == "can't start new thread"
        assert "goroutine 'one more'" in error.__notes__[0]
        monkeypatch.undo()
        # the pool goes on
        async with scope():
            g = go(wait, ch, on=pool)
            await ch.send(4)
            assert await g == 4


async def test_no_more_threads_while_others_wait_for_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A thread that parks cannot start the next one. Those behind it get their turn.
    real = threading.Thread.start
    tries = 0

    def refuse_once(thread: threading.Thread) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("can't start new thread")
        real(thread)

    async with executors.threads(1) as pool:
        outcomes: list[int] = []
        gate, ch = threading.Event(), Chan[int]()

        def first() -> int:
            gate.wait(30)
            return ch.blocking_recv()

        async with scope() as outer:
            g = outer.go(first, on=pool)
            await eventually(lambda: g.state == "running")
            with pytest.raises(ExceptionGroup):
                async with scope():
                    go(outcomes.append, 1, on=pool)
                    await settle()
                    outer.go(outcomes.append, 2, on=pool)
                    await settle()
                    monkeypatch.setattr(threading.Thread, "start", refuse_once)
                    gate.set()
            await ch.send(1)
        assert outcomes == [2]


# Long enough


async def test_with_waits_for_goroutines() -> None:
    ch = Chan[int]()
    async with scope():
        async with executors.threads(2) as pool:
            g = go(wait, ch, on=pool)
            go(ch.send, 5)
        assert g.state == "done"
        with pytest.raises(RuntimeError, match=r"threads\(2\) has been closed"):
            go(wait, ch, on=pool)
        with pytest.raises(RuntimeError, match="entered before"):
            async with pool:
                pass
        with pytest.raises(RuntimeError, match="entered before"), pool:
            pass


async def test_with_does_not_wait_on_a_loop() -> None:
    ch = Chan[int]()
    async with scope():
        with executors.threads(2) as pool:
            g = go(wait, ch, on=pool)
            await parked(g)
        assert g.state == "parked"
        await ch.send(5)
        assert await g == 5


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_with_does_not_wait_after_an_error(asynchronous: bool) -> None:
    # the goroutine is cancelled by the scope that the error has to reach first
    ch = Chan[int]()
    started: list[Goroutine[int]] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            if asynchronous:
                async with executors.threads(2) as pool:
                    started.append(go(wait, ch, on=pool))
                    raise ValueError
            with executors.threads(2) as pool:
                started.append(go(wait, ch, on=pool))
                raise ValueError
    assert [type(error) for error in caught.value.exceptions] == [ValueError]
    assert started[0].state == "done"


async def test_cancelled_while_it_waits_for_goroutines() -> None:
    ch = Chan[int]()
    started: list[Goroutine[int]] = []
    async with scope():
        with anyio.CancelScope() as patience:
            async with executors.threads(2) as pool:
                started.append(go(wait, ch, on=pool))
                await parked(*started)
                patience.cancel()
        assert patience.cancelled_caught
        assert started[0].state == "parked"
        await ch.send(1)


def test_with_outside_of_a_run(backend: dict[str, Any]) -> None:
    async def main(pool: executors.Executor) -> set[int]:
        return {await go(threading.get_ident, on=pool) for _ in range(3)}

    before = threading.active_count()
    with executors.threads(1) as pool:
        # the same thread, in both runs
        assert run(main, pool, **backend) == run(main, pool, **backend)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_with_in_a_thread_waits_for_goroutines(backend: dict[str, Any]) -> None:
    async def main() -> None:
        ch = Chan[int]()

        def work() -> str:
            with executors.threads(2) as pool:
                g = go(wait, ch, on=pool)
            return g.state

        outer = go(work, on=threads)
        await ch.send(1)
        assert await outer == "done"

    run(main, **backend)


def test_one_pool_for_each_run_without_with(backend: dict[str, Any]) -> None:
    pool = executors.threads(2)

    async def main() -> int:
        async with scope():
            await go(name, on=pool)
        # it stays until the end of the run
        return sum(each.name == "threads(2)" for each in threading.enumerate())

    for _ in range(2):
        assert run(main, **backend) == 1
        assert "threads(2)" not in {each.name for each in threading.enumerate()}


async def test_one_pool_for_the_outermost_scope_where_there_is_no_run() -> None:
    def pools() -> int:
        return sum(each.name == "gochan.threads" for each in threading.enumerate())

    async with scope():
        async with scope():
            await go(name, on=threads)
        assert pools() == 1
        await arun(anyio.lowlevel.checkpoint)
        assert pools() == 1
    assert pools() == 0


async def test_a_run_in_a_run_has_its_own() -> None:
    def pools() -> int:
        return sum(each.name == "gochan.threads" for each in threading.enumerate())

    async def inner() -> int:
        await go(name, on=threads)
        return pools()

    async with scope():
        await go(name, on=threads)
        assert await arun(inner) == 2
        assert pools() == 1


async def test_a_task_that_outlives_the_scope_it_was_started_in() -> None:
    # its own scope is the outermost one that is still open
    results: list[int] = []
    go_on = Chan[None]()

    async def task() -> None:
        await go_on.recv()
        async with scope():
            results.append(await go(parse, "3", on=threads))

    async with anyio.create_task_group() as tasks:
        async with scope():
            tasks.start_soon(task)
            await go(name, on=threads)
        await go_on.send(None)
    assert results == [3]


async def test_a_run_inside_of_a_thread(backend: dict[str, Any]) -> None:
    async def inner(ch: Chan[int]) -> int:
        return await ch.recv() + await go(parse, "1", on=threads)

    ch = Chan[int]()
    async with scope():
        g = go(run, inner, ch, on=threads)
        await ch.send(4)
        assert await g == 5


def test_starting_on_a_loop_that_has_been_closed(backend: dict[str, Any]) -> None:
    left: list[gochan.Scope] = []

    async def main() -> None:
        async with scope() as s:
            left.append(s)

    run(main, **backend)
    with pytest.raises(RuntimeError, match="not open"):
        left[0].go(name, on=threads)


# Bad use


@pytest.mark.parametrize("make", [executors.threads, executors.loops])
def test_the_number_is_checked(make: Any) -> None:
    for bad in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, not {bad}: write "):
            make(bad)
    for no_int in (1.5, "2", None, True):
        with pytest.raises(TypeError, match=r"must be an int, not \w+: write "):
            make(no_int)


def test_their_names() -> None:
    assert repr(threads) == "<gochan.threads>"
    assert repr(executors.threads(3)) == "<threads(3)>"
    assert repr(executors.loops(3)) == "<loops(3)>"
    assert repr(gochan.fibers) == "<fibers>"


# The memory model


async def test_what_comes_before_what() -> None:
    clocks = Clocks()
    ch = Chan[int]()

    def work() -> None:
        clocks.mark("begin")
        ch.blocking_recv()
        clocks.mark("received")
        clocks.mark("end")

    def other() -> None:
        clocks.mark("other")

    gochan._instrument.install(clocks)
    try:
        async with scope():
            clocks.mark("start")
            g = go(work, on=threads)
            h = go(other, on=threads)
            clocks.mark("send")
            await ch.send(1)
            await g
            clocks.mark("joined")
            await h
    finally:
        gochan._instrument.uninstall(clocks)
    assert clocks.before("start", "begin")
    assert clocks.before("start", "other")
    assert clocks.before("send", "received")
    assert not clocks.ordered("send", "begin")
    assert clocks.before("end", "joined")
    assert not clocks.ordered("other", "received")
    assert not clocks.ordered("other", "joined")


# The end of a run


PROGRAM = """
import signal, sys, threading
import gochan
from gochan import Chan, Goroutine, go, run, threads, executors, yield_

def waits():
    try:
        Chan().blocking_recv()
    except gochan.Cancelled:
        ended.append(1)
        raise

def fails():
    raise ValueError

ended = []

async def main(how):
    pools = [threads, executors.threads(2), executors.threads(50)]
    goroutines = [go(waits, on=pool) for pool in pools for _ in range(5)]
    while any(g.state != "parked" for g in goroutines):
        await yield_()
    assert threading.active_count() >= 16
    match how:
        case "success":
            return
        case "error":
            raise KeyError
        case "failure":
            go(fails, on=threads)
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
        command,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.split() == [outcome, "1", "15"]
