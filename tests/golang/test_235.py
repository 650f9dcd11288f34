"""Go's test/235.go: the numbers whose only factors are 2, 3 and 5.

Each factor has a goroutine that multiplies all numbers so far; its results wait in
a buffer until they are the smallest.
"""

from __future__ import annotations

import gochan
from gochan import Chan, RecvChan, SendChan, go
from golang.helpers import Threads

FACTORS = (2, 3, 5)

WANT = [
    2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 25, 27, 30, 32, 36, 40, 45, 48,
    50, 54, 60, 64, 72, 75, 80, 81, 90, 96, 100, 108, 120, 125, 128, 135, 144, 150,
    160, 162, 180, 192, 200, 216, 225, 240, 243, 250, 256, 270, 288, 300, 320, 324,
    360, 375, 384, 400, 405, 432, 450, 480, 486, 500, 512, 540, 576, 600, 625, 640,
    648, 675, 720, 729, 750, 768, 800, 810, 864, 900, 960, 972, 1000, 1024, 1080,
    1125, 1152, 1200, 1215, 1250, 1280, 1296, 1350, 1440, 1458, 1500, 1536, 1600,
]  # fmt: skip


async def multiply(numbers: RecvChan[int], out: SendChan[int], factor: int) -> None:
    async for i in numbers:
        await out.send(factor * i)


async def test_hamming_numbers() -> None:
    got: list[int] = []
    async with gochan.scope():
        ins = [Chan[int](100) for _ in FACTORS]
        outs = [Chan[int](100) for _ in FACTORS]
        for numbers, out, factor in zip(ins, outs, FACTORS, strict=True):
            go(multiply, numbers, out, factor)
        smallest = 1
        heads = [1] * len(FACTORS)
        for _ in WANT:
            for numbers in ins:
                await numbers.send(smallest)
            for i, out in enumerate(outs):
                if heads[i] == smallest:
                    heads[i] = await out.recv()
            smallest = min(heads)
            got.append(smallest)
        for numbers in ins:
            numbers.close()
    assert got == WANT


def test_hamming_numbers_on_threads() -> None:
    def multiply(numbers: RecvChan[int], out: SendChan[int], factor: int) -> None:
        for i in numbers:
            out.blocking_send(factor * i)

    got: list[int] = []
    with Threads() as threads:
        ins = [Chan[int](100) for _ in FACTORS]
        outs = [Chan[int](100) for _ in FACTORS]
        for numbers, out, factor in zip(ins, outs, FACTORS, strict=True):
            threads.start(multiply, numbers, out, factor)
        smallest = 1
        heads = [1] * len(FACTORS)
        for _ in WANT:
            for numbers in ins:
                numbers.blocking_send(smallest)
            for i, out in enumerate(outs):
                if heads[i] == smallest:
                    heads[i] = out.blocking_recv(timeout=30)
            smallest = min(heads)
            got.append(smallest)
        for numbers in ins:
            numbers.close()
    assert got == WANT
