"""Go's test/ken/chan1.go.

One sender and ten receivers that use a select of one case: each of 1000 messages is
delivered once, and not before it is sent.
"""

from __future__ import annotations

from gochan import Chan, recv
from golang.helpers import WHERE, Face, World

N = 1000  # messages
M = 10  # receivers
W = 2  # buffer


@WHERE
async def test_each_message_once(where: str) -> None:
    ch = Chan[int](W)
    state = ["unsent"] * N

    async def sender(my: Face) -> None:
        for i in range(N):
            assert state[i] == "unsent"
            state[i] = "sent"
            await my.send(ch, i)
        ch.close()

    async def receiver(my: Face) -> None:
        while True:
            case = await my.select(recv(ch))
            if not case.ok:
                return
            assert state[case.value] == "sent", f"{case.value}: {state[case.value]}"
            state[case.value] = "received"

    async with World(where) as world:
        for _ in range(M):
            world.go(receiver)
        world.go(sender)
    assert state == ["received"] * N
