"""Functions that are called when a context is done."""

from __future__ import annotations

import sys
from contextvars import copy_context
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from .. import _instrument
from .._go import require_scope
from .._goroutine import Site
from ._derive import plain
from ._tree import attach, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._base import Context

__all__ = ("after_func",)


class _Call:
    """A call that waits for a context to be done."""

    __slots__ = ("__weakref__", "detach", "lock", "pending", "start")

    def __init__(self, start: Callable[[], object]) -> None:
        self.start = start
        # popped by whoever comes first: that is atomic
        self.pending: list[None] = [None]
        self.detach: Callable[[], object] | None = None

    def cancel(self, error: Exception, why: BaseException) -> None:  # noqa: ARG002  # as told
        if self.first():
            self.start()

    def first(self) -> bool:
        try:
            self.pending.pop()
        except IndexError:
            return False
        return True

    def stop(self) -> bool:
        stopped = self.first()
        if self.detach is not None:
            self.detach()
        return stopped


def after_func(ctx: Context, fn: Callable[[], Any]) -> Callable[[], bool]:
    """Call ``fn``, plain or async, in a goroutine of its own, when ``ctx`` is done.

    At once if it is done already. The goroutine joins the scope that one started here
    would join, if that is still open then. Never blocks.

    Returns:
        ``stop``: it keeps ``fn`` from being called, and says whether it has; False if
        it has been called, or ``stop`` has. It does not wait for ``fn``.

    Raises:
        RuntimeError: there is no run and no open scope here.
        TypeError: ``ctx`` is no context, or ``fn`` cannot be called.
    """
    if not callable(fn):
        raise TypeError(f"after_func(ctx, f) wants a function, not {fn!r}")
    owner = require_scope(fn, "after_func")
    site = Site(sys._getframe(1))
    variables = copy_context()
    name = getattr(fn, "__name__", "after_func")

    async def run() -> None:
        if (seen := _instrument.active) is not None:
            party = _instrument.current_party()
            seen.acquire(party, call)
            if (source := nearest(ctx)) is not None:
                seen.acquire(party, source)
        result = fn()
        if isawaitable(result):
            await result

    def start() -> None:
        # comes after this call and after the cancellation alone: see run()
        late = owner._go_late
        _instrument.run_as(call, variables.copy(), late, run, name, site)

    call = _Call(start)
    if (seen := _instrument.active) is not None:
        seen.release(_instrument.current_party(), call)
    call.detach = attach(plain(ctx), call)
    return call.stop
