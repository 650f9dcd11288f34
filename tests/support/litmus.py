"""Litmus tests for the memory model: one small program, run at every place.

A litmus is an ``async def`` that is given a :class:`World`. Its goroutines share two
variables, ``w.x`` and ``w.y``; it says whether the accesses to them must be ordered.
Two judges watch the same run: clocks that compare every pair of accesses, and the race
detector of the package. What is checked is what the program's synchronisation orders,
not in which order it happened to run.

What channels tell the detector goes a shorter way when it is the only instrument. So
there are places at which it is ``ALONE``.

    @litmus("C1", OK)
    async def buffered_send_then_receive(w: World) -> None:
        c = Chan[int](10)

        async def sender() -> None:
            w.x.write()
            await w(c.send, 0)

        w.go(sender)
        await w(c.recv)
        w.x.write()

``w(op, *args)`` awaits ``op``, or calls its ``blocking_`` form where the goroutine runs
on a thread. ``w.settle()`` waits until all others wait or have ended, which orders
nothing: Go's programs sleep in its place.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

import gochan
from gochan import Goroutine, Instrument, _instrument, executors, race, testing
from support import idle
from support.seeing import Clocks
from support.threads import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

    Body = Callable[..., Coroutine[Any, Any, Any]]
    Main = Callable[["World"], Coroutine[Any, Any, None]]

__all__ = (
    "ALONE",
    "EXECUTORS",
    "OK",
    "RACE",
    "TABLE",
    "Litmus",
    "Var",
    "World",
    "litmus",
    "run",
)

OK: Final = "ordered"
RACE: Final = "a race"

# places where the detector is the only judge, and the places that they are
ALONE: Final = {"asyncio alone": "asyncio", "trio alone": "trio"}

# whether the running goroutine has to block its thread
_blocks: ContextVar[bool] = ContextVar("litmus blocks", default=False)


@dataclass(frozen=True)
class Litmus:
    """One row of the table.

    Attributes:
        rule: the number of the rule that it tests.
        expect: ``OK`` or ``RACE``.
        main: the program.
        only: the places where it can run; None for all.
        before: done by the thread that then starts the program.
        after: done by that thread when it has ended.
    """

    rule: str
    expect: str
    main: Main
    only: tuple[str, ...] | None = None
    before: Callable[[World], None] | None = None
    after: Callable[[World], None] | None = None

    @property
    def name(self) -> str:
        return self.main.__name__


TABLE: list[Litmus] = []


def litmus(
    rule: str,
    expect: str,
    *,
    only: tuple[str, ...] | None = None,
    before: Callable[[World], None] | None = None,
    after: Callable[[World], None] | None = None,
) -> Callable[[Main], Main]:
    """Put a program into the table."""

    def put(main: Main) -> Main:
        assert all(main.__name__ != other.name for other in TABLE), main
        TABLE.append(Litmus(rule, expect, main, only, before, after))
        return main

    return put


class Var:
    """A variable that both judges watch."""

    def __init__(self, name: str, clocks: Clocks) -> None:
        self._name = name
        self._clocks = clocks
        self._var = race.Var(0, name=name)

    def read(self) -> int:
        self._clocks.access(self._name, write=False)
        return self._var.load()

    def write(self, value: int = 1) -> None:
        self._clocks.access(self._name, write=True)
        self._var.store(value)


class _Parked(Instrument):
    """Counts who waits in gochan."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.parked: set[Hashable] = set()

    def goroutine_parked(self, party: Hashable, wait: str, channel: object) -> None:
        # the run's own task, which waits for main, does not count
        if type(party) in (Goroutine, int):
            with self._lock:
                self.parked.add(party)

    def goroutine_woken(self, party: Hashable) -> None:
        with self._lock:
            self.parked.discard(party)


