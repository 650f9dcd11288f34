"""Virtual time: what Go's own tests do not ask."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time as real_time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import (
    Chan,
    DeadlockError,
    Instrument,
    context,
    go,
    recv,
    scope,
    select,
    sync,
    testing,
    time,
    yield_,
)
from gochan._backends import _thread
from gochan._executor import Away
from gochan._waiter import Waiter
from gochan.testing import _outside as outside
from gochan.testing._outside import awaits_outside
from support.virtual import in_bubble

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType


@pytest.fixture
def bubble(backend: dict[str, Any]) -> testing.Bubble:
    return testing.bubble(backend=backend["backend"])


# Its faces


def test_run_gives_the_result(bubble: testing.Bubble) -> None:
    async def main(a: int, b: str) -> tuple[int, str, float]:
        await time.sleep(3600)
        return a, b, time.now()

    with bubble as same:
        assert same is bubble
        assert same.run(main, 1, "b") == (1, "b", 3600)


def test_a_bubble_is_used_once(bubble: testing.Bubble) -> None:
    async def main() -> None:
        pass

    bubble.run(main)
    with pytest.raises(RuntimeError, match="make one for each run"):
        bubble.run(main)


def test_it_runs_async_functions(bubble: testing.Bubble) -> None:
    wrong: Any = print
    with pytest.raises(TypeError, match="is a plain function"):
        bubble.run(wrong)


async def test_not_within_a_loop(backend: dict[str, Any]) -> None:
    async def main() -> None:
        pass

    with pytest.raises(RuntimeError, match="already runs on this thread"):
        testing.bubble().run(main)


def test_waiting_through_the_object(bubble: testing.Bubble) -> None:
    async def main() -> list[str]:
        seen: list[str] = []

        async def work() -> None:
            seen.append("begun")

        go(work)
        await bubble.wait()
        assert time.now() == 0
        return seen

    assert bubble.run(main) == ["begun"]


@testing.bubble()
async def test_as_a_decorator_on_asyncio(tmp_path: Path) -> None:
    """pytest sees the fixtures that the function wants."""
    assert tmp_path.exists()
    await asyncio.sleep(3600)
    assert time.now() == 3600


decorate = testing.bubble(backend="trio")


def test_a_decorated_function_runs_more_than_once() -> None:
    pytest.importorskip("trio")

    @decorate
    async def double(number: int, *, more: int = 0) -> float:
        """Its documentation."""
        await time.sleep(number)
        return 2 * time.now() + more

    assert double.__name__ == "double"
    assert double.__doc__ == "Its documentation."
    assert double(3) == 6
    assert double(4, more=1) == 9


# Time


@in_bubble
async def test_times_that_a_float_can_hardly_tell_apart() -> None:
    for seconds in (1e-9, 1.0, 1e6, 1e9, 1e12):
        before = time.now()
        await time.sleep(seconds)
        between = time.now()
        assert between == before + seconds
        assert await time.after(seconds).recv() == between + seconds


@in_bubble
async def test_nobody_is_early() -> None:
    """asyncio's own loop calls up to a nanosecond before the time."""
    ends: list[float] = []

    async def sleep(seconds: float) -> None:
        await time.sleep(seconds)
        assert time.now() == seconds
        ends.append(seconds)

    async with scope():
        for n in range(10):
            go(sleep, 1 + n * 1e-12)
    assert ends == sorted(ends)
    assert len(set(ends)) == 10


@in_bubble
async def test_what_is_due_at_the_same_time() -> None:
    """All of it happens at that time."""
    times: list[float] = []

    async def sleep() -> None:
        await time.sleep(1)
        await yield_()
        times.append(time.now())

    async with scope():
        for _ in range(20):
            go(sleep)
        times.append(await time.after(1).recv())
        await anyio.sleep(0)
        times.append(time.now())
    assert times == [1] * 22


@in_bubble
async def test_timeouts_of_everybody() -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(5):
            await Chan[None]().recv()
    ctx, _ = context.with_timeout(context.background(), 5)
    with ctx.scope():
        await Chan[None]().recv()
    assert time.now() == 10


def test_asyncios_own_timeouts() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await Chan[None]().recv()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        return asyncio.get_running_loop().time()

    assert testing.bubble().run(main) == 7200


