"""Do the same thing once for all who ask at the same time: Go's ``singleflight``.

Who asks first for a key runs the function, in its own goroutine or thread; who asks
meanwhile waits for that and shares the result. A caller who is cancelled while it
runs the function does not take the others with it: the one who has waited longest
begins anew, with its own function. A caller who is cancelled while it waits just
goes.

Source: ``golang.org/x/sync/singleflight``. Notable differences: what the function
raises is raised in all callers, whether it would be an error or a panic in Go, and
comes out of ``do_chan`` as a result.
"""

from __future__ import annotations

import sys
from _thread import RLock
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NoReturn,
    TypeVar,
    final,
    overload,
)

from ._backends import _thread, uninterrupted
from ._chan import Chan
from ._go import require_scope
from ._parked import parks
from .sync._call import Call, refuse_uncallable
from .sync._locker import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

    from ._ends import RecvChan

__all__ = ("Group", "Result")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_WAIT: Final = "sync.WaitGroup.Wait"


@final
class Result(Generic[T_co]):
    """What comes out of the channel of :meth:`Group.do_chan`.

    Attributes:
        error: what the function raised, or GoroutineCancelled; None if it returned.
        shared: whether others got the same result.
    """

    __slots__ = ("_value", "error", "shared")

    __match_args__ = ("value", "shared")

    def __init__(
        self, value: T_co | None, error: BaseException | None, shared: bool
    ) -> None:
        self._value = value
        self.error: Final = error
        self.shared: Final = shared

    @property
    def value(self) -> T_co:
        """What the function returned.

        Raises:
            BaseException: ``error``, if there is one.
        """
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]  # there is one

    def __repr__(self) -> str:
        what = repr(self._value) if self.error is None else f"error={self.error!r}"
        return f"Result({what}, shared={self.shared})"


class _Flight(Call[Any]):
    """One execution for a key."""

    __slots__ = ("group", "key", "parties", "shared")

    def __init__(self, group: Group, key: Hashable) -> None:
        super().__init__("group.do(key, fn)", _WAIT)
        self.group = group
        self.key = key
        # who shares the result, as far as they have not gone
        self.parties = 0
        self.shared = False

    def closing(self) -> None:
        # whoever asks from now on has to ask again
        with self.group._guard:
            self.shared = self.parties > 1
            self.group._drop(self)


class _Place:
    """One caller's place in a flight."""

    __slots__ = ("flight", "left")

    def __init__(self, flight: _Flight) -> None:
        self.flight = flight
        self.left = False

    @uninterrupted
    def leave(self) -> None:
        """Go, whether it was executed or not. Only the first time counts."""
        flight, group = self.flight, self.flight.group
        with group._guard:
            if self.left:
                return
            self.left = True
            flight.parties -= 1
            if not flight.parties:
                # if it was not executed: nobody is left to do it
                group._drop(flight)


