"""Goroutines in other processes. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import assert_type

import gochan
from gochan import Chan, Goroutine, RecvChan, SendChan, context, go, sync
from gochan.executors import processes


def count(source: RecvChan[str], sink: SendChan[int]) -> int:
    return len(source) + len(sink)


async def acount(ctx: context.Context, wg: sync.WaitGroup) -> str:
    await wg.wait()
    return repr(ctx)


async def results(
    words: Chan[str], numbers: Chan[int], ctx: context.Context, wg: sync.WaitGroup
) -> None:
    assert_type(go(count, words, numbers, on=gochan.processes), Goroutine[int])
    assert_type(await go(count, words, numbers, on=processes(2)), int)
    assert_type(await go(acount, ctx, wg, on=processes(2, "forkserver")), str)
    assert_type(await go(acount, ctx, wg, on=ProcessPoolExecutor(2)), str)
    async with processes(2) as pool:
        assert_type(await go(count, words, numbers, on=pool), int)
    with processes(2, start_method="spawn") as pool:
        assert_type(go(count, words, numbers, on=pool), Goroutine[int])


async def mistakes(words: Chan[str], numbers: Chan[int]) -> None:
    go(count, words, words, on=gochan.processes)  # type: ignore[arg-type, call-arg]
    go(count, words, on=gochan.processes)  # type: ignore[arg-type]
    processes("2")  # type: ignore[arg-type]
    processes(2, "fork")  # type: ignore[arg-type]
