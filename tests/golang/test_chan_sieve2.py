"""Go's test/chan/sieve2.go.

Primes from merging the channels of all odd multiples, smallest first, and leaving
out what comes. The primes feed back into the merger through a proxy that buffers
without a bound: a select with a send case that is nil while there is nothing to
send. Without the proxy the loop would stand still.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count

import gochan
from gochan import Chan, RecvChan, SendChan, go, recv, select, send
from golang.test_chan_sieve1 import PRIMES


def numbers(start: int, step: int, cap: int) -> RecvChan[int]:
    out = Chan[int](cap)

    async def generate() -> None:
        for n in count(start, step):
            await out.send(n)

    go(generate)
    return out


def proxy(out: SendChan[int]) -> SendChan[int]:
    """A channel whose senders wait for nobody who receives from ``out``."""
    proxied = Chan[int](10)

    async def carry() -> None:
        queue: deque[int] = deque()
        more = recv(proxied)
        while True:
            less = send(out if queue else None, queue[0] if queue else 0)
            chosen = await select(more, less)
            if chosen is more:
                queue.append(more.value)
            else:
                queue.popleft()

    go(carry)
    return proxied


async def merge(primes: RecvChan[int], composites: SendChan[int]) -> None:
    """All odd multiples of the primes, from their squares on, in order, once."""
    heap: list[tuple[int, int, RecvChan[int]]] = []
    serial = count()
    last = 0
    while True:
        prime = await primes.recv()
        multiples = numbers(prime * prime, 2 * prime, 10)
        square = await multiples.recv()
        # what is less than the square can come from smaller primes only
        while heap and heap[0][0] < square:
            least, number, source = heapq.heappop(heap)
            if least != last:
                await composites.send(least)
                last = least
            heapq.heappush(heap, (await source.recv(), number, source))
        heapq.heappush(heap, (square, next(serial), multiples))


async def sieve(out: SendChan[int]) -> None:
    composites, primes = Chan[int](50), Chan[int](10)
    await out.send(2)
    await out.send(3)
    await primes.send(3)
    go(merge, primes, composites)
    feed = proxy(primes)
    candidates = numbers(5, 2, 50)
    candidate = await candidates.recv()
    # 9 comes out of the merger only once it knows the next prime
    await feed.send(5)
    await out.send(5)
    candidate = await candidates.recv()
    while True:
        composite = await composites.recv()
        while candidate < composite:
            await feed.send(candidate)
            await out.send(candidate)
            candidate = await candidates.recv()
        if candidate == composite:
            candidate = await candidates.recv()


async def test_primes_up_to_100() -> None:
    primes = Chan[int](10)
    async with gochan.scope() as scope:
        go(sieve, primes)
        assert [await primes.recv() for _ in PRIMES] == PRIMES
        scope.cancel()
