"""Goroutines: functions that run side by side.

A *goroutine* is a function that has been started with `go()` and runs beside the rest.
`go()` takes the function and its arguments, not a call of it, and returns at once. What
it returns can be awaited for the function's result.
"""

from gochan import go, run, yield_


async def count(name: str) -> str:
    for n in range(3):
        print(name, ":", n)
        # let others run; whatever waits does this by itself
        await yield_()
    return f"{name} is done"


async def main() -> None:
    # called directly, it runs to its end first
    await count("direct")

    # started twice, the two take turns
    first = go(count, "goroutine")
    second = go(count, "another")

    # a goroutine that nobody waits for is cancelled when main returns
    print(await first)
    print(await second)


run(main)
