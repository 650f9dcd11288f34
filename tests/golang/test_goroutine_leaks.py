"""Go's testgoroutineleakprofile: simple.go, commonpatterns.go and stresstests.go.

What leaks there leaks here, with the same reason to wait, and nothing else does. Go
forgets a variable that is not used again; here whoever leaks has returned from where
its variables were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gochan import Chan, context, go, goroutines, nil, recv, run, scope, select, send
from gochan.sync import Cond, Mutex, RWMutex, WaitGroup
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    Program = Callable[[], Coroutine[Any, Any, None]]


async def leaks(program: Program) -> list[str]:
    """``name [reason]`` of all that leak when the program has nothing more to do."""
    async with scope() as s:
        s.go(program)
        await settle()
        found = goroutines(leaked=True)
        s.cancel()
    return sorted(f"{info.name} [{info.wait}]" for info in found)


# simple.go


async def nil_recv() -> None:
    await nil.recv()


async def nil_send() -> None:
    await nil.send(0)


async def select_no_cases() -> None:
    await select()


async def chan_recv() -> None:
    await Chan[int]().recv()


async def chan_send() -> None:
    await Chan[int]().send(0)


async def select_() -> None:
    await select(send(Chan[int](), 0), recv(Chan[int]()))


async def wait_group() -> None:
    group = WaitGroup()
    group.add(1)
    await group.wait()


async def mutex_stack() -> None:
    mutex = Mutex()
    await mutex.lock()
    await mutex.lock()


async def mutex_heap() -> None:
    mutex = Mutex()

    async def child() -> None:
        await mutex.lock()
        await mutex.lock()

    go(child)


async def rwmutex_rlock() -> None:
    mutex = RWMutex()
    await mutex.lock()
    await mutex.rlock()


async def rwmutex_lock() -> None:
    mutex = RWMutex()
    await mutex.lock()
    await mutex.lock()


async def cond() -> None:
    condition = Cond(Mutex())
    async with condition:
        await condition.wait()


async def mixed() -> None:
    ch, group = Chan[int](), WaitGroup()
    group.add(1)

    async def child() -> None:
        await ch.send(0)
        group.done()

    go(child)
    await group.wait()
    await ch.recv()


global_channel = Chan[int]()


async def no_leak_global() -> None:
    await global_channel.recv()


SIMPLE: list[tuple[Program, list[str]]] = [
    (nil_recv, ["nil_recv [chan receive (nil chan)]"]),
    (nil_send, ["nil_send [chan send (nil chan)]"]),
    (select_no_cases, ["select_no_cases [select (no cases)]"]),
    (chan_recv, ["chan_recv [chan receive]"]),
    (chan_send, ["chan_send [chan send]"]),
    (select_, ["select_ [select]"]),
    (wait_group, ["wait_group [sync.WaitGroup.Wait]"]),
    (mutex_stack, ["mutex_stack [sync.Mutex.Lock]"]),
    (mutex_heap, ["child [sync.Mutex.Lock]"]),
    (rwmutex_rlock, ["rwmutex_rlock [sync.RWMutex.RLock]"]),
    (rwmutex_lock, ["rwmutex_lock [sync.RWMutex.Lock]"]),
    (cond, ["cond [sync.Cond.Wait]"]),
    (mixed, ["child [chan send]", "mixed [sync.WaitGroup.Wait]"]),
    (no_leak_global, []),
]


@pytest.mark.parametrize(
    ("program", "expected"), SIMPLE, ids=[program.__name__ for program, _ in SIMPLE]
)
async def test_simple(program: Program, expected: Sequence[str]) -> None:
    assert await leaks(program) == expected


async def test_many_of_them() -> None:
    """MutexStack and MutexHeap, of which Go makes a thousand."""

    async def program() -> None:
        for _ in range(500):
            go(mutex_stack)
            go(mutex_heap)

    assert await leaks(program) == sorted(
        ["child [sync.Mutex.Lock]", "mutex_stack [sync.Mutex.Lock]"] * 500
    )


def test_select_no_cases_main(backend: dict[str, Any]) -> None:
    """A main that waits for ever is no leak; who waits for what it has is one."""
    found: list[str] = []

    async def receives(ch: Chan[int]) -> None:
        await ch.recv()

    async def profiles() -> None:
        await settle()
        found.extend(f"{g.name} [{g.wait}]" for g in goroutines(leaked=True))
        raise SystemExit

    async def main() -> None:
        ch = Chan[int]()
        go(receives, ch)
        go(profiles)
        await select()

    with pytest.raises(SystemExit):
        run(main, **backend)
    assert found == ["receives [chan receive]"]


# commonpatterns.go


async def no_close_range() -> None:
    """Workers wait for more, since nobody closes; or nobody takes the work."""

    async def ranges(items: Sequence[int], workers: int) -> None:
        ch = Chan[int]()

        async def worker() -> None:
            async for _ in ch:
                pass

        for _ in range(workers):
            go(worker)
        for item in items:
            await ch.send(item)

    go(ranges, [1, 2, 3], 0)
    go(ranges, [1, 2, 3], 3)


class Worker:
    """It must be stopped once it has been started."""

    def __init__(self) -> None:
        self.ch = Chan[int]()
        self.done = Chan[None]()

    def start(self) -> None:
        async def works() -> None:
            done = recv(self.done)
            while await select(recv(self.ch), done) is not done:
                pass

        go(works)

    def stop(self) -> None:
        self.done.close()


def lifecycle(stops: bool) -> Program:
    async def uses() -> None:
        worker = Worker()
        worker.start()
        for item in range(10):
            await worker.ch.send(item)
        if stops:
            worker.stop()

    return uses


async def double_send(ch: Chan[Any], error: bool) -> None:
    if error:
        await ch.send(None)
        # a return is missing here
    await ch.send(True)


async def double_sends() -> None:
    for cap, error in ((0, False), (0, True), (1, True)):
        ch = Chan[Any](cap)
        go(double_send, ch, error)
        await ch.recv()


def early_return(error: bool) -> Program:
    async def returns() -> None:
        ch = Chan[bool]()

        async def sends() -> None:
            await ch.send(True)

        go(sends)
        if error:
            return
        await ch.recv()

    return returns


def n_cast(items: int) -> Program:
    """The first of the results is taken."""

    async def casts() -> None:
        ch = Chan[bool]()

        async def sends() -> None:
            await ch.send(True)

        for _ in range(items):
            go(sends)
        await ch.recv()

    return casts


async def timeout() -> None:
    """Whoever loses against the end of the context waits for ever."""
    ctx, cancel = context.with_cancel(context.background())
    cancel()

    async def races() -> None:
        ch = Chan[bool]()

        async def sends() -> None:
            await ch.send(True)

        go(sends)
        await select(ctx.done())

    go(races)


PATTERNS: list[tuple[Program, list[str]]] = [
    (no_close_range, ["ranges [chan send]", *["worker [chan receive]"] * 3]),
    (lifecycle(stops=False), ["works [select]"]),
    (lifecycle(stops=True), []),
    (double_sends, ["double_send [chan send]"]),
    (early_return(error=True), ["sends [chan send]"]),
    (early_return(error=False), []),
    (n_cast(0), ["casts [chan receive]"]),
    (n_cast(5), ["sends [chan send]"] * 4),
    (n_cast(1), []),
    (timeout, ["sends [chan send]"]),
]


@pytest.mark.parametrize(("program", "expected"), PATTERNS)
async def test_common_patterns(program: Program, expected: Sequence[str]) -> None:
    assert await leaks(program) == expected


# stresstests.go


async def test_spawn_while_it_is_looked_for() -> None:
    """SpawnGC: goroutines come and go, and leak, between one search and the next."""
    async with scope() as s:
        for number in range(1, 30):
            s.go(chan_recv)
            s.go(anyio.sleep, 0)
            await settle()
            assert len(goroutines(leaked=True)) == number
        s.cancel()


async def test_daisy_chain() -> None:
    """A chain whose end is reachable: none leaks. Then it is not, and all do."""

    async def chain(left: Chan[int], right: Chan[int]) -> None:
        await left.send(1 + await right.recv())

    def build() -> tuple[Chan[int], Chan[int]]:
        leftmost = left = Chan[int]()
        for _ in range(200):
            right = Chan[int]()
            s.go(chain, left, right)
            left = right
        return leftmost, left

    async with scope() as s:
        leftmost, rightmost = build()
        await settle()
        assert goroutines(leaked=True) == []
        await rightmost.send(1)
        assert await leftmost.recv() == 201

        # only its tail is kept
        _, rightmost = build()
        del _
        await settle()
        assert goroutines(leaked=True) == []
        del rightmost
        assert len(goroutines(leaked=True)) == 200
        s.cancel()
