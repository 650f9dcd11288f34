from pathlib import Path

from gochan import Chan, RecvChan, SendChan, context, go, recv, run, select, send, time
from gochan.context import Context

TEXTS = Path(__file__).parent / "texts"


async def repeat(ctx: Context, path: Path, lines: SendChan[str]) -> None:
    """Send the lines of a file over and over, until nobody wants them any more."""
    done = recv(ctx.done())
    while True:
        for line in path.read_text("utf-8").splitlines():
            if await select(send(lines, line), done) is done:
                lines.close()
                return


async def first_with(word: str, lines: RecvChan[str]) -> str:
    async for line in lines:
        if word in line:
            return line
    return "nothing"


async def main() -> None:
    lines = Chan[str]()
    ctx, cancel = context.with_cancel(context.background())
    go(repeat, ctx, TEXTS / "tyger.txt", lines)
    print(await first_with("fire", lines))
    cancel()
    print("the reader was told:", ctx.err())

    # after some time, in place of cancel(); and whatever waits inside of the
    # scope is cancelled
    with context.with_timeout(context.background(), 0.01) as (ctx, _):
        with ctx.scope():
            await time.sleep(60)
        print("given up:", ctx.err())


run(main)
