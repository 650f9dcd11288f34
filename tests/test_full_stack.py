"""A recursion that goes too deep: it ends in RecursionError, and nobody hangs.

Wherever the stack is full, even in the middle of an operation: that has happened and
returns, or raises and has changed nothing.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from gochan import Chan, _budget, go, recv, run, scope, select, send
from gochan._backends._asyncio_mailbox import Mailbox
from gochan._waiter import rescue, stranded
from support.idle import settle
from support.threads import start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import FrameType

    Operation = Callable[[Chan[int], int], Awaitable[object]]

never = Chan[int]()


async def send_nowait(ch: Chan[int], value: int) -> None:
    ch.send_nowait(value)


SENDS: dict[str, tuple[int, Operation]] = {
    "send": (0, lambda ch, value: ch.send(value)),
    "send, buffered": (10_000, lambda ch, value: ch.send(value)),
    "select": (0, lambda ch, value: select(send(ch, value), recv(never))),
    "send_nowait": (10_000, send_nowait),
}
RECEIVES: dict[str, tuple[int, Operation]] = {
    "recv": (0, lambda ch, _: ch.recv()),
    "recv, buffered": (3, lambda ch, _: ch.recv()),
    "recv_ok": (0, lambda ch, _: ch.recv_ok()),
    "select": (0, lambda ch, _: select(recv(ch), recv(never))),
}


@pytest.fixture(autouse=True)
def small_stack() -> Generator[None]:
    """It is full sooner."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    yield
    sys.setrecursionlimit(before)


class Recursion:
    """Does an operation in each frame of a recursion without end.

    ``frames`` for each operation, after ``before`` others: so that the end of the stack
    is found at any place in an operation.
    """

    def __init__(self, operate: Operation, frames: int, before: int) -> None:
        self.operate = operate
        self.frames = frames
        self.before = before
        self.done = 0

    async def go_down(self, ch: Chan[int], frames: int) -> None:
        if frames > 0:
            await self.go_down(ch, frames - 1)
            return
        await self.operate(ch, self.done)
        self.done += 1
        await self.go_down(ch, self.frames - 1)

    async def overflow(self, ch: Chan[int]) -> None:
        with pytest.raises(RecursionError):
            await self.go_down(ch, self.before)


places = pytest.mark.parametrize(("frames", "before"), [(1, 0), (2, 0), (2, 1), (3, 1)])


@places
@pytest.mark.parametrize("consumer", ["receives", "selects"])
@pytest.mark.parametrize("kind", SENDS)
def test_senders(
    backend: dict[str, Any], kind: str, consumer: str, frames: int, before: int
) -> None:
    cap, operate = SENDS[kind]
    recursion = Recursion(operate, frames, before)
    ch = Chan[int](cap)
    got: list[int] = []

    async def receive() -> None:
        async for value in ch:
            got.append(value)

    async def receive_by_select() -> None:
        while (case := await select(recv(ch), recv(never))).ok:
            got.append(case.value)

    async def main() -> None:
        end = go(receive if consumer == "receives" else receive_by_select)
        await recursion.overflow(ch)
        assert len(ch._key) == 2
        ch.close()
        await end

    run(main, **backend)
    # each that returned, and no other
    assert got == list(range(recursion.done))


@places
@pytest.mark.parametrize("producer", ["sends", "selects"])
@pytest.mark.parametrize("kind", RECEIVES)
def test_receivers(
    backend: dict[str, Any], kind: str, producer: str, frames: int, before: int
) -> None:
    cap, operate = RECEIVES[kind]
    recursion = Recursion(operate, frames, before)
    ch = Chan[int](cap)

    async def produce(value: int) -> None:
        while True:
            if producer == "sends":
                await ch.send(value)
            else:
                await select(send(ch, value), recv(never))
            value += 1

    async def main() -> int:
        go(produce, 0)
        await recursion.overflow(ch)
        assert len(ch._key) == 2
        return await ch.recv()

    assert run(main, **backend) == recursion.done


@pytest.mark.parametrize("kind", ["send", "send, buffered", "recv", "recv, buffered"])
def test_where_the_loop_has_yet_to_be_asked(kind: str) -> None:
    """A task that asyncio itself has resumed; and nothing of gochan's follows.

    On trio, and where several threads run loops, those who could not be woken wait for
    the next wait on a channel.
    """
    _budget._loops(frozenset())
    sends = kind in SENDS
    cap, operate = SENDS[kind] if sends else RECEIVES[kind]

    async def down(ch: Chan[int], frames: int) -> None:
        if frames > 0:
            await down(ch, frames - 1)
        else:
            await operate(ch, 0)

    async def one(room: int) -> bool:
        ch = Chan[int](cap if sends else 0)
        done: list[object] = []

        async def peer() -> None:
            done.append(await (ch.recv() if sends else ch.send(0)))

        task = asyncio.ensure_future(peer())
        await rest()
        happened = True
        try:
            await down(ch, sys.getrecursionlimit() - _depth() - room)
        except RecursionError:
            happened = False
        await rest()
        assert len(ch._key) == 2
        assert len(done) == happened
        task.cancel()
        await asyncio.wait([task])
        return happened

    async def main() -> list[bool]:
        # calls from C count too, and what traces this test adds its own: so the
        # end of the stack is looked for, not computed
        happened = [await one(0)]
        while happened.count(True) < 10:
            happened.append(await one(len(happened)))
        return happened

    happened = asyncio.run(main())
    assert not happened[0]
    assert all(happened[-10:])


async def test_a_thread_whose_stack_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has sent has been received, but by whom it could not wake."""

    def no_room(_: Mailbox) -> None:
        raise RecursionError

    ch = Chan[int]()
    async with scope() as s:
        receives = s.go(ch.recv)
        await settle()
        assert ch.stats().waiting_receivers == 1
        with monkeypatch.context() as patch:
            patch.setattr(Mailbox, "arm", no_room)
            start(ch.blocking_send, 1).join()
        assert len(ch._key) == 2
        # trio's do not have it
        assert [type(each) for each in stranded] in ([Mailbox], [])
        # the next wait
        start(rescue).join()
        assert await receives == 1


async def rest() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _depth() -> int:
    frame: FrameType | None = sys._getframe(1)
    count = 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


@pytest.mark.parametrize("kind", SENDS)
def test_it_ends_the_run(backend: dict[str, Any], kind: str) -> None:
    cap, operate = SENDS[kind]

    async def receive(ch: Chan[int]) -> None:
        async for _ in ch:
            pass

    async def main() -> None:
        ch = Chan[int](cap)
        go(receive, ch)
        go(Recursion(operate, 1, 0).go_down, ch, 0)
        await never.recv()

    with pytest.raises(ExceptionGroup) as caught:
        run(main, **backend)
    assert caught.group_contains(RecursionError)
