"""Context: the end of a request, passed along.

A context tells everybody who works on one request that it is over: cancelled, or out of
time. It is passed as the first argument. `ctx.done()` is a channel that is closed then;
`ctx.scope()` cancels whatever is awaited inside.
"""

from gochan import context, recv, run, select, time
from gochan.context import Context


async def hello(ctx: Context, seconds: float) -> None:
    print("handler started")
    done, finished = recv(ctx.done()), recv(time.after(seconds))
    if await select(done, finished) is finished:
        print("hello")
    else:
        print("server:", ctx.err())
    print("handler ended")


async def main() -> None:
    with context.with_timeout(context.background(), 1) as (ctx, _):
        await hello(ctx, 0.01)

    with context.with_timeout(context.background(), 0.01) as (ctx, _):
        await hello(ctx, 1)

    with context.with_timeout(context.background(), 0.01) as (ctx, _):
        with ctx.scope():
            await time.sleep(1)
        print("cancelled:", ctx.err())


run(main)
