"""Tickers: again and again.

A ticker sends at regular intervals until it is stopped. If nobody receives in time it
drops ticks rather than pile them up.
"""

from gochan import Chan, go, recv, run, select, time


async def main() -> None:
    ticker = time.Ticker(0.04)
    done = Chan[bool]()

    async def watch() -> None:
        over, tick = recv(done), recv(ticker.c)
        while await select(over, tick) is tick:
            print("Tick")

    watching = go(watch)
    await time.sleep(0.1)
    ticker.stop()
    await done.send(True)
    await watching
    print("Ticker stopped")


run(main)