class World:
    """Where one litmus runs."""

    def __init__(self, place: str, clocks: Clocks) -> None:
        self.place = place
        self.clocks = clocks
        self.x = Var("x", clocks)
        self.y = Var("y", clocks)
        # who waits
        self.seen = _Parked()
        # of a place that is an executor
        self.executor: Any = None
        # goroutines that have begun and not ended, by any means
        self._lock = threading.Lock()
        self._alive = 0
        self._over = threading.Event()
        self._threads: list[_Thread] = []

    # What a litmus uses

    async def __call__(self, op: Callable[..., Any], *args: Any) -> Any:
        """``await op(*args)``, or its blocking form."""
        if not _blocks.get():
            return await op(*args)
        owner = getattr(op, "__self__", None)
        if owner is not None:
            return getattr(owner, f"blocking_{op.__name__}")(*args)
        home = sys.modules[op.__module__]
        return getattr(home, f"blocking_{op.__name__}")(*args)

    def go(self, fn: Body, *args: Any) -> Any:
        """Start a goroutine; returns what ``join`` takes."""
        with self._lock:
            self._alive += 1
        body = functools.partial(self._body, fn, args)
        if self.place == "thread":
            return _Thread(self, body)
        if self.place not in EXECUTORS:
            return gochan.go(body)
        where: Any = _blocking(body) if EXECUTORS[self.place][1] else body
        return gochan.go(where, on=self.executor)

    async def join(self, started: Any) -> None:
        """Wait for its end; as ``await g``, an edge."""
        if isinstance(started, _Thread):
            started.join()
        elif _blocks.get():
            started.blocking_join()
        else:
            await started

    async def settle(self) -> None:
        """Wait until all others wait or have ended."""
        if _blocks.get():
            until(self._idle)
            return
        if self.place in ALONE:
            await idle.settle()
            return
        calm = 0
        while calm < 3:
            await anyio.lowlevel.checkpoint()
            self._let_threads_run()
            calm = calm + 1 if self._idle() else 0

    async def gosched(self) -> None:
        """Let others run."""
        if not _blocks.get():
            await gochan.yield_()
        self._let_threads_run()

    def _let_threads_run(self) -> None:
        # Not for no time: who takes the interpreter's lock again at once keeps the
        # others from it for seconds.
        if self.place not in ("asyncio", "trio"):
            time.sleep(1e-5)

    # What runs it

    def _idle(self) -> bool:
        return len(self.seen.parked) >= self._alive

    async def _body(self, fn: Body, args: tuple[Any, ...]) -> Any:
        try:
            return await fn(*args)
        finally:
            with self._lock:
                self._alive -= 1

    def run(self, main: Main) -> None:
        if self.place == "thread":
            worker = _Thread(self, functools.partial(self._main, main))
            worker.join()
            self._over.set()
            for thread in self._threads:
                thread.thread.join(30)
        else:
            home = ALONE.get(self.place, self.place)
            backend: Any = "trio" if home == "trio" else "asyncio"
            body = functools.partial(self._main, main)
            if self.place == "bubble":
                testing.bubble().run(body)
            elif self.place in EXECUTORS:
                with EXECUTORS[self.place][0]() as self.executor:
                    gochan.run(body)
            else:
                gochan.run(body, backend=backend)

    async def _main(self, main: Main) -> None:
        await main(self)
        # all that happens is judged, also what nothing waited for
        if self.place != "bubble":
            await self.settle()


class _Thread:
    """A plain thread. Alive until the litmus is over, so that no other gets its id."""

    def __init__(self, world: World, body: Callable[[], Awaitable[Any]]) -> None:
        self.world = world
        self.body = body
        self.error: BaseException | None = None
        self.done = threading.Event()
        self.leave = threading.Event()
        world._threads.append(self)
        self.thread = threading.Thread(target=self._run, daemon=True)
        # these clocks do not see threads start and end
        world.clocks.release(_instrument.current_party(), self.thread)
        self.thread.start()

    def _run(self) -> None:
        self.world.clocks.acquire(_instrument.current_party(), self.thread)
        _blocks.set(True)
        try:
            drive(self.body())
        except BaseException as error:
            self.error = error
        self.world.clocks.release(_instrument.current_party(), self.body)
        self.done.set()
        if self is not self.world._threads[0]:
            until(lambda: self.leave.is_set() or self.world._over.is_set())

    def join(self) -> None:
        until(self.done.is_set)
        self.leave.set()
        self.thread.join(30)
        self.world.clocks.acquire(_instrument.current_party(), self.body)
        if self.error is not None:
            raise self.error


def drive(awaitable: Awaitable[Any]) -> Any:
    """Run a coroutine that never waits for a loop."""
    coroutine = awaitable.__await__()
    try:
        next(coroutine)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for an event loop")


def _blocking(body: Callable[[], Awaitable[Any]]) -> Callable[[], Any]:
    def plain() -> Any:
        _blocks.set(True)
        return drive(body())

    return plain


# Where else a goroutine may live: made for each litmus, and whether it blocks there.
EXECUTORS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], bool]] = {
    "on=threads": (lambda: nullcontext(gochan.threads), True),
    "on=threads(n)": (lambda: executors.threads(4), True),
    "on=loops": (lambda: executors.loops(2), False),
    "on=a futures executor": (lambda: ThreadPoolExecutor(8), True),
}
if importlib.util.find_spec("greenback") is not None:
    EXECUTORS["on=fibers"] = (lambda: nullcontext(gochan.fibers), True)


def run(row: Litmus, place: str) -> tuple[list[Hashable] | None, list[race.DataRace]]:
    """What the clocks and what the race detector found."""
    clocks = Clocks()
    world = World(place, clocks)
    with ExitStack() as watched:
        if place not in ALONE:
            watched.enter_context(clocks)
            watched.enter_context(world.seen)
        found = watched.enter_context(race.detector(report="collect"))
        if row.before is not None:
            row.before(world)
        world.run(row.main)
        if row.after is not None:
            row.after(world)
    return None if place in ALONE else clocks.races(), found.races