@in_bubble
async def test_everything_is_durable_that_another_goroutine_ends() -> None:
    channel, lock, rw = Chan[int](), sync.Mutex(), sync.RWMutex()
    group, cond = sync.WaitGroup(), sync.Cond(sync.Mutex())
    group.add(1)
    await lock.lock()
    await rw.lock()
    done = go(time.sleep, 100)

    async def on_cond() -> None:
        async with cond.locker:
            await cond.wait()

    async def on_event(event: anyio.Event) -> None:
        await event.wait()

    event = anyio.Event()
    async with scope() as s:
        waits: list[Any] = [
            go(channel.recv),
            go(select, recv(channel), recv(Chan[int]())),
            go(lock.lock),
            go(rw.rlock),
            go(group.wait),
            go(on_cond),
            go(on_event, event),
        ]
        await testing.wait()
        await done
        assert all(each.state == "parked" for each in waits)
        s.cancel()
    assert time.now() == 100


# What is outside


@in_bubble
async def test_io_is_waited_for_in_real_time() -> None:
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        timer = time.after(1)

        def send() -> None:
            real_time.sleep(0.01)
            there.send(b"x")

        thread = threading.Thread(target=send)
        thread.start()
        await anyio.wait_readable(here)
        assert time.now() == 0
        thread.join()
    await timer.recv()


@in_bubble
async def test_a_threads_work_takes_no_time() -> None:
    timer = time.after(1)
    await anyio.to_thread.run_sync(real_time.sleep, 0.01)
    assert time.now() == 0
    await timer.recv()


def test_asyncios_own_threads() -> None:
    async def main() -> float:
        timer = time.after(1)
        await asyncio.to_thread(real_time.sleep, 0.01)
        assert time.now() == 0
        return await timer.recv()

    assert testing.bubble().run(main) == 1


@in_bubble
async def test_goroutines_on_threads_belong_to_it() -> None:
    """They take no time while they run, and are durable while they wait."""
    requests, answers = Chan[int](), Chan[tuple[int, float]]()

    def work() -> None:
        for request in requests:
            real_time.sleep(0.001)
            answers.blocking_send((request, time.now()))
            time.blocking_sleep(10)

    async with scope():
        for _ in range(3):
            go(work, on=gochan.threads)
        got: list[tuple[int, float]] = []
        for n in range(9):
            await requests.send(n)
            got.append(await answers.recv())
        requests.close()
    assert [when for _, when in got] == [0, 0, 0, 10, 10, 10, 20, 20, 20]
    assert time.now() == 30


@in_bubble
async def test_timers_and_timeouts_of_goroutines_on_threads() -> None:
    def work() -> list[object]:
        seen: list[object] = [time.now(), time.after(5).blocking_recv()]
        with pytest.raises(TimeoutError):
            Chan[int]().blocking_recv(timeout=10)
        seen.append(time.now())
        ch = Chan[int](1)
        ch.blocking_send(1, timeout=1)
        assert ch.blocking_recv(timeout=1) == 1
        ctx, _ = context.with_timeout(context.background(), 5)
        chosen = gochan.blocking_select(recv(ch), recv(ctx.done()), timeout=60)
        seen += [chosen.index, time.now()]
        return seen

    assert await go(work, on=gochan.threads) == [0, 5, 15, 1, 20]


@in_bubble
async def test_a_timeout_on_a_thread_goes_on_while_it_is_woken() -> None:
    """It is woken for nothing again and again; that takes no real time."""
    cond = sync.Cond(sync.Mutex())
    lock = sync.Mutex()

    def wait_in_vain() -> float:
        with cond, pytest.raises(TimeoutError):
            cond.blocking_wait_for(lambda: False, timeout=5)
        return time.now()

    def compete() -> float:
        with pytest.raises(TimeoutError):
            lock.blocking_lock(timeout=5)
        return time.now()

    waiting = go(wait_in_vain, on=gochan.threads)
    await lock.lock()
    competing = go(compete, on=gochan.threads)
    for _ in range(8):
        await time.sleep(1)
        cond.signal()
    assert await waiting == await competing == 5
    await testing.wait()


@in_bubble
async def test_a_timeout_on_a_thread_that_is_not_needed() -> None:
    ch = Chan[int]()

    def work() -> int:
        return ch.blocking_recv(timeout=10)

    working = go(work, on=gochan.threads)
    await time.sleep(5)
    await ch.send(7)
    assert await working == 7
    await testing.wait()
    assert time.now() == 5


@in_bubble
async def test_threads_that_wake_each_other() -> None:
    """They are never all taken to be asleep while one is not."""
    table = Chan[int]()

    def player() -> None:
        for ball in table:
            if ball == 200:
                table.close()
                return
            table.blocking_send(ball + 1)

    timer = time.Timer(1)
    async with scope():
        go(player, on=gochan.threads)
        go(player, on=gochan.threads)
        await table.send(0)
        await testing.wait()
        assert time.now() == 0
        assert table.closed
    assert timer.stop()


