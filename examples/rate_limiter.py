"""Let requests through at a steady rate, with bursts: a token bucket is a channel.

    python examples/rate_limiter.py --per-second 20 --burst 3 --requests 8

A request takes a token out of the channel and waits while there is none. A
goroutine puts one in at every tick. The channel's buffer is the bucket: it is full
at the start, so the first requests pass at once, and it is ``Dropping``, so that
what does not fit is lost and ticks never wait.

After the first wave of requests there is a pause, in which the bucket fills up
again; then a second wave shows that it did, and that it held no more than a burst.

The idea is the bursty rate limiter of Go by Example
(https://gobyexample.com/rate-limiting).
"""

from __future__ import annotations

import argparse
import time

import anyio

import gochan
from gochan import Chan, RecvChan, SendChan, go
from gochan.buffers import Dropping


async def tick(every: float, tokens: SendChan[None]) -> None:
    """Put a token into the bucket every so often, for ever."""
    while True:
        await anyio.sleep(every)
        await tokens.send(None)


async def wave(name: str, requests: int, tokens: RecvChan[None]) -> None:
    """Make requests as fast as the bucket lets them through."""
    begin = time.perf_counter()
    for number in range(1, requests + 1):
        await tokens.recv()
        print(f"{name} request {number} at {time.perf_counter() - begin:.4f} s")


async def main(per_second: float, burst: int, requests: int) -> None:
    """Two waves of requests, and a pause between them."""
    every = 1 / per_second
    tokens = Chan[None](buffer=Dropping(burst))
    for _ in range(burst):
        await tokens.send(None)
    go(tick, every, tokens)
    await wave("first", requests, tokens)
    # long enough for more tokens than the bucket holds
    await anyio.sleep((burst + 2) * every)
    await wave("second", requests, tokens)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Limit the rate of requests.")
    parser.add_argument("--per-second", type=float, default=20, help="default: 20")
    parser.add_argument("--burst", type=int, default=3, help="default: 3")
    parser.add_argument("--requests", type=int, default=8, help="default: 8")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(
        main, given.per_second, given.burst, given.requests, backend=given.backend
    )
