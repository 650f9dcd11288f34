"""Use a synchronous library from many goroutines on one thread, unchanged.

    python examples/legacy_client.py --clients 100 --requests 3

The library is Python's own ``http.client``. It knows nothing of event loops: it
calls ``sendall`` and ``readline``, and expects them to block. Here they block a
*fiber*: a goroutine that is a plain function, started with ``go(visit, ...,
on=gochan.fibers)``. All fibers run on the thread of the loop, and while one of them
waits in a channel operation the others go on.

    visit (http.client) ---> Wire.out ---> pump ---> socket
                        <--- Wire.into <-- pump <---

``Wire`` stands in for the socket that ``http.client`` wants: what it sends goes into
a channel, and what it reads comes out of another one. At the far end of each a
coroutine moves the bytes from and to the real socket.

The program starts the server that it asks. The server takes a while for each answer,
so a hundred clients that ask one after the other take a hundred times as long. The
program does that as well, and says how long each of the two took.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream

import gochan
from gochan import Chan, RecvChan, SendChan, fibers, go, scope

if TYPE_CHECKING:
    from collections.abc import Callable

# What makes a synchronous library run in a fiber.


class Reader(io.RawIOBase):
    """A file that is read from a channel of bytes."""

    def __init__(self, source: RecvChan[bytes]) -> None:
        super().__init__()
        self.source = source
        self.rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Wait for bytes: this is where the fiber parks."""
        if not self.rest:
            self.rest = self.source.blocking_recv_ok()[0] or b""
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


class Wire:
    """As much of a socket as ``http.client`` uses."""

    def __init__(self, stream: SocketStream) -> None:
        self.out, self.into = Chan[bytes](8), Chan[bytes](8)
        go(self.pump_out, stream, self.out)
        go(self.pump_in, stream, self.into)

    def sendall(self, data: bytes) -> None:
        """Wait for room: the fiber may park here as well."""
        self.out.blocking_send(bytes(data))

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What answers are read from."""
        return io.BufferedReader(Reader(self.into))

    def close(self) -> None:
        """No more requests."""
        self.out.close()

    @staticmethod
    async def pump_out(stream: SocketStream, out: RecvChan[bytes]) -> None:
        """From the channel to the socket."""
        async for data in out:
            await stream.send(data)
        await stream.aclose()

    @staticmethod
    async def pump_in(stream: SocketStream, into: SendChan[bytes]) -> None:
        """From the socket to the channel."""
        try:
            async for data in stream:
                await into.send(data)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            # we have all we wanted
            pass
        into.close()


# What was written long ago, and runs in a fiber or in a thread alike.


def visit(
    client: int, requests: int, connect: Callable[[], HTTPConnection]
) -> list[str]:
    """Ask the server a few times over one connection."""
    answers: list[str] = []
    connection = connect()
    for number in range(requests):
        connection.request("GET", f"/{client}/{number}")
        response = connection.getresponse()
        answers.append(f"{response.status} {response.read().decode()}")
    connection.close()
    return answers


def wired(stream: SocketStream, port: int) -> HTTPConnection:
    """A connection of the library's, over a socket of ours."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.sock = Wire(stream)
    return connection


# The server.


class Server:
    """Answers with the path it was asked for, after a while."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.busy = 0
        self.most_busy = 0

    async def serve(self, listener: Listener[SocketStream]) -> None:
        """Answer requests for ever: until ``main`` returns."""
        async with listener:
            await listener.serve(self.answer)

    async def answer(self, stream: SocketStream) -> None:
        """Answer all requests of one connection."""
        received = b""
        async with stream:
            async for data in stream:
                received += data
                while b"\r\n\r\n" in received:
                    request, _, received = received.partition(b"\r\n\r\n")
                    self.busy += 1
                    self.most_busy = max(self.most_busy, self.busy)
                    # what a real server takes to think
                    await anyio.sleep(self.latency)
                    self.busy -= 1
                    body = request.split()[1]
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                    await stream.send(head.encode() + body)


# The program.


async def main(clients: int, requests: int, latency: float) -> None:
    """Let all clients ask at the same time, then one after the other."""
    server = Server(latency)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # not Django's
    go(server.serve, listener)

    async def start(client: int) -> gochan.Goroutine[list[str]]:
        stream = await anyio.connect_tcp("127.0.0.1", port)
        return go(
            visit,
            client,
            requests,
            lambda: wired(stream, port),
            on=fibers,
            name=f"client-{client}",
        )

    begin = time.perf_counter()
    async with scope():
        visits = [await start(client) for client in range(clients)]
        answers = [answer for each in visits for answer in await each]
    middle = time.perf_counter()
    async with scope():
        again = [
            answer
            for client in range(clients)
            for answer in await (await start(client))
        ]
    end = time.perf_counter()
    print(*answers, sep="\n")
    assert answers == again
    print(
        f"{len(answers)} answers: {middle - begin:.2f} s in {clients} fibers, "
        f"{server.most_busy} answered at a time at most; {end - middle:.2f} s one "
        f"after the other, {(end - middle) / (middle - begin):.1f} times as long",
        file=sys.stderr,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run http.client in fibers.")
    parser.add_argument("--clients", type=int, default=50, help="default: 50")
    parser.add_argument("--requests", type=int, default=2, help="of each (default: 2)")
    parser.add_argument(
        "--latency", type=float, default=0.01, help="seconds (default: 0.01)"
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if min(given.clients, given.requests) < 1:
        parser.error("--clients and --requests must be at least 1")
    gochan.run(
        main, given.clients, given.requests, given.latency, backend=given.backend
    )
