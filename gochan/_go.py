"""Starting goroutines where no scope is named, and letting them run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, overload

from ._backends import backend
from ._callable import refuse_uncallable
from ._scope import current_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._executor import AnyExecutor
    from ._goroutine import Goroutine
    from ._scope import Scope

__all__ = ("go", "require_scope", "yield_")

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# bound here: to call a method of what is imported, Python makes it anew each time
_own_scope = current_scope.get


@overload
def go(
    fn: Callable[[*Ts], Coroutine[Any, Any, R]],
    /,
    *args: *Ts,
    on: AnyExecutor | None = None,
    name: str | None = None,
) -> Goroutine[R]: ...
@overload
def go(
    fn: Callable[[*Ts], R],
    /,
    *args: *Ts,
    on: AnyExecutor,
    name: str | None = None,
) -> Goroutine[R]: ...
def go(
    fn: Callable[[*Ts], Any],
    /,
    *args: *Ts,
    on: AnyExecutor | None = None,
    name: str | None = None,
) -> Goroutine[Any]:
    """Start ``fn(*args)`` as a goroutine and return its handle at once.

    It joins the innermost :func:`scope` that the calling code has entered, else
    the scope of the goroutine that calls, else the run's. It gets a copy of the
    caller's context variables. Never blocks; from any thread that inherited the
    context of a goroutine, as ``anyio.to_thread`` hands it on.

    Args:
        fn: an async function; with ``on``, a plain one may do.
        args: its arguments; ``functools.partial`` for keywords.
        on: where it runs, one of ``gochan.executors``; on this loop if not given.
        name: for reports; the function's name if not given.

    Raises:
        RuntimeError: there is no run and no open scope here.
        TypeError: ``fn`` is not an async function, and there is no ``on``.
    """
    owner = _own_scope() or require_scope(fn, "go")
    return owner._go(fn, args, on, name, sys._getframe(1))


def require_scope(fn: object, call: str) -> Scope:
    """The scope that a goroutine started here joins.

    Raises:
        RuntimeError: there is none.
        TypeError: nothing that could be started.
    """
    owner = _own_scope()
    if owner is None:
        refuse_uncallable(fn, call)
        raise RuntimeError(
            f"{call}() needs a run or a scope: start the program with "
            "gochan.run(main), or write `async with gochan.scope():` around it"
        )
    return owner


async def yield_() -> None:
    """Let other goroutines run: Go's ``runtime.Gosched``. Orders nothing.

    Cancellation: a checkpoint; raises if it is due, and nothing has changed.
    """
    await backend().yield_now()