@final
class Group:
    """A namespace of things that are done at most once at a time.

    For coroutines, threads and event loops alike. Source: Go's
    ``singleflight.Group``.
    """

    __slots__ = ("__weakref__", "_flights", "_guard")

    def __init__(self) -> None:
        # re-entrant: a dict calls __eq__ and __hash__ of its keys
        self._guard = RLock()
        self._flights: dict[Hashable, _Flight] = {}

    @overload
    async def do(
        self, key: Hashable, fn: Callable[[], Coroutine[Any, Any, T]], /
    ) -> tuple[T, bool]: ...
    @overload
    async def do(self, key: Hashable, fn: Callable[[], T], /) -> tuple[T, bool]: ...
    @parks("semacquire")
    async def do(self, key: Hashable, fn: Callable[[], Any], /) -> tuple[Any, bool]:
        """Run ``fn()``, or wait for who does that for ``key`` already.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: raises; the others still get a result. If this call ran its
        function, the one that has waited longest runs its own, from the beginning.

        Args:
            key: what it is about.
            fn: a plain or an async function without arguments.

        Returns:
            What the function returned, and whether others have got the same.

        Raises:
            RuntimeError: ``fn`` itself asks for ``key``, which would wait for ever.
                It is not noticed if it does so in another goroutine, and waits.
            TypeError: ``fn`` is not a function.
            Exception: what the function raised; all callers get the same one.
        """
        refuse_uncallable(fn, "group.do(key, fn)")
        place = self._join(key)
        flight = place.flight
        try:
            await flight.reach(fn, place.leave)
        finally:
            place.leave()
        return flight.outcome(), flight.shared

    @parks("semacquire")
    def blocking_do(
        self, key: Hashable, fn: Callable[[], T], /, timeout: float | None = None
    ) -> tuple[T, bool]:
        """:meth:`do` for threads.

        Args:
            key: what it is about.
            fn: a plain function without arguments.
            timeout: seconds to wait while somebody else runs a function; 0 means
                one look, None for ever.

        Raises:
            TimeoutError: somebody else's function did not return in time.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await group.do(key, fn)``; or as :meth:`do`.
            TypeError: ``fn`` is not a plain function.
            Exception: what the function raised; all callers get the same one.
        """
        _thread.check_call(
            "group.blocking_do(key, fn)", "await group.do(key, fn)", timeout
        )
        refuse_uncallable(fn, "group.blocking_do(key, fn)")
        place = self._join(key)
        flight = place.flight
        try:
            flight.blocking_reach(fn, timeout, place.leave)
        finally:
            place.leave()
        return flight.outcome(), flight.shared

    @overload
    def do_chan(
        self, key: Hashable, fn: Callable[[], Coroutine[Any, Any, T]], /
    ) -> RecvChan[Result[T]]: ...
    @overload
    def do_chan(self, key: Hashable, fn: Callable[[], T], /) -> RecvChan[Result[T]]: ...
    def do_chan(self, key: Hashable, fn: Callable[[], Any], /) -> RecvChan[Result[Any]]:
        """:meth:`do` in a goroutine of its own; the result comes on a channel.

        Exactly one result comes, whatever happens; the channel is not closed. The
        goroutine joins the caller's scope. If it is cancelled, the result has a
        GoroutineCancelled for an error. Never blocks.

        Raises:
            RuntimeError: there is no run and no open scope here.
            TypeError: ``fn`` is not a function.
        """
        refuse_uncallable(fn, "group.do_chan(key, fn)")
        scope = require_scope(fn, "group.do_chan")
        results = Chan[Result[Any]](1, name=f"result of {key!r}")
        place = self._join(key)
        flight = place.flight
        # who asks from now on comes later, though the goroutine has not begun
        turn = flight.reserve()
        sent = False

        def send(value: Any, error: BaseException | None) -> None:
            nonlocal sent
            sent = True
            results.send_nowait(Result(value, error, flight.shared))

        async def attend() -> None:
            nonlocal turn
            try:
                if turn:
                    turn = False
                    await flight.run(fn, place.leave)
                else:
                    await flight.reach(fn, place.leave)
                value = flight.outcome()
            except Exception as error:  # noqa: BLE001  # the receiver's business
                send(None, error)
            else:
                send(value, None)

        def over() -> None:
            place.leave()
            if turn:
                # it was cancelled before it could begin
                flight.abandon()

        def ended() -> None:
            over()
            if not sent:
                send(None, goroutine._error)

        try:
            name = str(getattr(fn, "__name__", "?"))
            goroutine = scope._go(attend, (), None, name, sys._getframe(1))
        except BaseException:
            over()
            raise
        goroutine._when_over(ended)
        return results

    @uninterrupted
    def forget(self, key: Hashable, /) -> None:
        """Let the next call for ``key`` run its function, whatever is under way.

        Who waits already still gets what is under way. Never blocks; from any thread.
        """
        with self._guard:
            self._flights.pop(key, None)

    @uninterrupted
    def _join(self, key: Hashable) -> _Place:
        with self._guard:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = _Flight(self, key)
            flight.parties += 1
        return _Place(flight)

    def _drop(self, flight: _Flight) -> None:
        """With ``_guard`` held: it is not the one for its key any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        return f"<singleflight Group, {len(self._flights)} under way>"
