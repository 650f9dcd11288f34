"""Add up the lengths of some texts, two at a time, in one goroutine."""

import gochan
from gochan import Chan, RecvChan, SendChan, go


async def length(text: str) -> int:
    await gochan.yield_()  # as if somebody had to be asked
    return len(text)


async def worker(texts: RecvChan[str], lengths: SendChan[int]) -> None:
    async for text in texts:
        await lengths.send(await length(text))


async def main() -> None:
    texts, lengths = Chan[str](4), Chan[int]()
    for text in ("a", "bb", "ccc", "dddd"):
        await texts.send(text)
    texts.close()
    for number in range(2):
        go(worker, texts, lengths, name=f"worker {number}")
    total = 0
    for _ in range(4):
        total += await lengths.recv()
    print("total:", total)


gochan.run(main)
