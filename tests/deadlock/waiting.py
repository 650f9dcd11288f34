"""Programs in which nobody can go on for a while, but for what comes from outside.

    python waiting.py asyncio NAME...

writes a line of JSON for each: what came out of the run, and how often it was asked
whether it is deadlocked. What comes from outside comes when that has been asked a few
times, or by the clock: that is what is tested.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.to_thread

import gochan
from gochan import Chan, go, recv, run, scope, select, sync, time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    Main = Callable[[], Coroutine[Any, Any, object]]

PROGRAMS: dict[str, Main] = {}
backend = "asyncio"
OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
# a moment in which a false alarm would come, in seconds
WHILE = 0.05


def program(main: Main) -> Main:
    PROGRAMS[main.__name__] = main
    return main


class Questions:
    """Counts how often it is asked whether the run is deadlocked."""

    def __init__(self) -> None:
        from gochan._deadlock import Watch

        self.number = 0
        self.changed = threading.Condition()
        ask = Watch.ask

        def counting(watch: Watch) -> float | None:
            answer = ask(watch)
            with self.changed:
                self.number += 1
                self.changed.notify_all()
            return answer

        Watch.ask = counting  # type: ignore[method-assign, assignment]

    def wait(self) -> None:
        """Until it has been asked three times; or once, and not again for a while."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.number >= 1, 10)
            self.changed.wait_for(lambda: self.number >= 3, WHILE)


questions: Questions


@contextmanager
def thread(function: Callable[..., object], *args: object) -> Generator[None]:
    started = threading.Thread(target=function, args=args)
    started.start()
    try:
        yield
    finally:
        started.join()


def later(ch: Chan[int]) -> None:
    """On a thread: when it has been asked."""
    questions.wait()
    ch.send_nowait(7)


# Threads


@program
async def a_thread_will_send() -> int:
    ch = Chan[int](1)
    with thread(later, ch):
        return await ch.recv()


@program
async def a_worker_thread_will_send() -> int:
    ch = Chan[int](1)
    async with scope():
        go(anyio.to_thread.run_sync, later, ch)
        return await ch.recv()


@program
async def an_abandoned_worker_thread_will_send() -> int:
    ch = Chan[int](1)

    begun = threading.Event()

    def work() -> None:
        begun.set()
        later(ch)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            partial(anyio.to_thread.run_sync, work, abandon_on_cancel=True)
        )
        await anyio.to_thread.run_sync(begun.wait)
        tasks.cancel_scope.cancel()
    return await ch.recv()


@program
async def a_thread_of_an_executor_will_send() -> int:
    ch = Chan[int](1)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(later, ch)
        return await ch.recv()


@program
async def a_thread_waits_with_a_timeout() -> int:
    """It is parked by gochan, and will go on by itself."""
    ch, never = Chan[int](1), Chan[int]()

    def wait() -> None:
        try:
            never.blocking_recv(timeout=WHILE)
        except TimeoutError:
            ch.send_nowait(7)

    with thread(wait):
        return await ch.recv()


@program
async def threads_wake_each_other() -> int:
    """Whenever one is looked at it may be asleep."""
    ch, ping, pong = Chan[int](1), Chan[int](), Chan[int]()
    over = threading.Event()

    def play(source: Chan[int], sink: Chan[int]) -> None:
        for i in source:
            if over.is_set():
                sink.close()
                return
            sink.blocking_send(i)

    def first() -> None:
        ping.blocking_send(0)
        try:
            play(pong, ping)
        except gochan.SendOnClosed:
            pass

    def stop() -> None:
        questions.wait()
        over.set()
        ch.send_nowait(7)

    with thread(stop), thread(play, ping, pong), thread(first):
        return await ch.recv()


@program
async def a_loop_in_a_thread_will_send() -> int:
    ch = Chan[int]()

    async def other() -> None:
        await anyio.sleep(WHILE)
        await ch.send(7)

    with thread(lambda: run(other, **OPTIONS[backend])):
        return await ch.recv()


