"""Scopes: they own goroutines, and are left only when all of those have ended.

The scope that ``go()`` starts in is a context variable. A goroutine inherits it
with the context that is copied at ``go()``.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast, final, overload
from weakref import ref

from . import _backends, _executor, _instrument
from ._backends import backend, uninterrupted
from ._callable import coroutine_of, refuse_uncallable
from ._executor import Executor
from ._goroutine import Goroutine, Site, announce
from ._parked import parks
from ._tenants import Closable, Tenants, moving

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from types import FrameType, TracebackType
    from typing import Self

    from ._backends._parts import Backend, Clock, Nursery
    from ._executor import AnyExecutor

__all__ = ("Scope", "current_scope", "open_scopes", "scope")

R = TypeVar("R")
C = TypeVar("C", bound="Closable")
Ts = TypeVarTuple("Ts")

current_scope: ContextVar[Scope | None] = ContextVar("gochan scope", default=None)

# Where all goroutines of the process are found. Weak: a scope whose loop was thrown
# away is never left. A set of references rather than a WeakSet, because list() of it
# is one step.
open_scopes: set[ref[Scope]] = set()


@final
class Scope:
    """Owns goroutines: what ``scope()`` gives. Left only when all have ended.

    Attributes:
        name: for reports.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_body",
        "_ending",
        "_errors",
        "_main",
        "_nursery",
        "_open",
        "_opener",
        "_outer",
        "_tenants",
        "name",
    )

    _backend: Backend
    _nursery: Nursery

    def __init__(self, name: str | None) -> None:
        self.name: str | None = name
        self._open = False
        self._errors: list[BaseException] = []
        self._outer: Scope | None = None
        # what is to be done when all goroutines have ended
        self._ending: list[Callable[[], object]] = []
        # the id of the goroutine that has entered it
        self._opener: int | None = None
        # who that is; known only while an instrument is installed
        self._body: Hashable = None
        # of a run: its main goroutine
        self._main: Goroutine[Any] | None = None
        # of an outermost one, if there are any
        self._tenants: Tenants | None = None

    @overload
    def go(
        self,
        fn: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
        name: str | None = None,
    ) -> Goroutine[R]: ...
    @overload
    def go(
        self,
        fn: Callable[[*Ts], R],
        /,
        *args: *Ts,
        on: AnyExecutor,
        name: str | None = None,
    ) -> Goroutine[R]: ...
    def go(
        self,
        fn: Callable[[*Ts], Any],
        /,
        *args: *Ts,
        on: AnyExecutor | None = None,
        name: str | None = None,
    ) -> Goroutine[Any]:
        """:func:`go`, in this scope; from any thread, while the scope is open.

        Raises:
            RuntimeError: the scope has been left, or not been entered.
            TypeError: ``fn`` is not an async function, and there is no ``on``.
        """
        return self._go(fn, args, on, name, sys._getframe(1))

    @uninterrupted
    def _go(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        on: AnyExecutor | None,
        name: str | None,
        started_by: FrameType | Site,
        *,
        wrap: Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]
        | None = None,
        background: bool = False,
    ) -> Goroutine[Any]:
        """Start it.

        Args:
            fn: what :func:`go` is given; so are ``args``, ``on`` and ``name``.
            args: see above.
            on: see above.
            name: see above.
            started_by: where, for reports.
            wrap: what to run in place of the function's coroutine, which awaits it.
            background: it does not keep the scope open, and is cancelled when the
                body and all others have ended.
        """
        if not self._open:
            refuse_uncallable(fn, "go")
            raise RuntimeError(
                f"{self!r} is not open: call go() between `async with scope() as s:` "
                "and its end, while the scope still has goroutines"
            )
        goroutine: Goroutine[Any]
        if on is None and _executor.here:
            on = self._stay_here()
        if on is None:
            goroutine = Goroutine(self, coroutine_of(fn, args), name, started_by)
        else:
            refuse_uncallable(fn, "go")
            if not isinstance(on, Executor):
                on = _executor.adapt(on)
            name = name or str(getattr(fn, "__name__", "?"))
            goroutine = Goroutine(self, None, name, started_by)
            goroutine.coroutine = on._supervise(goroutine, fn, args)
        if wrap is not None:
            assert goroutine.coroutine is not None
            goroutine.coroutine = wrap(goroutine.coroutine)
        if _instrument.active is not None:
            announce(goroutine, _instrument.active)
        try:
            self._nursery.start_soon(goroutine, background)
        except BaseException:
            # its loop has been closed
            _backends.discard(goroutine)
            raise
        return goroutine

    def _go_late(
        self, fn: Callable[[], Coroutine[Any, Any, Any]], name: str, site: Site
    ) -> None:
        """Start what was to be called later, unless it is too late for that.

        From any thread, and where nothing may be raised.
        """
        try:
            if self._open:
                self._go(fn, (), None, name, site)
        except RuntimeError:
            # it has been left meanwhile, or its loop closed
            pass

    def _stay_here(self) -> Executor | None:
        """What keeps a new goroutine on the loop of the one that starts it."""
        on = _executor.here.get(get_ident())
        return None if on is None or self._nursery.here() else on

    def _start_main(
        self, main: Coroutine[Any, Any, R], started_by: FrameType
    ) -> Goroutine[R]:
        self._main = goroutine = Goroutine(self, main, "main", started_by)
        if _instrument.active is not None:
            announce(goroutine, _instrument.active)
        self._nursery.start_soon(goroutine)
        return goroutine

    def cancel(self, reason: str | None = None) -> None:
        """Cancel all its goroutines and its body. It is then left silently.

        Never blocks; from any thread.

        Args:
            reason: for reports and for who awaits one of the goroutines.
        """
        if self._open:
            if (seen := _instrument.active) is not None:
                seen.cancelled(_instrument.current_party(), self)
            self._nursery.cancel(reason)

    def _failed(self, goroutine: Goroutine[Any], error: BaseException) -> None:
        """A goroutine raised: that concerns all the others."""
        if goroutine is not self._main:
            goroutine._sign(error)
        self._errors.append(error)
        if (seen := _instrument.active) is not None:
            seen.cancelled(goroutine, self)
        self._nursery.cancel("another goroutine failed")

    def _at_end(self, call: Callable[[], object]) -> None:
        """Call when all its goroutines have ended. From one of them."""
        self._ending.append(call)

    @uninterrupted
    async def __aenter__(self) -> Self:
        if self._open or self._errors:
            raise RuntimeError(f"{self!r} was entered before: write scope() each time")
        self._backend = backend()
        self._nursery = self._backend.nursery()
        await self._nursery.open()
        self._outer = current_scope.get()
        party = _find_party()
        if _instrument.active is not None:
            self._body = party
        self._opener = party.id if isinstance(party, Goroutine) else None
        current_scope.set(self)
        self._open = True
        open_scopes.add(ref(self, open_scopes.discard))
        return self

    @uninterrupted
    @parks("sync.WaitGroup.Wait")
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        # Not ``bool``: for type checkers that would mean that any exception may
        # be swallowed, and names bound inside be unbound after it.
        current_scope.set(self._outer)
        if error is not None and (seen := _instrument.active) is not None:
            seen.cancelled(_instrument.current_party(), self)
        own = False
        try:
            own = await self._nursery.close(error)
        except KeyboardInterrupt:
            raise
        except BaseException:
            # A cancellation from outside, repeated at the next checkpoint: what
            # the goroutines raised is worth more. But an exit has left the loop
            # already if that is its way, and this is the loop's shutdown.
            if not self._errors or (self._nursery.exits and _exit_in(self._errors)):
                raise
        finally:
            with moving:
                self._open = False
            while self._ending:
                self._ending.pop()()
            if self._tenants is not None:
                # if the loop is gone nobody can wait
                wait = not isinstance(error, GeneratorExit)
                wait = wait and sys.exc_info()[0] is not GeneratorExit
                await self._tenants.evict(wait)
            open_scopes.discard(ref(self))
            self._body = None
            if (seen := _instrument.active) is not None:
                # all that its goroutines did comes before
                seen.acquire(_instrument.current_party(), self)
        errors = self._errors
        raised = None if own else self._apart_from_cancellation(error)
        # the body may raise what it has awaited: that is one failure
        if raised is not None and not any(raised is other for other in errors):
            errors = [raised, *errors]
        if errors:
            try:
                raise _group(errors) from None
            finally:
                # no cycle from the exception's traceback to itself
                self._errors = []
                del errors, error, raised
        return own

    def _tenant(self, key: object, make: Callable[[], C]) -> C:
        """What ``key`` has for as long as the run lasts; made if there is none yet.

        It is closed, without blocking, when the run has ended; where there is no
        run, when the outermost scope has been left.
        """
        outermost = self
        while (
            outermost._main is None
            and (outer := outermost._outer) is not None
            and outer._open
        ):
            outermost = outer
        with moving:
            if not outermost._open:
                raise RuntimeError(f"{outermost!r} has been left")
            if outermost._tenants is None:
                outermost._tenants = Tenants()
            return outermost._tenants.get(key, make)

    def _apart_from_cancellation(
        self, error: BaseException | None
    ) -> BaseException | None:
        cancelled = self._nursery.cancelled
        if isinstance(error, cancelled):
            return None
        if isinstance(error, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", error)
            match, rest = group.split(cancelled)
            # not rest, which is a copy, if there was nothing to take out
            return group if match is None else rest
        return error

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Scope{name}, {'open' if self._open else 'not open'}>"


def _exit_in(errors: list[BaseException]) -> BaseException | None:
    for error in errors:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            return error
    return None


def _group(errors: list[BaseException]) -> BaseException:
    """What leaves a scope. Ctrl-C and exit are what they are, as in asyncio."""
    return _exit_in(errors) or BaseExceptionGroup(
        "unhandled errors in goroutines", errors
    )


def scope(*, name: str | None = None) -> Scope:
    """Own goroutines: those started inside are waited for at the end.

    Write ``async with scope() as s:``. Inside of it ``go()`` starts them, also in
    functions that are called there. If one raises, the others and the body are
    cancelled, and everything that was raised comes out as an ``ExceptionGroup``.

    Cancellation: a scope that is cancelled cancels its goroutines and waits for
    them to end.

    Args:
        name: for reports.
    """
    return Scope(name)


def _find_party() -> Hashable:
    """The goroutine that runs, else the foreign task, else the thread."""
    task: Hashable
    try:
        task = backend().current_task()
    except RuntimeError:
        task = None
    if task is None:
        # a thread, or a callback of the loop that runs there
        task = get_ident()
    else:
        owner = current_scope.get()
        while owner is not None:
            job: Any = owner._nursery.running(task)
            if job is not None:
                party: Hashable = job
                return party
            owner = owner._outer
    return _instrument.parties.get(task, task)


_instrument.find_party = _find_party


def _find_home() -> Clock | None:
    """The clock of the loop of the scope that a goroutine started here would join."""
    owner = current_scope.get()
    while owner is not None and not owner._open:
        owner = owner._outer
    return None if owner is None else owner._nursery.clock


_backends.find_home = _find_home
