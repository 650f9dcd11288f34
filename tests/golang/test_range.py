"""Go's test/range.go, testchan: range over a channel, with and without the value.

The rest of that file is about slices, arrays, maps and strings.
"""

from __future__ import annotations

import string

import gochan
from gochan import Chan, RecvChan, SendChan, go
from golang.helpers import PATIENCE, Threads


async def generate(ch: SendChan[int], low: int, high: int) -> None:
    for i in range(low, high + 1):
        await ch.send(i)
    ch.close()


def sequence(low: int, high: int) -> RecvChan[int]:
    ch = Chan[int]()
    go(generate, ch, low, high)
    return ch


async def test_range_over_a_channel() -> None:
    async with gochan.scope():
        text = ""
        async for i in sequence(ord("a"), ord("z")):
            text += chr(i)
        assert text == string.ascii_lowercase


async def test_range_without_the_value() -> None:
    async with gochan.scope():
        n = 0
        async for _ in sequence(ord("a"), ord("z")):
            n += 1
        assert n == 26


async def test_the_channel_is_evaluated_once() -> None:
    calls = 0

    def made() -> RecvChan[int]:
        nonlocal calls
        calls += 1
        return sequence(1, 5)

    async with gochan.scope():
        assert [i async for i in made()] == [1, 2, 3, 4, 5]
    assert calls == 1


async def test_values_that_are_false_do_not_end_it() -> None:
    ch = Chan[object](5)
    values: list[object] = [0, None, "", False, []]
    for value in values:
        await ch.send(value)
    ch.close()
    assert [value async for value in ch] == values


async def test_two_ranges_share_the_values() -> None:
    ch = Chan[int]()
    seen: list[int] = []

    async def consume() -> None:
        async for i in ch:
            seen.append(i)

    async with gochan.scope():
        go(consume)
        go(consume)
        go(generate, ch, 1, 100)
    assert sorted(seen) == list(range(1, 101))


def test_range_on_a_thread() -> None:
    ch = Chan[int]()

    def generate() -> None:
        for i in range(ord("a"), ord("z") + 1):
            ch.blocking_send(i, timeout=PATIENCE)
        ch.close()

    with Threads() as threads:
        threads.start(generate)
        assert "".join(chr(i) for i in ch) == string.ascii_lowercase
    assert list(ch) == []
