"""Go's src/runtime/race/testdata/pool_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gochan import Chan, go
from gochan.race import Var
from gochan.sync import Pool
from golang.race.helpers import check, programs
from support.idle import settle

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def race_pool() -> None:
    c, p = Chan[int](), Pool(lambda: Var(0))
    x = p.get()
    x.value = 1
    p.put(x)

    async def child() -> None:
        y = p.get()
        y.value = 2
        await c.send(1)

    go(child)
    x.value = 3
    await c.recv()


async def no_race_pool() -> None:
    p = Pool(lambda: Var(0))
    x = p.get()
    x.value = 1
    p.put(x)

    async def child() -> None:
        y = p.get()
        y.value = 2
        p.put(y)

    go(child)
    await settle()
    x = p.get()
    x.value = 3


@programs(globals(), 2)
def test_pool(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
