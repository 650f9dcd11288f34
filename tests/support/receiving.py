"""What tests have other processes receive: functions that are found there by name."""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
from typing import TYPE_CHECKING, Any

import gochan
from gochan import (
    Chan,
    ChanClosed,
    RecvChan,
    SendChan,
    WouldBlock,
    blocking_select,
    recv,
    select,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ("Ledger",)


class Ledger:
    """What has been received last by each of several parties, in shared memory.

    If a receive was over before another began, then its value was sent before the
    other's: that is what first in, first out means for many receivers.
    """

    def __init__(self, path: str, parties: int) -> None:
        self.parties = parties
        size = 8 * parties
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.ftruncate(file, size)
        self.memory = mmap.mmap(file, size)
        os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.memory.close()

    def latest(self) -> int:
        """What the last of the receives that are over has got."""
        latest: int = max(struct.unpack(f"{self.parties}q", self.memory[:]))
        return latest

    def note(self, party: int, value: int, before: int) -> None:
        assert value > before, f"{value} was received after {before}"
        self.memory[8 * party : 8 * party + 8] = struct.pack("q", value)


def _one(ch: Chan[int], how: int) -> int:
    """Receive in one of many ways."""
    if how < 6:
        return ch.blocking_recv()
    if how == 6:
        return ch.recv_nowait()
    if how == 7:
        return ch.blocking_recv(0)
    chosen = blocking_select(recv(ch))
    if not chosen.ok:
        raise ChanClosed(ch)
    value: int = chosen.value
    return value


def receive_in_order(
    ch: Chan[int],
    started: SendChan[None],
    path: str,
    party: int,
    parties: int,
    seed: int,
    spin: int,
) -> list[int]:
    """Receive until it is closed, sometimes quickly and sometimes slowly."""
    rng = random.Random(seed)
    received: list[int] = []
    started.blocking_send(None)
    with Ledger(path, parties) as ledger:
        while True:
            how = rng.randrange(9)
            for _ in range(rng.randrange(40)):
                before = ledger.latest()
                try:
                    value = _one(ch, how)
                except (WouldBlock, TimeoutError):
                    break
                except ChanClosed:
                    return received
                ledger.note(party, value, before)
                received.append(value)
            sum(range(rng.randrange(spin)))


def receive_and_note(ch: Chan[int], party: str, log: str) -> None:
    """Receive until it is closed, and write each down at once."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for value in ch:
        os.write(file, f"{party} {value}\n".encode())


def receive(ch: RecvChan[Any], number: int) -> list[Any]:
    return [ch.blocking_recv() for _ in range(number)]


async def areceive(ch: RecvChan[Any], number: int) -> list[Any]:
    return [await ch.recv() for _ in range(number)]


def receive_and_count(ch: Any, number: int) -> tuple[list[Any], int]:
    """What was received, and how often an answer was waited for."""
    asked = 0
    ask = ch._link.ask

    def count(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return ask(*args)

    ch._link.ask = count
    received = receive(ch, number)
    del ch._link.ask
    return received, asked


def receive_and_wait(
    ch: RecvChan[Any], number: int, told: SendChan[Any], until: RecvChan[None]
) -> None:
    told.blocking_send([ch.blocking_recv() for _ in range(number)])
    until.blocking_recv_ok()


def receive_and_die(ch: RecvChan[Any], number: int) -> None:
    receive(ch, number)
    os.kill(os.getpid(), signal.SIGKILL)


def receive_for_ever(ch: RecvChan[Any], told: SendChan[Any]) -> None:
    while True:
        told.blocking_send(ch.blocking_recv())


async def areceive_for_ever(ch: RecvChan[Any], told: SendChan[Any]) -> None:
    while True:
        await told.send(await ch.recv())


async def areceive_until(ch: RecvChan[Any], stop: RecvChan[None]) -> list[Any]:
    """One value at a time, then by select, until that is chosen."""
    received = [await ch.recv() for _ in range(20)]
    while True:
        chosen: Any = await select(recv(ch), recv(stop))
        if not chosen.ok:
            return received
        received.append(chosen.value)


def receive_further_on(ch: RecvChan[Any], number: int) -> list[Any]:
    """By turns here and in a process of our own."""

    async def main() -> list[Any]:
        received: list[Any] = []
        pool = gochan.executors.processes(1, "forkserver")
        for _ in range(number):
            received += [await ch.recv() for _ in range(10)]
            received += await gochan.go(receive, ch, 10, on=pool)
        return received

    return gochan.run(main)


def make_filled(number: int) -> Chan[int]:
    ch = Chan[int](128)
    for value in range(number):
        ch.send_nowait(value)
    kept.append(ch)
    return ch


kept: list[Any] = []
