"""How processes start, and what may come between."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import AuthenticationError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import BrokenWorkerProcess

import gochan
from gochan import Chan, go, scope
from gochan.executors import _in_process, _listener, _workers
from support import in_processes as there
from support.census import METHOD, alive
from support.idle import settle
from support.threads import until

if TYPE_CHECKING:
    from collections.abc import Callable

go_: Any = go


async def error_of(fn: Any, *args: Any, on: Any) -> Exception:
    """What a goroutine fails with."""
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go_(fn, *args, on=on)
    (error,) = caught.value.exceptions
    return error


# What does not start


def test_there_is_no_place_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: dict[str, Any]
) -> None:
    async def main(wrong: Any) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(wrong))
        for on in (gochan.executors.processes(1, METHOD),):
            with pytest.raises(ExceptionGroup) as caught:
                async with scope():
                    go(there.pid, on=on)
                    go(there.pid, on=on)
            assert isinstance(caught.value.exceptions[0], OSError)

    # there is no such folder; and its name is too long for one
    long = tmp_path / ("x" * 200)
    long.mkdir()
    for wrong in (tmp_path / "not there", long):
        gochan.run(main, wrong, **backend)
    assert list(long.iterdir()) == []


async def test_a_process_that_has_lost_its_link_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gochan.executors._workers.GRACE", 0.05)
    started, ch = Chan[int](), Chan[int]()
    async with gochan.executors.processes(1, METHOD) as pool:
        with pytest.raises(ExceptionGroup) as caught:
            async with scope():
                g = go_(there.wait_after, started, ch, on=pool)
                await started.recv()
                g.away.link.stream.close()
                await ch.recv()
        (error,) = caught.value.exceptions
        assert isinstance(error, BrokenWorkerProcess)
        async with scope():
            assert await go(there.double, 2, on=pool) == 4


async def test_dismissed_while_they_start() -> None:
    async with scope():
        async with gochan.executors.processes(2, METHOD) as pool:
            with anyio.move_on_after(0):
                async with scope():
                    go(there.pid, on=pool)
                    go(there.pid, on=pool)
        await settle()


async def test_it_cannot_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody else listened there; or the handshake takes too long."""
    expect = _listener.expect

    def wrong(begin: Any) -> _listener.Ticket:
        return expect(begin)._replace(key=b"wrong")

    async with gochan.executors.processes(1, METHOD) as pool:
        monkeypatch.setattr(_listener, "expect", wrong)
        error = await error_of(there.pid, on=pool)
        assert isinstance(error, BrokenWorkerProcess)
        assert "could not connect" in str(error)
        assert isinstance(error.__cause__, AuthenticationError)
        monkeypatch.undo()
        async with scope():
            assert await go(there.double, 2, on=pool) == 4


