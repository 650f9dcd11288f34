"""The examples of Go's package documentation for errgroup, semaphore, singleflight.

    python examples/golang/go_errgroup.py

After https://pkg.go.dev/golang.org/x/sync/errgroup#pkg-examples and its neighbours.
md5all, the third example of errgroup, is a program of its own: examples/md5all.py.
"""

from __future__ import annotations

import argparse

import gochan
from gochan import (
    Chan,
    context,
    errgroup,
    go,
    semaphore,
    singleflight,
    time,
    yield_,
)
from gochan.errgroup import Group


async def just_errors() -> None:
    """Start several, and see whether one has failed."""
    urls = ("http://www.golang.org/", "http://www.google.com/", "http://bad.invalid/")

    async def fetch(url: str) -> None:
        await yield_()
        if "invalid" in url:
            raise OSError(f"no such host: {url}")

    group = Group()
    for url in urls:
        await group.go(fetch, url)
    try:
        await group.wait()
    except OSError as error:
        print("failed:", error)
    else:
        print("Successfully fetched all URLs.")


async def parallel() -> None:
    """Several parts of one answer, from several places, at the same time."""

    async def search(kind: str, query: str) -> str:
        await yield_()
        return f"{kind} result for {query!r}"

    async def google(query: str) -> list[str]:
        group, _ = errgroup.with_context(context.background())
        kinds = ("web", "image", "video")
        results = [""] * len(kinds)

        async def part(position: int) -> None:
            results[position] = await search(kinds[position], query)

        for position in range(len(kinds)):
            await group.go(part, position)
        await group.wait()
        return results

    print(*await google("golang"), sep="\n")


async def worker_pool() -> None:
    """A semaphore bounds how many work at the same time."""
    workers = 3
    places = semaphore.Weighted(workers)
    steps: list[int] = [0] * 32

    def collatz(n: int) -> int:
        count = 0
        while n > 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        return count

    async def work(position: int) -> None:
        try:
            await yield_()
            steps[position] = collatz(position + 1)
        finally:
            places.release(1)

    for position in range(len(steps)):
        # waits while all are at work
        await places.acquire(1)
        go(work, position)
    # all of it: nobody is at work any more
    await places.acquire(workers)
    print(steps)


async def do_once_for_all() -> None:
    """Who asks for what is being fetched gets what the first one fetches."""
    group = singleflight.Group()
    release = Chan[None]()
    calls = 0

    async def fetch() -> str:
        nonlocal calls
        calls += 1
        await release.recv_ok()
        return "bar"

    async def ask() -> tuple[str, bool]:
        value, shared = await group.do("foo", fetch)
        return value, shared

    async with gochan.scope():
        asking = [go(ask) for _ in range(5)]
        # long enough for all of them to ask
        await time.sleep(0.02)
        release.close()
    answers = [await one for one in asking]
    print({value for value, _ in answers}, all(shared for _, shared in answers), calls)


async def group_do_chan() -> None:
    """The same on channels: the second function is never called."""
    group = singleflight.Group()
    block = Chan[None]()

    async def func_1() -> str:
        await block.recv_ok()
        return "func 1"

    async def func_2() -> str:
        await block.recv_ok()
        return "func 2"

    first = group.do_chan("key", func_1)
    second = group.do_chan("key", func_2)
    block.close()
    res1, res2 = await first.recv(), await second.recv()
    print("Shared:", res2.shared)
    print("Equal results:", res1.value == res2.value)
    print("Result:", res1.value)


EXAMPLES = (just_errors, parallel, worker_pool, do_once_for_all, group_do_chan)


async def main() -> None:
    """Run them one after the other."""
    for example in EXAMPLES:
        print(f"--- {example.__name__}")
        await example()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go's examples for x/sync.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, backend=given.backend)
