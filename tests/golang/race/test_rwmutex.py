"""Go's src/runtime/race/testdata/rwmutex_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gochan import Chan, go
from gochan.race import Var
from gochan.sync import Mutex, RWMutex
from golang.race.helpers import check, later, programs
from support.idle import settle

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def _all(*bodies: Any) -> None:
    """Goroutines that say when they have done it."""
    ch = Chan[bool](len(bodies))

    async def child(body: Any) -> None:
        await body()
        await ch.send(True)

    for body in bodies:
        go(child, body)
    for _ in bodies:
        await ch.recv()


async def race_mutex_rwmutex() -> None:
    mu1, mu2, x = Mutex(), RWMutex(), Var(0)

    async def one() -> None:
        async with mu1:
            x.value = 1

    async def two() -> None:
        async with mu2:
            x.value = 2

    await _all(one, two)


async def no_race_rwmutex() -> None:
    mu, x, y = RWMutex(), Var(0), Var(1)

    async def writes() -> None:
        async with mu:
            x.value = 2

    async def reads() -> None:
        async with mu.rlocker():
            y.value = x.value

    await _all(writes, reads)


async def race_rwmutex_multiple_readers() -> None:
    mu, x, y = RWMutex(), Var(0), Var(1)

    async def writes() -> None:
        async with mu:
            x.value = 2

    # three, so that two of them are on the same side of the writer
    async def reads() -> None:
        async with mu.rlocker():
            y.value = x.value + 1

    await _all(writes, reads, reads, reads)


async def no_race_rwmutex_multiple_readers() -> None:
    mu, x = RWMutex(), Var(0)

    async def writes() -> None:
        async with mu:
            x.value = 2

    async def reads() -> None:
        async with mu.rlocker():
            x.load()

    await _all(writes, reads, reads, reads)


async def no_race_rwmutex_transitive() -> None:
    mu, x, ch = RWMutex(), Var(0), Chan[bool](2)

    async def reads(first: bool) -> None:
        if not first:
            await later()
        async with mu.rlocker():
            x.load()
        await ch.send(True)

    go(reads, True)
    go(reads, False)
    await settle()
    async with mu:
        x.value = 42
    await ch.recv()
    await ch.recv()


@programs(globals(), 5)
def test_rwmutex(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
