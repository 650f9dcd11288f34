"""Signals: delivered by the loop, and everything as before when nobody wants them."""

from __future__ import annotations

import signal as python_signal
import subprocess
import sys
import threading
from signal import SIGINT, SIGTERM, Signals, raise_signal
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import Chan, context, run, scope, select_nowait, signal, time, yield_
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="raise_signal() there ends the program"
)

if sys.platform != "win32":
    from signal import SIGHUP, SIGUSR1, SIGUSR2


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = {each: python_signal.getsignal(each) for each in Signals}
    yield
    assert not signal._receivers
    assert not signal._before
    assert {each: python_signal.getsignal(each) for each in Signals} == before


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """What a handler of the program's own gets of SIGUSR1."""
    got: list[int] = []

    def handler(number: int, frame: object) -> None:
        got.append(number)

    before = python_signal.signal(SIGUSR1, handler)
    yield got
    python_signal.signal(SIGUSR1, before)


# Channels


async def test_signals_come_as_values() -> None:
    async with scope():
        ch = Chan[Signals](2)
        signal.notify(ch, SIGUSR1, SIGUSR2)
        raise_signal(SIGUSR1)
        # never from within the handler
        assert len(ch) == 0
        raise_signal(SIGUSR2)
        assert await ch.recv() is SIGUSR1
        assert await ch.recv() is SIGUSR2
        signal.stop(ch)


async def test_a_signal_is_dropped_if_there_is_no_room() -> None:
    async with scope():
        ch = Chan[Signals](1)
        signal.notify(ch, SIGUSR1)
        for _ in range(3):
            raise_signal(SIGUSR1)
        await settle()
        assert await ch.recv() is SIGUSR1
        assert len(ch) == 0
        # nobody waits on a channel without a buffer
        unbuffered = Chan[Signals]()
        signal.notify(unbuffered, SIGUSR2)
        raise_signal(SIGUSR2)
        await settle()
        assert select_nowait(unbuffered) is None
        raise_signal(SIGUSR2)
        assert await unbuffered.recv() is SIGUSR2


async def test_ctrl_c_as_a_value() -> None:
    """Also twice in quick succession: the loop has had no time to deliver it."""
    async with scope():
        ch = Chan[Signals](2)
        signal.notify(ch, SIGINT)
        raise_signal(SIGINT)
        raise_signal(SIGINT)
        assert [await ch.recv(), await ch.recv()] == [SIGINT, SIGINT]


async def test_all_signals() -> None:
    async with scope():
        ch = Chan[Signals](10)
        signal.notify(ch)
        for each in (SIGUSR1, SIGHUP, SIGTERM):
            raise_signal(each)
        await settle()
        assert [await ch.recv() for _ in range(3)] == [SIGUSR1, SIGHUP, SIGTERM]
        # faults of the program itself are not caught
        assert python_signal.getsignal(Signals.SIGSEGV) is not signal._handle


async def test_several_channels() -> None:
    async with scope():
        one, other = Chan[Signals](5), Chan[Signals](5)
        signal.notify(one, SIGUSR1, SIGUSR2)
        signal.notify(other, SIGUSR1)
        raise_signal(SIGUSR1)
        await settle()
        assert (len(one), len(other)) == (1, 1)
        signal.stop(other)
        raise_signal(SIGUSR1)
        raise_signal(SIGUSR2)
        await settle()
        assert (len(one), len(other)) == (3, 1)
        signal.stop(one)


async def test_asking_again() -> None:
    """Each signal comes once, and more may be asked for."""
    async with scope():
        ch = Chan[Signals](5)
        signal.notify(ch, SIGUSR1)
        signal.notify(ch, SIGUSR1)
        signal.notify(ch.sender(), SIGUSR1, SIGUSR2)
        raise_signal(SIGUSR1)
        raise_signal(SIGUSR2)
        await settle()
        assert len(ch) == 2
        signal.stop(ch)


async def test_stop(handled: list[int]) -> None:
    async with scope():
        ch = Chan[Signals](5)
        signal.notify(ch, SIGUSR1)
        raise_signal(SIGUSR1)
        # none comes after stop, also none that was on its way
        signal.stop(ch)
        signal.stop(ch)
        raise_signal(SIGUSR1)
        await settle()
        assert len(ch) == 0
        assert handled == [SIGUSR1]


