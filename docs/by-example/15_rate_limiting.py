"""Rate limiting: no more than so many in a time.

A ticker gives the pace: each request first receives a tick. A buffer filled with ticks
beforehand allows a burst. `pipeline.rate_limit` is the same as a stage.
"""

from gochan import Chan, go, pipeline, run, time


async def main() -> None:
    # one every hundredth of a second
    requests = pipeline.source(range(1, 4))
    limiter = time.tick(0.01)
    started = time.now()
    async for request in requests:
        await limiter.recv()
        print("request", request)
    print("took", "long enough" if time.now() - started >= 0.03 else "too little")

    # three at once, and then at that pace
    bursty = Chan[float](3)
    for _ in range(3):
        await bursty.send(time.now())

    async def refill() -> None:
        async for tick in time.tick(0.01):
            await bursty.send(tick)

    go(refill)
    started = time.now()
    for request in range(1, 6):
        await bursty.recv()
        late = time.now() - started >= 0.01
        print("request", request, "after a tick" if late else "at once")


run(main)
