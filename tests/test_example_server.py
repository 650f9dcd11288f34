"""examples/server.py under load, and stopped in the middle of it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, go, scope

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).resolve().parent.parent / "examples" / "server.py"
CLIENTS = 1000


class Server:
    """The example, as a process of its own."""

    def __init__(self, runtime: str, *options: str) -> None:
        here = str(Path(gochan.__file__).parent.parent)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                str(SERVER),
                "--backend",
                runtime,
                *options,
            ],
            env={**os.environ, "PYTHONPATH": here},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), self.process.stderr
        self.port = int(line.rpartition(":")[2])

    def stop(self, signum: int = signal.SIGTERM) -> None:
        self.process.send_signal(signum)

    def end(self, status: int = 0) -> str:
        """What it prints last."""
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == status, err
        assert "Traceback" not in err
        return out.strip()


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Room for as many connections, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CLIENTS + 200
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"only {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def runtime(anyio_backend: tuple[str, dict[str, Any]]) -> str:
    name, options = anyio_backend
    if options:
        pytest.skip("the example has no option for it")
    return name


class Client:
    """One connection, which asks and checks the answers."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.answered = 0

    async def run(self, port: int, requests: int, crowd: Crowd) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for n in range(requests):
                text = f"client {self.number} request {n}"
                answer = b""
                try:
                    await stream.send(f"upper {text}\n".encode())
                    while not answer.endswith(b"\n"):
                        answer += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    # closed between two answers, never in one
                    assert answer == b""
                    return
                assert answer.decode() == f"ok {text.upper()}\n"
                self.answered += 1
                await crowd.count()


class Crowd:
    """Clients that all have one answer before any asks for a second one."""

    def __init__(self) -> None:
        self.answers = 0
        self.all_here = Chan[None]()
        self.in_the_middle = Chan[None]()

    async def count(self) -> None:
        self.answers += 1
        if self.answers == CLIENTS:
            self.all_here.close()
        if self.answers == 2 * CLIENTS:
            self.in_the_middle.close()
        await self.all_here.recv_ok()

    async def run(self, port: int, requests: int) -> list[Client]:
        clients = [Client(n) for n in range(CLIENTS)]
        async with scope():
            for client in clients:
                go(client.run, port, requests, self)
        return clients


@pytest.mark.slow
async def test_a_thousand_clients_and_none_lost(runtime: str) -> None:
    server = Server(runtime)
    clients = await Crowd().run(server.port, 3)
    assert [client.answered for client in clients] == [3] * CLIENTS
    server.stop()
    expected = f"answered {3 * CLIENTS} requests on {CLIENTS} connections"
    assert server.end() == expected


@pytest.mark.slow
async def test_it_is_stopped_in_the_middle_of_the_load(runtime: str) -> None:
    server, crowd = Server(runtime), Crowd()

    async def stop() -> None:
        await crowd.in_the_middle.recv_ok()
        server.stop()

    async with scope():
        go(stop)
        clients = await crowd.run(server.port, 1000)
    answered = sum(client.answered for client in clients)
    assert 2 * CLIENTS <= answered < 1000 * CLIENTS
    # each answer that it has counted has arrived, and no other
    assert server.end() == f"answered {answered} requests on {CLIENTS} connections"


async def ask(port: int, *lines: str) -> list[str]:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        answers: list[str] = []
        for line in lines:
            await stream.send(f"{line}\n".encode())
            answers.append((await stream.receive()).decode().strip())
        return answers


async def test_what_it_answers(runtime: str) -> None:
    server = Server(runtime, "--timeout", "0.2", "--workers", "1")
    assert await ask(
        server.port, "upper a b", "sum 1 2 3", "sum x", "wait 0.01", "wait 60", "fly"
    ) == [
        "ok A B",
        "ok 6",
        "error: invalid literal for int() with base 10: 'x'",
        "ok waited 0.01 s",
        "error: took longer than 0.2 s",
        "error: no command 'fly': there are upper, sum, wait",
    ]
    server.stop(signal.SIGINT)
    assert server.end() == "answered 6 requests on 1 connections"


async def test_a_request_that_runs_is_answered_before_it_ends(runtime: str) -> None:
    server = Server(runtime)
    async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        await stream.send(b"wait 0.3\n")
        # the next answer shows that the server has read both
        assert await ask(server.port, "sum 1") == ["ok 1"]
        server.stop()
        assert await stream.receive() == b"ok waited 0.3 s\n"
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
    assert server.end() == "answered 2 requests on 2 connections"
