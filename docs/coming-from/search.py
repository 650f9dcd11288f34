from gochan import Chan, context, go, recv, run, select, time
from gochan.context import Context

user_key = context.Key[str]("user")


async def query(ctx: Context, words: str, takes: float) -> str:
    """Takes its time, unless the context ends before."""
    timer = time.Timer(takes)
    try:
        ready, done = recv(timer.c), recv(ctx.done())
        if await select(ready, done) is done:
            raise ctx.err() or RuntimeError
        return f"{words}, for {ctx.value(user_key)}"
    finally:
        timer.stop()


async def fastest(parent: Context, words: str, *replicas: float) -> str:
    """Asks all replicas, and cancels those that are slower than the first."""
    with context.with_cancel(parent) as (ctx, _):
        answers = Chan[str | BaseException](len(replicas))

        async def ask(takes: float) -> None:
            try:
                await answers.send(await query(ctx, words, takes))
            except (context.Canceled, context.DeadlineExceeded) as error:
                await answers.send(error)

        for takes in replicas:
            go(ask, takes)
        first = await answers.recv()
    if isinstance(first, BaseException):
        raise first
    return first


async def main() -> None:
    ctx = context.with_value(context.background(), user_key, "ada")

    print(await fastest(ctx, "channels", 3600, 0.010, 60), "<nil>")

    with context.with_timeout(ctx, 0.020) as (ctx, _):
        try:
            await fastest(ctx, "too slow", 3600, 60)
        except context.DeadlineExceeded as error:
            print("gave up:", error)


run(main)