@program
async def a_loop_in_a_thread_awaits_us() -> int:
    """Its goroutine waits for ours, which waits for its other one."""
    ch, back = Chan[int](), Chan[int]()

    async def sleeper() -> None:
        await anyio.sleep(WHILE)
        await ch.send(7)

    async def other() -> None:
        go(sleeper)
        await back.recv()

    with thread(lambda: run(other, **OPTIONS[backend])):
        got = await ch.recv()
        await back.send(got)
        return got


@program
async def a_thread_will_set_an_event() -> int:
    """On which a task waits that is none of gochan's."""
    ch, event, got = Chan[int](1), anyio.Event(), 0

    async def waits() -> None:
        await event.wait()
        ch.send_nowait(7)

    def sets() -> None:
        questions.wait()
        anyio.from_thread.run_sync(event.set)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits)
        tasks.start_soon(anyio.to_thread.run_sync, sets)
        got = await ch.recv()
    return got


@program
async def a_thread_holds_the_lock() -> int:
    mutex, locked = sync.Mutex(), threading.Event()

    def holds() -> None:
        with mutex:
            locked.set()
            questions.wait()

    with thread(holds):
        locked.wait()
        async with mutex:
            return 7


@program
async def a_thread_that_python_does_not_know() -> None:
    """A C library's, which may call back. The deadlock is noticed when it has ended."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    native = ctypes.c_ulong()
    usleep = ctypes.cast(libc.usleep, ctypes.c_void_p)
    microseconds = ctypes.c_void_p(int(WHILE * 1e6))
    assert libc.pthread_create(ctypes.byref(native), None, usleep, microseconds) == 0
    started = anyio.current_time()
    try:
        await Chan[int]().recv()
    finally:
        assert anyio.current_time() - started >= WHILE * 0.9
        libc.pthread_join(native, None)


# Time


@program
async def another_goroutine_sleeps() -> int:
    ch = Chan[int]()

    async def sleeper() -> None:
        await anyio.sleep(WHILE)
        await ch.send(7)

    go(sleeper)
    return await ch.recv()


@program
async def the_runtimes_own_timer_will_call() -> int:
    ch = Chan[int](1)
    if backend == "trio":
        import trio

        async def call_later() -> None:
            await trio.sleep(WHILE)
            ch.send_nowait(7)

        trio.lowlevel.spawn_system_task(call_later)
    else:
        asyncio.get_running_loop().call_later(WHILE, ch.send_nowait, 7)
    return await ch.recv()


@program
async def callbacks_that_call_each_other() -> int:
    """There is always one that is due."""
    ch = Chan[int](1)
    soon: Callable[..., Any]
    if backend == "trio":
        import trio

        soon = trio.lowlevel.current_trio_token().run_sync_soon
    else:
        soon = asyncio.get_running_loop().call_soon

    def again(left: int) -> None:
        if left:
            soon(again, left - 1)
        else:
            ch.send_nowait(7)

    again(500)
    return await ch.recv()


@program
async def a_goroutine_sleeps_on_gochans_clock() -> int:
    ch = Chan[int]()

    async def sleeper() -> None:
        await time.sleep(WHILE)
        await ch.send(7)

    go(sleeper)
    return await ch.recv()


@program
async def a_timeout_is_set() -> int:
    with anyio.move_on_after(WHILE):
        await Chan[int]().recv()
    return 7


@program
async def a_timer_is_selected() -> int:
    over = recv(time.after(WHILE))
    assert await select(Chan[int](), over) is over
    return 7


@program
async def a_timer_will_call() -> int:
    ch = Chan[int](1)
    time.after_func(WHILE, lambda: ch.send_nowait(7))
    return await ch.recv()


@program
async def some_are_stuck_and_one_sleeps() -> int:
    """Part of a program that hangs is nobody's business, as in Go."""
    go(Chan[int]().recv)
    go(Chan[int]().recv)
    await anyio.sleep(WHILE)
    return 7


# I/O


@program
async def a_server_listens() -> int:
    ch = Chan[int]()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await ch.send((await stream.receive())[0])

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        scope() as s,
    ):
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        s.go(listener.serve, serve)
        connect = f"""if True:
            import socket, time
            time.sleep({WHILE})
            with socket.create_connection(("127.0.0.1", {port})) as client:
                client.sendall(bytes([7]))
        """
        with subprocess.Popen([sys.executable, "-c", connect]):
            got = await ch.recv()
        s.cancel()
    return got


