"""Channel buffering: room for some values.

By default a channel is *unbuffered*: it accepts a value only when a receiver takes it.
A *buffered* channel keeps a number of values for receivers that are not there yet.
"""

from gochan import Chan, run


async def main() -> None:
    # room for two strings
    messages = Chan[str](2)

    # so these do not wait, though nobody receives
    await messages.send("buffered")
    await messages.send("channel")
    print(len(messages), "of", messages.cap)

    print(await messages.recv())
    print(await messages.recv())


run(main)
