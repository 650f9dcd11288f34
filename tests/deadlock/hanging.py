"""Programs that hang for ever, run one after the other in a process of their own.

    python hanging.py asyncio NAME...

writes a line of JSON for each: what came out of the run. A process of their own,
because whatever else a test process does (threads, signals) would keep a deadlock from
being certain.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, cast

import anyio

import gochan
from gochan import (
    Chan,
    go,
    nil,
    recv,
    run,
    scope,
    select,
    semaphore,
    send,
    sync,
    time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Main = Callable[[], Coroutine[Any, Any, object]]

PROGRAMS: dict[str, Main] = {}
# what is done in a program's finally blocks
steps: list[str] = []
backend: Any = "asyncio"


def program(main: Main) -> Main:
    PROGRAMS[main.__name__] = main
    return main


async def receive(ch: Chan[int]) -> int:
    try:
        return await ch.recv()
    finally:
        steps.append("cleaned up")


async def send_one(ch: Chan[int]) -> None:
    await ch.send(1)


# One goroutine


@program
async def main_receives() -> None:
    await receive(Chan[int](name="ch"))


@program
async def main_sends() -> None:
    await Chan[int](name="ch").send(1)


@program
async def main_sends_to_a_full_buffer() -> None:
    ch = Chan[int](1, name="ch")
    await ch.send(1)
    await ch.send(2)


@program
async def main_iterates() -> None:
    async for _ in Chan[int](name="ch"):
        pass


@program
async def main_selects() -> None:
    a, b = Chan[int](name="a"), Chan[int](name="b")
    await select(recv(a), send(b, 1))


@program
async def main_selects_nothing() -> None:
    await select()


@program
async def main_selects_nil() -> None:
    nothing: gochan.RecvCase[int] = recv(None)
    await select(nothing, send(nil, 1))


@program
async def main_receives_from_nil() -> None:
    await nil.recv()


@program
async def main_sends_to_nil() -> None:
    await nil.send(1)


# Several


@program
async def two_wait_for_each_other() -> None:
    async def left(a: Chan[int], b: Chan[int]) -> None:
        await receive(a)
        await b.send(1)

    async def right(a: Chan[int], b: Chan[int]) -> None:
        await receive(b)
        await a.send(1)

    a, b = Chan[int](name="a"), Chan[int](name="b")
    async with scope():
        go(left, a, b)
        go(right, a, b)


@program
async def main_awaits_a_goroutine() -> None:
    await go(receive, Chan[int](name="ch"))


@program
async def main_selects_a_goroutine() -> None:
    await select(go(receive, Chan[int](name="ch")))


@program
async def one_awaits_who_waits_for_it() -> None:
    ch = Chan[int](name="ch")
    g = go(receive, ch)
    await g
    await ch.send(1)


@program
async def nobody_closes() -> None:
    ch = Chan[int](name="ch")

    async def consume() -> None:
        async for _ in ch:
            pass

    consumer = go(consume)
    for i in range(3):
        await ch.send(i)
    await consumer


@program
async def three_in_a_ring() -> None:
    async def pass_on(source: Chan[int], sink: Chan[int]) -> None:
        while True:
            await sink.send(await source.recv())

    ring = [Chan[int](name=f"c{i}") for i in range(3)]
    async with scope():
        for i in range(3):
            go(pass_on, ring[i], ring[(i + 1) % 3], name=f"p{i}")


@program
async def many() -> None:
    ch = Chan[int](name="ch")
    async with scope():
        for _ in range(300):
            go(ch.recv)


@program
async def through_a_global_channel() -> None:
    go(receive, SHARED)
    await SHARED2.recv()


SHARED = Chan[int](name="shared")
SHARED2 = Chan[int](name="shared 2")


# With the runtimes' own tasks


@program
async def in_a_task_group() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive, Chan[int](name="ch"))


@program
async def a_goroutine_on_the_runtimes_own_terms() -> None:
    """``await task`` and asyncio.TaskGroup, or a bare trio nursery."""
    ch = Chan[int](name="ch")
    if backend == "trio":
        import trio

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive, ch)
    else:
        async with asyncio.TaskGroup() as tasks:
            await tasks.create_task(receive(ch))


# With locks, and what is made of them


@program
async def locks_in_both_orders() -> None:
    a, b, ready = sync.Mutex(), sync.Mutex(), Chan[None]()

    async def ab() -> None:
        async with a:
            await ready.send(None)
            await b.lock()

    async def ba() -> None:
        async with b:
            await ready.recv()
            await a.lock()

    async with scope():
        go(ab)
        go(ba)


@program
async def a_lock_it_has() -> None:
    mutex = sync.Mutex()
    async with mutex, mutex:
        pass


@program
async def a_writer_and_readers() -> None:
    rw, ready, go_on = sync.RWMutex(), Chan[None](), Chan[None](name="go on")

    async def reader() -> None:
        async with rw.rlocker():
            await ready.send(None)
            await go_on.recv()

    async with scope():
        go(reader)
        go(reader)
        await ready.recv()
        await ready.recv()
        async with rw:
            await go_on.send(None)


@program
async def a_wait_group_that_has_started_somebody() -> None:
    group = sync.WaitGroup()
    group.go(receive, SHARED)
    await group.wait()
    await SHARED.send(0)


@program
async def a_lock_twice() -> None:
    mutex = sync.RWMutex()
    await mutex.lock()
    await mutex.rlock()


@program
async def a_wait_group() -> None:
    group = sync.WaitGroup()
    group.add(2)

    async def done(group: sync.WaitGroup) -> None:
        group.done()

    go(done, group)
    await group.wait()


@program
async def a_condition() -> None:
    condition = sync.Cond(sync.Mutex())
    async with condition:
        await condition.wait()


@program
async def a_semaphore() -> None:
    weighted = semaphore.Weighted(1)
    await weighted.acquire()
    await weighted.acquire()


# Elsewhere


def block_on(source: Chan[int], sink: Chan[int]) -> None:
    source.blocking_recv()
    sink.blocking_send(1)


async def wait_on(source: Chan[int], sink: Chan[int]) -> None:
    await source.recv()
    await sink.send(1)


async def on(executor: Any, function: Callable[..., Any]) -> None:
    a, b = Chan[int](name="a"), Chan[int](name="b")
    async with scope():
        go(function, a, b, on=executor, name="left")
        go(function, b, a, on=executor, name="right")


@program
async def on_threads() -> None:
    await on(gochan.threads, block_on)


@program
async def on_few_threads() -> None:
    """A parked goroutine gives its place to the next one."""
    async with gochan.executors.threads(1) as pool:
        await on(pool, block_on)


@program
async def on_fibers() -> None:
    await on(gochan.fibers, block_on)


@program
async def on_loops() -> None:
    async with gochan.executors.loops(2) as loops:
        await on(loops, wait_on)


@program
async def on_different_threads_and_loops() -> None:
    a, b, c = Chan[int](name="a"), Chan[int](name="b"), Chan[int](name="c")
    async with gochan.executors.loops(1) as loops, scope():
        go(block_on, a, b, on=gochan.threads, name="thread")
        go(wait_on, b, c, on=loops, name="loop")
        go(wait_on, c, a, name="here")


@program
async def with_a_pool_that_has_nothing_to_do() -> None:
    async with gochan.executors.threads(2) as pool:
        assert await go(lambda: 7, on=pool) == 7
        await receive(Chan[int](name="ch"))


@program
async def two_runs_wait_for_each_other() -> None:
    ch, back = Chan[int](name="ch"), Chan[int](name="back")

    def other() -> None:
        try:
            run(ch.recv, backend=backend)
        except gochan.DeadlockError:
            steps.append("the other one")
        except gochan.ChanClosed:
            pass

    thread = threading.Thread(target=other)
    thread.start()
    try:
        await back.recv()
    finally:
        ch.close()
        thread.join()


# After something else has happened


@program
async def after_sleeping() -> None:
    await anyio.sleep(0.001)
    await time.sleep(0.001)
    assert await time.after(0.001).recv() > 0
    await receive(Chan[int](name="ch"))


@program
async def after_a_worker_thread() -> None:
    assert await anyio.to_thread.run_sync(lambda: 7) == 7
    await receive(Chan[int](name="ch"))


@program
async def with_a_thread_that_waits() -> None:
    ch = Chan[int](name="ch")
    threading.Thread(target=ch.blocking_recv, daemon=True).start()
    try:
        await Chan[int](name="other").recv()
    finally:
        # so that it does not disturb the next program
        ch.send_nowait(1)


@program
async def with_a_thread_that_waits_later() -> None:
    """It runs when the loop has fallen asleep, and nothing tells when it parks."""
    ch = Chan[int](name="ch")

    def thread() -> None:
        asked.acquire()
        asked.acquire()
        ch.blocking_recv()

    threading.Thread(target=thread, daemon=True).start()
    try:
        await Chan[int](name="other").recv()
    finally:
        ch.send_nowait(1)


@program
async def with_dump_on_signal() -> None:
    gochan.dump_on_signal()
    await receive(Chan[int](name="ch"))


@program
async def a_run_in_a_loop() -> None:
    """Deadlocked is a run in a loop that is not gochan's."""
    await gochan.arun(main_receives)


