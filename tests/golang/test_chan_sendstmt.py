"""Go's test/chan/sendstmt.go.

The channel of a send may itself be received, ``select { case <-cc <- 2: }``: that
receive is part of evaluating the operand and happens once. An expression is sent as
a whole. A channel is a value like any other.
"""

from __future__ import annotations

import gochan
from gochan import Chan, SendChan, go, select, select_nowait, send


async def test_the_channel_of_a_send_is_received() -> None:
    cc = Chan[Chan[int]](1)
    c = Chan[int](1)
    await cc.send(c)
    assert select_nowait(send(await cc.recv(), 2)) is not None
    assert len(cc) == 0
    assert await c.recv() == 2

    await cc.send(c)
    await select(send(await cc.recv(), 3))
    assert await c.recv() == 3

    await cc.send(c)
    await (await cc.recv()).send(4)
    assert await c.recv() == 4


async def test_an_expression_is_sent_as_a_whole() -> None:
    c = Chan[bool](1)
    no = False
    await c.send(no or True)
    assert await c.recv()


async def test_a_reply_channel_travels_with_the_request() -> None:
    requests = Chan[tuple[int, SendChan[int]]]()

    async def server() -> None:
        async for number, reply in requests:
            await reply.send(number * number)

    async with gochan.scope():
        go(server)
        reply = Chan[int]()
        for i in range(10):
            await requests.send((i, reply))
            assert await reply.recv() == i * i
        requests.close()
