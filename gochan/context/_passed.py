"""Contexts in other processes.

A context that is passed on is made anew there: with what is left of its time, and with
its values, which are pickled. Its end is told through a channel that is passed along.
So what is derived from it there, or awaited in its ``scope()``, ends soon after it has
ended at home. Nothing that is done with it there has an effect at home.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, final
from weakref import WeakKeyDictionary, finalize, ref

from .._backends import clock
from .._chan import Chan
from .._waiter import Waiter
from ._base import Canceled, Context
from ._derive import Derived, background, todo
from ._tree import NEAREST, CancelContext, Root, ValueContext, attach

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("passed_on",)

Values = list[tuple[object, Any]]

# by the channel that tells the end of one, what has been passed on
_passed: Final[WeakKeyDictionary[Chan[Any], Context]] = WeakKeyDictionary()


@final
class _Teller:
    """Tells the end of a context to one who has got it."""

    __slots__ = ("_end",)

    def __init__(self, end: Chan[Any]) -> None:
        # nobody has a handle to it any more: nobody wants to know
        self._end = ref(end)

    def cancel(self, error: Exception, why: BaseException) -> None:
        end = self._end()
        if end is not None:
            end.send_nowait((error, why))


def passed_on(ctx: Context) -> tuple[Callable[..., Context], tuple[Any, ...]]:
    """What stands for a context in a pickle, as ``__reduce__``."""
    if isinstance(ctx, Derived):
        # how to cancel it stays here
        ctx = ctx[0]
    for root in (background, todo):
        if ctx is root():
            return root, ()
    end = Chan[Any](1, name="end of a context")
    _passed[end] = ctx
    # if it is let go of there, it is forgotten here
    finalize(end, attach(ctx, _Teller(end))).atexit = False
    deadline = ctx.deadline()
    left = None if deadline is None else deadline - clock().now()
    first = ctx.end if isinstance(ctx, _Passed) else end
    return _arrive, (first, end, left, _values(ctx))


def _values(ctx: Context) -> Values:
    """All that ``ctx.value()`` knows; of contexts that others have written, nothing."""
    values: Values = []
    while True:
        if isinstance(ctx, ValueContext):
            values.append((ctx._key, ctx._value))
        elif isinstance(ctx, _Passed):
            return values + ctx.values
        above: Context | None = getattr(ctx, "_parent", None)
        if above is None:
            return values
        ctx = above


def _arrive(
    first: Chan[Any], end: Chan[Any], left: float | None, values: Values
) -> Context:
    """Unpickle it.

    Args:
        first: told its end to who passes it on.
        end: will tell us.
        left: seconds until its deadline.
        values: all that it knows.
    """
    found = _passed.get(first)
    if found is not None:
        # it has come back
        return found
    ctx = _Passed(end, left, values)
    handle: Any = end
    handle._when_received(_Told(ctx, handle))
    return ctx


@final
class _Passed(CancelContext):
    """A context of another process, as it is here."""

    __slots__ = ("_until", "end", "values")

    def __init__(self, end: Chan[Any], left: float | None, values: Values) -> None:
        self.end = end
        # clocks of other loops have other zeros
        self._until = None if left is None else monotonic() + left
        self.values = values
        super().__init__(Root("context.Passed"))
        # those that derive from it have its deadline
        self._limit = self

    def deadline(self) -> float | None:
        if self._until is None:
            return None
        return clock().now() + (self._until - monotonic())

    def value(self, key: object, /) -> Any:
        if key is NEAREST:
            return self
        for own, value in self.values:
            if own is key or (type(own) is type(key) and own == key):
                return value
        return None

    def __repr__(self) -> str:
        return "context.Passed"


@final
class _Told(Waiter):
    """Waits for the end of a context of another process."""

    __slots__ = ("_ctx", "_end")

    def __init__(self, ctx: _Passed, end: Any) -> None:
        super().__init__()
        # the handle is needed until then
        self._end = end
        forget = end._link.dropped.append
        self._ctx = ref(ctx, lambda _: forget(self))

    def wake(self) -> bool:
        _, (error, why) = self.value
        if not isinstance(why, BaseException):
            # the process of the context has gone
            error, why = Canceled(), error
        ctx = self._ctx()
        if ctx is not None:
            ctx.cancel(error, why)
        return True
