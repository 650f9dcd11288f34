"""Atomic counters: count from many goroutines and threads.

Communication over channels is the main way to share state. For a counter an atomic
integer is simpler. Unlike `n += 1`, which reads and then writes, it counts every one,
also when threads add to it at the same time.
"""

import threading

from gochan import run, sync
from gochan.atomic import Int


async def main() -> None:
    ops = Int()

    async def count() -> None:
        for _ in range(1000):
            ops.add(1)

    wg = sync.WaitGroup()
    for _ in range(50):
        wg.go(count)

    def count_in_thread() -> None:
        for _ in range(1000):
            ops.add(1)

    threads = [threading.Thread(target=count_in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    await wg.wait()
    for thread in threads:
        thread.join()
    print("ops:", ops.load())


run(main)
