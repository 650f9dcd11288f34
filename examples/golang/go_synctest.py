"""The examples of Go's package documentation for testing/synctest.

    python examples/golang/go_synctest.py

After https://pkg.go.dev/testing/synctest. That of HTTP is left out: its server and its
client talk through a pipe of net/http's own. In Go these are tests; here they print.
"""

from __future__ import annotations

import argparse

from gochan import context, go, testing, time


async def clock() -> None:
    """The clock moves when nobody can run, and is exact."""
    start = time.now()

    async def sleep() -> None:
        await time.sleep(1)
        print(f"1 s of sleep took {time.now() - start:g} s")

    go(sleep)
    # the goroutine above wakes before this does
    await time.sleep(2)
    print(f"2 s of sleep took {time.now() - start:g} s")


async def wait() -> None:
    """Until all others have done what they can."""
    done = False

    async def work() -> None:
        nonlocal done
        done = True

    go(work)
    await testing.wait()
    print("done:", done)


async def context_after_func() -> None:
    """That something does not happen can be seen without waiting for it."""
    ctx, cancel = context.with_cancel(context.background())
    called = False

    def call() -> None:
        nonlocal called
        called = True

    context.after_func(ctx, call)
    await testing.wait()
    print("before the context is cancelled, called:", called)
    cancel()
    await testing.wait()
    print("after the context is cancelled, called:", called)


async def context_with_timeout() -> None:
    """To the nanosecond."""
    timeout, little = 5.0, 1e-9
    with context.with_timeout(context.background(), timeout) as (ctx, _):
        await time.sleep(timeout - little)
        await testing.wait()
        print("before the timeout:", ctx.err())
        await time.sleep(little)
        await testing.wait()
        print("after the timeout:", ctx.err())


EXAMPLES = (clock, wait, context_after_func, context_with_timeout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go's examples for testing/synctest.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    for example in EXAMPLES:
        print(f"--- {example.__name__}")
        testing.bubble(backend=given.backend).run(example)
