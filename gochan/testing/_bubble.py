"""Virtual time: a program in which no time passes while anybody can run.

Source: Go's ``testing/synctest``. Notable differences: a bubble is a run of its own,
with its own loop, and not a part of another; its clock begins at 0; waiting for a
mutex is durable; what was made outside may be used inside and the reverse, and is
durable, too, once no other thread is left that might do something with it; what comes
from outside of the loop (I/O, other threads, signals) is waited for in real time, while
the clock stands still.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar, copy_context
from math import inf
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, TypeVarTuple, final
from weakref import WeakSet

from .. import _backends, _edges, _instrument
from .._backends import _thread
from .._callable import coroutine_of
from .._errors import DeadlockError, Panic
from .._graph import report
from .._live import live
from .._parked import parks
from .._run import run
from .._scope import scope
from ._outside import others_may_come

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Iterable
    from types import TracebackType
    from typing import Self

    from .._backends._parts import Sleep
    from .._instrument import Instrument
    from .._live import Look
    from .._scope import Scope
    from .._waiter import Waiter

__all__ = ("Bubble", "bubble", "wait")

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

_current: ContextVar[Bubble | None] = ContextVar("gochan bubble", default=None)

_MAIN_ENDED = "deadlock: main bubble goroutine has exited but blocked goroutines remain"
_ALL_BLOCKED = "deadlock: all goroutines in bubble are blocked"


class _Exits(_instrument.Instrument):
    """What a goroutine of a bubble did comes before who waits for its end."""

    def __init__(self, address: Hashable) -> None:
        self.address = address

    def goroutine_finished(self, party: Hashable) -> None:
        # itself, at least
        assert _instrument.active is not None
        _instrument.active.release_merge(party, self.address)


@final
class Bubble:
    """What :func:`bubble` makes: runs a program in virtual time."""

    def __init__(
        self,
        backend: Literal["asyncio", "trio"],
        instruments: Iterable[Instrument],
    ) -> None:
        self._backend: Literal["asyncio", "trio"] = backend
        self._instruments = tuple(instruments)
        self._scope: Scope | None = None
        self._main_ended = False
        self._waiting: Waiter | None = None
        self._error: DeadlockError | None = None
        # the channels and wait groups that were made in it
        self._made: WeakSet[object] = WeakSet()
        # of the loop
        self._sleep: Sleep
        # lets those be cancelled who are shielded; whether there were any
        self._unshield: Callable[[], bool]
        # somebody cannot be cancelled all the same, and the loop was broken off
        self._stuck = False

    def run(self, main: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts) -> R:
        """Run ``main(*args)``, and wait for all goroutines that it starts.

        The clock begins at 0. It moves when every goroutine waits durably, to the next
        moment at which somebody has something to do: so no time passes while anybody
        can run, and none is wasted. It stops when ``main`` has returned; goroutines
        that are left have to end without it. Blocks until all have ended.

        Raises:
            DeadlockError: all goroutines wait, and nothing can wake one.
            RuntimeError: an event loop runs on this thread already.
            BaseException: what :func:`gochan.run` raises.
        """
        if self._scope is not None:
            raise RuntimeError("this bubble has been used: make one for each run")
        coroutine: Coroutine[Any, Any, R] = coroutine_of(main, args, "run")
        options: dict[str, Any]
        if self._backend == "asyncio":
            from ._loop import VirtualLoop

            def make_loop() -> VirtualLoop:
                loop = VirtualLoop(self._idle, self._others_may_come)
                self._unshield = loop.unshield
                return loop

            options = {"loop_factory": make_loop}
        else:
            from ._trio_clock import VirtualClock, unshield

            options = {"clock": VirtualClock(self._idle, self._others_may_come)}
            self._unshield = unshield
        instruments = self._instruments
        if _instrument.active is not None or instruments:
            instruments = (*instruments, _Exits(self))
        try:
            # in a context of its own: a run that is broken off leaves things in it
            begin: Callable[..., R] = run
            return copy_context().run(
                begin,
                self._main,
                coroutine,
                backend=self._backend,
                backend_options=options,
                instruments=instruments,
                # it sees to that itself
                deadlock=False,
            )
        except BaseException:
            if self._stuck:
                # the loop has been broken off, wherever that came out
                raise self._error from None  # type: ignore[misc]  # it is set
            raise
        finally:
            if not self._stuck:
                coroutine.close()

    @parks("synctest.Wait")
    async def wait(self) -> None:
        """See :func:`wait`.

        Cancellation: raises, and nothing has changed.
        """
        if self._waiting is not None:
            raise Panic("wait already in progress")
        waiter = _backends.any_waiter()
        waiter.for_select()
        if (seen := _instrument.active) is not None:
            _edges.parked(seen, waiter, "synctest.Wait", None)
        self._waiting = waiter
        try:
            await waiter.park()
        finally:
            self._waiting = None
        if (seen := _instrument.active) is not None:
            party = _instrument.current_party()
            for look in self._goroutines():
                if look.goroutine != party:
                    seen.release_merge(look.goroutine, self)
            seen.acquire(party, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def __call__(self, test: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
        """Decorate an async function: to call it is to run it in a bubble like this."""

        @functools.wraps(test)
        def within(*args: P.args, **kwargs: P.kwargs) -> R:
            again = Bubble(self._backend, self._instruments)
            return again.run(functools.partial(test, *args, **kwargs))

        return within

    async def _main(self, coroutine: Coroutine[Any, Any, R]) -> R:
        _current.set(self)
        clock = _backends.backend().clock()

        def look_again() -> None:
            clock.soon(_nothing)

        def belongs(thing: object) -> None:
            if _current.get() is self:
                self._made.add(thing)

        self._sleep = _backends.backend().Sleep()
        _thread.on_sleep.append(look_again)
        _instrument.made.append(belongs)
        try:
            return await self._within(coroutine)
        finally:
            _instrument.made.remove(belongs)
            _thread.on_sleep.remove(look_again)

    async def _within(self, coroutine: Coroutine[Any, Any, R]) -> R:
        result: R | None = None
        own: BaseException | None = None
        try:
            async with scope(name="bubble") as s:
                self._scope = s
                try:
                    result = await coroutine
                except BaseException as error:
                    own = error
                    raise
                self._main_ended = True
        except BaseExceptionGroup as group:
            if self._error is not None:
                raise self._error from group
            if own is not None and group.exceptions == (own,):
                # nobody but main failed
                raise own from None
            raise
        if self._error is not None:
            raise self._error
        return result

    def _others_may_come(self) -> bool:
        """Whether a thread that is outside may wake somebody."""
        within = self._scope
        return (
            within is not None
            and within._open
            and others_may_come(self._goroutines, self._made, self._sleep)
        )

    def _idle(self, following: float | None) -> float | None:
        """Nobody can run: make somebody, or name the time to go on at."""
        waiting = self._waiting
        if waiting is not None and waiting.claim():
            if waiting.party is not None and (seen := _instrument.active) is not None:
                seen.goroutine_woken(waiting.party)
            waiting.settle()
            return None
        within = self._scope
        if within is None or not within._open:
            # the run begins or ends: that is the runtime's business
            return inf if following is None else following
        nursery: Any = within._nursery
        if self._main_ended and not nursery.cancelling:
            # for who is left, time does not go on
            self._fail(within, _MAIN_ENDED)
            return None
        if following is not None:
            return following
        if self._error is not None:
            # they have been cancelled, and wait where they cannot be
            if self._unshield():
                return None
            self._stuck = True
            raise self._error
        self._fail(within, _ALL_BLOCKED)
        return None

    def _fail(self, within: Scope, text: str) -> None:
        self._error = error = DeadlockError(text)
        error.report = report(self._goroutines())
        error.add_note(f"\n{error.report}")
        within.cancel(text)

    def _goroutines(self) -> list[Look]:
        """Those of the bubble: of its run, and of scopes that were entered inside."""
        assert self._scope is not None
        return [look for look in live() if _is_below(look.scope, self._scope._outer)]


def _is_below(inner: Scope | None, outer: Scope | None) -> bool:
    while inner is not None and inner is not outer:
        inner = inner._outer
    return inner is not None


def _nothing() -> None:
    pass


def bubble(
    *,
    backend: Literal["asyncio", "trio"] = "asyncio",
    instruments: Iterable[Instrument] = (),
) -> Bubble:
    """Virtual time for a test, on either runtime.

        def test_it_gives_up() -> None:
            async def main() -> None:
                started = time.now()
                with pytest.raises(TimeoutError):
                    await fetch_with_timeout(60)
                assert time.now() - started == 60

            testing.bubble().run(main)

    Inside, timers and sleeps are virtual: those of ``gochan.time``, ``anyio``, and
    ``asyncio`` or ``trio``. Goroutines wait *durably* on channels, in selects, for
    locks, wait groups, conditions and sleeps, and whatever else only another goroutine
    can end. They do not while they wait for I/O or for a thread: the clock then stands
    still until that has come, in real time. Nor do they on a channel, a timer or a wait
    group that was made outside, as long as some thread outside runs that could use it.
    So make in the bubble what belongs to it.

    What is due at the same time comes in any order: in the same one each time with
    pytest's ``--gochan-seed``.

    It can also decorate an async function, ``@testing.bubble(backend="trio")``, which
    is then called without ``await``.

    Args:
        backend: the runtime.
        instruments: as for :func:`gochan.run`.
    """
    return Bubble(backend, instruments)


async def wait() -> None:
    """Wait until every other goroutine of the bubble waits durably, or has ended.

    No time passes meanwhile. All that they did before comes before what follows.

    Cancellation: raises, and nothing has changed.

    Raises:
        Panic: another goroutine waits here already.
        RuntimeError: the calling code is not in a bubble.
    """
    current = _current.get()
    if current is None:
        raise RuntimeError(
            "wait() works inside of a bubble: write testing.bubble().run(main)"
        )
    await current.wait()