async def test_a_channel_that_is_closed(handled: list[int]) -> None:
    async with scope():
        ch = Chan[Signals](1)
        signal.notify(ch, SIGUSR1)
        ch.close()
        raise_signal(SIGUSR1)
        await settle()
        raise_signal(SIGUSR1)
        assert handled == [SIGUSR1]


def test_a_run_leaves_nothing_behind(
    backend: dict[str, Any], handled: list[int]
) -> None:
    async def main() -> None:
        async with scope():
            signal.notify(Chan[Signals](1), SIGUSR1)
        # it belongs to the run
        assert python_signal.getsignal(SIGUSR1) is signal._handle
        signal.notify_context(context.background(), SIGUSR1)

    run(main, **backend)
    raise_signal(SIGUSR1)
    assert handled == [SIGUSR1]


def test_a_loop_that_is_gone(backend: dict[str, Any], handled: list[int]) -> None:
    """Without a scope nobody knows of its end until a signal comes."""

    async def main() -> None:
        signal.notify(Chan[Signals](1), SIGUSR1)

    anyio.run(main, **backend)
    raise_signal(SIGUSR1)
    assert handled == [SIGUSR1]


def test_a_loop_that_is_gone_and_the_default(backend: dict[str, Any]) -> None:
    program = f"""
import anyio
from signal import SIGUSR1, Signals, raise_signal
from gochan import Chan, signal
async def main():
    signal.notify(Chan[Signals](1), SIGUSR1)
anyio.run(main, backend={backend["backend"]!r})
raise_signal(SIGUSR1)
print("not here")
"""
    done = finish(start(program))
    assert done == ("", "", -SIGUSR1)


async def test_another_handler_is_not_replaced() -> None:
    async with scope():
        ch = Chan[Signals](1)
        signal.notify(ch, SIGUSR1)
        before = python_signal.signal(SIGUSR1, python_signal.SIG_IGN)
        assert before is signal._handle
        signal.stop(ch)
        assert python_signal.getsignal(SIGUSR1) is python_signal.SIG_IGN
        python_signal.signal(SIGUSR1, python_signal.SIG_DFL)


def test_without_a_loop() -> None:
    ch = Chan[Signals](1)
    signal.notify(ch, SIGUSR1)
    raise_signal(SIGUSR1)
    assert ch.blocking_recv(timeout=10) is SIGUSR1
    signal.stop(ch)


async def test_stopped_by_another_thread(handled: list[int]) -> None:
    """Which cannot put the handler back: the next signal does."""
    async with scope():
        ch = Chan[Signals](1)
        signal.notify(ch, SIGUSR1)
        await anyio.to_thread.run_sync(signal.stop, ch)
        raise_signal(SIGUSR1)
        assert handled == [SIGUSR1]
        await settle()
        assert len(ch) == 0


# Contexts


async def test_a_signal_ends_a_context(handled: list[int]) -> None:
    async with scope():
        ctx, stop = signal.notify_context(context.background(), SIGUSR1)
        assert ctx.err() is None
        raise_signal(SIGUSR1)
        await ctx.done().recv_ok()
        assert ctx.err() == context.Canceled()
        cause = context.cause(ctx)
        assert isinstance(cause, signal.Received)
        assert cause.signal is SIGUSR1
        assert str(cause) == "SIGUSR1 signal received"
        # from now on the signal does what it did before
        raise_signal(SIGUSR1)
        assert handled == [SIGUSR1]
        stop()


async def test_it_cancels_what_is_awaited() -> None:
    async with scope():
        ctx, _ = signal.notify_context(context.background(), SIGTERM)
        with ctx.scope():
            raise_signal(SIGTERM)
            await time.sleep(3600)
        assert isinstance(context.cause(ctx), signal.Received)


async def test_it_is_stopped(handled: list[int]) -> None:
    async with scope():
        ctx, stop = signal.notify_context(context.background(), SIGUSR1)
        stop()
        assert context.cause(ctx) == context.Canceled()
        raise_signal(SIGUSR1)
        with signal.notify_context(context.background(), SIGUSR1):
            pass
        raise_signal(SIGUSR1)
        parent, cancel = context.with_cancel(context.background())
        ctx, _ = signal.notify_context(parent, SIGUSR1)
        cancel()
        assert ctx.err() == context.Canceled()
        raise_signal(SIGUSR1)
        # done already
        ctx, _ = signal.notify_context(parent, SIGUSR1)
        assert ctx.err() == context.Canceled()
        raise_signal(SIGUSR1)
        await settle()
        assert handled == [SIGUSR1] * 4