async def test_it_dies_as_soon_as_it_has_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is seen that it has ended before it is seen that it was there."""
    connected = _workers.Worker._connected

    def late(self: Any, stream: Any, number: int) -> None:
        os.kill(number, signal.SIGKILL)
        until(lambda: self in self.pool._dead)
        connected(self, stream, number)

    async with gochan.executors.processes(1, METHOD) as pool:
        monkeypatch.setattr(_workers.Worker, "_connected", late)
        error = await error_of(there.pid, on=pool)
        assert isinstance(error, BrokenWorkerProcess)
        assert "was killed by SIGKILL before it was ready" in str(error)
        monkeypatch.undo()
        async with scope():
            assert await go(there.double, 2, on=pool) == 4
        assert pool._own is not None
        assert pool._own._coming == 0


async def test_no_thread_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith("start"):
            raise RuntimeError("can't start new thread")
        start(thread)

    async with gochan.executors.processes(2, METHOD) as pool:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert str(await error_of(there.pid, on=pool)) == "can't start new thread"
        monkeypatch.undo()
        async with scope():
            assert await go(there.double, 2, on=pool) == 4


def test_no_thread_for_who_connects(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "gochan link":
            raise RuntimeError("can't start new thread")
        start(thread)

    ticket = _listener.expect(lambda stream, pid: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises((EOFError, ConnectionError)):
        _listener.connect(ticket)
    _listener.forget(ticket)
    assert caplog.messages == ["cannot admit a connection: can't start new thread"]


async def test_killed_by_a_signal_without_a_name() -> None:
    async with gochan.executors.processes(1, METHOD) as pool:
        error = await error_of(there.kill_myself, 40, on=pool)
        assert str(error).endswith("was killed by signal 40")


# Whose process it is


async def test_one_that_is_being_killed_runs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It ends by itself at the moment when it is killed for not doing so."""
    flag = tmp_path / "end"
    kill = _workers.Worker.kill

    def late(self: Any) -> None:
        flag.touch()
        until(lambda: away.link is None)
        kill(self)

    monkeypatch.setattr(_in_process, "GRACE", 0.05)
    monkeypatch.setattr(_workers.Worker, "kill", late)
    started = Chan[int]()
    async with gochan.executors.processes(1, METHOD) as pool:
        async with scope():
            g = go(there.compute_until, started, str(flag), on=pool)
            pid = await started.recv()
            away: Any = g.away
            g.cancel()
            next_one = go(there.pid, on=pool)
            assert await g == "done"
            assert await next_one != pid
        assert not alive(pid)


async def test_an_executor_that_answers_late() -> None:
    """When it says what it has done with it, that has ended."""

    class Late(ProcessPoolExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            future: Future[Any] = super().submit(fn, *args, **kwargs)
            concurrent.futures.wait([future])
            return future

    with Late(1, multiprocessing.get_context("spawn")) as executor:
        error = await error_of(there.kill_myself, on=executor)
        assert isinstance(error, BrokenWorkerProcess)
        assert "has died" in str(error)


# The socket


def test_accepting_goes_on_when_there_are_files_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    arrived: list[Any] = []
    ticket = _listener.expect(lambda stream, pid: arrived.append(stream))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as client:
        with open(os.devnull) as free:
            lowest = free.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            client.connect(ticket.address)
            until(lambda: "cannot accept a connection" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        # it is accepted now: there is a challenge
        assert client.recv(100)
    assert "Too many open files" in caplog.text
    stream = _listener.connect(ticket)
    until(lambda: arrived)
    for each in (stream, *arrived):
        each.close()
        each.dispose()
    _listener.forget(ticket)


def test_its_folder_has_been_removed() -> None:
    """By what clears up old temporary files, say."""
    ticket = _listener.expect(lambda stream, pid: None)
    threads = threading.active_count()
    shutil.rmtree(Path(ticket.address).parent)
    _listener.forget(ticket)
    assert threading.active_count() == threads - 1


def test_whoever_says_nothing_is_cut_off_at_the_end() -> None:
    threads = threading.active_count()
    ticket = _listener.expect(lambda stream, pid: None)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(ticket.address)
        # what it is asked
        assert silent.recv(4)
        _listener.forget(ticket)
        assert threading.active_count() == threads
        while silent.recv(1000):
            pass


PROGRAM = """
import os, sys, threading
sys.path.insert(0, {tests!r})
import gochan
from gochan.executors import _worker
from support import in_processes as there

def connect(ticket):
    print("ready", flush=True)
    threading.Event().wait()

_worker.connect = connect

async def main():
    await gochan.go(there.pid, on=gochan.processes)

if __name__ == "__main__":
    gochan.run(main)
"""


def test_the_parent_is_killed_before_anybody_has_connected(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        PROGRAM.format(tests=str(Path(__file__).parent))
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        assert list(folder.glob("gochan*"))
        program.kill()
        # they have ended when nobody can write to it any more
        program.stdout.read()
    until(lambda: not list(folder.glob("gochan*")))
