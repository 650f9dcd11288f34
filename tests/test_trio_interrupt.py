"""Ctrl-C on trio, which raises wherever a task happens to be: never in a channel."""

from __future__ import annotations

import gc
import signal
from collections import deque
from typing import Any

import anyio
import pytest
import trio

from gochan import Chan, go, nil, recv, run, scope, select, send, yield_
from gochan._backends import _trio, _trio_waiter
from support.interrupts import Interrupt


class Interrupting(deque[Any]):
    """A buffer that is interrupted when it is used, with the channel locked."""

    def append(self, value: Any, /) -> None:
        signal.raise_signal(signal.SIGINT)
        super().append(value)

    def popleft(self) -> Any:
        signal.raise_signal(signal.SIGINT)
        return super().popleft()


async def _send(ch: Chan[int]) -> None:
    await ch.send(2)


async def _send_nowait(ch: Chan[int]) -> None:
    ch.send_nowait(2)


async def _recv(ch: Chan[int]) -> None:
    await ch.recv()


async def _recv_ok(ch: Chan[int]) -> None:
    await ch.recv_ok()


async def _recv_nowait(ch: Chan[int]) -> None:
    ch.recv_nowait()


async def _select_recv(ch: Chan[int]) -> None:
    await select(recv(ch), recv(nil))


async def _select_send(ch: Chan[int]) -> None:
    await select(send(ch, 2), recv(nil))


@pytest.mark.parametrize("where", ["main", "goroutine"])
@pytest.mark.parametrize(
    ("operate", "left"),
    [
        (_send, 2),
        (_send_nowait, 2),
        (_recv, 0),
        (_recv_ok, 0),
        (_recv_nowait, 0),
        (_select_recv, 0),
        (_select_send, 2),
    ],
)
def test_an_interrupt_waits_for_the_end_of_the_operation(
    operate: Any, left: int, where: str
) -> None:
    ch = Chan[int](3)
    completed = False

    async def work() -> None:
        nonlocal completed
        await operate(ch)
        completed = True
        await nil.recv()

    async def main() -> None:
        ch._buf = Interrupting([1])
        if where == "main":
            await work()
        go(work)
        await nil.recv()

    with pytest.raises(KeyboardInterrupt):
        run(main, backend="trio")
    assert not ch._lock.locked()
    assert completed
    assert len(ch) == left
    ch._check()


async def program(pressed: Interrupt) -> None:
    """Goroutines that end, are cancelled, and are left to a scope that is."""
    pressed.start()
    ch = Chan[int]()
    g = go(ch.send, 1)
    await ch.recv()
    await g
    async with scope() as s:
        h = s.go(ch.send, 1)
        await yield_()
        h.cancel("so that it ends")
    async with scope() as s:
        s.go(ch.send, 1)
        s.cancel()
        await yield_()
    pressed.stop()
    if pressed.where:
        # it is raised at the next checkpoint of whoever is to have it
        await nil.recv()


@pytest.mark.slow
def test_an_interrupt_at_any_place_ends_the_run() -> None:
    """Nothing hangs, comes out in a group, or was never awaited."""
    places = 0
    while True:
        pressed = Interrupt(places)
        try:
            run(program, pressed, backend="trio")
        except KeyboardInterrupt:
            assert pressed.where
        else:
            assert not pressed.where
            break
        finally:
            pressed.stop()
        if places % 50 == 0:
            gc.collect()
        places += 1
    gc.collect()
    assert places > 200


@trio.lowlevel.enable_ki_protection
def press() -> None:
    """For trio's main task: to whoever calls this it does not come."""
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_of_a_scope_that_waits(fails: bool) -> None:
    async def work() -> None:
        await yield_()
        press()
        try:
            await nil.recv()
        finally:
            if fails:
                raise ValueError("on the way")

    async def main() -> None:
        async with scope():
            go(work)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


def test_an_interrupt_between_a_task_and_its_goroutine() -> None:
    """It is raised in the goroutine, which can clear up as ever."""
    cleared_up = False
    resumed = _trio.Nursery._run.__code__

    async def work() -> None:
        nonlocal cleared_up
        try:
            await yield_()
        finally:
            with anyio.CancelScope(shield=True):
                await yield_()
            cleared_up = True

    class Resumed(Interrupt):
        def _look(self, frame: Any, event: str, arg: object) -> None:
            if event == "call" and frame.f_code is resumed:
                # it begins, and goes on
                super()._look(frame, event, arg)

    async def main() -> None:
        g = go(work)
        pressed.start()
        await g

    pressed = Resumed(1)
    with pytest.raises(KeyboardInterrupt):
        run(main, backend="trio")
    assert "_run" in pressed.where
    assert cleared_up


def test_a_run_that_has_ended_once_it_has_woken_the_receiver() -> None:
    """Before the thread that sends has asked for that: it has been woken."""

    class Taken(deque[Any]):
        """Somebody else's drain takes what is put there at once."""

        def append(self, _: Any) -> None:
            pass

    async def main() -> _trio_waiter._Inbox:
        return _trio_waiter._find_inbox()

    inbox = run(main, backend="trio")
    waiter: Any = object()
    assert not inbox.post(waiter)
    assert not inbox.ready
    inbox.ready = Taken()
    assert inbox.post(waiter)
