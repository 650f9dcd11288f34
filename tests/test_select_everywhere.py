"""One select over channels that are fed by goroutines of every kind there is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, ChanClosed, executors, go, recv, scope, select
from support import in_processes as there
from support.blocking import eventually
from support.census import METHOD
from support.ledger import at_rest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("greenback")

# a coroutine, a thread, a fiber, another loop, another process
KINDS = 5

go_: Any = go


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    with executors.processes(2, METHOD) as pool:
        yield pool


def one_of_each(processes: Any, plain: Any, coroutine: Any) -> list[tuple[Any, Any]]:
    """A function and an executor for each kind."""
    return [
        (coroutine, None),
        (plain, gochan.threads),
        (plain, gochan.fibers),
        (coroutine, executors.loops(1)),
        (plain, processes),
    ]


def feed(channels: list[Chan[int]], values: range, processes: Any) -> None:
    """Have a goroutine of each kind send into one of the channels, and close it."""
    kinds = one_of_each(processes, there.send_and_close, there.asend_and_close)
    for (fn, on), channel in zip(kinds, channels, strict=True):
        go_(fn, channel, values, on=on)


@pytest.mark.parametrize("cap", [0, 3])
@pytest.mark.parametrize("where", [None, "threads", "fibers", "process"])
async def test_all_values_come_in_order(processes: Any, where: Any, cap: int) -> None:
    channels = [Chan[int](cap) for _ in range(KINDS)]
    got: list[tuple[int, int]] = []
    async with scope():
        feed(channels, range(30), processes)
        if where is None:
            cases = [recv(ch) for ch in channels]
            while cases:
                chosen = await select(*cases)
                try:
                    got.append((channels.index(chosen.channel), chosen.value))  # type: ignore[arg-type]
                except ChanClosed:
                    cases.remove(chosen)
        else:
            on = processes if where == "process" else getattr(gochan, where)
            got = await go_(there.receive_all, channels, on=on)
    for index in range(KINDS):
        assert [value for where, value in got if where == index] == [*range(30)]
    at_rest(*channels)


async def test_it_is_fair(processes: Any) -> None:
    channels = [Chan[int](1) for _ in range(KINDS)]
    counts = Counter[int]()
    async with scope():
        feed(channels, range(1000), processes)
        cases = [recv(ch) for ch in channels]
        for _ in range(300):
            # all of them are there
            await eventually(lambda: all(map(len, channels)))
            counts[(await select(*cases)).index] += 1
        for ch in channels:
            go(there.adrain, ch)
    # each 60 on average, with a standard deviation of 7
    assert len(counts) == KINDS
    assert min(counts.values()) > 25


async def test_a_cancelled_one_takes_nothing(processes: Any) -> None:
    """Cancelled at the same time as a value comes, over and over."""
    requests = [Chan[int]() for _ in range(KINDS)]
    channels = [Chan[int]() for _ in range(KINDS)]
    kinds = one_of_each(processes, there.forward, there.aforward)
    caught = 0
    async with scope():
        for (fn, on), request, channel in zip(kinds, requests, channels, strict=True):
            go_(fn, request, channel, on=on)
        cases = [recv(ch) for ch in channels]
        for number in range(200):
            await requests[number % KINDS].send(number)
            turns = 0
            while True:
                cancel = anyio.CancelScope()
                g = go(cancel_after, cancel, turns)
                with cancel:
                    chosen = await select(*cases)
                    assert (chosen.index, chosen.value) == (number % KINDS, number)
                await g
                if not cancel.cancelled_caught:
                    break
                caught += 1
                turns = (turns + number) % 97
        for request in requests:
            request.close()
    assert caught
    at_rest(*channels, *requests)


async def cancel_after(cancel: anyio.CancelScope, turns: int) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
    cancel.cancel()
