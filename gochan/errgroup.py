"""Goroutines that work on parts of one task, and the first error of any of them.

    async with errgroup.Group(limit=10) as group:
        for url in urls:
            await group.go(fetch, url)

A goroutine of a group that fails does not cancel its scope: the error is kept for
:meth:`Group.wait`, and the others go on. With :func:`with_context` they are told, by
a context that they have been given.

Source: Go's ``golang.org/x/sync/errgroup``. Notable differences: an error is an
exception; those after the first are not lost, but noted on it; ``async with`` waits
at its end, and if its body fails it cancels what still runs.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, final, overload

from . import context as _context
from ._chan import Chan
from ._errors import Panic, WouldBlock
from ._go import require_scope
from ._scope import Scope, scope
from .context import Context
from .sync import WaitGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType, TracebackType
    from typing import Self

    from ._executor import AnyExecutor
    from ._goroutine import Goroutine
    from .context._derive import CancelCauseFunc

__all__ = ("Group", "WithContext", "with_context")

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@final
class Group:
    """Goroutines that belong together, and their first error.

    Its goroutines join a scope as those of :func:`gochan.go` do; inside of
    ``async with``, the group's own. Thread-safe. May be used again after ``wait``.

    Args:
        limit: how many of its goroutines may run at the same time; None for any
            number. 0 lets none start.

    Raises:
        TypeError: ``limit`` is not an int.
        ValueError: ``limit`` is negative.
    """

    __slots__ = ("_cancel", "_error", "_later", "_lock", "_places", "_scope", "_wg")

    def __init__(self, limit: int | None = None) -> None:
        self._lock = allocate_lock()
        self._wg = WaitGroup()
        # one value for each goroutine that runs
        self._places: Chan[None] | None = None
        self._error: Exception | None = None
        self._later: list[Exception] = []
        self._cancel: CancelCauseFunc | None = None
        # while its body runs
        self._scope: Scope | None = None
        self.set_limit(limit)

    def set_limit(self, limit: int | None) -> None:
        """Set how many of its goroutines may run at the same time. Never blocks.

        Raises:
            Panic: some are running.
            TypeError: ``limit`` is not an int.
            ValueError: ``limit`` is negative.
        """
        places = None if limit is None else _places(limit)
        active = 0 if self._places is None else len(self._places)
        if active:
            raise Panic(
                f"errgroup: modify limit while {active} goroutines in the group are "
                "still active"
            )
        self._places = places

    @overload
    async def go(
        self,
        fn: Callable[[*Ts], Coroutine[Any, Any, object]],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    async def go(
        self,
        fn: Callable[[*Ts], object],
        /,
        *args: *Ts,
        on: AnyExecutor,
        name: str | None = None,
    ) -> None: ...
    async def go(
        self,
        fn: Callable[[*Ts], Any],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
        name: str | None = None,
    ) -> None:
        """Start ``fn(*args)`` as a goroutine; wait only while the limit is reached.

        Arguments and errors are those of :func:`gochan.go`.

        Cancellation: either returns, or raises and has started nothing.
        """
        started_by = sys._getframe(1)
        places = self._places
        if places is not None:
            await places.send(None)
        self._start(places, fn, args, on, name, started_by)

    @overload
    def try_go(
        self,
        fn: Callable[[*Ts], Coroutine[Any, Any, object]],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
        name: str | None = None,
    ) -> bool: ...
    @overload
    def try_go(
        self,
        fn: Callable[[*Ts], object],
        /,
        *args: *Ts,
        on: AnyExecutor,
        name: str | None = None,
    ) -> bool: ...
    def try_go(
        self,
        fn: Callable[[*Ts], Any],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
        name: str | None = None,
    ) -> bool:
        """:meth:`go` if that needs no waiting: whether it was started. Never blocks."""
        places = self._places
        if places is not None and not _taken(places):
            return False
        self._start(places, fn, args, on, name, sys._getframe(1))
        return True

    async def wait(self) -> None:
        """Wait until all its goroutines have ended; raise the first error, if any.

        Errors that came after the first are in its notes. The context of a group
        that has one is then cancelled, also if there was no error.

        Cancellation: either returns, or raises; the goroutines run on.

        Raises:
            Exception: the first that any of its goroutines has raised.
        """
        await self._wg.wait()
        self._finish()

    def blocking_wait(self, timeout: float | None = None) -> None:
        """:meth:`wait` for threads.

        Args:
            timeout: seconds; 0 means one look, None for ever.

        Raises:
            TimeoutError: some run still.
            RuntimeError: this thread runs an event loop: write ``await g.wait()``.
            Exception: the first that any of its goroutines has raised.
        """
        self._wg.blocking_wait(timeout)
        self._finish()

    async def __aenter__(self) -> Self:
        if self._scope is not None:
            raise RuntimeError("this group has been entered already")
        self._scope = scope(name="errgroup")
        await self._scope.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        own = self._scope
        assert own is not None
        leaving = error
        if error is None:
            try:
                await self._wg.wait()
            except BaseException as interrupted:  # noqa: BLE001  # raised by the scope
                leaving = interrupted
        if leaving is not None and self._cancel is not None:
            self._cancel(self._error)
        try:
            await own.__aexit__(type(leaving) if leaving else None, leaving, None)
        except BaseExceptionGroup as group:
            # what the body raises leaves bare, as it does from wait()
            if error is None or group.exceptions != (error,):
                raise
        finally:
            self._scope = None
            del leaving
        if error is None:
            self._finish()
        elif self._error is not None:
            _note(error, "the group's first error", self._error)

    def _start(
        self,
        places: Chan[None] | None,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        on: AnyExecutor | None,
        name: str | None,
        started_by: FrameType,
    ) -> None:
        goroutine: Goroutine[Any] | None = None

        async def watch(coroutine: Coroutine[Any, Any, Any]) -> None:
            try:
                await coroutine
            except Exception as error:  # noqa: BLE001  # wait() raises it
                self._failed(error, goroutine)
            except BaseExceptionGroup as group:
                # a scope inside was cancelled and has failed
                errors, rest = group.split(Exception)
                if errors is not None:
                    self._failed(errors, goroutine)
                if rest is not None:
                    raise rest from None
            finally:
                self._ended(places)

        self._wg.add(1)
        try:
            owner = self._scope or require_scope(fn, "group.go")
            goroutine = owner._go(fn, args, on, name, started_by, wrap=watch)
        except BaseException:
            self._ended(places)
            raise

    def _failed(self, error: Exception, goroutine: Goroutine[Any] | None) -> None:
        if goroutine is not None:
            goroutine._sign(error)
        with self._lock:
            first = self._error is None
            if first:
                self._error = error
            elif error is not self._error:
                self._later.append(error)
        if first and self._cancel is not None:
            self._cancel(error)

    def _ended(self, places: Chan[None] | None) -> None:
        if places is not None:
            places.recv_nowait()
        self._wg.done()

    def _finish(self) -> None:
        """What there is to do when all have ended."""
        error, later = self._error, self._later
        if self._cancel is not None:
            self._cancel(error)
        if error is None:
            return
        self._later = []
        for other in later:
            _note(error, "later error of the group", other)
        try:
            raise error
        finally:
            # no cycle from its traceback to itself
            del error, later


@final
class WithContext(tuple[Group, Context]):
    """What :func:`with_context` returns: a group, and a context.

    Unpack it; or write ``async with with_context(parent) as (group, ctx):``, which is
    that of the group.
    """

    __slots__ = ()

    async def __aenter__(self) -> Self:
        await self[0].__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self[0].__aexit__(kind, error, traceback)


def with_context(parent: Context) -> WithContext:
    """A group, and a context that is done at its first error or when it has ended.

    The context's cause is that error. The goroutines see it if they are given it.

        group, ctx = errgroup.with_context(parent)

        async with errgroup.with_context(parent) as (group, ctx):
            await group.go(fetch, ctx, url)

    Args:
        parent: the context that it derives from.
    """
    context, cancel = _context.with_cancel_cause(parent)
    group = Group()
    group._cancel = cancel
    return WithContext((group, context))


def _note(error: BaseException, what: str, other: Exception) -> None:
    # an exception may refuse it, such as a frozen dataclass
    with suppress(Exception):
        error.add_note(f"{what}: {other!r}")


def _places(limit: int) -> Chan[None]:
    _check_int(limit)
    if limit < 0:
        raise ValueError(f"limit must be at least 0, or None for none, not {limit}")
    return Chan(limit, name="errgroup limit")


def _check_int(limit: object) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(
            f"limit must be an int or None, not {limit!r}: write Group(limit=10)"
        )


def _taken(places: Chan[None]) -> bool:
    try:
        places.send_nowait(None)
    except WouldBlock:
        return False
    return True
