"""Stateful goroutines: share by communicating.

Instead of a lock around shared state: one goroutine owns the state, and whoever wants
to read or change it sends a request and receives the answer. Only the owner touches the
dictionary, so nothing can get in its way.
"""

from dataclasses import dataclass, field

from gochan import Chan, go, recv, run, select, sync


@dataclass
class Read:
    key: int
    answer: Chan[int] = field(default_factory=Chan)


@dataclass
class Write:
    key: int
    value: int
    answer: Chan[bool] = field(default_factory=Chan)


async def own(reads: Chan[Read], writes: Chan[Write]) -> None:
    state: dict[int, int] = {}
    reading, writing = recv(reads), recv(writes)
    while True:
        if await select(reading, writing) is reading:
            request = reading.value
            await request.answer.send(state.get(request.key, 0))
        else:
            change = writing.value
            state[change.key] = change.value
            await change.answer.send(True)


async def main() -> None:
    reads, writes = Chan[Read](), Chan[Write]()
    go(own, reads, writes)

    async def write(key: int) -> None:
        change = Write(key, key * key)
        await writes.send(change)
        await change.answer.recv()

    wg = sync.WaitGroup()
    for key in range(10):
        wg.go(write, key)
    await wg.wait()

    total = 0
    for key in range(10):
        question = Read(key)
        await reads.send(question)
        total += await question.answer.recv()
    print("sum of the squares:", total)


run(main)
