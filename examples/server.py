r"""A server that answers a line with a line, and ends without dropping anybody.

    python examples/server.py --port 7777

    $ printf 'upper hello\nsum 1 2 3\nwait 0.2\n' | nc 127.0.0.1 7777
    ok HELLO
    ok 6
    ok waited 0.2 s

- *Graceful shutdown.* ``signal.notify_context`` turns SIGTERM and Ctrl-C into the end
  of a context. Then no more connections are accepted and no more requests are read,
  but each request that has been read is answered, and its connection closed after
  that. A second Ctrl-C ends the program at once.
- *A timeout for each request.* It gets a context of its own, which is done after
  ``--timeout`` seconds; what is awaited in ``with ctx.scope()`` is cancelled then.
- *Bounded workers.* An ``errgroup`` with a limit runs the requests. When all are at
  work, ``group.go`` waits, so the connections do, so the clients do: nothing piles up.

There are as many goroutines as connections, and one for each request at work. The last
line that it prints says how many requests were answered.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute, SocketListener
from anyio.streams.buffered import BufferedByteReceiveStream

import gochan
from gochan import Chan, context, errgroup, go, signal, time

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from gochan.context import Context

LONGEST_LINE = 1000


@dataclass(frozen=True)
class Request:
    """One line of a client, and where its answer goes."""

    text: str
    answer: Chan[str] = field(default_factory=lambda: Chan(1))


@dataclass(frozen=True)
class Server:
    """What all connections share."""

    stopping: Context
    requests: Chan[Request]
    timeout: float
    counts: Counter[str] = field(default_factory=Counter[str])

    async def accept(self, listener: SocketListener) -> None:
        """Start a goroutine for each connection, until the server is to stop."""
        async with gochan.scope(name="connections"):
            with self.stopping.scope():
                while True:
                    go(self.serve, await listener.accept())
            # the scope is left when each connection has got its last answer
            await listener.aclose()

    async def serve(self, stream: SocketStream) -> None:
        """Answer one request of a connection after the other."""
        self.counts["connections"] += 1
        lines = BufferedByteReceiveStream(stream)
        try:
            async with stream:
                while (line := await self.next_line(lines)) is not None:
                    request = Request(line.decode(errors="replace").strip())
                    await self.requests.send(request)
                    answer = await request.answer.recv()
                    await stream.send(f"{answer}\n".encode())
                    self.counts["answered"] += 1
        except (anyio.BrokenResourceError, ConnectionError):
            # the client has gone: nobody waits for an answer
            self.counts["broken"] += 1

    async def next_line(self, lines: BufferedByteReceiveStream) -> bytes | None:
        """The next request; None if there is none, or none is wanted any more."""
        line: bytes | None = None
        with self.stopping.scope():
            try:
                line = await lines.receive_until(b"\n", LONGEST_LINE)
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return None
        return line

    async def work(self, workers: int) -> None:
        """Run the requests, so many at the same time."""
        async with errgroup.Group(limit=workers) as group:
            async for request in self.requests:
                await group.go(self.handle, request)

    async def handle(self, request: Request) -> None:
        """Answer one request, in time."""
        answer = f"error: took longer than {self.timeout:g} s"
        within = context.with_timeout(context.background(), self.timeout)
        with within as (ctx, _), ctx.scope():
            answer = await respond(request.text)
        request.answer.send_nowait(answer)


async def respond(text: str) -> str:
    """What the server is for."""
    command, _, rest = text.partition(" ")
    try:
        match command:
            case "upper":
                return f"ok {rest.upper()}"
            case "sum":
                return f"ok {sum(int(number) for number in rest.split())}"
            case "wait":
                await time.sleep(float(rest))
                return f"ok waited {float(rest):g} s"
            case _:
                return f"error: no command {command!r}: there are upper, sum, wait"
    except ValueError as error:
        return f"error: {error}"


async def main(port: int, workers: int, seconds: float) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stop_on = signal.notify_context(context.background(), SIGTERM, SIGINT)
    with stop_on as (stopping, stop):
        server = Server(stopping, Chan(workers, name="requests"), seconds)
        listeners = await anyio.create_tcp_listener(
            local_host="127.0.0.1", local_port=port, backlog=1024
        )
        (listener,) = listeners.listeners
        assert isinstance(listener, SocketListener)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # not Django's
        print(f"listening on 127.0.0.1:{port}", flush=True)
        working = go(server.work, workers)
        await server.accept(listener)
        # from here on, Ctrl-C ends the program
        stop()
        server.requests.close()
        await working
    print(
        f"answered {server.counts['answered']} requests "
        f"on {server.counts['connections']} connections"
    )
    if server.counts["broken"]:
        print(f"{server.counts['broken']} clients went away", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answer lines with lines.")
    parser.add_argument("--port", type=int, default=0, help="default: any")
    parser.add_argument("--workers", type=int, default=50, help="default: 50")
    parser.add_argument(
        "--timeout", type=float, default=5, help="seconds for a request; default: 5"
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if given.workers < 1:
        parser.error("--workers must be at least 1")
    gochan.run(main, given.port, given.workers, given.timeout, backend=given.backend)
