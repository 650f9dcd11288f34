"""The examples of Go's package documentation for sync and sync/atomic.

    python examples/golang/go_sync.py

After https://pkg.go.dev/sync#pkg-examples and https://pkg.go.dev/sync/atomic.
"""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING

import gochan
from gochan import Chan, go, sync, yield_
from gochan.atomic import Value

if TYPE_CHECKING:
    from typing import TextIO

URLS = ("http://www.golang.org/", "http://www.google.com/", "http://www.example.com/")


async def wait_group() -> None:
    """Wait until several goroutines have ended."""
    fetched: list[str] = []

    async def fetch(url: str) -> None:
        await yield_()
        fetched.append(url)

    wg = sync.WaitGroup()
    for url in URLS:
        wg.go(fetch, url)
    await wg.wait()
    print(*sorted(fetched), sep="\n")


async def wait_group_add_and_done() -> None:
    """The same with the counter in plain sight."""
    fetched: list[str] = []
    wg = sync.WaitGroup()

    async def fetch(url: str) -> None:
        try:
            await yield_()
            fetched.append(url)
        finally:
            wg.done()

    for url in URLS:
        wg.add(1)
        go(fetch, url)
    await wg.wait()
    print(len(fetched), "fetched")


async def once() -> None:
    """Ten goroutines ask for it, one does it."""
    only = sync.Once()
    done = Chan[bool]()

    async def ask() -> None:
        await only.do(lambda: print("Only once"))
        await done.send(True)

    for _ in range(10):
        go(ask)
    for _ in range(10):
        await done.recv()


async def once_value() -> None:
    """A value that is computed when it is first asked for."""

    def compute() -> int:
        total = sum(range(1000))
        print("Computed once:", total)
        return total

    value = sync.once_value(compute)
    done = Chan[bool]()

    async def ask() -> None:
        want = 499500
        got = await value()
        if got != want:
            print("want", want, "got", got)
        await done.send(True)

    for _ in range(10):
        go(ask)
    for _ in range(10):
        await done.recv()


async def once_values() -> None:
    """Two values; in Go the second is an error, which Python would raise."""

    def read() -> tuple[str, int]:
        print("Reading once")
        text = "what is in the file"
        return text, len(text)

    values = sync.once_values(read)
    done = Chan[bool]()

    async def ask() -> None:
        text, length = await values()
        await done.send(len(text) == length)

    for _ in range(10):
        go(ask)
    print(all([await done.recv() for _ in range(10)]))


buffers = sync.Pool(io.StringIO)


def log(out: TextIO, key: str, value: str) -> None:
    """Write a line that is put together in a buffer from the pool."""
    buffer = buffers.get()
    buffer.seek(0)
    buffer.truncate()
    # a real logger would ask for the time
    buffer.write("2006-01-02T15:04:05Z")
    buffer.write(f" {key}={value}\n")
    out.write(buffer.getvalue())
    buffers.put(buffer)


async def pool() -> None:
    """Things that are used again instead of being made anew."""
    log(sys.stdout, "path", "/search?q=flowers")


async def atomic_value_config() -> None:
    """A configuration that is loaded anew while requests are handled with it."""
    versions = iter(range(1, 10))

    def load_config() -> dict[str, int]:
        return {"version": next(versions)}

    config = Value()
    config.store(load_config())
    requests, handled = Chan[str](), Chan[str]()
    reload = Chan[None]()

    async def load() -> None:
        # in a server this would be: async for _ in time.tick(10)
        async for _ in reload:
            config.store(load_config())

    async def work() -> None:
        async for request in requests:
            current: dict[str, int] = config.load()
            await handled.send(f"{request} with version {current['version']}")

    wg = sync.WaitGroup()
    loader = go(load)
    for _ in range(10):
        wg.go(work)
    for request in ("GET", "PUT"):
        await requests.send(request)
        print(await handled.recv())
    await reload.send(None)
    reload.close()
    await loader
    await requests.send("GET")
    print(await handled.recv())
    requests.close()
    await wg.wait()


async def atomic_value_read_mostly() -> None:
    """Copy on write: readers take no lock."""
    table = Value()
    table.store({})
    # used only by writers
    lock = sync.Mutex()

    def read(key: str) -> str | None:
        current: dict[str, str] = table.load()
        return current.get(key)

    async def insert(key: str, value: str) -> None:
        async with lock:
            current: dict[str, str] = table.load()
            # who reads now sees the old one or the new one, never half of one
            table.store({**current, key: value})

    wg = sync.WaitGroup()
    for letter in "abc":
        wg.go(insert, letter, letter.upper())
    await wg.wait()
    print(read("a"), read("b"), read("c"), read("d"))


EXAMPLES = (
    wait_group,
    wait_group_add_and_done,
    once,
    once_value,
    once_values,
    pool,
    atomic_value_config,
    atomic_value_read_mostly,
)


async def main() -> None:
    """Run them one after the other."""
    for example in EXAMPLES:
        print(f"--- {example.__name__}")
        await example()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go's examples for sync.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, backend=given.backend)
