"""Channel directions: say who sends and who receives.

A parameter typed `SendChan` can only be sent to, one typed `RecvChan` only received
from. Every channel is both, so it can be passed for either. A type checker reports the
wrong direction; `ch.sender()` and `ch.receiver()` enforce it at run time, too.
"""

from gochan import Chan, RecvChan, SendChan, run


async def ping(pings: SendChan[str], message: str) -> None:
    await pings.send(message)


async def pong(pings: RecvChan[str], pongs: SendChan[str]) -> None:
    await pongs.send(await pings.recv())


async def main() -> None:
    pings, pongs = Chan[str](1), Chan[str](1)
    await ping(pings, "passed message")
    await pong(pings, pongs)
    print(await pongs.recv())

    view = pings.receiver()
    print(hasattr(view, "send"))


run(main)
