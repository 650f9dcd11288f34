"""Go's src/runtime/race/testdata/synctest_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gochan import Chan, go, race, testing, time
from gochan.race import Var
from golang.race.helpers import judge, programs

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def race_synctest_goroutines_exit() -> None:
    x = Var(0)

    async def f() -> None:
        x.value = 1

    go(f)
    go(f)


async def no_race_synctest_goroutines_exit() -> None:
    x = Var(0)

    async def f() -> None:
        x.value = 1

    go(f)
    await testing.wait()
    go(f)


async def race_synctest_goroutines_recv() -> None:
    x, ch = Var(0), Chan[None]()

    async def f() -> None:
        x.value = 1
        await ch.recv_ok()

    go(f)
    go(f)
    ch.close()


async def race_synctest_goroutines_unblocked() -> None:
    x, ch = Var(0), Chan[None]()

    async def f() -> None:
        await ch.recv_ok()
        x.value = 1

    go(f)
    go(f)
    ch.close()


async def race_synctest_goroutines_sleep() -> None:
    x = Var(0)

    async def f(before: float, after: float) -> None:
        await time.sleep(before)
        x.value = 1
        await time.sleep(after)

    go(f, 1, 2)
    go(f, 2, 1)
    await time.sleep(5)


async def race_synctest_timers() -> None:
    x = Var(0)

    def f() -> None:
        x.value = 1

    time.after_func(1, f)
    time.after_func(2, f)
    await time.sleep(5)


@programs(globals(), 6)
def test_synctest(backend: dict[str, Any], program: Program) -> None:
    with race.detector(report="collect") as found:
        testing.bubble(backend=backend["backend"]).run(program)
    judge(program, found.races)
