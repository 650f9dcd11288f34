from gochan import Chan, RecvChan, go, recv, run, select, send, sync


def generate(done: RecvChan[None], *numbers: int) -> RecvChan[int]:
    out = Chan[int]()

    async def produce() -> None:
        try:
            stop = recv(done)
            for n in numbers:
                if await select(send(out, n), stop) is stop:
                    return
        finally:
            out.close()

    go(produce)
    return out


def square(done: RecvChan[None], numbers: RecvChan[int]) -> RecvChan[int]:
    out = Chan[int]()

    async def work() -> None:
        try:
            stop = recv(done)
            async for n in numbers:
                if await select(send(out, n * n), stop) is stop:
                    return
        finally:
            out.close()

    go(work)
    return out


def merge(done: RecvChan[None], *inputs: RecvChan[int]) -> RecvChan[int]:
    wg = sync.WaitGroup()
    out = Chan[int]()

    async def forward(numbers: RecvChan[int]) -> None:
        try:
            stop = recv(done)
            async for n in numbers:
                if await select(send(out, n), stop) is stop:
                    return
        finally:
            wg.done()

    async def finish() -> None:
        await wg.wait()
        out.close()

    wg.add(len(inputs))
    for numbers in inputs:
        go(forward, numbers)
    go(finish)
    return out


async def main() -> None:
    done = Chan[None]()
    try:
        numbers = generate(done, 2, 3, 4)
        total = 0
        async for n in merge(done, square(done, numbers), square(done, numbers)):
            total += n
        print("total:", total)

        # only the first is wanted: done stops the others
        first = await square(done, generate(done, 5, 6, 7)).recv()
        print("first:", first)
    finally:
        done.close()


run(main)
