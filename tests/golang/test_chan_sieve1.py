"""Go's test/chan/sieve1.go: the prime sieve as a growing chain of filters."""

from __future__ import annotations

import gochan
from gochan import Chan, RecvChan, SendChan, go
from golang.helpers import PATIENCE, Threads

PRIMES = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73,
    79, 83, 89, 97,
]  # fmt: skip


async def generate(out: SendChan[int]) -> None:
    i = 2
    while True:
        await out.send(i)
        i += 1


async def sift(numbers: RecvChan[int], out: SendChan[int], prime: int) -> None:
    async for i in numbers:
        if i % prime:
            await out.send(i)


async def sieve(primes: SendChan[int]) -> None:
    ch = Chan[int]()
    go(generate, ch)
    while True:
        prime = await ch.recv()
        await primes.send(prime)
        sifted = Chan[int]()
        go(sift, ch, sifted, prime)
        ch = sifted


async def test_primes_up_to_100() -> None:
    primes = Chan[int]()
    async with gochan.scope() as scope:
        go(sieve, primes)
        assert [await primes.recv() for _ in PRIMES] == PRIMES
        scope.cancel()


def test_on_threads() -> None:
    """The numbers end here, so that every thread does."""

    def generate(out: SendChan[int]) -> None:
        for i in range(2, 100):
            out.blocking_send(i, timeout=PATIENCE)
        out.close()

    def sift(numbers: RecvChan[int], out: SendChan[int], prime: int) -> None:
        for i in numbers:
            if i % prime:
                out.blocking_send(i, timeout=PATIENCE)
        out.close()

    primes: list[int] = []
    with Threads() as threads:
        ch = Chan[int]()
        threads.start(generate, ch)
        while True:
            prime, _ = ch.blocking_recv_ok(PATIENCE)
            if prime is None:
                break
            primes.append(prime)
            sifted = Chan[int]()
            threads.start(sift, ch, sifted, prime)
            ch = sifted
    assert primes == PRIMES
