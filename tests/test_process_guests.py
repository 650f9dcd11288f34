"""Goroutines in the processes of executors that are not ours."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import multiprocessing
import os
import signal
import site
import sys
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import BrokenWorkerProcess

import gochan
from gochan import Chan, GoroutineCancelled, go, recv, scope, select
from support import in_processes as there
from support.census import census, eventually, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

go_: Any = go


class Wrapped(Executor):
    """One that nobody knows: it has to be asked where it runs things."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self.inner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.inner.shutdown(wait, cancel_futures=cancel_futures)


def make(kind: str) -> Executor:
    match kind:
        case "loky":
            # without types
            loky: Any = importlib.import_module("loky")
            executor: Executor = loky.ProcessPoolExecutor(2)
            return executor
        case "interpreters":
            # new in 3.14
            futures: Any = concurrent.futures
            interpreters: Executor = futures.InterpreterPoolExecutor(
                2,
                # they do not inherit what pytest has put into sys.path
                initializer=site.addsitedir,
                initargs=(str(Path(__file__).parent),),
            )
            return interpreters
        case "unknown":
            return Wrapped(make("spawn"))
        case _:
            return ProcessPoolExecutor(2, multiprocessing.get_context(kind))


def needs(name: str, there_is: object) -> Any:
    reason = f"there is no {name} here"
    return pytest.param(name, marks=pytest.mark.skipif(not there_is, reason=reason))


@pytest.fixture(
    scope="module",
    params=[
        "spawn",
        pytest.param("forkserver", marks=pytest.mark.slow),
        pytest.param("unknown", marks=pytest.mark.slow),
        needs("loky", importlib.util.find_spec("loky")),
        needs("interpreters", sys.version_info >= (3, 14)),
    ],
)
def pool(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with make(request.param) as executor:
        yield executor


async def test_values_pass(pool: Any) -> None:
    for forward in (there.forward, there.aforward):
        source, sink = Chan[int](), Chan[int](2)
        async with scope():
            g = go(forward, source, sink.sender(), on=pool)
            for number in range(5):
                await source.send(number)
                assert await sink.recv() == number
            source.close()
            assert await g == 5


async def test_an_error_has_its_traceback_from_there(pool: Any) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(there.fail_deeply, on=pool)
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)
    assert "in fail_deeply" in str(error.__cause__)
    assert "test_process_guests.py" in error.__notes__[0]


async def test_what_cannot_be_pickled_is_named(pool: Any) -> None:
    async with scope():
        with pytest.raises((TypeError, ExceptionGroup)) as caught:
            async with scope():
                await go(there.same, there.Locked(), on=pool)
        error = caught.value
        if isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        assert str(error).startswith("args[0].config['lock']: cannot pickle")


async def test_cancelled_at_the_next_operation(pool: Any) -> None:
    started, ch = Chan[int](), Chan[int]()
    async with scope():
        g = go(there.note_cancellation, started, ch, on=pool)
        await started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    assert ch.stats() == Chan[int]().stats()


async def test_select_over_processes_and_goroutines_here(pool: Any) -> None:
    far, near = Chan[int](), Chan[int]()
    async with scope():
        go(there.send_all, far, [1, 2], on=pool)
        go(near.send, 3)
        seen: list[int] = []
        for _ in range(3):
            chosen = await select(recv(far), recv(near))
            seen.append(chosen.value)
        assert sorted(seen) == [1, 2, 3]


async def test_more_than_fits_and_a_deadline(pool: Any) -> None:
    """What threads are for, there."""
    ch, started = Chan[bytes](), Chan[int]()
    async with scope():
        g = go(there.send_and_wait_for_a_deadline, started, ch, 2_000_000, on=pool)
        await started.recv()
        assert len(await ch.recv()) == 2_000_000
        assert await g == "context deadline exceeded"


async def test_cancelled_before_it_has_begun() -> None:
    started, ch = Chan[int](), Chan[int]()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        async with scope() as s:
            for _ in range(4):
                go(there.note_cancellation, started, ch, on=executor)
            await started.recv()
            await eventually(lambda: ch.stats().waiting_receivers)
            s.cancel()
        # it is as good as before
        async with scope():
            assert await go(there.double, 2, on=executor) == 4


async def test_a_process_dies() -> None:
    ch = Chan[int]()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        with pytest.raises(ExceptionGroup) as caught:
            async with scope():
                go(there.kill_myself, on=executor)
                await ch.recv()
        (error,) = caught.value.exceptions
        assert isinstance(error, BrokenWorkerProcess)
        assert "terminated abruptly" in str(error)
        # the executor has given up, as it does
        with pytest.raises(ExceptionGroup) as caught:
            async with scope():
                go(there.double, 1, on=executor)
        assert "not usable anymore" in str(caught.value.exceptions[0])


async def test_a_value_comes_back_from_there() -> None:
    ch = Chan[int](1)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as executor, pytest.raises(ExceptionGroup):
        async with scope():
            started = Chan[int](1)
            go_(there.then, started, there.receive, ch, 1, on=executor)
            pid = await started.recv()
            await eventually(lambda: ch.stats().waiting_receivers)
            await stop(pid)
            await ch.send(1)
            os.kill(pid, signal.SIGKILL)
            await Chan[None]().recv()
    assert ch.recv_nowait() == 1


async def test_an_executor_that_was_shut_down() -> None:
    executor = ProcessPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(there.double, 1, on=executor)
    (error,) = caught.value.exceptions
    assert "cannot schedule new futures after shutdown" in str(error)


async def test_one_that_never_runs_it() -> None:
    class Lazy(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(None if asked else (1, b""))
            asked.append(fn)
            return future

    asked: list[Any] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(there.double, 1, on=Lazy())
    assert "it has not connected" in str(caught.value.exceptions[0])


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="it is not the default there")
def test_processes_that_are_forked(backend: dict[str, Any]) -> None:
    """What a fork copies is not taken for the child's own."""

    async def main(executor: Executor) -> tuple[Any, Any]:
        made = await go(there.make_channel, 2, on=executor)
        assert made is not ch
        values = await go(there.areceive, ch, 2, on=executor)
        return values, await go(there.library, on=executor)

    ch = Chan[int](2)
    ch.send_nowait(1)
    ch.send_nowait(2)
    with warnings.catch_warnings():
        # 3.12 warns of forks in programs with threads
        warnings.simplefilter("ignore", DeprecationWarning)
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
            got = gochan.run(main, executor, **backend)
    assert got == ([1, 2], backend["backend"])


def test_nothing_is_left(backend: dict[str, Any]) -> None:
    async def main(executor: Executor) -> int:
        with pytest.raises(ExceptionGroup):
            async with scope():
                go(there.fail, ValueError(), on=executor)
        return await go(there.double, 1, on=executor)

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        executor.submit(there.pid).result()
        before = census()
        assert gochan.run(main, executor, **backend) == 2
        assert census() == before
