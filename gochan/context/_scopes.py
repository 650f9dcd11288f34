"""Contexts and cancel scopes: each as the other."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, final

import anyio

from .. import _backends, _instrument
from .._backends import _thread
from .._goroutine import Goroutine
from ._base import Canceled, Context
from ._deadline import DeadlineContext
from ._tree import CancelContext, Root, attach, nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .._backends._parts import Backend, Ear

__all__ = ("ContextScope", "from_scope")


@final
class ContextScope:
    """What :meth:`Context.scope` gives."""

    __slots__ = ("_clock", "_context", "_detach", "_party", "_scope")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        context = self._context
        try:
            self._clock = _backends.backend().clock()
        except RuntimeError:
            raise RuntimeError(
                "ctx.scope() cancels what is awaited, and no event loop runs on this "
                "thread: look at ctx.done() instead"
            ) from None
        seen = _instrument.active
        self._party = None if seen is None else _instrument.current_party()
        deadline = context.deadline()
        self._scope = anyio.CancelScope()
        self._scope.__enter__()
        if deadline is not None:
            self._scope.deadline = deadline
        self._detach: Callable[[], object] = attach(context, self)

    def cancel(self, error: Exception, why: BaseException) -> None:  # noqa: ARG002  # as told
        """The context is done; called on any thread."""
        if (seen := _instrument.active) is not None and self._party is not None:
            seen.cancelled(_instrument.current_party(), self._party)
        if self._clock.here():
            self._scope.cancel()
        else:
            self._clock.soon(self._scope.cancel)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._detach()
        silently = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught and self._context.err() is None:
            # by its deadline, of which the context's clock, another one, is not sure
            ours = nearest(self._context)
            if ours is not None:
                ours.expire(sure=True)
        return bool(silently)


def from_scope() -> Context:
    """A context that is done when the calling code is cancelled.

    By whatever cancel scope is around it: that of ``gochan.scope()``, of the goroutine
    itself, or of anyio's or trio's. It has their deadline, as it is now. The same one
    each time that nothing has changed.

    It is a bridge to code that cannot be cancelled: in other threads, or goroutines of
    other scopes. It is also done when the goroutine or the ``scope()`` has ended.
    asyncio's own cancellation, ``task.cancel()``, is no scope, and is not seen.

    In a goroutine on a thread it is done when that goroutine is cancelled.

    Raises:
        RuntimeError: the calling code is in no task, and in no goroutine.
    """
    backend = _running_backend()
    if backend is None:
        ear, deadline, is_cancelled = _thread.ear(), inf, _thread.is_cancelled
    else:
        ear, deadline = _ear_on(backend), anyio.current_effective_deadline()
        is_cancelled = backend.is_cancelled
    if ear is None:
        raise RuntimeError(
            "from_scope() is about the calling code, and no goroutine runs on this "
            "thread: call it where one does, and pass the context on"
        )
    for known in ear.contexts:
        # once it is cancelled there is no deadline any more
        if deadline in (known.for_deadline, -inf):
            ctx: Context = known.context
            break
    else:
        made = _Heard(deadline)
        ctx = made.context
        ear.contexts.append(made)
    if is_cancelled():
        ear.hear()
    return ctx


def _running_backend() -> Backend | None:
    try:
        return _backends.backend()
    except RuntimeError:
        return None


def _ear_on(backend: Backend) -> Ear:
    party = _instrument.find_party()
    if isinstance(party, Goroutine):
        goroutine: Goroutine[Any] = party  # pyright: ignore[reportUnknownVariableType]
        if goroutine.away is not None:
            goroutine.away.enclose()
        else:
            goroutine._scope._nursery.enclose(goroutine)
    return backend.ear()


class _Heard:
    """A context at an ear."""

    __slots__ = ("context", "for_deadline")

    def __init__(self, deadline: float) -> None:
        self.for_deadline = deadline
        root = Root("context.FromScope")
        self.context: CancelContext = (
            CancelContext(root)
            if deadline in (inf, -inf)
            else DeadlineContext(root, deadline, None)
        )

    def ended(self) -> None:
        # asyncio's scopes say so in each turn of the loop
        if self.context.err() is None:
            # not by its deadline, as err() would have found out
            self.context.cancel(Canceled(), None)
