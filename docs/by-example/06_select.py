"""Select: wait for several channels.

`select` waits for several channel operations and does exactly one of them. What it
returns is the case that was chosen, one of the very objects it was given.
"""

from gochan import Chan, SendChan, go, recv, run, select, time


async def later(ch: SendChan[str], message: str, seconds: float) -> None:
    await time.sleep(seconds)
    await ch.send(message)


async def main() -> None:
    c1, c2 = Chan[str](), Chan[str]()
    go(later, c1, "one", 0.01)
    go(later, c2, "two", 0.02)

    first, second = recv(c1), recv(c2)
    for _ in range(2):
        chosen = await select(first, second)
        if chosen is first:
            print("received", first.value)
        else:
            print("received", second.value)


run(main)
