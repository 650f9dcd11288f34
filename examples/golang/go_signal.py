"""The examples of Go's package documentation for os/signal.

    python examples/golang/go_signal.py

After https://pkg.go.dev/os/signal#pkg-examples. The program sends the signals itself.
"""

from __future__ import annotations

import argparse
import os
from signal import SIGINT, SIGTERM, Signals

import gochan
from gochan import Chan, context, nil, recv, select, signal


async def notify() -> None:
    """A signal, as a value."""
    # with room for one, so that none is missed by who is not ready for it
    signals = Chan[Signals](1)
    signal.notify(signals, SIGTERM)
    os.kill(os.getpid(), SIGTERM)
    print("Got signal:", (await signals.recv()).name)
    signal.stop(signals)


async def notify_all_signals() -> None:
    """Whichever comes."""
    signals = Chan[Signals](1)
    # without any named, all that can be caught
    signal.notify(signals)
    os.kill(os.getpid(), SIGTERM)
    print("Got signal:", (await signals.recv()).name)
    signal.stop(signals)


async def notify_context() -> None:
    """A signal ends a context."""
    with signal.notify_context(context.background(), SIGINT) as (ctx, stop):
        # what Ctrl-C does
        os.kill(os.getpid(), SIGINT)
        done = recv(ctx.done())
        if await select(done, recv(nil)) is done:
            print(ctx.err())
            # a second Ctrl-C ends the program
            stop()


EXAMPLES = (notify, notify_all_signals, notify_context)


async def main() -> None:
    """Run them one after the other."""
    for example in EXAMPLES:
        print(f"--- {example.__name__}")
        await example()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go's examples for os/signal.")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, backend=given.backend)
