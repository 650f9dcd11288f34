""":mod:`.tasks`, :mod:`.networks` and :mod:`.parked` with blocking calls."""

from __future__ import annotations

import gc
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.contestants.base import Sample, per

from .parked import resident, summary
from .tasks import BATCH, FANOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants.base import Blocking, BlockingEnds

__all__ = ("parked", "sieve", "skynet", "spawn_join", "threadring")


def noop() -> None:
    pass


def spawn_join(c: Blocking, n: int) -> Sample:
    """Start tasks that do nothing, a thousand at a time, and wait for each."""
    turns = max(n // BATCH, 1)
    each = min(n, BATCH)
    started = perf_counter()
    for _ in range(turns):
        for one in [c.spawn(noop) for _ in range(each)]:
            c.join(one)
    return per(turns * each, perf_counter() - started)


def threadring(c: Blocking, n: int, size: int = 503) -> Sample:
    """A token goes ``n`` times from one task of a ring to the next."""
    ends = [c.channel(0) for _ in range(size)]
    finish, finished, _ = c.channel(1)

    def node(recv: Callable[[], Any], send: Callable[[Any], object]) -> None:
        while (left := recv()) is not None:
            if left == 0:
                finish(left)
            else:
                send(left - 1)

    ring = [c.spawn(node, ends[i].recv, ends[(i + 1) % size].send) for i in range(size)]
    started = perf_counter()
    ends[0].send(n)
    finished()
    seconds = perf_counter() - started
    for end in ends:
        end.send(None)
    for one in ring:
        c.join(one)
    return per(n, seconds)


def generate(send: Callable[[Any], object]) -> None:
    i = 2
    while True:
        send(i)
        i += 1


def sift(recv: Callable[[], int], send: Callable[[Any], object], prime: int) -> None:
    while True:
        i = recv()
        if i % prime:
            send(i)


def sieve(c: Blocking, n: int, primes: int) -> Sample:
    """The first primes by a chain of filters; ``n`` is not used."""
    c.kill([])  # not if they could not be ended
    send, recv, _ = c.channel(0)
    started = perf_counter()
    chain = [c.spawn(generate, send)]
    for _ in range(primes):
        prime = recv()
        send, after, _ = c.channel(0)
        chain.append(c.spawn(sift, recv, send, prime))
        recv = after
    seconds = perf_counter() - started
    c.kill(chain)
    return Sample(seconds, {"ms": seconds * 1e3})


def node(
    channel: Callable[[int], BlockingEnds],
    spawn: Callable[..., Any],
    send: Callable[[Any], object],
    number: int,
    size: int,
) -> None:
    if size == 1:
        send(number)
        return
    answer, recv, _ = channel(0)
    size //= FANOUT
    for i in range(FANOUT):
        spawn(node, channel, spawn, answer, number + i * size, size)
    send(sum(recv() for _ in range(FANOUT)))


def skynet(c: Blocking, n: int, leaves: int) -> Sample:
    """A tree of tasks, ten under each, that add up their leaves' numbers."""
    del n
    c.kill([])  # not with threads, which would be a hundred thousand
    send, recv, _ = c.channel(0)
    started = perf_counter()
    c.spawn(node, c.channel, c.spawn, send, 0, leaves)
    total = recv()
    seconds = perf_counter() - started
    assert total == leaves * (leaves - 1) // 2
    return Sample(seconds, {"ms": seconds * 1e3})


def parked(c: Blocking, n: int, count: int) -> Sample:
    """Park ``count`` tasks and wake all; park them again and cancel all."""
    del n
    gc.collect()
    before = resident()
    wait, release = c.gate()
    started = perf_counter()
    tasks = [c.spawn(wait) for _ in range(count)]
    c.pause()
    spawn = perf_counter() - started
    after = resident()
    started = perf_counter()
    release()
    for one in tasks:
        c.join(one)
    wake = perf_counter() - started
    weight = None if before is None or after is None else after - before
    wait, release = c.gate()
    tasks = [c.spawn(wait) for _ in range(count)]
    c.pause()
    started = perf_counter()
    c.kill(tasks)
    return summary(count, weight, spawn, wake, perf_counter() - started)
