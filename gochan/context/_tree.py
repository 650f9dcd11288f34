"""Contexts that are derived from others, and how an end gets from one to the next.

Each context that can be cancelled knows those derived from it. Cancelling it cancels
them before ``cancel()`` returns. Whatever is cancelled first keeps its reason.

A context of somebody else's making is asked, in this order, whether it is one of ours
underneath, whether it offers to call a function at its end, and else is waited for
with a waiter in the queue of its ``done()``, which is no goroutine and no thread.

Source: Go's ``context/context.go``. Notable differences: nothing runs to wait for a
foreign context; the errors are made anew for each context, since exceptions carry
their tracebacks.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Protocol, final

from .. import _instrument
from .._backends import clock, uninterrupted
from .._chan import Chan
from .._ends import Receiver
from .._errors import Panic
from .._nil import nil
from .._select import enlist_callback
from ._base import Canceled, Context, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._backends import Alarm, Clock
    from .._ends import RecvChan

__all__ = (
    "NEAREST",
    "CancelContext",
    "Child",
    "DeadlineContext",
    "Root",
    "Uncancelled",
    "ValueContext",
    "attach",
    "cause",
    "check",
    "nearest",
)


class Child(Protocol):
    """What is cancelled with a context."""

    def cancel(self, error: Exception, why: BaseException) -> None:
        """Its parent is done."""


# asked of a context for the nearest one of ours
NEAREST = object()


def nearest(ctx: Context) -> CancelContext | None:
    """The context of ours that ends when ``ctx`` does, if there is one."""
    found = ctx.value(NEAREST)
    if not isinstance(found, CancelContext):
        return None
    # somebody may have put another end in front of it
    return found if found.done() == ctx.done() else None


def cause(ctx: Context) -> BaseException | None:
    """Why ``ctx`` is done: what its ``cancel`` was given, else ``ctx.err()``.

    None as long as it is not done. Never blocks.

    Source: Go's ``context.Cause``.
    """
    check(ctx)
    found = ctx.value(NEAREST)
    if isinstance(found, CancelContext):
        if found.err() is not None:
            return found.why
        # one that is derived by somebody else may be done already
        return ctx.err()
    return ctx.err()


def attach(parent: Context, child: Child) -> Callable[[], object]:
    """Cancel ``child`` when ``parent`` is done. What is returned undoes that."""
    done = parent.done()
    if done._channel is nil:
        return _nothing
    error = parent.err()
    if error is not None:
        child.cancel(error, cause(parent) or error)
        return _nothing
    ours = nearest(parent)
    if ours is not None:
        return ours.adopt(child)

    def ended() -> None:
        error = parent.err() or Canceled()
        child.cancel(error, cause(parent) or error)

    offered = getattr(parent, "after_func", None)
    if offered is not None:
        stop: Callable[[], object] = offered(ended)
        return stop
    return enlist_callback(done, ended)


def _nothing() -> None:
    pass


def check(ctx: object) -> None:
    if not isinstance(ctx, Context):
        if ctx is None:
            raise Panic("cannot create context from nil parent")
        raise TypeError(
            f"a context is wanted here, not {ctx!r}: write context.background()"
        )


@final
class Root(Context):
    """Never done: ``background()`` and ``todo()``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def deadline(self) -> None:
        return None

    def done(self) -> RecvChan[Any]:
        return nil

    def err(self) -> None:
        return None

    def value(self, key: object, /) -> Any:  # noqa: ARG002  # it has none
        return None

    def __repr__(self) -> str:
        return self._name


class _Derived(Context):
    """One that is as its parent where it does not say otherwise."""

    __slots__ = ("_parent",)

    def __init__(self, parent: Context) -> None:
        check(parent)
        self._parent = parent

    def deadline(self) -> float | None:
        return self._parent.deadline()

    def done(self) -> RecvChan[Any]:
        return self._parent.done()

    def err(self) -> Exception | None:
        return self._parent.err()

    def value(self, key: object, /) -> Any:
        return self._parent.value(key)


@final
class ValueContext(_Derived):
    """What :func:`with_value` makes."""

    __slots__ = ("_key", "_value")

    def __init__(self, parent: Context, key: object, value: object) -> None:
        super().__init__(parent)
        if key is None:
            raise Panic("nil key")
        try:
            hash(key)
        except TypeError:
            raise Panic("key is not comparable") from None
        self._key = key
        self._value = value

    def value(self, key: object, /) -> Any:
        # a loop: chains of values are long
        ctx: Context = self
        while isinstance(ctx, ValueContext):
            own = ctx._key
            if own is key or (type(own) is type(key) and own == key):
                return ctx._value
            ctx = ctx._parent
        return ctx.value(key)

    def __repr__(self) -> str:
        return f"{self._parent!r}.WithValue({self._key!r}, {_short(self._value)})"


