"""Processes that die in every phase of an operation, and what becomes of the rest."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from anyio import BrokenWorkerProcess

import gochan
from gochan import Chan, Goroutine, WouldBlock, go, scope
from support import in_processes as there
from support.census import METHOD, eventually, stop
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

go_: Any = go


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    """Processes that all tests of this file use: those that die are replaced."""
    with gochan.executors.processes(3, METHOD) as pool:
        yield pool


class Victim:
    """A goroutine in a process that will be killed, and what it fails with."""

    def __init__(self, pool: Any, fn: Any, *args: Any) -> None:
        self.started = Chan[int](1)
        self.pool = pool
        self.fn = fn
        self.args = args
        self.error: Any = None

    async def run(self) -> None:
        """In a scope of its own: its failure is not that of others."""
        try:
            async with scope():
                go_(there.then, self.started, self.fn, *self.args, on=self.pool)
        except ExceptionGroup as group:
            (self.error,) = group.exceptions

    async def kill(self, when: Callable[[], object]) -> None:
        """Kill its process once something is the case."""
        pid = await self.started.recv()
        await eventually(when)
        os.kill(pid, signal.SIGKILL)

    def check(self) -> None:
        assert isinstance(self.error, BrokenWorkerProcess)
        assert "was killed by SIGKILL" in str(self.error)
        assert self.error.__notes__[0].startswith("goroutine 'then' (id ")


async def test_killed_while_it_waits_to_receive(pool: Any) -> None:
    ch = Chan[int]()
    victim = Victim(pool, there.receive, ch, 1)
    async with scope():
        go(victim.run)
        await victim.kill(lambda: ch.stats().waiting_receivers)
        await eventually(lambda: victim.error)
        assert ch.stats() == Chan[int]().stats()
        # the others go on
        other = go(there.receive, ch, 1, on=pool)
        await ch.send(1)
        assert await other == [1]
    victim.check()


async def test_killed_while_it_waits_to_send(pool: Any) -> None:
    ch = Chan[str](1)
    ch.send_nowait("first")
    victim = Victim(pool, there.send_all, ch, ["of the dead"])
    async with scope():
        go(victim.run)
        await victim.kill(lambda: ch.stats().waiting_senders)
        await eventually(lambda: victim.error)
        # it was not sent
        assert ch.stats().waiting_senders == 0
        assert ch.recv_nowait() == "first"
        with pytest.raises(WouldBlock):
            ch.recv_nowait()
    victim.check()


async def test_killed_in_a_select(pool: Any) -> None:
    a, b = Chan[Any](), Chan[Any]()
    victim = Victim(pool, there.select_forever, Chan[int](1), a, b)
    async with scope():
        go(victim.run)
        await victim.kill(lambda: b.stats().waiting_senders)
        await eventually(lambda: victim.error)
        for ch in (a, b):
            assert ch.stats() == Chan[Any]().stats()
    victim.check()


async def test_killed_while_it_computes(pool: Any) -> None:
    ch = Chan[int](1)
    ch.send_nowait(1)
    victim = Victim(pool, there.compute_forever, Chan[int](1))
    async with scope():
        go(victim.run)
        await victim.kill(lambda: True)
        await eventually(lambda: victim.error)
    victim.check()
    assert ch.recv_nowait() == 1


@pytest.mark.parametrize("cap", [0, 1, 2])
async def test_killed_with_a_value_on_its_way(pool: Any, cap: int) -> None:
    """It has asked for a value, and does not look whether it comes."""
    ch = Chan[int](cap)
    victim = Victim(pool, there.receive, ch, 1)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        await stop(pid)
        # it is sent, as far as anybody can tell
        await ch.send(1)
        assert len(ch) == 0
        sending: list[Goroutine[None]] = []
        for value in range(2, cap + 3):
            sending.append(go(ch.send, value))
            await settle()
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        ch._check()
        # it has come back, before all others
        assert [await ch.recv() for _ in range(cap + 2)] == [*range(1, cap + 3)]
    victim.check()


async def test_a_value_that_comes_back_is_handed_to_who_waits(pool: Any) -> None:
    ch = Chan[int]()
    victim = Victim(pool, there.receive, ch, 1)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        await stop(pid)
        await ch.send(1)
        waiting = go(ch.recv)
        other = go(there.receive, ch, 1, on=pool)
        await eventually(lambda: ch.stats().waiting_receivers == 2)
        os.kill(pid, signal.SIGKILL)
        assert await waiting == 1
        await ch.send(2)
        assert await other == [2]
    victim.check()


async def test_a_value_comes_back_to_a_closed_channel(pool: Any) -> None:
    ch = Chan[int](1)
    victim = Victim(pool, there.receive, ch, 1)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        await stop(pid)
        ch.send_nowait(1)
        ch.send_nowait(2)
        ch.close()
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        ch._check()
        assert [value async for value in ch] == [1, 2]
    victim.check()


async def test_closed_after_a_value_has_come_back(pool: Any) -> None:
    """A value that came back waits where senders do, but it has been sent."""
    ch = Chan[int]()
    victim = Victim(pool, there.receive, ch, 1)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        await stop(pid)
        ch.send_nowait(1)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        ch._check()
        with pytest.raises(WouldBlock):
            ch.send_nowait(2)
        ch.close()
        ch._check()
        assert [value async for value in ch] == [1]


async def test_killed_in_a_select_with_a_value_on_its_way(pool: Any) -> None:
    a, b = Chan[Any](1), Chan[Any](1)
    victim = Victim(pool, there.select_there, "blocking", [(a,), (b,)], False)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        await eventually(lambda: b.stats().waiting_receivers)
        await stop(pid)
        b.send_nowait(1)
        b.send_nowait(2)
        assert a.stats().waiting_receivers == 0
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        assert (await b.recv(), await b.recv(), len(a)) == (1, 2, 0)
    victim.check()


async def test_killed_while_it_streams(pool: Any) -> None:
    """What it has sent without an answer arrives; then the slots are free again."""
    ch = Chan[int](64)
    victim = Victim(pool, there.send_forever, ch)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        received = [await ch.recv() for _ in range(500)]
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        while len(ch):
            received.append(await ch.recv())
        assert received == [*range(len(received))]
        ch._check()
        # all of them
        for value in range(64):
            ch.send_nowait(value)
        with pytest.raises(WouldBlock):
            ch.send_nowait(64)
    victim.check()


@pytest.mark.parametrize(
    ("fn", "args", "text"),
    [
        (there.exit_at_once, (7,), "ended with exit code 7"),
        (there.exit_at_once, (0,), "ended with exit code 0"),
        (there.segfault, (), "was killed by SIGSEGV"),
        (there.kill_myself, (signal.SIGTERM,), "was killed by SIGTERM"),
    ],
)
async def test_other_ways_to_end(pool: Any, fn: Any, args: Any, text: str) -> None:
    other: Any = None
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            other = go(Chan[int]().recv)
            go_(fn, *args, on=pool)
    (error,) = caught.value.exceptions
    assert isinstance(error, BrokenWorkerProcess)
    assert str(error).endswith(text)
    # by the scope's rule
    assert other.state == "done"


async def test_no_more_files(pool: Any) -> None:
    ch = Chan[int]()
    async with scope():
        g = go(there.no_more_files, ch, [1, 2, 3], on=pool)
        assert [await ch.recv() for _ in range(3)] == [1, 2, 3]
        assert await g > 10


async def test_a_value_that_cannot_be_pickled_stays_where_it_is(pool: Any) -> None:
    """Who asks for it gets an error; others may receive it."""
    ch = Chan[Any](3)
    locked = there.Locked()
    ch.send_nowait(locked)
    ch.send_nowait(2)
    told = await _outcome(pool, ch, "blocking_recv")
    assert told[:2] == (
        TypeError,
        "value.config['lock']: cannot pickle '_thread.lock' object",
    )
    assert (await ch.recv(), await ch.recv()) == (locked, 2)


async def test_a_value_that_cannot_be_pickled_for_one_who_waits(pool: Any) -> None:
    ch = Chan[Any]()
    locked = there.Locked()
    async with scope():
        g = go(there.operate, ch, [("blocking_recv",)], on=pool)
        await eventually(lambda: ch.stats().waiting_receivers)
        await ch.send(locked)
        ((kind, text, _),) = await g
        assert (kind, text) == (
            TypeError,
            "value.config['lock']: cannot pickle '_thread.lock' object",
        )
        assert await ch.recv() is locked
    assert ch.stats() == Chan[Any]().stats()


async def _outcome(pool: Any, ch: Chan[Any], *operation: Any) -> Any:
    async with scope():
        (told,) = await go(there.operate, ch, [operation], on=pool)
        return told


async def test_a_value_that_cannot_be_unpickled_there(pool: Any) -> None:
    ch = Chan[Any](2)
    value = there.OnlyHere()
    ch.send_nowait(value)
    ch.send_nowait(2)
    kind, text, _ = await _outcome(pool, ch, "blocking_recv")
    assert (kind, text) == (ValueError, "this is the wrong process")
    assert (await ch.recv(), await ch.recv()) == (value, 2)


async def test_a_value_that_cannot_be_pickled_there(pool: Any) -> None:
    ch = Chan[Any](2)
    told = await _send_made(pool, ch, "Locked")
    assert told[:2] == (
        TypeError,
        "value.config['lock']: cannot pickle '_thread.lock' object",
    )
    assert len(ch) == 0


async def test_a_value_that_cannot_be_unpickled_here(pool: Any) -> None:
    for ch in (Chan[Any](2), Chan[Any]()):
        told = await _send_made(pool, ch, "Unpicklable")
        assert told[:2] == (ValueError, "this cannot be made again")
        assert ch.stats().waiting_senders == len(ch) == 0


async def _send_made(pool: Any, ch: Chan[Any], name: str) -> Any:
    async with scope():
        return await go(there.send_made, ch, name, on=pool)


async def test_a_full_pipe_does_not_block_the_loop(pool: Any) -> None:
    """Much more than fits is on its way to one that does not read."""
    ch, other, started = Chan[Any](), Chan[int](), Chan[int](1)
    large = bytes(4_000_000)
    async with scope():
        g = go(there.receive_at_once, started, ch, 3, on=pool)  # pyright: ignore[reportUnknownVariableType]
        pid = await started.recv()
        await eventually(lambda: ch.stats().waiting_receivers == 3)
        await stop(pid)
        for _ in range(3):
            await ch.send(large)
        # everything else goes on
        quick = go(there.receive, other, 1, on=pool)
        await other.send(1)
        assert await quick == [1]
        os.kill(pid, signal.SIGCONT)
        assert await g == [large] * 3


async def test_killed_with_a_full_pipe(pool: Any) -> None:
    ch = Chan[bytes]()
    values = [bytes([n]) * 1_000_000 for n in range(3)]
    victim = Victim(pool, there.receive_at_once, Chan[int](1), ch, 3)
    async with scope():
        go(victim.run)
        pid = await victim.started.recv()
        await eventually(lambda: ch.stats().waiting_receivers == 3)
        await stop(pid)
        for value in values:
            await ch.send(value)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        # in order
        assert [await ch.recv() for _ in range(3)] == values
    victim.check()


async def test_a_process_that_dies_before_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import os; os._exit(9)")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program))
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    async with gochan.executors.processes(1) as pool:
        for _ in range(2):
            with pytest.raises(ExceptionGroup) as caught:
                async with scope():
                    go(there.pid, on=pool)
            (error,) = caught.value.exceptions
            assert isinstance(error, BrokenWorkerProcess)
            assert "ended with exit code 9 before it was ready" in str(error)
            assert 'if __name__ == "__main__"' in str(error)
        # it is not the pool's fault
        program.write_text("")
        async with scope():
            assert await go(there.double, 2, on=pool) == 4


async def test_a_process_that_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a program starts one while it is imported by a process itself."""
    this: Any = multiprocessing.current_process()
    async with gochan.executors.processes(1, "spawn") as pool:
        monkeypatch.setattr(this, "_inheriting", True, raising=False)
        with pytest.raises(ExceptionGroup) as caught:
            async with scope():
                go(there.pid, on=pool)
        (error,) = caught.value.exceptions
        assert isinstance(error, RuntimeError)
        monkeypatch.undo()
        async with scope():
            assert await go(there.double, 2, on=pool) == 4


