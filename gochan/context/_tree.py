"""Contexts that are derived from others, and how an end gets from one to the next.

Each context that can be cancelled knows those derived from it. Cancelling it cancels
them before ``cancel()`` returns. Whatever is cancelled first keeps its reason.

A context of somebody else's making is asked, in this order, whether it is one of ours
underneath, whether it offers to call a function at its end, and else is waited for
with a waiter in the queue of its ``done()``, which is no goroutine and no thread.

Source: Go's ``context/context.go``. Notable differences: nothing runs to wait for a
foreign context; no lock is held while children are cancelled, so that a second
``cancel()`` on another thread has to help the first; the errors are made anew for each
context, since exceptions carry their tracebacks.
"""

from __future__ import annotations

from _thread import allocate_lock
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, final

from .. import _instrument
from .._backends import uninterrupted
from .._chan import Chan
from .._ends import Receiver
from .._errors import Panic
from .._nil import nil
from ._base import Canceled, Context, DeadlineExceeded
from ._callback import enlist_callback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._ends import RecvChan
    from ._deadline import DeadlineContext

__all__ = (
    "NEAREST",
    "CancelContext",
    "Child",
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
        """Its parent is done. Never blocks, and raises nothing."""


# asked of a context for the nearest one of ours
NEAREST = object()


def nearest(ctx: Context) -> CancelContext | None:
    """The context of ours that ends when ``ctx`` does, if there is one."""
    found = ctx.value(NEAREST)
    if not isinstance(found, CancelContext):
        return None
    # somebody may have put another end in front of it
    return found if found._view == ctx.done() else None


def cause(ctx: Context) -> BaseException | None:
    """Why ``ctx`` is done: what its ``cancel`` was given, else ``ctx.err()``.

    None as long as it is not done. Never blocks.

    Source: Go's ``context.Cause``.
    """
    check(ctx)
    found = ctx.value(NEAREST)
    if isinstance(found, CancelContext) and found.err() is not None:
        return found.why
    # none of ours, or one that is derived by somebody else and may be done already
    return ctx.err()


def attach(parent: Context, child: Child) -> Callable[[], object]:
    """Cancel ``child`` when ``parent`` is done. What is returned undoes that."""
    return _attach(parent, nearest(parent), child)


def _attach(
    parent: Context, ours: CancelContext | None, child: Child
) -> Callable[[], object]:
    done = parent.done()
    if done._channel is nil:
        return _nothing
    error = parent.err()
    if error is not None:
        child.cancel(error, cause(parent) or error)
        return _nothing
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

    def done(self) -> RecvChan[None]:
        return nil

    def err(self) -> None:
        return None

    def value(self, key: object, /) -> Any:  # noqa: ARG002  # it has none
        return None

    def __repr__(self) -> str:
        return self._name


class _Derived(Context):
    """One that is as its parent where it does not say otherwise.

    Chains of them get long, so nothing here goes from each to its parent by a call.
    """

    __slots__ = ("_end", "_limit", "_parent")

    def __init__(self, parent: Context) -> None:
        check(parent)
        self._parent = parent
        # that of its ancestors, or itself, whose end is its own, and whose deadline
        self._end: Context = parent
        self._limit: Context = parent
        if isinstance(parent, _Derived):
            self._end, self._limit = parent._end, parent._limit

    def deadline(self) -> float | None:
        return self._limit.deadline()

    def done(self) -> RecvChan[None]:
        return self._end.done()

    def err(self) -> Exception | None:
        return self._end.err()

    def value(self, key: object, /) -> Any:
        ctx: Context = self
        # down to one that has its own way
        while isinstance(ctx, _Derived) and type(ctx).value is _Derived.value:
            if isinstance(ctx, ValueContext):
                own = ctx._key
                if own is key or (type(own) is type(key) and own == key):
                    return ctx._value
            elif key is NEAREST:
                return ctx if isinstance(ctx, CancelContext) else None
            ctx = ctx._parent
        return ctx.value(key)

    @abstractmethod
    def _suffix(self) -> str:
        """How it is called, after its parent."""

    def __repr__(self) -> str:
        parts: list[str] = []
        ctx: Context = self
        while isinstance(ctx, _Derived) and type(ctx).__repr__ is _Derived.__repr__:
            parts.append(ctx._suffix())
            ctx = ctx._parent
        return ".".join([repr(ctx), *reversed(parts)])


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

    def _suffix(self) -> str:
        return f"WithValue({self._key!r}, {_short(self._value)})"


def _short(value: object) -> str:
    return repr(value) if isinstance(value, (str, int)) else type(value).__name__


@final
class Uncancelled(_Derived):
    """What :func:`without_cancel` makes."""

    __slots__ = ()

    def __init__(self, parent: Context) -> None:
        super().__init__(parent)
        self._end = self._limit = _never

    def _suffix(self) -> str:
        return "WithoutCancel"


_never = Root("never")


class CancelContext(_Derived):
    """What :func:`with_cancel` makes.

    ``_lock`` guards all that changes. It is held for a moment, never while another
    context's is wanted, and never while anything is called that is not ours: waking
    those who wait on ``done()`` may call whoever derives contexts in their own way.
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_detach",
        "_done",
        "_error",
        "_lock",
        "_timed",
        "_told",
        "_view",
        "why",
    )

    def __init__(self, parent: Context) -> None:
        super().__init__(parent)
        self._end = self
        self._lock = allocate_lock()
        self._done: Chan[None] = Chan(name="done")
        # only this may be given away: whoever has the other could close it
        self._view: RecvChan[None] = Receiver(self._done)
        self._error: Exception | None = None
        # once it is done: the cause
        self.why: BaseException | None = None
        # in order, as a set; None once it is done
        self._children: dict[Child, None] | None = {}
        # once it is done: those that are just being told
        self._told: Sequence[Child] = ()
        self._detach: Callable[[], object] = _nothing
        ours = nearest(parent)
        # the nearest of those above whose deadline it ends at, also behind contexts of
        # others, which may name another deadline
        self._timed: DeadlineContext | None = None if ours is None else ours._timed
        detach = _attach(parent, ours, self)
        if self._error is None:
            self._detach = detach

    def done(self) -> RecvChan[None]:
        self.expire()
        return self._view

    @uninterrupted
    def err(self) -> Exception | None:
        self.expire()
        if self._error is None:
            return None
        # whoever sees the error sees the channel closed, too
        with self._lock:
            if (seen := _instrument.active) is not None:
                seen.acquire(_instrument.current_party(), self)
            return self._error

    def expire(self, *, sure: bool = False) -> None:
        """If its deadline has passed, do not wait for the alarm.

        Args:
            sure: it has, whatever the clock says.
        """
        timed = self._timed
        if timed is not None and (sure or timed._is_due()):
            timed._expired()

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
        """It is done, and so is all that derives from it, before this returns.

        That holds for whoever calls it, the first or a second on another thread: the
        second does what the first has not done yet.
        """
        ahead: list[tuple[Child, CancelContext]]
        ahead = [(each, self) for each in self._finish(error, why)]
        # a list that grows: chains of contexts are longer than the stack
        for child, parent in ahead:
            assert parent._error is not None
            assert parent.why is not None
            if isinstance(child, CancelContext):
                children = child._finish(parent._error, parent.why)
                ahead.extend((each, child) for each in children)
            else:
                child.cancel(parent._error, parent.why)
        for _, parent in ahead:
            parent._told = ()

    @uninterrupted
    def _finish(self, error: Exception, why: BaseException | None) -> Sequence[Child]:
        """It is done, unless it is already. Who has to be told of that."""
        with self._lock:
            if self._children is None:
                return self._told
            self._told = tuple(self._children)
            self._children = None
            # each has its own, for its traceback
            own: Exception = error
            if type(error) in (Canceled, DeadlineExceeded):
                own = type(error)()
            self._error = own
            self.why = own if why is None or why is error else why
            if (seen := _instrument.active) is not None:
                seen.release_merge(_instrument.current_party(), self)
            waiters = self._done._shut()
        for waiter in waiters:
            waiter.settle()
        self._finished()
        return self._told

    def _finished(self) -> None:
        detach, self._detach = self._detach, _nothing
        detach()

    def _suffix(self) -> str:
        return "WithCancel"