def _short(value: object) -> str:
    return repr(value) if isinstance(value, (str, int)) else type(value).__name__


@final
class Uncancelled(_Derived):
    """What :func:`without_cancel` makes."""

    __slots__ = ()

    def deadline(self) -> None:
        return None

    def done(self) -> RecvChan[Any]:
        return nil

    def err(self) -> None:
        return None

    def value(self, key: object, /) -> Any:
        return None if key is NEAREST else self._parent.value(key)

    def __repr__(self) -> str:
        return f"{self._parent!r}.WithoutCancel"


class CancelContext(_Derived):
    """What :func:`with_cancel` makes.

    ``_lock`` guards all that changes. It is never held while another context's is
    wanted, and never while anything is called that is not ours.
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_detach",
        "_done",
        "_error",
        "_lock",
        "_view",
        "why",
    )

    def __init__(self, parent: Context) -> None:
        super().__init__(parent)
        self._lock = allocate_lock()
        self._done: Chan[None] = Chan(name="done")
        # only this may be given away: whoever has the other could close it
        self._view: RecvChan[None] = Receiver(self._done)
        self._error: Exception | None = None
        # once it is done: the cause
        self.why: BaseException | None = None
        # in order, as a set; None once it is done
        self._children: dict[Child, None] | None = {}
        self._detach: Callable[[], object] = _nothing
        detach = attach(parent, self)
        if self._error is None:
            self._detach = detach

    def done(self) -> RecvChan[Any]:
        return self._view

    @uninterrupted
    def err(self) -> Exception | None:
        if self._error is None:
            return None
        # whoever sees the error sees the channel closed, too
        with self._lock:
            if (seen := _instrument.active) is not None:
                seen.acquire(_instrument.current_party(), self)
            return self._error

    def value(self, key: object, /) -> Any:
        return self if key is NEAREST else self._parent.value(key)

    @uninterrupted
    def adopt(self, child: Child) -> Callable[[], object]:
        """Cancel ``child`` with this one."""
        with self._lock:
            if self._children is not None:
                self._children[child] = None
                return lambda: self.abandon(child)
            error, why = self._error, self.why
        assert error is not None
        child.cancel(error, why or error)
        return _nothing

    @uninterrupted
    def abandon(self, child: Child) -> None:
        with self._lock:
            if self._children is not None:
                self._children.pop(child, None)

    @uninterrupted
    def cancel(self, error: Exception, why: BaseException | None) -> None:
        """It is done, and so is all that derives from it, before this returns."""
        with self._lock:
            if self._children is None:
                return
            children, self._children = self._children, None
            # each has its own, for its traceback
            own: Exception = error
            if type(error) in (Canceled, DeadlineExceeded):
                own = type(error)()
            self._error = own
            self.why = own if why is None or why is error else why
            why = self.why
            if (seen := _instrument.active) is not None:
                seen.release_merge(_instrument.current_party(), self)
            self._done.close()
        self._ended()
        for child in children:
            child.cancel(own, why)

    def _ended(self) -> None:
        detach, self._detach = self._detach, _nothing
        detach()

    def expire(self) -> None:
        """If a deadline here or above has passed, do not wait for its alarm."""
        above = nearest(self._parent)
        if above is not None:
            above.expire()

    def __repr__(self) -> str:
        return f"{self._parent!r}.WithCancel"


@final
class DeadlineContext(CancelContext):
    """What :func:`with_deadline` makes."""

    __slots__ = ("_alarm", "_clock", "_reason", "_when")

    def __init__(
        self, parent: Context, when: float, reason: BaseException | None
    ) -> None:
        self._when = when
        self._reason = reason
        self._clock: Clock = clock()
        self._alarm: Alarm | None = None
        super().__init__(parent)
        if self._error is not None:
            return
        if when <= self._clock.now():
            self._expired()
        else:
            self._alarm = self._clock.call_at(when, self._expired)
            if self.err() is not None:
                # cancelled by another thread meanwhile
                self._alarm.cancel()

    def deadline(self) -> float | None:
        return self._when

    def expire(self) -> None:
        if self._when <= self._clock.now():
            self._expired()
        super().expire()

    def _expired(self) -> None:
        self.cancel(DeadlineExceeded(), self._reason)

    def _ended(self) -> None:
        super()._ended()
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()

    def __repr__(self) -> str:
        left = self._when - self._clock.now()
        return f"{self._parent!r}.WithDeadline({self._when:.3f} [{left:.3f}s])"
