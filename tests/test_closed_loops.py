"""Who waits on a loop that has been closed: passed over, and no ghost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
from typing import Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import Chan, _budget, blocking_select, go, recv, select, send
from gochan._backends._asyncio_mailbox import Mailbox
from gochan._frames import frames_of
from support.closed import ended
from support.idle import settle
from support.threads import start

pytestmark = pytest.mark.usefixtures("one_budget")


def test_a_value_passes_over_the_receiver_of_a_closed_loop() -> None:
    ch = Chan[int]()
    with ended(ch.recv()):
        with pytest.raises(gochan.WouldBlock):
            ch.send_nowait(1)
        receiver = start(ch.blocking_recv)
        ch.blocking_send(2)
        assert receiver.join() == 2
    ch._check()


def test_a_value_is_buffered_if_only_a_closed_loop_waits_for_it() -> None:
    ch = Chan[int](1)
    with ended(ch.recv()):
        ch.send_nowait(1)
        assert len(ch) == 1
        assert ch.recv_nowait() == 1


def test_a_task_passes_over_the_receiver_of_a_closed_loop(
    backend: dict[str, Any],
) -> None:
    """The inlined rungs of ``send``, which that of threads has not."""
    ch = Chan[int]()

    async def main() -> list[int]:
        async def sender() -> None:
            for number in range(3):
                await ch.send(number)

        go(sender)
        return [await ch.recv() for _ in range(3)]

    with ended(ch.recv()), ended(ch.recv_ok()):
        assert gochan.run(main, **backend) == [0, 1, 2]
    ch._check()


def test_a_task_buffers_past_the_receiver_of_a_closed_loop(
    backend: dict[str, Any],
) -> None:
    ch = Chan[int](1)

    async def main() -> None:
        await ch.send(1)

    with ended(ch.recv()):
        gochan.run(main, **backend)
        assert len(ch) == 1
        assert ch.blocking_recv(0) == 1


def test_a_select_of_a_closed_loop_is_passed_over_on_all_its_channels() -> None:
    a, b = Chan[int](), Chan[int]()

    async def both() -> None:
        await select(recv(a), recv(b))

    with ended(both()):
        for ch in (a, b):
            receiver = start(ch.blocking_recv)
            ch.blocking_send(1)
            assert receiver.join() == 1
    for ch in (a, b):
        ch._check()
        assert ch.stats().waiting_receivers == 0


def test_a_select_that_sends_passes_over_the_receiver_of_a_closed_loop() -> None:
    ch = Chan[int]()
    with ended(ch.recv()):
        assert gochan.select_nowait(send(ch, 1)) is None
        receiver = start(ch.blocking_recv)
        blocking_select(send(ch, 2), timeout=10)
        assert receiver.join() == 2
    ch._check()


def test_a_select_that_sends_passes_over_thousands_of_receivers() -> None:
    ch = Chan[int]()

    async def many() -> None:
        tasks = [asyncio.ensure_future(ch.recv()) for _ in range(1500)]
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        await asyncio.wait(tasks)

    with ended(many()):
        assert ch.stats().waiting_receivers == 1500
        assert gochan.select_nowait(send(ch, 1)) is None
    assert ch.stats().waiting_receivers == 0
    ch._check()


def test_a_sender_of_a_closed_loop_does_not_hold_up_others() -> None:
    ch = Chan[str]()
    with ended(ch.send("dead")):
        sender = start(ch.blocking_send, "alive")
        got = [ch.blocking_recv(10)]
        if got == ["dead"]:
            # it was sent before the loop was closed
            got.append(ch.blocking_recv(10))
        assert got[-1] == "alive"
        sender.join()
    ch._check()
    assert ch.stats().waiting_senders == 0


def test_closing_a_channel_that_a_closed_loop_waits_for() -> None:
    a, b = Chan[int](), Chan[int]()

    async def both() -> None:
        await select(recv(a), send(b, 1))

    with ended(a.recv()), ended(b.send(1)), ended(both()):
        receiver = start(a.blocking_recv_ok)
        a.close()
        b.close()
        assert receiver.join() == (None, False)
    for ch in (a, b):
        ch._check()


def test_a_loop_is_closed_with_a_wake_pending() -> None:
    ch = Chan[int]()
    with ended(ch.recv(), last=functools.partial(ch.send_nowait, 1)):
        # 1 is lost with the goroutine that it was handed to; 2 and 3 are not
        receiver = start(ch.blocking_recv)
        ch.blocking_send(2)
        assert receiver.join() == 2
    receiver = start(ch.blocking_recv)
    ch.blocking_send(3)
    assert receiver.join() == 3
    ch._check()


def test_a_loop_is_closed_with_some_woken_and_some_parked() -> None:
    ch = Chan[int]()

    async def three() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(ch.recv())

    loop = asyncio.new_event_loop()
    task = loop.create_task(three())
    loop.run_until_complete(settle())
    tasks = asyncio.all_tasks(loop)
    ch.send_nowait(1)
    loop.close()
    with pytest.raises(gochan.WouldBlock):
        ch.send_nowait(2)
    receiver = start(ch.blocking_recv)
    ch.blocking_send(3)
    assert receiver.join() == 3
    for each in (task, *tasks):
        each._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_coroutine_that_is_closed_leaves_no_ghost() -> None:
    ch, other = Chan[int](), Chan[int]()

    async def both() -> None:
        await select(recv(ch), send(other, 1))

    coroutines = [ch.recv(), ch.recv_ok(), other.send(1), both()]
    with contextlib.ExitStack() as places:
        for coroutine in coroutines:
            places.enter_context(ended(coroutine))
        for coroutine in coroutines:
            coroutine.close()
        for each in (ch, other):
            each._check()
            assert each.stats().waiting_receivers == each.stats().waiting_senders == 0


def test_a_channel_is_collected_silently_with_the_tasks_of_a_closed_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[object] = []

    def complain(what: Any) -> None:
        complaints.append(what.exc_value)

    monkeypatch.setattr(sys, "unraisablehook", complain)

    def leave() -> None:
        ch = Chan[int]()

        async def both() -> None:
            await select(recv(ch), recv(Chan[int]()))

        with ended(ch.recv()), ended(ch.recv_ok()), ended(both()):
            pass
        full = Chan[int]()
        with ended(full.send(1)), ended(full.send(2)):
            pass

    gc.collect()
    complaints.clear()
    leave()
    gc.collect()
    assert complaints == []


def test_a_new_loop_after_one_that_was_closed(backend: dict[str, Any]) -> None:
    """The same thread, the same channel, one loop after the other."""
    ch = Chan[int]()

    async def main(number: int) -> int:
        go(ch.send, number)
        return await ch.recv()

    for number in range(5):
        with ended(ch.recv()):
            assert gochan.run(main, number, **backend) == number


async def test_who_waits_does_not_keep_a_closed_loop() -> None:
    """Nor all that it leads to, through which a search for leaks would go."""
    closed: list[object] = []

    def use_another() -> None:
        async def main() -> None:
            async with gochan.scope() as scope:
                waits = scope.go(Chan[int]().recv)
                await settle()
                waits.cancel()
            closed.append(asyncio.get_running_loop())

        asyncio.run(main())

    await anyio.to_thread.run_sync(use_another)
    async with gochan.scope() as scope:
        # the first to wait here since then
        waits = scope.go(Chan[int]().recv)
        await settle()
        frames = frames_of(waits.coroutine)
        assert len(frames) > 1
        for frame in frames:
            for thing in frame.f_locals.values():
                assert getattr(thing, "loop", None) not in closed
        scope.cancel()


@pytest.mark.parametrize("face", ["send", "send_nowait"])
def test_a_loop_that_is_closed_once_it_has_run_the_receiver(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the sender, on another thread, has asked for that: once is enough."""
    _budget._loops(frozenset())
    ch = Chan[int]()
    loop = asyncio.new_event_loop()
    receives = loop.create_task(ch.recv())
    loop.run_until_complete(settle())
    (waiter,) = ch._receivers
    box: Any = waiter
    box = box.box
    asked: list[bool] = []

    def run_and_close() -> None:
        loop.call_soon(box.drain)
        loop.run_until_complete(receives)
        loop.close()

    def ask(self: Mailbox) -> bool:
        if self is not box:
            return real(self)
        if not self.ready:
            # it has been asked for, and has come and gone
            return True
        start(run_and_close).join()
        asked.append(real(self))
        return asked[-1]

    async def main() -> None:
        others = asyncio.create_task(ch.recv())
        await asyncio.sleep(0)
        if face == "send":
            await ch.send(1)
        else:
            ch.send_nowait(1)
        await asyncio.sleep(0)
        assert not others.done()
        others.cancel()

    real = Mailbox.ask
    monkeypatch.setattr(Mailbox, "ask", ask)
    asyncio.run(main())
    assert (receives.result(), asked) == (1, [False])
    ch._check()


def test_a_loop_that_is_closed_with_a_drain_to_come() -> None:
    """Those on another one are not told that it will run."""
    _budget._loops(frozenset())
    ch, other = Chan[int](), Chan[int]()
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(each.recv()) for each in (ch, other)]
    loop.run_until_complete(settle())
    other.send_nowait(1)
    loop.close()

    async def main() -> int:
        receives = asyncio.create_task(ch.recv())
        await asyncio.sleep(0)
        await ch.send(2)
        return await receives

    assert asyncio.run(main()) == 2
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
