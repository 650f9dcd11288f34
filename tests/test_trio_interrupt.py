"""Ctrl-C on trio, which raises wherever a task happens to be: never in a channel."""

from __future__ import annotations

import signal
from collections import deque
from typing import Any

import pytest

from gochan import Chan, go, nil, recv, run, select, send


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
