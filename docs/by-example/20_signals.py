"""Signals: Ctrl-C and SIGTERM as values.

`signal.notify` sends the signals that the program gets to a channel. The channel should
have a buffer: a signal for which there is no room is dropped.
"""

import os
from signal import SIGINT, SIGTERM, Signals

from gochan import Chan, go, run, signal


async def main() -> None:
    signals = Chan[Signals](1)
    signal.notify(signals, SIGINT, SIGTERM)
    done = Chan[bool]()

    async def wait() -> None:
        got = await signals.recv()
        print("got", got.name)
        await done.send(True)

    go(wait)
    print("awaiting signal")
    # what `kill` does from another terminal
    os.kill(os.getpid(), SIGTERM)
    await done.recv()
    print("exiting")


run(main)