async def test_the_home_of_a_channel_dies(pool: Any) -> None:
    """Who uses a channel that was made in a process that dies."""
    async with scope():
        ch = await go(there.keep_channel, 0, on=pool)
        waiting = go(_error, ch.recv)
        await settle()
        handle: Any = ch
        pid = int(handle._link.peer.removeprefix("process "))
        os.kill(pid, signal.SIGKILL)
        assert isinstance(await waiting, BrokenWorkerProcess)
        for operation in (ch.recv, functools.partial(ch.send, 1)):
            with pytest.raises(BrokenWorkerProcess, match="killed by SIGKILL"):
                await operation()
        with pytest.raises(BrokenWorkerProcess):
            len(ch)
        # also for those who used it by way of us
        told = await _outcome(pool, ch, "blocking_recv")
        assert told[0] is BrokenWorkerProcess


async def _error(operation: Any) -> BaseException:
    try:
        await operation()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


async def test_killed_on_the_way_of_others(pool: Any) -> None:
    """One that uses a third one's channel is killed with a value on its way."""
    told, until = Chan[Chan[int]](), Chan[None]()
    async with scope():
        go(there.home_of, Chan[int](3), told, until, on=pool)
        made = await told.recv()
        victim = Victim(pool, there.receive, made, 2)
        go(victim.run)
        pid = await victim.started.recv()
        await made.send(1)
        await eventually(lambda: not len(made) and made.stats().waiting_receivers)
        await stop(pid)
        await made.send(2)
        await made.send(3)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: victim.error)
        assert (await made.recv(), await made.recv()) == (2, 3)
        # nor is what waits there left behind
        victim = Victim(pool, there.receive, made, 2)
        go(victim.run)
        await victim.kill(lambda: made.stats().waiting_receivers)
        await eventually(lambda: victim.error)
        await eventually(lambda: not made.stats().waiting_receivers)
        until.close()
    victim.check()
