"""The end of a request, passed along: cancellation, deadlines, values.

    with context.with_timeout(context.background(), 5) as (ctx, cancel):
        await fetch(ctx, url)

A context is passed as the first argument, ``ctx``. What works on a request looks at
``ctx.done()``, or awaits inside of ``with ctx.scope():``.

Source: Go's ``context``. Notable differences: errors are exceptions; a context can be
the scope of what is awaited, and a scope can be made a context.
"""

from __future__ import annotations

from ._after import after_func
from ._base import Canceled, Context, DeadlineExceeded, Key
from ._derive import (
    Derived,
    background,
    todo,
    with_cancel,
    with_cancel_cause,
    with_deadline,
    with_deadline_cause,
    with_timeout,
    with_timeout_cause,
    with_value,
    without_cancel,
)
from ._scopes import from_scope
from ._tree import cause

__all__ = (
    "Canceled",
    "Context",
    "DeadlineExceeded",
    "Derived",
    "Key",
    "after_func",
    "background",
    "cause",
    "from_scope",
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


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.context"


_rename()
del _rename
