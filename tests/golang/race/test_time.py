"""Go's src/runtime/race/testdata/time_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gochan import Chan, go, time
from gochan.race import Var
from golang.race.helpers import check, programs

if TYPE_CHECKING:
    from golang.race.helpers import Program

HOUR = 3600


class _Program:
    """What all of them have: a variable, a channel, and what is called later."""

    def __init__(self) -> None:
        self.v = Var(0)
        self.c = Chan[int]()

    async def f(self) -> None:
        self.v.value = 1
        await self.c.send(0)

    async def after(self, ticks: Any) -> None:
        await ticks.recv()
        await self.f()

    async def end(self) -> None:
        await self.c.recv()
        self.v.value = 3


async def no_race_after_func() -> None:
    p = _Program()
    p.v.value = 2
    time.after_func(1e-9, p.f)
    await p.end()


async def no_race_after_func_reset() -> None:
    p = _Program()
    t = time.after_func(HOUR, p.f)
    t.stop()
    p.v.value = 2
    t.reset(1e-9)
    await p.end()


async def no_race_timer() -> None:
    p = _Program()
    p.v.value = 2
    t = time.Timer(1e-9)
    go(p.after, t.c)
    await p.end()


async def no_race_timer_reset() -> None:
    p = _Program()
    t = time.Timer(HOUR)
    go(p.after, t.c)
    t.stop()
    p.v.value = 2
    t.reset(1e-9)
    await p.end()


async def no_race_ticker() -> None:
    p = _Program()
    p.v.value = 2
    t = time.Ticker(1e-3)
    go(p.after, t.c)
    await p.end()
    t.stop()


async def no_race_ticker_reset() -> None:
    p = _Program()
    t = time.Ticker(HOUR)
    go(p.after, t.c)
    t.stop()
    p.v.value = 2
    t.reset(1e-3)
    await p.end()
    t.stop()


@programs(globals(), 6)
def test_time(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
