"""Locks and the rest of Go's sync. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, assert_type

from gochan import Goroutine, RecvCase, RecvChan, select
from gochan.atomic import Bool, Int, Pointer, Value
from gochan.executors import threads
from gochan.singleflight import Group, Result
from gochan.sync import (
    Cond,
    Locker,
    Map,
    Mutex,
    Once,
    OnceFunction,
    Pool,
    RLocker,
    RWMutex,
    WaitGroup,
    once_func,
    once_value,
    once_values,
)

if TYPE_CHECKING:
    from gochan.semaphore import Weighted


class Config:
    size: int


def plain() -> int:
    return 7


async def awaits() -> str:
    return "a"


async def several() -> tuple[str, int]:
    return "localhost", 80


def with_argument(text: str) -> int:
    return len(text)


async def length(text: str) -> int:
    return len(text)


async def locks(mu: Mutex, rw: RWMutex) -> None:
    assert_type(await mu.lock(), None)
    assert_type(mu.blocking_lock(timeout=0.5), None)
    assert_type(mu.try_lock(), bool)
    assert_type(rw.rlocker(), RLocker)
    async with mu, rw, rw.rlocker():
        pass
    locker: Locker
    for locker in (mu, rw, rw.rlocker()):
        Cond(locker)
    assert_type(Cond(mu).locker, Locker)
    assert_type(await Cond(rw).wait_for(plain), int)
    assert_type(Cond(rw).blocking_wait_for(plain, 0.5), int)

    Cond(object())  # type: ignore[arg-type]
    await mu.lock(0.5)  # type: ignore[call-arg]
    Cond(mu).wait_for(with_argument)  # type: ignore[arg-type,unused-coroutine]


async def wait_groups(wg: WaitGroup) -> None:
    assert_type(wg.add(1), None)
    assert_type(await wg.wait(), None)
    assert_type(wg.go(length, "abc"), Goroutine[int])
    assert_type(wg.go(with_argument, "abc", on=threads(1)), Goroutine[int])
    assert_type(await select(wg), RecvCase[None])

    wg.add("1")  # type: ignore[arg-type]
    wg.go(length, 7)  # type: ignore[arg-type]
    wg.go(length)  # type: ignore[arg-type,call-arg]
    wg.go(with_argument, "abc")  # type: ignore[arg-type]


async def once(o: Once) -> None:
    assert_type(await o.do(plain), None)
    assert_type(await o.do(awaits), None)
    assert_type(o.blocking_do(plain, timeout=1), None)
    assert_type(once_func(plain), OnceFunction[None])
    assert_type(once_func(awaits), OnceFunction[None])
    assert_type(once_value(plain), OnceFunction[int])
    assert_type(once_value(awaits), OnceFunction[str])
    assert_type(once_values(several), OnceFunction[tuple[str, int]])
    assert_type(await once_value(awaits)(), str)
    assert_type(once_value(plain).blocking_call(1), int)
    host, port = await once_values(several)()
    assert_type(host, str)
    assert_type(port, int)

    await o.do(with_argument)  # type: ignore[arg-type]
    await o.do(plain())  # type: ignore[arg-type]
    once_value(with_argument)  # type: ignore[arg-type]
    once_values(plain)  # type: ignore[arg-type]


def maps(m: Map[str, int]) -> None:
    assert_type(m.load("a"), tuple[int, Literal[True]] | tuple[None, Literal[False]])
    value, ok = m.load_and_delete("a")
    assert_type(value, int | None)
    assert_type(ok, bool)
    assert_type(m.load_or_store("a", 1), tuple[int, bool])
    assert_type(m.compare_and_swap("a", 1, 2), bool)
    for k, v in m.range():
        assert_type(k, str)
        assert_type(v, int)
    inferred: Map[int, list[str]] = Map()
    inferred.store(1, ["a"])

    m.store(1, 1)  # type: ignore[arg-type]
    m.store("a", "b")  # type: ignore[arg-type]
    m.compare_and_swap("a", "b", 1)  # type: ignore[arg-type]
    m["a"]  # type: ignore[index]


def pools() -> None:
    pool = Pool(bytearray)
    assert_type(pool, Pool[bytearray])
    assert_type(pool.get(), bytearray)
    assert_type(Pool[int | None](lambda: None).get(), int | None)

    pool.put("a")  # type: ignore[arg-type]
    Pool()  # type: ignore[call-arg]


def atomics() -> None:
    assert_type(Int(1).add(2), int)
    assert_type(Int(1, bits=32).compare_and_swap(1, 2), bool)
    assert_type(Bool(True).load(), bool)
    assert_type(Pointer(Config()), Pointer[Config])
    assert_type(Pointer[Config]().load(), Config | None)
    assert_type(Pointer[Config]().swap(None), Config | None)
    assert_type(Value().load(), Any)

    Int(1, bits=16)  # type: ignore[arg-type]
    Int("1")  # type: ignore[arg-type]
    Pointer[Config]().store(7)  # type: ignore[arg-type]
    Bool().store("a")  # type: ignore[arg-type]


async def semaphores(w: Weighted) -> None:
    assert_type(await w.acquire(2), None)
    assert_type(w.try_acquire(2), bool)
    async with w.hold(2):
        pass
    with w.hold():
        pass

    await w.acquire("2")  # type: ignore[arg-type]


async def groups(group: Group) -> None:
    assert_type(await group.do("key", awaits), tuple[str, bool])
    assert_type(await group.do(7, plain), tuple[int, bool])
    assert_type(group.blocking_do("key", plain), tuple[int, bool])
    assert_type(group.do_chan("key", awaits), RecvChan[Result[str]])
    assert_type((await group.do_chan("key", plain).recv()).value, int)

    await group.do([], plain)  # type: ignore[call-overload]
    await group.do("key", with_argument)  # type: ignore[arg-type]
