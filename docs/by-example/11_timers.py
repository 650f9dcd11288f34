"""Timers: once, at some time from now.

A timer sends on its channel `c` when its time has come. Unlike a sleep it can be
stopped before.
"""

from gochan import go, run, time


async def main() -> None:
    timer1 = time.Timer(0.02)
    await timer1.c.recv()
    print("Timer 1 fired")

    timer2 = time.Timer(0.01)

    async def wait() -> None:
        await timer2.c.recv()
        print("Timer 2 fired")

    go(wait)
    if timer2.stop():
        print("Timer 2 stopped")

    # long enough for it to fire, if it were going to
    await time.sleep(0.03)


run(main)
