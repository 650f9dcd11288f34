"""Add up the lengths of some texts, two at a time."""

import gochan
from gochan import Chan, RecvChan, SendChan, go

total = 0


async def length(text: str) -> int:
    await gochan.yield_()  # as if somebody had to be asked
    return len(text)


async def worker(texts: RecvChan[str], done: SendChan[None]) -> None:
    global total
    async for text in texts:
        total += await length(text)
    await done.send(None)


async def main() -> None:
    texts, done = Chan[str](), Chan[None]()
    for number in range(2):
        go(worker, texts, done, name=f"worker {number}")
    for text in ("a", "bb", "ccc", "dddd"):
        await texts.send(text)
    texts.close()
    for _ in range(2):
        await done.recv()
    print("total:", total)


gochan.run(main)
