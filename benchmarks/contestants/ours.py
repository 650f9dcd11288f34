"""gochan on a loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import gochan
import gochan.sync
import gochan.time
from gochan import Chan, go, recv, scope, select, send
from gochan.buffers import Unbounded

from .base import Coroutines, Ends, Gate, Group

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from .base import Recv

__all__ = ("Gochan", "make")


class Gochan(Coroutines):
    """gochan's channel between goroutines."""

    crosses_loops = True

    def __init__(
        self,
        backend: Literal["asyncio", "trio"],
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._backend: Literal["asyncio", "trio"] = backend
        self._options = options

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        async def body() -> Any:
            return await main()

        return gochan.run(body, backend=self._backend, backend_options=self._options)

    @asynccontextmanager
    async def group(self) -> AsyncGenerator[Group]:
        async with scope() as opened:
            # started as users start them: they join the open scope
            yield Group(go, opened.cancel)

    def channel(self, cap: int | None) -> Ends:
        ch: Chan[Any] = Chan(buffer=Unbounded()) if cap is None else Chan(cap)
        return Ends(ch.send, ch.recv, ch)

    async def pause(self) -> None:
        await gochan.yield_()

    def gate(self) -> Gate:
        ch = Chan[None]()
        return Gate(ch.recv_ok, ch.close)

    def crossing(self, cap: int) -> tuple[Callable[[Any], object], Recv]:
        ch = Chan[Any](cap)
        return ch.blocking_send, ch.recv

    def call_later(
        self, seconds: float, call: Callable[[], object]
    ) -> Callable[[], object]:
        return gochan.time.after_func(seconds, call).stop

    def mutex(self) -> Any:
        return gochan.sync.Mutex()

    async def receive_any(self, channels: Sequence[Chan[Any]], n: int) -> None:
        cases = [recv(ch) for ch in channels]
        for _ in range(n):
            _ = (await select(*cases)).value

    async def send_any(self, channels: Sequence[Chan[Any]], n: int) -> None:
        cases = [send(ch, 0) for ch in channels]
        for _ in range(n):
            await select(*cases)

    async def take_ready(self, n: int) -> float:
        a, b = Chan[int](1), Chan[int](1)
        a.send_nowait(1)
        b.send_nowait(2)
        from_a, from_b = recv(a), recv(b)
        started = perf_counter()
        for _ in range(n):
            chosen = await select(from_a, from_b)
            if chosen is from_a:
                a.send_nowait(from_a.value)
            else:
                b.send_nowait(from_b.value)
        return perf_counter() - started

    async def until_done(self, done: Chan[Any], work: Chan[Any]) -> None:
        is_done, has_work = recv(done), recv(work)
        while await select(is_done, has_work) is has_work:
            pass

    def close(self, channel: Chan[Any]) -> None:
        channel.close()


def make(variant: str) -> Gochan:
    if variant == "uvloop":
        # gochan would say so, but later
        import uvloop as uvloop

        return Gochan("asyncio", {"use_uvloop": True})
    if variant == "trio":
        import trio as trio

        return Gochan("trio")
    return Gochan("asyncio")
