"""Go's test/chan/goroutines.go.

A daisy chain of 10,000 goroutines, each of which hands one value on from its right
to its left: many goroutines at once, and no recursion in waking them.
"""

from __future__ import annotations

import pytest

import gochan
from gochan import Chan, go
from golang.helpers import PATIENCE, Threads


async def pass_on(left: Chan[int], right: Chan[int]) -> None:
    await left.send(await right.recv())


@pytest.mark.slow
async def test_a_daisy_chain() -> None:
    async with gochan.scope():
        leftmost = right = Chan[int]()
        for _ in range(10_000):
            left, right = right, Chan[int]()
            go(pass_on, left, right)
        go(right.send, 1)
        assert await leftmost.recv() == 1


def test_a_daisy_chain_of_threads() -> None:
    def pass_on_thread(left: Chan[int], right: Chan[int]) -> None:
        left.blocking_send(right.blocking_recv(PATIENCE), PATIENCE)

    with Threads() as threads:
        leftmost = right = Chan[int]()
        for _ in range(100):
            left, right = right, Chan[int]()
            threads.start(pass_on_thread, left, right)
        threads.start(right.blocking_send, 1)
        assert leftmost.blocking_recv(PATIENCE) == 1
