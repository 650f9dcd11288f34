"""Contexts and cancel scopes: each as the other."""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, final

import anyio

from .. import _backends, _instrument
from .._scope import Scope, current_scope
from ._base import Canceled, Context
from ._tree import CancelContext, DeadlineContext, Root, attach, nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

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
        try:
            here = _backends.backend().clock()
        except RuntimeError:
            here = None
        if here is not None and here.now == self._clock.now:
            self._scope.cancel()
        else:
            self._clock.call_at(-inf, self._scope.cancel)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._detach()
        silently = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught:
            # by its deadline, perhaps before the context's own alarm
            ours = nearest(self._context)
            if ours is not None:
                ours.expire()
        return bool(silently)


def from_scope(scope: Scope | None = None) -> Context:
    """A context that is done when a scope is cancelled, has failed, or has ended.

    Its deadline is that of the cancel scopes around the calling code, as anyio and
    trio know them.

    Args:
        scope: the one; if not given, that which a goroutine started here would join.

    Raises:
        RuntimeError: there is no run and no open scope here.
    """
    owner = current_scope.get() if scope is None else scope
    if owner is None:
        raise RuntimeError(
            "from_scope() needs a run or a scope: start the program with "
            "gochan.run(main), or write `async with gochan.scope():` around it"
        )
    deadline = anyio.current_effective_deadline()
    root = Root("context.FromScope")
    ctx = (
        CancelContext(root)
        if deadline == inf
        else DeadlineContext(root, deadline, None)
    )

    async def watch() -> None:
        try:
            await ctx.done().recv_ok()
        finally:
            # nothing to be done if it has ended otherwise
            ctx.cancel(Canceled(), None)

    owner._go(watch, (), None, "context", sys._getframe(1), background=True)
    return ctx
