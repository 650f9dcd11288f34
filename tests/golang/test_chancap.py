"""Go's test/chancap.go: len and cap of channels, and sizes that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

import gochan
from gochan import Chan, nil
from support.idle import settle


async def test_len_and_cap() -> None:
    ch = Chan[int](10)
    assert (len(ch), ch.cap) == (0, 10)
    for i in range(3):
        await ch.send(i)
    assert (len(ch), ch.cap) == (3, 10)
    await ch.recv()
    assert (len(ch), ch.cap) == (2, 10)
    ch.close()
    assert (len(ch), ch.cap) == (2, 10)

    ch = Chan[int]()
    assert (len(ch), ch.cap) == (0, 0)
    assert (len(nil), nil.cap) == (0, 0)


async def test_len_does_not_count_who_waits() -> None:
    ch = Chan[int](1)
    async with gochan.scope() as scope:
        for i in range(3):
            gochan.go(ch.send, i)
        await settle()
        assert len(ch) == 1
        assert ch.stats().waiting_senders == 2
        scope.cancel()


@pytest.mark.parametrize("size", [-1, -(1 << 63)])
def test_negative_sizes(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        Chan[int](size)


@pytest.mark.parametrize("size", [1.0, "1", True])
def test_sizes_that_are_no_integers(size: Any) -> None:
    with pytest.raises(TypeError):
        Chan[int](size)


def test_a_huge_size_costs_nothing() -> None:
    """Go panics, since it allocates; here a buffer grows as it is filled."""
    ch = Chan[int](1 << 40)
    assert ch.cap == 1 << 40
    ch.send_nowait(1)
    assert len(ch) == 1
