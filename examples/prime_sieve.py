"""Find prime numbers with a chain of goroutines, one for each prime.

    python examples/prime_sieve.py --count 25

``generate`` sends 2, 3, 4, ... into the first channel. The first number to come
out of a channel is a prime, because every smaller prime before it has filtered
its multiples out. So for each prime the chain grows by one filter:

    generate -> [2] -> [3] -> [5] -> ...

This is not a fast way to find primes. It shows that goroutines and channels are
cheap enough to be used as building blocks: 500 primes are 501 goroutines on 501
channels. None of them is ever told to stop: they end when ``main`` returns.

The idea is Doug McIlroy's; Go has it as a test of its channels, in
``test/chan/sieve1.go``.
"""

from __future__ import annotations

import argparse
import itertools

import gochan
from gochan import Chan, RecvChan, SendChan, go


async def generate(numbers: SendChan[int]) -> None:
    """Send 2, 3, 4, ... for ever."""
    for number in itertools.count(2):
        await numbers.send(number)


async def drop_multiples(
    prime: int, numbers: RecvChan[int], rest: SendChan[int]
) -> None:
    """Pass on the numbers that ``prime`` does not divide."""
    async for number in numbers:
        if number % prime:
            await rest.send(number)


async def main(count: int) -> None:
    """Print the first ``count`` primes, each as soon as it is found."""
    numbers = Chan[int]()
    go(generate, numbers)
    for _ in range(count):
        prime = await numbers.recv()
        print(prime, flush=True)
        rest = Chan[int]()
        go(drop_multiples, prime, numbers, rest, name=f"drop multiples of {prime}")
        numbers = rest


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the first prime numbers.")
    parser.add_argument("--count", type=int, default=25, help="how many (default: 25)")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, given.count, backend=given.backend)
