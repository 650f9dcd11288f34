"""What is seen of goroutines. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import io
import signal
from typing import TYPE_CHECKING, Literal, assert_type

from gochan import (
    DeadlockError,
    GoroutineInfo,
    arun,
    dump,
    dump_on_signal,
    goroutines,
    run,
)
from gochan.testing import LeakError, leakcheck

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


async def length(text: str, extra: int = 0) -> int:
    return len(text) + extra


def plain(text: str) -> bytes:
    return text.encode()


def looks() -> None:
    assert_type(goroutines(), list[GoroutineInfo])
    assert_type(goroutines(leaked=True), list[GoroutineInfo])
    info = goroutines()[0]
    assert_type(info.id, int)
    assert_type(info.name, str)
    assert_type(info.state, Literal["running", "runnable", "parked", "done"])
    assert_type(info.wait, str | None)
    assert_type(info.channel, object)
    assert_type(info.parked_for, float | None)
    assert_type(info.created_at, str)
    assert_type(info.created_by, int | None)
    info.name = "other"  # type: ignore[misc]
    goroutines(leaked="yes")  # type: ignore[arg-type]

    dump()
    dump(io.StringIO())
    dump(file=io.StringIO(), leaked=True)
    dump(io.BytesIO())  # type: ignore[arg-type]
    dump(io.StringIO(), True)  # type: ignore[call-arg]
    dump_on_signal()
    dump_on_signal(signal.SIGQUIT)
    dump_on_signal("SIGQUIT")  # type: ignore[arg-type]


async def runs() -> None:
    assert_type(run(length, "a", deadlock=False), int)
    assert_type(await arun(length, "a", 1, deadlock=True), int)
    run(length, "a", deadlock=None)  # type: ignore[arg-type]
    try:
        run(length, "a")
    except DeadlockError as error:
        assert_type(error.report, str)


@leakcheck()
async def checked(text: str, extra: int = 0) -> int:
    return len(text) + extra


@leakcheck()
def checked_too(text: str) -> bytes:
    return text.encode()


class Tests:
    @leakcheck()
    async def method(self, text: str) -> bool:
        return bool(text)


async def checks() -> None:
    assert_type(await checked("a", extra=1), int)
    assert_type(checked_too("a"), bytes)
    assert_type(await Tests().method("a"), bool)
    same: Callable[[str], Coroutine[Any, Any, int]] = leakcheck()(length)
    await same("a")
    await checked(1)  # type: ignore[arg-type]
    checked_too(text=1)  # type: ignore[arg-type]
    leakcheck()(3)  # type: ignore[type-var]

    try:
        async with leakcheck() as inside:
            assert_type(inside, leakcheck)
        with leakcheck() as around:
            assert_type(around, leakcheck)
    except LeakError as error:
        assert_type(error.goroutines, list[GoroutineInfo])


@leakcheck  # type: ignore[call-arg]
def without_parentheses() -> None: ...
