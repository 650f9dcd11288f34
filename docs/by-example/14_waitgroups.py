"""WaitGroups: wait for several goroutines.

A wait group counts goroutines that have not ended. `wg.go()` adds one and starts it;
`wg.wait()` returns when the count is zero. A `scope()` does the same for all that is
started inside of it, and cancels them all if one fails.
"""

from gochan import go, run, scope, sync, yield_


async def worker(number: int) -> None:
    print(f"Worker {number} starting")
    await yield_()
    print(f"Worker {number} done")


async def main() -> None:
    wg = sync.WaitGroup()
    for number in range(1, 4):
        wg.go(worker, number)
    await wg.wait()

    async with scope():
        go(worker, 4)
    print("all done")


run(main)
