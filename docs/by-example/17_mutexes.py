"""Mutexes: one at a time.

A mutex is for state that is more than a counter. On one loop nothing comes between two
lines unless there is an `await` between them: then, and with threads, one is needed.
"""

from gochan import run, sync, yield_


class Container:
    def __init__(self) -> None:
        self.lock = sync.Mutex()
        self.counters = {"a": 0, "b": 0}

    async def increase(self, name: str) -> None:
        async with self.lock:
            value = self.counters[name]
            # others run here, and would read the same value
            await yield_()
            self.counters[name] = value + 1


async def main() -> None:
    container = Container()

    async def increase(name: str, n: int) -> None:
        for _ in range(n):
            await container.increase(name)

    wg = sync.WaitGroup()
    wg.go(increase, "a", 100)
    wg.go(increase, "a", 100)
    wg.go(increase, "b", 100)
    await wg.wait()
    print(container.counters)


run(main)
