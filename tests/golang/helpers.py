"""What the tests in this folder share.

Most tests are plain ``async def`` and use gochan as a user would. The stress
programs, which Go runs on several cores, are written once for a *face* of the
channels and run in a :class:`World`: on one loop, on threads, or mixed.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
import time
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    Self,
    TypeVar,
    TypeVarTuple,
)

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import Case, Chan, ChanClosed, RecvChan, Scope, Selectable, SendChan
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from types import TracebackType

__all__ = (
    "LOOP",
    "PATIENCE",
    "THREAD",
    "WHERE",
    "Face",
    "Threads",
    "World",
    "blocks",
    "drive",
    "fresh_seed",
    "nil_int",
    "until",
)

T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C", bound=Case)
Ts = TypeVarTuple("Ts")

# seconds after which something on a thread has hung
PATIENCE = 30.0

Where = Literal["loop", "threads", "mixed"]
WHERE = pytest.mark.parametrize("where", ["loop", "threads", "mixed"])


def nil_int() -> Chan[int] | None:
    """Go's ``var c chan int``."""
    return None


def fresh_seed() -> int:
    """Another seed each time, or the one in GOCHAN_TEST_SEED.

    It also seeds what select chooses with, so that a run on one loop repeats.
    """
    seed = int(os.environ.get("GOCHAN_TEST_SEED", "0")) or random.randrange(1, 10**9)
    random.seed(seed)
    return seed


async def blocks(fn: Callable[[], Coroutine[Any, Any, object]]) -> bool:
    """Whether ``fn()`` waits for ever; it is cancelled if it does."""
    blocked: bool | None = None
    async with gochan.scope() as scope:
        goroutine = scope.go(fn)
        await settle()
        blocked = goroutine.state != "done"
        scope.cancel()
    assert blocked is not None
    return blocked


def until(condition: Callable[[], bool], what: str) -> None:
    """Let other threads run until ``condition()`` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0)


class Threads:
    """Starts threads; joins them at the end of a ``with`` block, or ``async with``.

    What one of them raises is raised there.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def start(self, fn: Callable[[*Ts], object], *args: *Ts) -> threading.Thread:
        def body() -> None:
            try:
                fn(*args)
            except BaseException as error:
                self._errors.append(error)

        thread = threading.Thread(target=body, name=fn.__name__, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def join(self) -> None:
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            while thread.is_alive() and not self._errors:
                thread.join(0.05)
                assert time.monotonic() < deadline, f"{thread.name} hangs"
        if self._errors:
            raise self._errors[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, TimeoutError):
            self.join()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, TimeoutError):
            await anyio.to_thread.run_sync(self.join)


def drive(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that never waits for a loop, such as one on ``THREAD``."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: R = stop.value
        return result
    coroutine.close()
    raise AssertionError("it waits for an event loop")


class Face(Protocol):
    """How a goroutine of a stress program uses channels."""

    def send(self, ch: SendChan[T], value: T, /) -> Awaitable[None]: ...
    def recv(self, ch: RecvChan[T], /) -> Awaitable[T]: ...
    def select(self, *cases: Selectable[C]) -> Awaitable[C]: ...
    def each(self, ch: RecvChan[T], /) -> AsyncIterator[T]: ...
    def yield_(self) -> Awaitable[None]: ...


class _Loop:
    async def send(self, ch: SendChan[T], value: T, /) -> None:
        await ch.send(value)

    async def recv(self, ch: RecvChan[T], /) -> T:
        return await ch.recv()

    async def select(self, *cases: Selectable[C]) -> C:
        return await gochan.select(*cases)

    def each(self, ch: RecvChan[T], /) -> AsyncIterator[T]:
        return aiter(ch)

    async def yield_(self) -> None:
        await gochan.yield_()


class _Each(Generic[T]):
    """``for v in ch`` on a thread that must not hang, as an ``async for``."""

    def __init__(self, ch: RecvChan[T]) -> None:
        self._ch = ch

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return self._ch.blocking_recv(timeout=PATIENCE)
        except ChanClosed:
            raise StopAsyncIteration from None


class _Thread:
    async def send(self, ch: SendChan[T], value: T, /) -> None:
        ch.blocking_send(value, timeout=PATIENCE)

    async def recv(self, ch: RecvChan[T], /) -> T:
        return ch.blocking_recv(timeout=PATIENCE)

    async def select(self, *cases: Selectable[C]) -> C:
        return gochan.blocking_select(*cases, timeout=PATIENCE)

    def each(self, ch: RecvChan[T], /) -> AsyncIterator[T]:
        return _Each(ch)

    async def yield_(self) -> None:
        time.sleep(0)


LOOP: Face = _Loop()
THREAD: Face = _Thread()


class World:
    """A scope whose goroutines run on the loop, on threads, or in turn on either.

    Leaving it waits for all of them.
    """

    def __init__(self, where: str) -> None:
        faces = {"loop": [LOOP], "threads": [THREAD], "mixed": [LOOP, THREAD]}
        self._next = itertools.cycle(faces[where])
        self._limiter = anyio.CapacityLimiter(math.inf)
        self.scope = Scope(f"world of {where}")

    def go(
        self, fn: Callable[[Face, *Ts], Coroutine[Any, Any, object]], *args: *Ts
    ) -> None:
        """Start ``fn(face, *args)``."""
        face = next(self._next)
        if face is LOOP:
            self.scope.go(fn, face, *args)
            return
        coroutine = fn(face, *args)

        async def on_thread() -> None:
            await anyio.to_thread.run_sync(
                drive, coroutine, abandon_on_cancel=True, limiter=self._limiter
            )

        self.scope.go(on_thread)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for ``condition()``. A loop that asks would starve the threads."""
        await anyio.to_thread.run_sync(until, condition, what, limiter=self._limiter)

    async def __aenter__(self) -> Self:
        await self.scope.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.scope.__aexit__(kind, error, traceback)
