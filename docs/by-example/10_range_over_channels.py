"""Range over channels: receive until it is closed.

`async for` receives one value after another, and ends when the channel is closed and
drained. In a thread it is a plain `for`.
"""

from gochan import Chan, run


async def main() -> None:
    queue = Chan[str](2)
    await queue.send("one")
    await queue.send("two")
    queue.close()

    async for element in queue:
        print(element)


run(main)
