"""The functions that derive a context from another."""

from __future__ import annotations

from math import inf, isnan
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, final, overload

from .._backends import clock
from ._base import Canceled, Context, Key
from ._deadline import DeadlineContext
from ._tree import CancelContext, Root, Uncancelled, ValueContext, check

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Protocol, TypeAlias

    from .._ends import RecvChan

    CancelFunc: TypeAlias = Callable[[], None]

    class CancelCauseFunc(Protocol):
        """What :func:`with_cancel_cause` returns beside the context."""

        def __call__(self, why: BaseException | None = None, /) -> None: ...


__all__ = (
    "Derived",
    "background",
    "plain",
    "todo",
    "with_cancel",
    "with_cancel_cause",
    "with_deadline",
    "with_deadline_cause",
    "with_timeout",
    "with_timeout_cause",
    "with_value",
    "without_cancel",
)

T = TypeVar("T")
CancelT = TypeVar("CancelT", bound="Callable[..., None]")


@final
class Derived(tuple[Context, CancelT], Context, Generic[CancelT]):
    """What the ``with_...`` functions return: a context, and how to cancel it.

    Unpack it, ``ctx, cancel = with_cancel(parent)``; or write ``with
    with_cancel(parent) as (ctx, cancel):``, which cancels it at the end. It is a
    context itself, so ``as ctx`` will do where ``cancel`` is not needed.

    ``cancel()`` never blocks, does nothing the second time, and may be called from any
    thread. When it returns, the context and all derived from it are done.
    """

    __slots__ = ()

    def __enter__(self) -> Derived[CancelT]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ours = cast("CancelContext", self[0])
        ours.cancel(Canceled(), None)

    def deadline(self) -> float | None:
        """See :meth:`Context.deadline`."""
        return self[0].deadline()

    def done(self) -> RecvChan[None]:
        """See :meth:`Context.done`."""
        return self[0].done()

    def err(self) -> Exception | None:
        """See :meth:`Context.err`."""
        return self[0].err()

    @overload
    def value(self, key: Key[T], /) -> T | None: ...
    @overload
    def value(self, key: object, /) -> Any: ...
    def value(self, key: object, /) -> Any:
        """See :meth:`Context.value`."""
        return self[0].value(key)

    def __repr__(self) -> str:
        return repr(self[0])

    # a context is equal to nothing but itself
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


_background = Root("context.Background")
_todo = Root("context.TODO")


def background() -> Context:
    """Never done, no deadline, no values: what all others derive from."""
    return _background


def todo() -> Context:
    """As :func:`background`, where it is not clear yet which context to use."""
    return _todo


def with_cancel(parent: Context) -> Derived[CancelFunc]:
    """A context that is done when ``cancel()`` is called or ``parent`` is done.

    Raises:
        Panic: ``parent`` is None.
        TypeError: ``parent`` is no context.
    """
    ctx = CancelContext(plain(parent))
    return Derived((ctx, lambda: ctx.cancel(Canceled(), None)))


def with_cancel_cause(parent: Context) -> Derived[CancelCauseFunc]:
    """As :func:`with_cancel`; ``cancel(error)`` says why: see :func:`cause`.

    Raises:
        Panic: ``parent`` is None.
        TypeError: ``parent`` is no context.
    """
    ctx = CancelContext(plain(parent))

    def cancel(why: BaseException | None = None, /) -> None:
        ctx.cancel(Canceled(), why)

    return Derived((ctx, cancel))


def with_deadline(parent: Context, deadline: float) -> Derived[CancelFunc]:
    """A context that is also done at ``deadline``, a time as of ``time.now()``.

    If the parent's deadline is sooner, that counts.

    Raises:
        Panic: ``parent`` is None.
        TypeError: ``parent`` is no context, or ``deadline`` no number.
        ValueError: ``deadline`` is NaN.
        ValueError: ``deadline`` is NaN.
    """
    return with_deadline_cause(parent, deadline, None)


def with_deadline_cause(
    parent: Context, deadline: float, why: BaseException | None
) -> Derived[CancelFunc]:
    """As :func:`with_deadline`; the cause is ``why`` if the deadline passes."""
    parent = plain(parent)
    _check_number(deadline, "a deadline is a time as of time.now()")
    above = parent.deadline()
    if deadline == inf or (above is not None and above <= deadline):
        return with_cancel(parent)
    ctx = DeadlineContext(parent, deadline, why)
    return Derived((ctx, lambda: ctx.cancel(Canceled(), None)))


def with_timeout(parent: Context, seconds: float) -> Derived[CancelFunc]:
    """A context that is also done ``seconds`` from now.

    Raises:
        Panic: ``parent`` is None.
        TypeError: ``parent`` is no context, or ``seconds`` no number.
        ValueError: ``seconds`` is NaN.
        ValueError: ``seconds`` is NaN.
    """
    return with_timeout_cause(parent, seconds, None)


def with_timeout_cause(
    parent: Context, seconds: float, why: BaseException | None
) -> Derived[CancelFunc]:
    """As :func:`with_timeout`; the cause is ``why`` if the time is over."""
    _check_number(seconds, "a timeout is a number of seconds")
    return with_deadline_cause(parent, clock().now() + seconds, why)


@overload
def with_value(parent: Context, key: Key[T], value: T) -> Context: ...
@overload
def with_value(parent: Context, key: object, value: object) -> Context: ...
def with_value(parent: Context, key: object, value: object) -> Context:
    """A context in which ``ctx.value(key)`` is ``value``.

    For what belongs to a request and has to get through code that does not know of it;
    not for arguments. A :class:`Key` has a type, and no name that could be used twice.

    Raises:
        Panic: ``parent`` or ``key`` is None, or ``key`` is not hashable.
        TypeError: ``parent`` is no context.
    """
    return ValueContext(plain(parent), key, value)


def without_cancel(parent: Context) -> Context:
    """A context with the values of ``parent``, that is not done when that is.

    Raises:
        Panic: ``parent`` is None.
        TypeError: ``parent`` is no context.
    """
    return Uncancelled(plain(parent))


def _check_number(number: object, what: str) -> None:
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise TypeError(f"{what}, not {number!r}")
    if isnan(number):
        raise ValueError(f"{what}, not {number!r}")


def plain(ctx: Context) -> Context:
    check(ctx)
    return ctx[0] if isinstance(ctx, Derived) else ctx