@program
async def a_child_process_runs() -> int:
    ch = Chan[int]()

    async def child() -> None:
        work = f"import time; time.sleep({WHILE}); print(7)"
        done = await anyio.run_process([sys.executable, "-c", work])
        await ch.send(int(done.stdout))

    go(child)
    return await ch.recv()


@program
async def a_pipe_is_read() -> int:
    ch = Chan[int]()
    source, sink = os.pipe()

    async def read() -> None:
        if backend == "trio":
            import trio

            await trio.lowlevel.wait_readable(source)
        else:
            readable = asyncio.Event()
            asyncio.get_running_loop().add_reader(source, readable.set)
            await readable.wait()
            asyncio.get_running_loop().remove_reader(source)
        await ch.send(os.read(source, 1)[0])

    go(read)
    writer = f"import os, time; time.sleep({WHILE}); os.write({sink}, bytes([7]))"
    with subprocess.Popen([sys.executable, "-c", writer], pass_fds=[sink]):
        got = await ch.recv()
    os.close(source)
    os.close(sink)
    return got


# Signals


@program
async def a_signal_handler_will_send() -> int:
    ch = Chan[int](1)
    before = signal.getsignal(signal.SIGALRM)
    if backend == "trio":
        signal.signal(signal.SIGALRM, lambda _, __: ch.send_nowait(7))
    else:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGALRM, ch.send_nowait, 7)
    signal.setitimer(signal.ITIMER_REAL, WHILE)
    try:
        return await ch.recv()
    finally:
        signal.signal(signal.SIGALRM, before)


@program
async def a_signal_is_notified() -> int:
    ch = Chan[signal.Signals](1)
    gochan.signal.notify(ch, signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, WHILE)
    try:
        assert await ch.recv() is signal.SIGALRM
    finally:
        gochan.signal.stop(ch)
    return 7


@program
async def an_open_signal_receiver() -> int:
    with anyio.open_signal_receiver(signal.SIGALRM) as signals:
        ch = Chan[int]()

        async def watch() -> None:
            async for _ in signals:
                await ch.send(7)
                return

        go(watch)
        signal.setitimer(signal.ITIMER_REAL, WHILE)
        return await ch.recv()


# Tasks and callbacks that are not gochan's


@program
async def a_foreign_task_waits_for_a_thread() -> int:
    ch, event = Chan[int](), anyio.Event()

    async def foreign() -> None:
        await event.wait()
        await ch.send(7)

    def wake() -> None:
        questions.wait()
        anyio.from_thread.run_sync(event.set)

    got = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(foreign)
        tasks.start_soon(anyio.to_thread.run_sync, wake)
        got = await ch.recv()
    return got


@program
async def a_finalizer_will_send() -> int:
    """Garbage that sends as it is collected: nobody else would do that."""
    ch = Chan[int](1)

    class Last:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            # in a callback: a finalizer may run where the channel is locked
            soon(lambda: ch.send_nowait(7))

    if backend == "trio":
        import trio

        soon: Callable[..., Any] = trio.lowlevel.current_trio_token().run_sync_soon
    else:
        soon = asyncio.get_running_loop().call_soon_threadsafe
    Last()
    return await ch.recv()


# Switched off


@program
async def not_watched() -> int:
    """``deadlock=False``: a signal ends it, when nobody has asked for a while."""
    return await Chan[int]().recv()


def outcome(main: Main) -> dict[str, Any]:
    questions.number = 0
    result: object = None
    error: BaseException | None = None
    watched = main is not not_watched
    if not watched:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, WHILE)
    try:
        result = run(main, **OPTIONS[backend], deadlock=watched)
    except BaseException as raised:
        error = raised
    return {
        "result": result,
        "error": None if error is None else type(error).__name__,
        "text": str(error),
        "asked": questions.number,
    }


if __name__ == "__main__":
    backend = sys.argv[1]
    questions = Questions()
    for name in sys.argv[2:] or PROGRAMS:
        result = outcome(PROGRAMS[name])
        sys.stdout.write(json.dumps({"name": name, **result}) + "\n")
        sys.stdout.flush()
