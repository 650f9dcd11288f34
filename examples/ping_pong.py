"""Two goroutines hit a ball back and forth over unbuffered channels.

    python examples/ping_pong.py --hits 10

A send on an unbuffered channel is finished when the other side has received. So
there is only ever one ball, and whoever has it may change it without a lock: it
has been handed over, not shared.

The players differ in their names alone. Who stops closes the channel to the other
one, whose ``async for`` ends then; so both end by themselves, and ``scope`` waits
for that.

The idea is the opening program of Sameer Ajmani's talk "Advanced Go Concurrency
Patterns" (https://go.dev/blog/io2013-talk-concurrency).
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import gochan
from gochan import Chan, RecvChan, SendChan, go, scope


@dataclass
class Ball:
    """What is played."""

    hits: int = 0


async def play(
    name: str, last_hit: int, mine: RecvChan[Ball], yours: SendChan[Ball]
) -> None:
    """Return the ball until it has been hit ``last_hit`` times."""
    async for ball in mine:
        if ball.hits == last_hit:
            break
        ball.hits += 1
        print(name, ball.hits)
        await yours.send(ball)
    yours.close()


async def main(hits: int) -> None:
    """Throw the ball in, wait until the game is over, and tell how fast it was."""
    to_ping, to_pong = Chan[Ball](), Chan[Ball]()
    begin = time.perf_counter()
    async with scope():
        go(play, "ping", hits, to_ping, to_pong, name="ping")
        go(play, "pong", hits, to_pong, to_ping, name="pong")
        await to_ping.send(Ball())
    seconds = time.perf_counter() - begin
    print(f"{seconds / (hits + 1) * 1e6:.1f} microseconds a hit", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Play ping-pong over channels.")
    parser.add_argument("--hits", type=int, default=10, help="default: 10")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, given.hits, backend=given.backend)
