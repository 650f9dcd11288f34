"""Timeouts: do not wait for ever.

`time.after(seconds)` gives a channel that receives a value after that time. In a select
beside what you wait for, it is a timeout. Python's own timeouts work as well: an
operation that is cancelled has not happened.
"""

import anyio

from gochan import Chan, SendChan, go, recv, run, select, time


async def work(results: SendChan[str], answer: str) -> None:
    await time.sleep(0.05)
    # nobody may be there any more: the buffer has room for it
    await results.send(answer)


async def main() -> None:
    c1 = Chan[str](1)
    go(work, c1, "result 1")
    result, timeout = recv(c1), recv(time.after(0.01))
    if await select(result, timeout) is result:
        print(result.value)
    else:
        print("timeout 1")

    c2 = Chan[str](1)
    go(work, c2, "result 2")
    result, timeout = recv(c2), recv(time.after(5))
    if await select(result, timeout) is result:
        print(result.value)
    else:
        print("timeout 2")

    # the same with a cancel scope
    with anyio.move_on_after(0.01):
        await Chan[str]().recv()
    print("moved on")


run(main)
