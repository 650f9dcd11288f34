"""The examples of Go's package documentation for time, as far as they wait.

    python examples/golang/go_time.py

They run in virtual time, so that nobody has to wait for them, and the output is always
the same. Without the bubble they take some seconds. After
https://pkg.go.dev/time#pkg-examples.
"""

from __future__ import annotations

import argparse

from gochan import Chan, go, recv, select, testing, time


async def after() -> None:
    """Give up after a while."""
    numbers = Chan[int]()
    timeout = recv(time.after(10))
    if await select(recv(numbers), timeout) is timeout:
        print("timed out")


async def sleep() -> None:
    """Wait."""
    before = time.now()
    await time.sleep(0.1)
    print(f"{time.now() - before:.1f} s later")


async def tick() -> None:
    """Do something every five seconds."""
    started = time.now()
    ticks = time.tick(5)
    for _ in range(3):
        at = await ticks.recv()
        print(f"status update after {at - started:.0f} s")


async def new_ticker() -> None:
    """The same, with an end."""
    ticker = time.Ticker(1)
    started = time.now()
    done = Chan[bool]()

    async def stop_later() -> None:
        await time.sleep(2.5)
        await done.send(True)

    go(stop_later)
    over, ticked = recv(done), recv(ticker.c)
    while await select(over, ticked) is ticked:
        print(f"Current time: {ticked.value - started:.0f}")
    ticker.stop()
    print("Done!")


async def timer() -> None:
    """Start again, and stop."""
    started = time.now()
    later = time.Timer(60)
    print("was pending:", later.reset(2))
    print(f"fired after {await later.c.recv() - started:.0f} s")
    print("was pending:", later.stop())


async def after_func() -> None:
    """Call a function later, in a goroutine of its own."""
    started = time.now()
    done = Chan[float]()

    async def report() -> None:
        await done.send(time.now() - started)

    time.after_func(3, report)
    print(f"called after {await done.recv():.0f} s")


EXAMPLES = (after, sleep, tick, new_ticker, timer, after_func)


async def main() -> None:
    """Run them one after the other."""
    for example in EXAMPLES:
        print(f"--- {example.__name__}")
        await example()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go's examples for time.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    testing.bubble(backend=given.backend).run(main)