# Bad use


async def test_what_is_no_channel_or_no_signal() -> None:
    ch = Chan[Signals](1)
    for wrong in (print, None, ch.receiver()):
        with pytest.raises(TypeError, match=r"write notify\(ch, signal.SIGTERM\)"):
            signal.notify(wrong, SIGUSR1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a signal is wanted"):
        signal.notify(ch, "SIGUSR1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a signal is wanted"):
        signal.notify_context(context.background(), True)
    with pytest.raises(ValueError, match="there is no signal 999"):
        signal.notify(ch, 999)
    for uncatchable in (Signals.SIGKILL, Signals.SIGSTOP):
        with pytest.raises(ValueError, match="cannot be caught"):
            signal.notify(ch, uncatchable)
    with pytest.raises(TypeError, match="a context is wanted here"):
        signal.notify_context(ch, SIGUSR1)  # type: ignore[arg-type]


async def test_a_coroutine_is_no_channel() -> None:
    """And there is no second complaint that nobody awaited it."""
    with pytest.raises(TypeError, match="not <coroutine"):
        signal.notify(yield_(), SIGUSR1)  # type: ignore[arg-type]


def test_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ValueError, match="on Windows: there are SIGINT, SIGTERM"):
        signal.notify(Chan[Signals](1), SIGUSR1)
    ch = Chan[Signals](1)
    signal.notify(ch)
    assert signal._before.keys() == {SIGINT, SIGTERM}
    signal.stop(ch)


async def test_only_on_the_main_thread() -> None:
    def there() -> None:
        for call in (
            lambda: signal.notify(Chan[Signals](1), SIGUSR1),
            lambda: signal.notify_context(context.background(), SIGUSR1),
        ):
            with pytest.raises(RuntimeError, match="call notify\\(\\) there"):
                call()

    await anyio.to_thread.run_sync(there)


# Programs


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    with process:
        out, err = process.communicate(timeout=30)
        return out, err, process.returncode


def test_the_second_ctrl_c_ends_the_program(backend: dict[str, Any]) -> None:
    program = f"""
import anyio, gochan
from gochan import context, signal, time
async def main():
    ctx, stop = signal.notify_context(context.background(), signal._signal.SIGINT)
    print("ready")
    await ctx.done().recv_ok()
    print(context.cause(ctx))
    await time.sleep(3600)
try:
    gochan.run(main, backend={backend["backend"]!r})
except KeyboardInterrupt:
    print("interrupted")
"""
    process = start(program)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(SIGINT)
    assert process.stdout.readline() == "SIGINT signal received\n"
    process.send_signal(SIGINT)
    assert finish(process) == ("interrupted\n", "", 0)


def test_ctrl_c_when_the_loop_is_stuck(backend: dict[str, Any]) -> None:
    program = f"""
import gochan, signal as s, time
from gochan import Chan, signal
async def main():
    signal.notify(Chan(5), s.SIGINT)
    try:
        s.raise_signal(s.SIGINT)
        print("once")
        time.sleep(0.15)
        s.raise_signal(s.SIGINT)
        print("not here")
    except KeyboardInterrupt:
        print("twice")
gochan.run(main, backend={backend["backend"]!r})
"""
    assert finish(start(program)) == ("once\ntwice\n", "", 0)


def test_a_blocked_main_thread_is_woken() -> None:
    program = """
import signal as s
from gochan import Chan, signal
ch = Chan(1)
signal.notify(ch, s.SIGTERM)
print("ready")
print(ch.blocking_recv().name)
"""
    process = start(program)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(SIGTERM)
    assert finish(process) == ("SIGTERM\n", "", 0)


def test_signals_and_threads_that_block(backend: dict[str, Any]) -> None:
    """A thread that waits for the signal is told like everybody else."""

    async def main() -> None:
        ch = Chan[Signals](1)
        signal.notify(ch, SIGUSR1)
        waiting = gochan.go(ch.blocking_recv, on=gochan.threads)
        await settle()
        raise_signal(SIGUSR1)
        assert await waiting is SIGUSR1
        assert threading.current_thread() is threading.main_thread()

    run(main, **backend)
