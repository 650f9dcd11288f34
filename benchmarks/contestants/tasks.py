"""What contestants on plain asyncio tasks have in common."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.shapes.parked import resident, summary
from benchmarks.shapes.tasks import BATCH, FANOUT, noop

from .base import Coroutines, Gate, Group, Sample, Unsupported, per

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping

    from .base import Ends, Send

__all__ = ("Tasks", "make")


async def spawn_join(c: Coroutines, n: int) -> Sample:
    """The shape, with nothing between it and ``create_task``."""
    del c
    turns = max(n // BATCH, 1)
    each = min(n, BATCH)
    started = perf_counter()
    for _ in range(turns):
        async with asyncio.TaskGroup() as group:
            create = group.create_task
            for _ in range(each):
                create(noop())
    return per(turns * each, perf_counter() - started)


async def _node(
    channel: Callable[[int], Ends],
    create: Callable[[Coroutine[Any, Any, None]], object],
    send: Send,
    number: int,
    size: int,
) -> None:
    if size == 1:
        await send(number)
        return
    answer, recv, _ = channel(0)
    size //= FANOUT
    for i in range(FANOUT):
        create(_node(channel, create, answer, number + i * size, size))
    total = 0
    for _ in range(FANOUT):
        total += await recv()
    await send(total)


async def skynet(c: Coroutines, n: int, leaves: int) -> Sample:
    """The shape, with nothing between it and ``create_task``."""
    del n
    send, recv, _ = c.channel(0)
    async with asyncio.TaskGroup() as group:
        started = perf_counter()
        create = group.create_task
        create(_node(c.channel, create, send, 0, leaves))
        total = await recv()
        seconds = perf_counter() - started
    assert total == leaves * (leaves - 1) // 2
    return Sample(seconds, {"ms": seconds * 1e3})


async def parked(c: Coroutines, n: int, count: int) -> Sample:
    """The shape with the least that a task can wait for: a future of its own."""
    del c, n
    gc.collect()
    before = resident()
    futures: list[asyncio.Future[None]] = []
    new_future = asyncio.get_running_loop().create_future

    async def wait() -> None:
        future = new_future()
        futures.append(future)
        await future

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(wait())
        while len(futures) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)
        spawn = perf_counter() - started
        after = resident()
        started = perf_counter()
        for future in futures:
            future.set_result(None)
    wake = perf_counter() - started
    weight = None if before is None or after is None else after - before
    futures.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(wait()) for _ in range(count)]
        while len(futures) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)
        started = perf_counter()
        for task in tasks:
            task.cancel()
    cancel = perf_counter() - started
    return summary(count, weight, spawn, wake, cancel)


class Tasks(Coroutines):
    """``asyncio.TaskGroup``, on asyncio's own loop or on uvloop's."""

    own: ClassVar[Mapping[str, Callable[..., Awaitable[Sample]]]] = {
        "spawn_join": spawn_join,
        "skynet": skynet,
        "parked": parked,
    }

    def __init__(self, variant: str = "asyncio") -> None:
        self._new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
        if variant == "uvloop":
            import uvloop

            self._new_loop = uvloop.new_event_loop

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        async def body() -> Any:
            return await main()

        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            return runner.run(body())

    @asynccontextmanager
    async def group(self) -> AsyncGenerator[Group]:
        async with asyncio.TaskGroup() as opened:
            tasks: list[asyncio.Task[Any]] = []
            keep, create = tasks.append, opened.create_task

            def spawn(fn: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
                keep(create(fn(*args)))

            def cancel() -> None:
                for task in tasks:
                    task.cancel()

            yield Group(spawn, cancel)

    async def pause(self) -> None:
        await asyncio.sleep(0)

    def gate(self) -> Gate:
        event = asyncio.Event()
        return Gate(event.wait, event.set)

    def call_later(
        self, seconds: float, call: Callable[[], object]
    ) -> Callable[[], object]:
        return asyncio.get_running_loop().call_later(seconds, call).cancel

    def mutex(self) -> Any:
        return asyncio.Lock()

    def channel(self, cap: int | None) -> Ends:
        raise Unsupported("no channel")


def make(variant: str) -> Tasks:
    return Tasks(variant)
