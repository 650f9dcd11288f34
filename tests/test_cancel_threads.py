"""Starting, cancelling and waking goroutines from other threads.

A thread that is started and joined in the middle of a goroutine acts between two
steps of the loop, so these tests are exact, not a matter of luck.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import Chan, Goroutine, GoroutineCancelled, go, run, scope, yield_
from support.idle import settle
from support.native import on_asyncio
from support.parked import Parked, operations

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(call: Callable[[], object]) -> None:
    """Call it in a thread that has this one's context; wait, the loop does too."""
    context = contextvars.copy_context()
    errors: list[BaseException] = []

    def body() -> None:
        try:
            context.run(call)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    for error in errors:
        raise error


async def forever() -> None:
    await Chan[None]().recv()


@operations
@pytest.mark.parametrize("order", ["cancel first", "peer first"])
@pytest.mark.parametrize("what", ["goroutine", "scope"])
async def test_cancelled_from_a_thread(
    kind: str, cap: int, order: str, what: str
) -> None:
    p = Parked(kind, cap)

    async def operate() -> None:
        await p.operate()
        await forever()

    async with scope() as s:
        g = go(operate)
        await settle()
        cancel = g.cancel if what == "goroutine" else s.cancel

        def act() -> None:
            if order == "cancel first":
                cancel()
                p.peer()
            else:
                p.peer()
                cancel()

        in_thread(act)
    with pytest.raises(GoroutineCancelled):
        await g
    # a cancellation from elsewhere takes effect when the loop learns of it
    if order == "peer first":
        assert p.completed
    await p.check()


async def test_cancelled_from_a_thread_is_cancelled_again() -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            steps.append("cleanup")
            await anyio.sleep(1000)
            steps.append("not cancelled")

    with anyio.fail_after(5):
        async with scope():
            g = go(work)
            await anyio.to_thread.run_sync(g.cancel)
    assert steps in ([], ["cleanup"])


async def test_go_in_a_worker_thread() -> None:
    # the context, and with it the scope, comes along
    got = Chan[str]()

    async def work(text: str) -> str:
        await got.send(text)
        return text.upper()

    async with scope():
        g = await anyio.to_thread.run_sync(lambda: go(work, "a"))
        assert await got.recv() == "a"
        assert await g == "A"


async def test_go_in_a_plain_thread_with_a_copied_context() -> None:
    handles: list[Goroutine[int]] = []

    async def work(number: int) -> int:
        await yield_()
        return number + 1

    async with scope():
        in_thread(lambda: handles.append(go(work, 1)))
        assert await handles[0] == 2


variable = contextvars.ContextVar("variable", default="default")


async def test_the_context_of_the_thread_is_copied_at_go() -> None:
    handles: list[Goroutine[str]] = []

    async def read() -> str:
        await yield_()
        return variable.get()

    def start(s: gochan.Scope) -> None:
        variable.set("of the thread")
        handles.append(s.go(read))
        variable.set("changed later")

    async with scope() as s:
        in_thread(lambda: start(s))
        await anyio.to_thread.run_sync(start, s)
        assert variable.get() == "default"
        assert [await g for g in handles] == ["of the thread"] * 2


def test_go_in_a_plain_thread_without_a_context(backend: dict[str, Any]) -> None:
    errors: list[BaseException] = []

    def body() -> None:
        try:
            go(forever)
        except RuntimeError as error:
            errors.append(error)

    async def main() -> None:
        thread = threading.Thread(target=body, args=())
        contextvars.Context().run(thread.start)
        thread.join()

    run(main, **backend)
    # from Python 3.14 free-threaded builds hand on the context by themselves
    assert [str(error) for error in errors if "scope" not in str(error)] == []


async def test_scope_go_in_a_thread_needs_no_context() -> None:
    handles: list[Goroutine[int]] = []

    async def work() -> int:
        return 5

    async with scope() as s:
        thread = threading.Thread(target=lambda: handles.append(s.go(work)))
        contextvars.Context().run(thread.start)
        thread.join()
        assert await handles[0] == 5


async def test_scope_waits_for_what_a_thread_has_just_started() -> None:
    # left before the loop has heard of the new goroutine
    steps: list[str] = []

    async def work() -> None:
        steps.append("started")
        await yield_()
        steps.append("ended")

    async with scope() as s:
        in_thread(lambda: s.go(work))
    steps.append("left")
    await settle()
    assert steps == ["started", "ended", "left"]


def test_run_ends_what_a_thread_has_just_started(backend: dict[str, Any]) -> None:
    steps: list[str] = []

    async def work() -> None:
        steps.append("started")
        await forever()

    async def main() -> None:
        in_thread(lambda: go(work))

    # no orphan, no complaint about a coroutine that was never awaited
    run(main, **backend)
    assert steps in ([], ["started"])


async def test_failure_of_what_a_thread_has_just_started() -> None:
    async def fail() -> None:
        raise ValueError("from a thread")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope() as s:
            in_thread(lambda: s.go(fail))
    assert caught.group_contains(ValueError, match="from a thread", depth=1)


@pytest.mark.parametrize("what", ["goroutine", "scope"])
async def test_cancel_what_a_thread_has_just_started(what: str) -> None:
    # cancelled before the loop has heard of it
    handles: list[Goroutine[None]] = []

    with anyio.fail_after(5):
        async with scope() as s:
            in_thread(lambda: handles.append(s.go(forever)))
            if what == "goroutine":
                handles[0].cancel("enough")
            else:
                s.cancel("enough")
        with pytest.raises(GoroutineCancelled, match="enough"):
            await handles[0]


