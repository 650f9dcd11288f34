"""Go's src/sync/once_test.go and oncefunc_test.go.

Left out are the allocations that Go counts, and TestOnceFuncPanicTraceback, which is
about Go's stacks; that the traceback leads to the function is tested with TestOnceX.
"""

from __future__ import annotations

import gc
import traceback
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import GoroutineCancelled, go
from gochan.sync import Once, WaitGroup, once_func, once_value, once_values
from golang.helpers import WHERE, Face, World
from golang.sync_helpers import call, do_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from gochan.sync import OnceFunction


class Panic(Exception):
    """What Go's tests panic with."""


@WHERE
async def test_once(where: str) -> None:
    # TestOnce
    value = 0
    once = Once()

    def increment() -> None:
        nonlocal value
        value += 1

    async def run(my: Face) -> None:
        await do_once(my, once, increment)
        assert value == 1, "inside run"

    async with World(where) as world:
        for _ in range(10):
            world.go(run)
    assert value == 1


@WHERE
async def test_once_panic(where: str) -> None:
    # TestOncePanic
    once = Once()

    def fail() -> None:
        raise Panic("failed")

    def again() -> None:
        raise AssertionError("called twice")

    async def run(my: Face) -> None:
        with pytest.raises(Panic):
            await do_once(my, once, fail)
        await do_once(my, once, again)

    async with World(where) as world:
        world.go(run)


MAKERS: dict[str, tuple[Any, Any]] = {
    "OnceFunc": (once_func, None),
    "OnceValue": (once_value, 1),
    "OnceValues": (once_values, (1, 2)),
}
makers = pytest.mark.parametrize(
    ("maker", "expected"), MAKERS.values(), ids=MAKERS.keys()
)


@WHERE
@makers
async def test_once_x(where: str, maker: Any, expected: Any) -> None:
    # TestOnceFunc, TestOnceValue, TestOnceValues
    calls = 0

    def of() -> Any:
        nonlocal calls
        calls += 1
        return (calls, calls + 1) if maker is once_values else calls

    function: OnceFunction[Any] = maker(of)

    async def run(my: Face) -> None:
        assert await call(my, function) == expected

    async with World(where) as world:
        for _ in range(10):
            world.go(run)
    assert calls == 1


@WHERE
@makers
async def test_once_x_panic(where: str, maker: Any, expected: Any) -> None:
    # TestOnceFuncPanic, TestOnceValuePanic, TestOnceValuesPanic, ...PanicTraceback
    calls = 0
    errors: list[Panic] = []

    def of() -> None:
        nonlocal calls
        calls += 1
        raise Panic("x")

    function: OnceFunction[Any] = maker(of)

    async def run(my: Face) -> None:
        for _ in range(2):
            with pytest.raises(Panic, match="^x$") as caught:
                await call(my, function)
            errors.append(caught.value)

    async with World(where) as world:
        world.go(run)
    assert calls == 1
    assert errors[0] is errors[1]
    names = [frame.name for frame in traceback.extract_tb(errors[0].__traceback__)]
    assert names[-1] == "of"


async def test_once_func_panic_nil() -> None:
    # TestOnceFuncPanicNil: the nearest there is, an exception that says nothing
    calls = 0

    def of() -> None:
        nonlocal calls
        calls += 1
        raise Panic

    function = once_func(of)
    for _ in range(2):
        with pytest.raises(Panic, match="^$"):
            await function()
    assert calls == 1


async def test_once_func_goexit() -> None:
    # TestOnceFuncGoexit: in Go f is not called twice. Here a goroutine that is
    # cancelled in it has not done it, and the next one does.
    calls = 0

    async def of() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await gochan.nil.recv()

    function = once_func(of)
    wg = WaitGroup()
    async with gochan.scope():
        goroutine = wg.go(function)
        while not calls:
            await gochan.yield_()
        goroutine.cancel()
        await wg.wait()
        with pytest.raises(GoroutineCancelled):
            await goroutine
        await go(function)
        await go(function)
    assert calls == 2


class Buffer:
    """What the functions hold on to."""


@makers
@pytest.mark.parametrize("panics", [False, True])
async def test_once_x_gc(maker: Any, expected: Any, panics: bool) -> None:
    # TestOnceXGC: f is let go after the first call
    def make() -> tuple[weakref.ref[Buffer], OnceFunction[Any]]:
        buf = Buffer()

        def of() -> Any:
            assert buf is not None
            if panics:
                raise Panic
            return None

        return weakref.ref(buf), maker(of)

    alive, function = make()
    gc.collect()
    assert alive() is not None, "too early"

    async def use(function: Callable[[], Any]) -> None:
        try:
            await function()
        except Panic as error:
            # an exception keeps its frames, and they what they use
            traceback.clear_frames(error.__traceback__)
            function._call._traceback = None  # type: ignore[attr-defined]
            error.__traceback__ = None

    await use(function)
    gc.collect()
    assert alive() is None
    await use(function)
