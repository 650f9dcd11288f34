"""Wrong arguments of go(). Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error, which pyright sees to: for some of
them mypy, with TypeVarTuple in an overload, reports one code or another depending
on what it has in its cache.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true
# mypy: no-warn-unused-ignores

from __future__ import annotations

from gochan import Chan, RecvChan, SendChan, go


class Animal: ...


class Dog(Animal): ...


async def length(text: str, extra: int = 0) -> int:
    return len(text) + extra


async def copy(source: RecvChan[Animal], target: SendChan[Dog]) -> list[Animal]:
    await target.send(Dog())
    return [animal async for animal in source]


def plain(text: str) -> int:
    return len(text)


async def wrong() -> None:
    go(length)  # type: ignore[arg-type, call-arg, call-overload]
    go(length, 3)  # type: ignore[arg-type, call-arg, call-overload]
    go(length, "abc", 1, 2)  # type: ignore[arg-type, call-arg, call-overload]
    go(length, text="abc")  # type: ignore[arg-type, call-arg, call-overload]
    dogs, words = Chan[Dog](), Chan[str]()
    go(copy, dogs, words)  # type: ignore[arg-type, call-arg, call-overload]
    go(plain, "abc")  # type: ignore[arg-type, call-arg, call-overload]
    go(length("abc"))  # type: ignore[arg-type, call-arg, call-overload]
    go(None)  # type: ignore[arg-type, call-arg, call-overload]
