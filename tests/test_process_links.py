"""The connection between two processes: who may have one, and what it carries."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import socket
import stat
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, SendOnClosed, WouldBlock, go, recv, scope, select, send
from gochan.executors import _listener
from support import in_processes as there
from support.census import METHOD, eventually
from support.idle import settle
from support.threads import until

if TYPE_CHECKING:
    from collections.abc import Iterator

go_: Any = go


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with gochan.executors.processes(2, METHOD) as pool:
        yield pool


# Who may connect


class Bomb:
    """Tells if it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:  # pyright: ignore[reportUnusedFunction]
    caplog.set_level(logging.INFO, "gochan")


@pytest.fixture
def ticket() -> Iterator[_listener.Ticket]:
    """One that is expected, and what has become of it."""
    arrived.clear()
    ticket = _listener.expect(lambda stream, pid: arrived.append((stream, pid)))
    yield ticket
    _listener.forget(ticket)
    for stream, _ in arrived:
        stream.close()
        stream.dispose()


arrived: list[Any] = []


def refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "gochan" and record.levelno >= logging.INFO
    ]


def test_it_is_in_a_folder_that_only_we_can_enter(ticket: _listener.Ticket) -> None:
    folder = Path(ticket.address).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()
    assert stat.S_ISSOCK(Path(ticket.address).stat().st_mode)
    _listener.forget(ticket)
    assert not folder.exists()


def test_who_has_the_key_and_a_ticket_is_let_in(ticket: _listener.Ticket) -> None:
    stream = _listener.connect(ticket)
    until(lambda: arrived)
    assert arrived[0][1] == os.getpid()
    stream.close()
    stream.dispose()


def test_who_has_not_the_key_is_not(
    ticket: _listener.Ticket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AuthenticationError):
        Client(ticket.address, "AF_UNIX", authkey=b"guessed")
    until(lambda: refused(caplog))
    (text,) = refused(caplog)
    assert text.startswith(f"refused a connection to {ticket.address}: Authentication")
    assert not arrived


