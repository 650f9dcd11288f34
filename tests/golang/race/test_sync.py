"""Go's src/runtime/race/testdata/sync_test.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gochan import Chan, go, time
from gochan.race import Var
from gochan.sync import Cond, Mutex
from golang.race.helpers import check, later, programs

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def no_race_cond() -> None:
    x, condition, mu = Var(0), Var(0), Mutex()
    cond = Cond(mu)

    async def child() -> None:
        x.value = 1
        async with mu:
            condition.value = 1
            cond.signal()

    go(child)
    async with mu:
        while condition.value != 1:
            await cond.wait()
    x.value = 2


async def race_cond() -> None:
    done, x, condition, mu = Chan[bool](), Var(0), Var(0), Mutex()
    cond = Cond(mu)

    async def child() -> None:
        # the other one waits by now
        await later()
        x.value = 1
        async with mu:
            condition.value = 1
            cond.signal()
        # ... and does not any more
        await later()
        async with mu:
            x.value = 3
        await done.send(True)

    go(child)
    async with mu:
        while condition.value != 1:
            await cond.wait()
    x.value = 2
    await done.recv()


async def race_announce_threads() -> None:
    n = 7
    all_done, x = Chan[bool](n), Var(0)

    async def writes() -> None:
        x.value = 1
        await all_done.send(True)

    async def f() -> None:
        x.value = 1
        go(g)
        go(writes)
        x.value = 2
        await all_done.send(True)

    async def g() -> None:
        for _ in range(2):
            go(writes)
            await all_done.send(True)

    async def h() -> None:
        x.value = 1
        x.value = 2
        go(f)
        await all_done.send(True)

    go(h)
    for _ in range(n):
        await all_done.recv()


async def no_race_after_func1() -> None:
    i, c = Var(2), Chan[bool]()

    async def f() -> None:
        i.value -= 1
        if i.value >= 0:
            time.after_func(0, f)
        else:
            await c.send(True)

    time.after_func(0, f)
    await c.recv()


async def no_race_after_func2() -> None:
    x = Var(0)
    timer = time.after_func(1e-8, lambda: x.store(1))
    timer.stop()


async def no_race_after_func3() -> None:
    c, x = Chan[bool](1), Var(0)

    async def f() -> None:
        x.value = 1
        await c.send(True)

    time.after_func(1e-3, f)
    await c.recv()


async def race_after_func3() -> None:
    c, x = Chan[bool](2), Var(0)

    async def f() -> None:
        x.value = 1
        await c.send(True)

    time.after_func(1e-3, f)
    time.after_func(2e-3, f)
    await c.recv()
    await c.recv()


async def race_goroutine_creation_stack() -> None:
    x, ch = Var(0), Chan[bool](1)

    async def f1() -> None:
        x.value = 1
        await ch.send(True)

    async def f2() -> None:
        go(f1)

    async def f3() -> None:
        go(f2)

    async def f4() -> None:
        go(f3)

    go(f4)
    x.value = 2
    await ch.recv()


async def no_race_nil_mutex_crash() -> None:
    panics, mutex = Var(0), Mutex()
    other: Any = None
    # where an RWMutex is expected
    with pytest.raises(AttributeError):
        await other.rlock()
    async with mutex:
        panics.value += 1


@programs(globals(), 9)
def test_sync(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