@in_bubble
async def test_wait_waits_for_threads() -> None:
    seen: list[int] = []

    def work() -> None:
        real_time.sleep(0.01)
        seen.append(1)
        Chan[None]().blocking_recv()

    async with scope() as s:
        go(work, on=gochan.threads)
        await testing.wait()
        assert seen == [1]
        s.cancel()


def test_a_thread_that_has_yet_to_tell_the_loop(
    bubble: testing.Bubble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has taken the goroutine from the queue: that waits for nothing any more."""
    ch = Chan[int]()
    parked, claimed, looked = (threading.Event() for _ in range(3))

    def others_may_come(*args: Any) -> bool:
        parked.set()
        told = claimed.is_set()
        found = outside.others_may_come(*args)
        if told:
            looked.set()
        return found

    monkeypatch.setattr("gochan.testing._bubble.others_may_come", others_may_come)

    def trace(frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code is Waiter.settle.__code__:
            claimed.set()
            assert looked.wait(30)

    def send() -> None:
        assert parked.wait(30)
        sys.settrace(trace)
        ch.blocking_send(1)

    async def main() -> int:
        time.after_func(1000, lambda: None)
        thread.start()
        value = await ch.recv()
        assert time.now() == 0
        return value

    thread = threading.Thread(target=send)
    assert bubble.run(main) == 1
    thread.join()
    assert claimed.is_set()


@in_bubble
async def test_executors_that_are_outside() -> None:
    async def elsewhere() -> float:
        await time.sleep(0.001)
        return 1

    timer = time.after(1)
    async with gochan.executors.loops(1) as loops:
        assert await go(elsewhere, on=loops) == 1
    assert time.now() == 0
    assert await timer.recv() == 1


# Deadlocks


def deadlock(bubble: testing.Bubble, main: Any) -> DeadlockError:
    with pytest.raises(DeadlockError) as caught:
        bubble.run(main)
    assert caught.value.report
    assert caught.value.report in "\n".join(caught.value.__notes__)
    return caught.value


def test_a_deadlock_names_all_that_wait(bubble: testing.Bubble) -> None:
    async def main() -> None:
        a, b = Chan[int](name="a"), Chan[int](name="b")

        async def inner() -> None:
            async with scope():
                go(a.recv, name="deep inside")
                await b.recv()

        go(inner, name="inner")
        await a.recv()

    error = deadlock(bubble, main)
    assert str(error) == "deadlock: all goroutines in bubble are blocked"
    for part in ("deep inside", "inner", "main", "chan 'a'", "chan receive"):
        assert part in error.report


def test_a_deadlock_of_goroutines_on_threads(bubble: testing.Bubble) -> None:
    ended: list[str] = []

    async def main() -> None:
        def wait() -> None:
            try:
                Chan[int]().blocking_recv()
            finally:
                ended.append("thread")

        go(wait, on=gochan.threads, name="on a thread")
        await Chan[int]().recv()

    assert "on a thread" in deadlock(bubble, main).report
    assert ended == ["thread"]


def test_a_deadlock_of_what_is_left_on_a_thread(bubble: testing.Bubble) -> None:
    async def main() -> None:
        go(lambda: time.blocking_sleep(3600), on=gochan.threads, name="sleeper")

    error = deadlock(bubble, main)
    assert str(error).startswith("deadlock: main bubble goroutine has exited")
    assert "sleeper" in error.report


def test_those_who_are_left_may_clean_up(bubble: testing.Bubble) -> None:
    """In virtual time, which goes on while they do."""
    seen: list[float] = []

    async def main() -> None:
        async def wait() -> None:
            try:
                await Chan[None]().recv()
            finally:
                with anyio.CancelScope(shield=True):
                    await time.sleep(10)
                    seen.append(time.now())

        go(wait)
        await time.sleep(1)

    assert "main bubble goroutine" in str(deadlock(bubble, main))
    assert seen == [11]


def test_an_error_of_main_is_not_a_deadlock(bubble: testing.Bubble) -> None:
    seen: list[float] = []

    async def main() -> None:
        async def wait() -> None:
            try:
                await Chan[None]().recv()
            finally:
                with anyio.CancelScope(shield=True):
                    await time.sleep(10)
                    seen.append(time.now())

        go(wait)
        await yield_()
        await testing.wait()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bubble.run(main)
    assert seen == [10]


def test_a_goroutine_that_fails_when_main_has_returned(bubble: testing.Bubble) -> None:
    async def main() -> None:
        async def fail() -> None:
            await yield_()
            await yield_()
            raise ZeroDivisionError

        go(fail)

    with pytest.raises(ExceptionGroup) as caught:
        bubble.run(main)
    assert caught.group_contains(ZeroDivisionError)


def test_a_shield_does_not_hang_the_test(bubble: testing.Bubble) -> None:
    async def main() -> None:
        with anyio.CancelScope(shield=True):
            await Chan[None](name="stuck").recv()

    assert "stuck" in deadlock(bubble, main).report


def test_who_cannot_be_cancelled_does_not_hang_it() -> None:
    """A wait for a condition has the lock again before it raises, or never raises.

    On asyncio anyio then repeats the cancellation for ever, and the loop is never idle.
    """
    pytest.importorskip("trio")
    program = """
from gochan import DeadlockError, go, sync, testing
async def main():
    cond = sync.Cond(sync.Mutex())
    async def wait():
        await cond.locker.lock()
        await cond.wait()
    waiting = go(wait)
    await testing.wait()
    # and nobody unlocks it
    await cond.locker.lock()
    waiting.cancel()
    await waiting
try:
    testing.bubble(backend="trio").run(main)
except DeadlockError as error:
    print(error)
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "deadlock: all goroutines in bubble are blocked\n"


def test_wait_may_be_cancelled(bubble: testing.Bubble) -> None:
    async def main() -> None:
        async def spin() -> None:
            while True:
                await yield_()

        async with scope() as s:
            go(spin)
            waiting = go(testing.wait)
            for _ in range(10):
                await anyio.sleep(0)
            states = [waiting.state]
            waiting.cancel()
            for _ in range(10):
                await anyio.sleep(0)
            states.append(waiting.state)
            assert states == ["parked", "done"]
            s.cancel()
        # and it is free for the next one
        await testing.wait()

    bubble.run(main)


def test_signals_and_wait_all_tasks_blocked(bubble: testing.Bubble) -> None:
    """Others may ask whether all are blocked: no time passes for that."""

    async def main() -> None:
        timer = time.Timer(1)
        go(time.sleep, 5)
        await anyio.wait_all_tasks_blocked()
        assert time.now() == 0
        assert timer.stop()
        await time.sleep(5)

    bubble.run(main)


# Instruments


def test_instruments_see_the_run(backend: dict[str, Any]) -> None:
    class Parked(Instrument):
        def __init__(self) -> None:
            self.waits: list[str] = []

        def goroutine_parked(self, party: Any, wait: str, channel: object) -> None:
            self.waits.append(wait)

    async def main() -> None:
        go(time.sleep, 1)
        await testing.wait()
        await time.sleep(2)

    seen = Parked()
    testing.bubble(backend=backend["backend"], instruments=[seen]).run(main)
    assert seen.waits.count("sleep") == 2
    assert "synctest.Wait" in seen.waits


def test_nothing_is_left_behind(bubble: testing.Bubble) -> None:
    async def main() -> None:
        await go(lambda: time.blocking_sleep(1), on=gochan.threads)

    bubble.run(main)
    assert not _thread.on_sleep


def test_one_look_at_threads_is_not_enough() -> None:
    """One may have been woken after it was seen, by one that was seen after that."""

    class Thread(Away):
        state: Any = "parked"
        begin: Any = None
        cancel: Any = None

        def __init__(self, *asleep: object) -> None:
            self.looks = list(asleep)

        @property
        def asleep(self) -> Any:
            return self.looks.pop(0)

    class Nobody:
        """A loop without threads that are idle."""

        def idle(self, *_: object) -> bool:
            return False

    def look(*threads: Thread) -> bool:
        coroutines = [thread.supervise() for thread in threads]
        nobody: Any = Nobody()
        try:
            return awaits_outside(lambda: coroutines, nobody)
        finally:
            for coroutine in coroutines:
                coroutine.close()

    over = threading.Event()
    at_work = threading.Thread(target=over.wait)
    at_work.start()
    try:
        assert not look()
        assert not look(Thread(1, 1), Thread(2, 2))
        # it runs
        assert look(Thread(None))
        # it slept, was woken, and sleeps again
        assert look(Thread(1, 3), Thread(2, 2))
        assert look(Thread(1, None), Thread(2, 2))
    finally:
        over.set()
        at_work.join()


def test_tasks_are_not_looked_at_where_there_are_no_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At each step of time, that would take as long as they are many."""
    frames = {threading.get_ident(): sys._getframe()}
    monkeypatch.setattr(sys, "_current_frames", lambda: frames)

    def coroutines() -> list[object]:
        raise AssertionError("somebody looks")

    nobody: Any = None
    assert not awaits_outside(coroutines, nobody)