async def test_go_in_a_thread_once_the_scope_was_left() -> None:
    async with scope() as s:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        in_thread(lambda: s.go(forever))


async def test_blocking_join() -> None:
    async def work() -> int:
        await yield_()
        return 3

    async def fail() -> None:
        raise ValueError("joined")

    async with scope():
        g = go(work)
        assert await anyio.to_thread.run_sync(g.blocking_join) == 3
        # also when it has ended
        assert await anyio.to_thread.run_sync(g.blocking_join) == 3
        parked = go(forever)
        with pytest.raises(TimeoutError):
            await anyio.to_thread.run_sync(parked.blocking_join, 0)
        with pytest.raises(TimeoutError):
            await anyio.to_thread.run_sync(parked.blocking_join, 0.001)
        parked.cancel("joined")
        with pytest.raises(GoroutineCancelled, match="joined"):
            await anyio.to_thread.run_sync(parked.blocking_join)
    failed: list[Goroutine[None]] = []
    with pytest.raises(ExceptionGroup):
        async with scope():
            failed.append(go(fail))
    with pytest.raises(ValueError, match="joined"):
        await anyio.to_thread.run_sync(failed[0].blocking_join)


async def test_many_threads_start_and_cancel() -> None:
    # nothing is left behind, whatever the order
    ends = 0

    async def work(n: int) -> int:
        nonlocal ends
        try:
            if n % 3:
                await forever()
            return n
        finally:
            ends += 1

    handles: list[Goroutine[int]] = []
    async with scope() as s:

        def start_some(first: int) -> None:
            for n in range(first, first + 50):
                g = s.go(work, n)
                if n % 3:
                    g.cancel()
                handles.append(g)

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(anyio.to_thread.run_sync, start_some, number * 50)
    assert len(handles) == 400
    for g in handles:
        assert g.state == "done"


class Slow(deque[Any]):
    """A queue of the woken whose foreign appends happen when nobody looks.

    That is what happens when a thread is preempted just before it appends.
    """

    drained: threading.Event
    reached: threading.Event

    def append(self, woken: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.reached.set()
            assert self.drained.wait(10)
        super().append(woken)


@on_asyncio
async def test_woken_by_a_thread_while_a_drain_ends() -> None:
    # A goroutine that runs in a drain starts a thread. The thread wakes another
    # goroutine; it is preempted after it has seen the drain and before it has
    # appended, and the drain ends meanwhile.
    from gochan._backends import _asyncio_waiter

    ch, start = Chan[int](), Chan[None]()
    got: list[int] = []
    ready = Slow()
    ready.drained, ready.reached = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    async def receive() -> None:
        got.append(await ch.recv())

    async def begin() -> None:
        await start.recv()
        thread = threading.Thread(target=ch.send_nowait, args=(1,))
        threads.append(thread)
        thread.start()
        assert ready.reached.wait(10)

    box = _asyncio_waiter.mailbox()
    box.ready = ready
    tasks = [asyncio.create_task(receive()), asyncio.create_task(begin())]
    await settle()
    start.send_nowait(None)
    while not threads:
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    ready.drained.set()
    threads[0].join()
    for _ in range(20):
        await asyncio.sleep(0)
    woken = list(got)
    # whoever is woken next would carry it along
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert woken == [1], "the wake was lost"


@pytest.mark.slow
async def test_no_wake_is_lost_between_threads() -> None:
    # the same by luck, many times: the loop's drains begin and end all the time
    there, back = Chan[int](), Chan[int]()
    ping, pong = Chan[int](), Chan[int]()

    def thread() -> None:
        for value in there:
            back.blocking_send(value)

    async def answer() -> None:
        async for value in ping:
            await pong.send(value)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with anyio.fail_after(50):
            async with scope() as s:
                echo = threading.Thread(target=thread)
                echo.start()
                s.go(answer)
                try:
                    for number in range(5000):
                        await there.send(number)
                        for _ in range(number % 4):
                            await ping.send(number)
                            assert await pong.recv() == number
                        assert await back.recv() == number
                finally:
                    there.close()
                s.cancel()
        echo.join()
    finally:
        sys.setswitchinterval(interval)


def test_the_budget_counts_also_when_two_threads_run_loops(
    backend: dict[str, Any],
) -> None:
    # 64 operations without a switch, and not a switch at each of them
    counts: list[int] = []

    async def count() -> None:
        turns = 0

        async def watch() -> None:
            nonlocal turns
            while True:
                turns += 1
                await yield_()

        ch = Chan[int](1000)
        async with scope() as s:
            s.go(watch)
            await settle_once()
            before = turns
            for number in range(640):
                await ch.send(number)
            counts.append(turns - before)
            s.cancel()

    async def settle_once() -> None:
        for _ in range(3):
            await yield_()

    async def main() -> None:
        await anyio.to_thread.run_sync(lambda: run(count, **backend))
        await count()
        await anyio.to_thread.run_sync(lambda: run(count, **backend))
        await count()

    run(main, **backend)
    assert all(5 <= turns <= 64 for turns in counts), counts


def test_cancelled_after_the_run_has_ended(backend: dict[str, Any]) -> None:
    # late calls on handles do nothing
    handles: list[Goroutine[None]] = []
    scopes: list[gochan.Scope] = []

    async def main() -> None:
        async with scope() as s:
            scopes.append(s)
            handles.append(go(forever))
            await settle()
            s.cancel()

    run(main, **backend)
    handles[0].cancel()
    scopes[0].cancel()
    with pytest.raises(GoroutineCancelled):
        handles[0].blocking_join()