def test_nothing_is_unpickled_before(
    ticket: _listener.Ticket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bomb = tmp_path / "exploded"
    with Client(ticket.address, "AF_UNIX") as connection:
        connection.recv_bytes()
        connection.send(Bomb(bomb))
        until(lambda: refused(caplog))
    # nor of who has the key, in place of a ticket
    with Client(ticket.address, "AF_UNIX", authkey=ticket.key) as connection:
        connection.send(Bomb(bomb))
        until(lambda: len(refused(caplog)) == 2)
    assert not bomb.exists()
    assert not arrived


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(100_000)])
def test_garbage_is_refused(
    ticket: _listener.Ticket, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(ticket.address)
        try:
            sock.sendall(data)
        except BrokenPipeError:
            # it has not listened to the end
            pass
    until(lambda: refused(caplog))
    assert not arrived
    # others are let in
    test_who_has_the_key_and_a_ticket_is_let_in(ticket)


def test_a_ticket_is_for_one_connection(
    ticket: _listener.Ticket, caplog: pytest.LogCaptureFixture
) -> None:
    stream = _listener.connect(ticket)
    until(lambda: arrived)
    for number in (ticket.number, os.urandom(16)):
        with pytest.raises(EOFError):
            _listener.connect(ticket._replace(number=number))
    stream.close()
    stream.dispose()
    until(lambda: len(refused(caplog)) == 2)
    assert len(arrived) == 1


def test_who_says_nothing_does_not_stay(
    ticket: _listener.Ticket,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_listener, "_PATIENCE", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(ticket.address)
        # others do not wait for it
        test_who_has_the_key_and_a_ticket_is_let_in(ticket)
        until(lambda: refused(caplog))
        while silent.recv(1000):
            # what it was asked, and then the end
            pass


def test_nobody_listens_once_nobody_is_expected(ticket: _listener.Ticket) -> None:
    other = _listener.expect(lambda stream, pid: None)
    assert other.address == ticket.address
    _listener.forget(ticket)
    assert Path(other.address).exists()
    _listener.forget(other)
    _listener.forget(other)
    assert not Path(other.address).parent.exists()
    with pytest.raises(OSError):
        _listener.connect(other)


# Handles


async def test_channels_are_let_go_of(pool: Any) -> None:
    """Nothing is kept for handles that are not there any more."""
    async with scope():
        pid, link = await _link(pool)
        before = len(link.granted)
        for _ in range(20):
            channels = [Chan[int](1) for _ in range(20)]
            await _there(pool, pid, there.send_to_all, channels)
        await _there(pool, pid, there.collect)
        await eventually(lambda: len(link.granted) - before < 5)


async def _link(pool: Any) -> tuple[int, Any]:
    """One of the pool's processes, and the link to it."""
    started, ch = Chan[int](), Chan[int]()
    g = go(there.wait_after, started, ch, on=pool)
    pid = await started.recv()
    link: Any = g.away.link  # type: ignore[union-attr]
    await ch.send(1)
    await g
    return pid, link  # pyright: ignore[reportUnknownVariableType]


async def _there(pool: Any, pid: int, fn: Any, *args: Any) -> Any:
    for _ in range(100):
        told = Chan[int](1)
        result = await go_(there.then, told, fn, *args, on=pool)
        if told.recv_nowait() == pid:
            return result
    raise AssertionError("it is not there any more")


async def test_a_channel_that_is_not_used_here_is_kept_for_others(pool: Any) -> None:
    async with scope():
        made: Any = await go(there.make_channel, 1, on=pool)  # pyright: ignore[reportUnknownVariableType]
        gc.collect()
        assert await made.recv() == 0  # pyright: ignore[reportUnknownMemberType]
        # the process has let go of it, but for us
        peer = made._link  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        number = made._number  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        assert number in peer.handles  # pyright: ignore[reportUnknownMemberType]
        del made
        gc.collect()
        await go(there.pid, on=pool)
        await go(there.pid, on=pool)
        await eventually(lambda: number not in peer.handles or peer.dropped)  # pyright: ignore[reportUnknownLambdaType,reportUnknownMemberType]


async def test_a_method_that_may_not_be_called(pool: Any) -> None:
    made = Chan[int]()
    async with scope():
        told = await go(there.call_method, made, "_check", on=pool)
    assert told[0] is KeyError


# Slots that are lent


async def test_a_stream_needs_few_answers(pool: Any) -> None:
    ch = Chan[int](64)
    async with scope():
        g = go(there.count_requests, ch, 2000, on=pool)
        received: list[int] = []
        for _ in range(2000):
            received.append(await ch.recv())
            assert len(ch) <= 64
        ch._check()
        assert received == [*range(2000)]
        assert await g < 1000


async def test_nothing_is_lent_where_it_would_be_felt(pool: Any) -> None:
    for ch, cap in (
        (Chan[int](), 0),
        (Chan[int](1), 1),
        (Chan[int](buffer=gochan.buffers.Sliding(64)), 64),
        (Chan[int](buffer=gochan.buffers.Dropping(64)), 64),
    ):
        async with scope():
            g = go(there.count_requests, ch, 20, on=pool)
            if cap < 20:
                for _ in range(20):
                    await ch.recv()
            assert await g == 20
        assert ch._loans is None


async def test_an_unbounded_channel_lends_as_well(pool: Any) -> None:
    ch = Chan[int](buffer=gochan.buffers.Unbounded())
    async with scope():
        assert await go(there.count_requests, ch, 500, on=pool) < 100
    assert (len(ch), ch.cap) == (500, None)


@pytest.mark.parametrize("how", ["await", "nowait", "select", "thread", "process"])
async def test_what_is_lent_is_given_back_to_who_needs_it(pool: Any, how: str) -> None:
    ch, told, until_ = Chan[int](64), Chan[int](), Chan[None]()
    async with scope():
        go(there.send_and_wait, ch, 10, told, until_, on=pool)
        await told.recv()
        assert len(ch) == 10
        assert ch._loans is not None
        assert (ch.cap, repr(ch)) == (64, f"<Chan[int] {ch.name!r}, 10/64 buffered>")
        # there is room for so many, whoever they were lent to
        for number in range(54):
            await _send(ch, number, how, pool)
        ch._check()
        assert len(ch) == 64
        with pytest.raises(WouldBlock):
            ch.send_nowait(1)
        until_.close()


async def _send(ch: Chan[int], number: int, how: str, pool: Any) -> None:
    match how:
        case "await":
            await ch.send(number)
        case "nowait":
            # it may be told that there is no room, while that is asked for
            await eventually(lambda: _sent(ch, number))
        case "select":
            await select(send(ch, number), recv(Chan[int]()))
        case "thread":
            await go(ch.blocking_send, number, on=gochan.threads)
        case _:
            await go(there.send_one, ch, number, on=pool)


def _sent(ch: Chan[int], number: int) -> bool:
    if number % 2:
        return gochan.select_nowait(send(ch, number)) is not None
    try:
        ch.send_nowait(number)
    except WouldBlock:
        return False
    return True


async def test_closed_while_values_are_on_their_way(pool: Any) -> None:
    ch = Chan[int](64)
    received: list[int] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(there.send_forever, ch, on=pool)
            received += [await ch.recv() for _ in range(500)]
            ch.close()
            received += [value async for value in ch]
    (error,) = caught.value.exceptions
    assert isinstance(error, SendOnClosed)
    # in order, without a gap
    assert received == [*range(len(received))]
    ch._check()


async def test_a_streamed_value_that_cannot_be_unpickled(pool: Any) -> None:
    ch = Chan[Any](64)
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(there.send_broken_after, ch, 10, on=pool)
            assert [await ch.recv() for _ in range(10)] == [*range(10)]
            await ch.recv()
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)
    assert str(error) == "this cannot be made again"
    # its slot is free again
    assert ch.cap == 64
    for number in range(64):
        await ch.send(number)


async def test_async_functions_stream_as_well(pool: Any) -> None:
    ch = Chan[int](32)
    async with scope():
        go(there.asend_all, ch, [*range(500)], on=pool)
        assert [await ch.recv() for _ in range(500)] == [*range(500)]


async def test_large_values_ask(pool: Any) -> None:
    ch = Chan[bytes](32)
    values = [bytes([n]) * (20_000 if n % 3 else 10) for n in range(60)]
    async with scope():
        go(there.send_all, ch, values, on=pool)
        assert [await ch.recv() for _ in range(60)] == values


async def test_what_waits_there_is_not_what_was_sent_here(pool: Any) -> None:
    """Who receives while values are lent, and who waits to send: in order."""
    ch = Chan[int](8)
    async with scope():
        g = go(there.send_all, ch, [*range(100)], on=pool)
        await eventually(lambda: ch.stats().waiting_senders)
        waiting = go(ch.send, 100)
        await settle()
        received = [await ch.recv() for _ in range(101)]
        await waiting
        await g
    assert sorted(received) == [*range(101)]
    received.remove(100)
    assert received == [*range(100)]
    ch._check()


async def test_pickle_of_a_handle_there(pool: Any) -> None:
    ch = Chan[int]()
    async with scope():
        told = await go(there.outcome, pickle.dumps, ch, on=pool)
    assert told[0] is TypeError
