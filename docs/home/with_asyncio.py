import asyncio


async def square(numbers: asyncio.Queue[int], squares: asyncio.Queue[int]) -> None:
    while True:  # until it is cancelled
        n = await numbers.get()
        await squares.put(n * n)


async def main() -> None:
    # there is no queue without a buffer
    numbers: asyncio.Queue[int] = asyncio.Queue(1)
    squares: asyncio.Queue[int] = asyncio.Queue(1)
    # somebody has to keep them, or they may be collected while they run
    workers = [asyncio.create_task(square(numbers, squares)) for _ in range(3)]

    async def produce() -> None:
        for n in range(10):
            await numbers.put(n)

    producer = asyncio.create_task(produce())
    print(sum([await squares.get() for _ in range(10)]))
    await producer
    for worker in workers:
        worker.cancel()


asyncio.run(main())
