"""Goroutines, scopes and runs. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Literal, assert_type

from gochan import (
    Chan,
    Goroutine,
    Instrument,
    RecvChan,
    Scope,
    SendChan,
    arun,
    go,
    run,
    scope,
    yield_,
)


class Animal: ...


class Dog(Animal): ...


async def nothing() -> None: ...


async def length(text: str, extra: int = 0) -> int:
    return len(text) + extra


async def copy(source: RecvChan[Animal], target: SendChan[Dog]) -> list[Animal]:
    await target.send(Dog())
    return [animal async for animal in source]


async def total(*numbers: int) -> int:
    return sum(numbers)


def plain(text: str) -> int:
    return len(text)


class Worker:
    async def work(self, text: str) -> bytes:
        return text.encode()


async def handles() -> None:
    g = go(length, "abc")
    assert_type(g, Goroutine[int])
    assert_type(await g, int)
    assert_type(g.blocking_join(), int)
    assert_type(g.blocking_join(timeout=0.5), int)
    assert_type(g.id, int)
    assert_type(g.name, str)
    assert_type(g.state, Literal["runnable", "running", "parked", "done"])
    assert_type(g.created_at, str)
    g.cancel()
    g.cancel("no longer wanted")


async def starting() -> None:
    assert_type(go(nothing), Goroutine[None])
    assert_type(go(length, "abc", 1), Goroutine[int])
    assert_type(go(length, "abc", name="measure"), Goroutine[int])
    assert_type(go(total, 1, 2, 3), Goroutine[int])
    assert_type(go(Worker().work, "abc"), Goroutine[bytes])
    dogs = Chan[Dog]()
    assert_type(go(copy, dogs, dogs), Goroutine[list[Animal]])
    general: Goroutine[Animal | int] = go(length, "abc")
    del general

    special: Goroutine[str] = go(length, "abc")  # type: ignore[arg-type]
    del special


async def scopes() -> None:
    async with scope(name="workers") as s:
        assert_type(s, Scope)
        assert_type(s.go(length, "abc"), Goroutine[int])
        s.cancel("enough")
        await yield_()

        s.go(length, 3)  # type: ignore[arg-type]
        s.go(plain, "abc")  # type: ignore[arg-type]
    with scope():  # type: ignore[attr-defined]
        pass


async def inside() -> None:
    assert_type(await arun(length, "abc"), int)
    assert_type(await arun(nothing, instruments=[Instrument()]), None)

    await arun(length, 3)  # type: ignore[arg-type]


def outside() -> None:
    assert_type(run(length, "abc"), int)
    assert_type(run(nothing), None)
    assert_type(run(length, "abc", 1, backend="trio"), int)
    run(nothing, backend_options={"use_uvloop": True}, instruments=[Instrument()])

    run(length)  # type: ignore[arg-type]
    run(plain, "abc")  # type: ignore[arg-type]
    run(nothing())  # type: ignore[arg-type]
    run(nothing, backend="curio")  # type: ignore[arg-type]
