from gochan import Chan, RecvChan, SendChan, context, errgroup, recv, run, select, send
from gochan.context import Context


async def produce(ctx: Context, numbers: SendChan[int]) -> None:
    try:
        for n in range(1, 11):
            done = recv(ctx.done())
            if await select(send(numbers, n), done) is done:
                raise ctx.err() or RuntimeError
    finally:
        numbers.close()


async def square(ctx: Context, numbers: RecvChan[int], squares: SendChan[int]) -> None:
    async for n in numbers:
        done = recv(ctx.done())
        if await select(send(squares, n * n), done) is done:
            raise ctx.err() or RuntimeError


async def main() -> None:
    with context.with_timeout(context.background(), 5) as (parent, _):
        group, ctx = errgroup.with_context(parent)
        numbers, squares = Chan[int](), Chan[int](10)
        await group.go(produce, ctx, numbers)
        for _ in range(3):
            await group.go(square, ctx, numbers, squares)
        await group.wait()
        squares.close()
        print("sum:", sum([n async for n in squares]))


run(main)
