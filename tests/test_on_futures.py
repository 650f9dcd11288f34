"""Goroutines on executors of concurrent.futures, the standard library's and others."""

from __future__ import annotations

import contextvars
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from gochan import Cancelled, Chan, Goroutine, GoroutineCancelled, go, scope
from gochan._backends._thread import Seat, _seats
from gochan.executors import _futures
from support.blocking import eventually, parked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def wait(ch: Chan[int]) -> int:
    return ch.blocking_recv()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


async def test_given_up_while_it_is_in_the_queue(pool: ThreadPoolExecutor) -> None:
    begun: list[int] = []
    gate = threading.Event()
    async with scope():
        first = go(gate.wait, 30, on=pool)
        await eventually(lambda: first.state == "running")
        g = go(begun.append, 1, on=pool)
        await eventually(lambda: not pool._work_queue.empty())
        g.cancel("not needed")
        # it does not wait for its turn
        with pytest.raises(GoroutineCancelled, match="not needed"):
            await g
        gate.set()
    assert begun == []


async def test_shut_down_before_it_begins(pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            first = go(gate.wait, 30, on=pool)
            await eventually(lambda: first.state == "running")
            go(wait, Chan[int](), on=pool, name="second")
            await eventually(lambda: not pool._work_queue.empty())
            pool.shutdown(wait=False, cancel_futures=True)
            gate.set()
    (error,) = caught.value.exceptions
    assert isinstance(error, RuntimeError)
    assert "has been shut down before it began" in str(error)
    assert "goroutine 'second'" in error.__notes__[0]


async def test_shut_down_while_it_runs(pool: ThreadPoolExecutor) -> None:
    ch = Chan[int]()
    async with scope():
        g = go(wait, ch, on=pool)
        await parked(g)
        pool.shutdown(wait=False, cancel_futures=True)
        await ch.send(6)
        assert await g == 6


async def test_used_after_it_was_shut_down(pool: ThreadPoolExecutor) -> None:
    pool.shutdown()
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(wait, Chan[int](), on=pool)
    (error,) = caught.value.exceptions
    assert str(error) == "cannot schedule new futures after shutdown"
    assert "goroutine 'wait' was given to <concurrent" in error.__notes__[0]


async def test_its_threads_cannot_be_initialised() -> None:
    def fail() -> None:
        raise ValueError("initializer")

    with ThreadPoolExecutor(1, initializer=fail) as broken:
        with pytest.raises(ExceptionGroup) as caught:
            async with scope():
                go(wait, Chan[int](), on=broken)
        (error,) = caught.value.exceptions
        assert type(error).__name__ == "BrokenThreadPool"


# Those that people write


class Threads(Executor):
    """One that runs each in a thread of its own, and says so to nobody."""

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.submitted.append(getattr(fn, "__name__", "?"))
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=work).start()
        return future


class Held(Executor):
    """One that begins with what it is given when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        future: Future[Any] = Future()
        self.waiting.append((future, fn))
        return future

    def begin(self) -> None:
        """Run what it has, in this thread, without anything of its context."""
        waiting, self.waiting = self.waiting, []
        for future, fn in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(contextvars.Context().run(fn))


async def test_one_that_nobody_knows_is_asked_where_it_runs_things() -> None:
    pool = Threads()
    ch = Chan[int]()
    async with scope():
        g = go(wait, ch, on=pool)
        await ch.send(1)
        assert await g == 1
        h = go(wait, ch, on=pool)
        await parked(h)
        h.cancel()
        with pytest.raises(GoroutineCancelled):
            await h
    # once
    assert pool.submitted == ["_here", "run", "run"]


async def test_cancelled_while_it_is_asked() -> None:
    pool = Held()
    async with scope():
        g = go(wait, Chan[int](), on=pool)
        await eventually(lambda: pool.waiting)
        assert g.state == "runnable"
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    pool.begin()


async def test_it_does_not_answer_but_fails() -> None:
    pool = Held()
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(wait, Chan[int](), on=pool)
            await eventually(lambda: pool.waiting)
            pool.waiting.pop()[0].set_exception(OSError("no answer"))
    assert [str(error) for error in caught.value.exceptions] == ["no answer"]


async def test_one_that_runs_things_at_once_in_the_thread_of_the_loop() -> None:
    # there it can do what needs no waiting
    class AtOnce(Held):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            future = super().submit(fn)
            self.begin()
            return future

    ch = Chan[int](1)

    def work() -> str:
        ch.send_nowait(5)
        with pytest.raises(RuntimeError, match="would block the event loop"):
            ch.blocking_recv()
        return me[0].state

    async with scope():
        me: list[Goroutine[str]] = [go(work, on=AtOnce())]
        assert await me[0] == "running"
        assert await ch.recv() == 5


async def test_a_goroutine_in_the_thread_of_another_is_cancelled_for_itself() -> None:
    outer, inner = Seat("outer"), Seat("inner")
    ch = Chan[int](1)

    def work() -> None:
        outer.take()
        ch.blocking_send(1)
        inner.take()
        ch.blocking_recv()
        outer.cancel("outer")
        # it is not the inner one
        ch.blocking_send(2)
        inner.leave()
        with pytest.raises(Cancelled, match="outer"):
            ch.blocking_recv()
        outer.leave()

    async with scope():
        with ThreadPoolExecutor(1) as pool:
            await anyio.to_thread.run_sync(pool.submit(work).result)
    assert _seats == {}
    assert ch.recv_nowait() == 2


def test_other_processes_are_told_from_threads() -> None:
    from concurrent.futures import ProcessPoolExecutor

    pools: list[Executor] = [ProcessPoolExecutor(1)]
    if sys.version_info >= (3, 14):
        from concurrent.futures import InterpreterPoolExecutor

        pools.append(InterpreterPoolExecutor(1))
    for pool in pools:
        assert _futures._kind_of(pool) == "processes"
        pool.shutdown()