# What becomes of it


@program
async def errors_while_unwinding() -> None:
    async def fail() -> None:
        try:
            await Chan[int](name="ch").recv()
        finally:
            raise ValueError("while unwinding")

    async with scope():
        go(fail)


@program
async def a_result_while_unwinding() -> str:
    try:
        await Chan[int](name="ch").recv()
    except BaseException:
        steps.append("swallowed")
    return "a result"


@program
async def cannot_unwind() -> None:
    """Cleanup that waits where it cannot be cancelled; a thread ends that."""
    ch = Chan[int](name="ch")

    def rescue() -> None:
        written.blocking_recv()
        ch.send_nowait(1)

    try:
        await ch.recv()
    finally:
        with anyio.CancelScope(shield=True):
            threading.Thread(target=rescue, daemon=True).start()
            await ch.recv()
            steps.append("unwound")


class Errors:
    """In place of standard error: tells when the last words on a run are written."""

    def write(self, text: str) -> None:
        steps.append(text)
        written.send_nowait(None)


written = Chan[None](name="written")
# how often a loop that was about to sleep for ever has been asked about
asked = threading.Semaphore(0)


def count_questions() -> None:
    from gochan._deadlock import Watch

    ask = Watch.ask

    def counting(self: Watch) -> float | None:
        try:
            return ask(self)
        finally:
            asked.release()

    Watch.ask = counting  # type: ignore[method-assign]


def outcome(main: Main) -> dict[str, Any]:
    steps.clear()
    try:
        if main is a_run_in_a_loop and backend == "asyncio":
            asyncio.run(main())
        elif main is a_run_in_a_loop:
            import trio

            trio.run(main)
        else:
            run(main, backend=backend)
    except BaseException as error:
        return {
            "error": type(error).__name__,
            "text": str(error),
            "report": getattr(error, "report", None),
            "cause": repr(error.__cause__),
            "traceback": "".join(traceback.format_exception(error)),
            "steps": steps,
        }
    return {"error": None, "steps": steps}


if __name__ == "__main__":
    backend = sys.argv[1]
    count_questions()
    # as far as it is used
    sys.stderr = cast("Any", Errors())
    for name in sys.argv[2:] or PROGRAMS:
        result = outcome(PROGRAMS[name])
        sys.stdout.write(json.dumps({"name": name, **result}) + "\n")
        sys.stdout.flush()
