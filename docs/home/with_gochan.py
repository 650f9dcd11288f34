from gochan import Chan, RecvChan, SendChan, go, run


async def square(numbers: RecvChan[int], squares: SendChan[int]) -> None:
    async for n in numbers:  # until it is closed
        await squares.send(n * n)


async def main() -> None:
    numbers, squares = Chan[int](), Chan[int]()
    for _ in range(3):
        go(square, numbers, squares)

    async def produce() -> None:
        for n in range(10):
            await numbers.send(n)
        numbers.close()

    go(produce)
    print(sum([await squares.recv() for _ in range(10)]))


run(main)
