"""The examples of Go's package documentation for context.

    python examples/golang/go_context.py

After https://pkg.go.dev/context#pkg-examples.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

import gochan
from gochan import Chan, RecvChan, context, go, nil, recv, select, send, sync, time

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import ByteReceiveStream

    from gochan.context import Context

SHORT = 0.001
ENOUGH = 5


async def with_cancel() -> None:
    """Tell a goroutine that nobody wants its values any more."""

    def generate(ctx: Context) -> RecvChan[int]:
        numbers = Chan[int]()

        async def count() -> None:
            done, n = recv(ctx.done()), 1
            while await select(done, send(numbers, n)) is not done:
                n += 1

        go(count)
        return numbers

    with context.with_cancel(context.background()) as (ctx, _):
        async for n in generate(ctx):
            print(n)
            if n == ENOUGH:
                break


async def with_deadline() -> None:
    """At a point in time."""
    deadline = time.now() + SHORT
    ctx, cancel = context.with_deadline(context.background(), deadline)
    try:
        done = recv(ctx.done())
        if await select(done, recv(nil)) is done:
            print(ctx.err())
    finally:
        cancel()


async def with_timeout() -> None:
    """After some time."""
    with context.with_timeout(context.background(), SHORT) as (ctx, _):
        done = recv(ctx.done())
        if await select(done, recv(nil)) is done:
            print(ctx.err())


async def with_timeout_scope() -> None:
    """The same, Python's way: what is awaited inside is cancelled."""
    with context.with_timeout(context.background(), SHORT) as (ctx, _):
        with ctx.scope():
            await anyio.sleep_forever()
        print(ctx.err())


async def with_value() -> None:
    """Values that travel with a request; a key has a type."""
    language, colour = context.Key[str]("language"), context.Key[str]("colour")
    ctx = context.with_value(context.background(), language, "Go")
    for key in (language, colour):
        value = ctx.value(key)
        if value is None:
            print("key not found:", key.name)
        else:
            print("found value:", value)


async def after_func_cond() -> None:
    """Wait on a condition until a context is done."""
    cond = sync.Cond(sync.Mutex())

    async def wait_on_cond(
        ctx: Context, condition_met: Callable[[], bool]
    ) -> Exception | None:
        async def wake() -> None:
            # with the lock held, so that it cannot come before the wait
            async with cond.locker:
                cond.broadcast()

        stop = context.after_func(ctx, wake)
        try:
            while not condition_met():
                await cond.wait()
                if (error := ctx.err()) is not None:
                    return error
            return None
        finally:
            stop()

    async def waiter() -> None:
        with context.with_timeout(context.background(), SHORT) as (ctx, _):
            async with cond.locker:
                print(await wait_on_cond(ctx, lambda: False))

    wg = sync.WaitGroup()
    for _ in range(4):
        wg.go(waiter)
    await wg.wait()


async def after_func_connection() -> None:
    """Stop reading from a connection when a context is done."""

    async def read(ctx: Context, stream: ByteReceiveStream) -> bytes | None:
        reading = anyio.CancelScope()
        stop = context.after_func(ctx, reading.cancel)
        data = None
        with reading:
            data = await stream.receive(1024)
        stop()
        return data

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # not Django's
    async with listener, await anyio.connect_tcp("127.0.0.1", port) as stream:
        with context.with_timeout(context.background(), SHORT) as (ctx, _):
            print(await read(ctx, stream), ctx.err(), sep=", ")


async def after_func_merge() -> None:
    """A context that is done when either of two is."""

    def merge(ctx: Context, other: Context) -> tuple[Context, Callable[[], None]]:
        merged, cancel = context.with_cancel_cause(ctx)
        stop = context.after_func(other, lambda: cancel(context.cause(other)))

        def end() -> None:
            stop()
            cancel(context.Canceled())

        return merged, end

    ctx1, cancel1 = context.with_cancel_cause(context.background())
    ctx2, cancel2 = context.with_cancel_cause(context.background())
    merged, end = merge(ctx1, ctx2)
    cancel2(RuntimeError("ctx2 canceled"))
    await merged.done().recv_ok()
    print(context.cause(merged))
    end()
    cancel1(RuntimeError("ctx1 canceled"))


EXAMPLES = (
    with_cancel,
    with_deadline,
    with_timeout,
    with_timeout_scope,
    with_value,
    after_func_cond,
    after_func_connection,
    after_func_merge,
)


async def main() -> None:
    """Run them one after the other."""
    for example in EXAMPLES:
        print(f"--- {example.__name__}")
        await example()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go's examples for context.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, backend=given.backend)
