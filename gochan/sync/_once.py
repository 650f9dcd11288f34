"""Do something once: ``Once``, and functions that run once.

Source: Go's ``sync/once.go`` and ``sync/oncefunc.go``. Notable difference: a caller
that is cancelled in the middle has not done it, and the next one does it, because
here a cancellation may come from outside at any time. An exception counts as done,
as a panic does in Go.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NoReturn,
    TypeVar,
    TypeVarTuple,
    final,
    overload,
)

from .._backends import _thread
from .._budget import budget
from .._parked import parks
from ._call import Call, refuse_uncallable
from ._locker import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("Once", "OnceFunction", "once_func", "once_value", "once_values")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Ts = TypeVarTuple("Ts")

_WAIT = "sync.Once.Do"


@final
class Once:
    """Runs one function once, whoever comes first with it.

    For coroutines on any loop and threads alike. Source: Go's ``sync.Once``.
    """

    __slots__ = ("__weakref__", "_call")

    def __init__(self) -> None:
        self._call = Call[object]("once.do(fn)", _WAIT)

    @parks("sync.Once.Do")
    async def do(
        self,
        fn: Callable[[], Coroutine[Any, Any, object]] | Callable[[], object],
        /,
    ) -> None:
        """Run ``fn()`` if nothing has been run yet; return when that has returned.

        Only the first call runs its function, whichever function the others bring.
        They wait until it has returned, and everything it did comes before that. An
        exception that it raises is raised here; the other calls, and all that come
        later, return silently.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: raises, and what was begun does not count: the call that has
        waited longest runs its own function, or the next that comes. So ``fn``
        should put right what it leaves half done.

        Args:
            fn: a plain or an async function without arguments.

        Raises:
            RuntimeError: ``fn`` itself calls this, which would wait for ever. It is
                not noticed if it does so in another goroutine, and waits for that.
            TypeError: ``fn`` is not a function.
            BaseException: what ``fn`` raised, if this call ran it.
        """
        left = budget.left
        if left > 0 and self._call.over:
            budget.left = left - 1
            return
        refuse_uncallable(fn, "once.do(fn)")
        await self._call.reach(fn)

    @parks("sync.Once.Do")
    def blocking_do(
        self, fn: Callable[[], object], /, timeout: float | None = None
    ) -> None:
        """:meth:`do` for threads.

        Args:
            fn: a plain function without arguments.
            timeout: seconds to wait while somebody else runs a function; 0 means
                one look, None for ever.

        Raises:
            TimeoutError: somebody else's function did not return in time.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await once.do(fn)``; or as :meth:`do`.
            TypeError: ``fn`` is not a plain function.
            BaseException: what ``fn`` raised, if this call ran it.
        """
        _thread.check_call("once.blocking_do(fn)", "await once.do(fn)", timeout)
        refuse_uncallable(fn, "once.blocking_do(fn)")
        self._call.blocking_reach(fn, timeout)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        return f"<Once, {'done' if self._call.over else 'not done'}>"


@final
class OnceFunction(Generic[T_co]):
    """A function that runs once: what ``once_func`` and ``once_value`` make."""

    __slots__ = ("__weakref__", "_call", "_fn", "_name", "_void")

    def __init__(
        self,
        fn: Callable[[], Coroutine[Any, Any, T_co]] | Callable[[], T_co],
        maker: str,
    ) -> None:
        refuse_uncallable(fn, f"{maker}(fn)")
        self._name = str(getattr(fn, "__name__", repr(fn)))
        self._call = Call[T_co]("f()", _WAIT)
        # forgotten when it has run
        self._fn: Any = fn
        # and so is what it returned
        self._void = maker == "once_func"

    @parks("sync.Once.Do")
    async def __call__(self) -> T_co:
        """Run the function, or wait for it if it runs, and return what it returned.

        Yields to other goroutines when it waits, and at least every 64th time when
        it does not.

        Cancellation: raises, and what was begun does not count: the call that has
        waited longest runs the function again, or the next that comes.

        Raises:
            RuntimeError: the function itself calls this, which would wait for ever.
            Exception: what the function raised: the same one each time. It keeps
                its traceback, and with it what that refers to.
        """
        left = budget.left
        if left > 0 and self._call.over:
            budget.left = left - 1
        else:
            try:
                await self._call.reach(self._run)
            finally:
                self._forget()
        return self._call.outcome()

    @parks("sync.Once.Do")
    def blocking_call(self, timeout: float | None = None) -> T_co:
        """:meth:`__call__` for threads, if the function is a plain one.

        Args:
            timeout: seconds to wait while somebody else runs it; 0 means one look,
                None for ever.

        Raises:
            TimeoutError: somebody else's call did not return in time.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write ``await f()``; or as
                :meth:`__call__`.
            TypeError: the function is async.
            Exception: what the function raised: the same one each time.
        """
        _thread.check_call("f.blocking_call()", "await f()", timeout)
        try:
            self._call.blocking_reach(self._run, timeout)
        finally:
            self._forget()
        return self._call.outcome()

    def _run(self) -> Any:
        return self._fn()

    def _forget(self) -> None:
        if self._call.over:
            self._fn = None
            if self._void:
                self._call.forget()

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        state = "has run" if self._call.over else "has not run"
        return f"<once {self._name}, {state}>"


@overload
def once_func(
    fn: Callable[[], Coroutine[Any, Any, object]], /
) -> OnceFunction[None]: ...
@overload
def once_func(fn: Callable[[], object], /) -> OnceFunction[None]: ...
def once_func(fn: Callable[[], Any], /) -> OnceFunction[None]:
    """Make a function that runs ``fn()`` once.

    ``f = once_func(setup)``, then ``await f()`` wherever it is needed.

    Every call returns when ``fn`` has; if it raised, every call raises that same
    exception. ``f.blocking_call()`` is for threads. Source: Go's ``sync.OnceFunc``.

    Args:
        fn: a plain or an async function without arguments.

    Raises:
        TypeError: ``fn`` is not a function.
    """
    return OnceFunction(fn, "once_func")


@overload
def once_value(fn: Callable[[], Coroutine[Any, Any, T]], /) -> OnceFunction[T]: ...
@overload
def once_value(fn: Callable[[], T], /) -> OnceFunction[T]: ...
def once_value(fn: Callable[[], Any], /) -> OnceFunction[Any]:
    """Make a function that runs ``fn()`` once and returns its value each time.

    ``load = once_value(read)``; ``config = await load()``. As :func:`once_func`.
    Source: Go's ``sync.OnceValue``.

    Args:
        fn: a plain or an async function without arguments.

    Raises:
        TypeError: ``fn`` is not a function.
    """
    return OnceFunction(fn, "once_value")


@overload
def once_values(
    fn: Callable[[], Coroutine[Any, Any, tuple[*Ts]]], /
) -> OnceFunction[tuple[*Ts]]: ...
@overload
def once_values(fn: Callable[[], tuple[*Ts]], /) -> OnceFunction[tuple[*Ts]]: ...
def once_values(fn: Callable[[], Any], /) -> OnceFunction[Any]:
    """:func:`once_value` for a function that returns several values.

    ``host, port = await address()``. Source: Go's ``sync.OnceValues``.

    Args:
        fn: a plain or an async function without arguments, which returns a tuple.

    Raises:
        TypeError: ``fn`` is not a function.
    """
    return OnceFunction(fn, "once_values")
