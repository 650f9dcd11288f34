"""Channels: how goroutines talk.

*Channels* are the pipes between goroutines: one sends values in, another receives them.
`Chan[str]()` makes a channel for strings; the type is for you and for type checkers.

Without a buffer, a send waits until somebody receives, and a receive waits until
somebody sends. So the message gets across without any other synchronisation.
"""

from gochan import Chan, SendChan, go, run


async def say(messages: SendChan[str]) -> None:
    await messages.send("ping")


async def main() -> None:
    messages = Chan[str]()
    go(say, messages)
    print(await messages.recv())


run(main)
