"""Go's src/runtime/race/testdata/mutex_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gochan import Chan, go
from gochan.race import Var
from gochan.sync import Mutex
from golang.race.helpers import check, later, programs

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def _two(one: Any, two: Any) -> None:
    """Two goroutines, which say when they have done it."""
    ch = Chan[bool](2)

    async def child(body: Any) -> None:
        await body()
        await ch.send(True)

    go(child, one)
    go(child, two)
    await ch.recv()
    await ch.recv()


async def no_race_mutex() -> None:
    mu, x = Mutex(), Var(0)

    async def child() -> None:
        async with mu:
            x.value = 1

    await _two(child, child)


async def race_mutex() -> None:
    mu, x = Mutex(), Var(0)

    async def child() -> None:
        x.value = 1
        async with mu:
            pass

    await _two(child, child)


async def race_mutex2() -> None:
    mu1, mu2, x = Mutex(), Mutex(), Var(0)

    async def one() -> None:
        async with mu1:
            x.value = 1

    async def two() -> None:
        async with mu2:
            x.value = 2

    await _two(one, two)


async def no_race_mutex_pure_happens_before() -> None:
    mu, x, written = Mutex(), Var(0), Var(False)

    async def one() -> None:
        x.value = 1
        async with mu:
            written.value = True

    async def two() -> None:
        await later()
        await mu.lock()
        while not written.value:
            mu.unlock()
            await later()
            await mu.lock()
        mu.unlock()
        x.value = 1

    await _two(one, two)


async def no_race_mutex_semaphore() -> None:
    mu, x = Mutex(), Var(0)
    await mu.lock()

    async def one() -> None:
        x.value = 1
        mu.unlock()

    async def two() -> None:
        async with mu:
            x.value = 2

    await _two(one, two)


async def no_race_mutex_example_from_html() -> None:
    mu, a = Mutex(), Var("")
    await mu.lock()

    async def child() -> None:
        a.value = "hello, world"
        mu.unlock()

    go(child)
    await mu.lock()
    assert a.value == "hello, world"


async def race_mutex_overwrite() -> None:
    c, mu = Chan[bool](1), Var(Mutex())

    async def child() -> None:
        mu.value = Mutex()
        await c.send(True)

    go(child)
    await mu.value.lock()
    await c.recv()


@programs(globals(), 7)
def test_mutex(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
