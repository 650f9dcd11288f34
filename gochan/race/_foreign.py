"""What orders threads outside of gochan: starting one, and seeing its end.

``threading.Thread`` tells nobody, so its ``start`` and ``join`` are replaced while a
detector is active.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from .. import _instrument
from . import _active

if TYPE_CHECKING:
    from contextvars import Context

__all__ = ()

_start: Any = threading.Thread.start
_join: Any = threading.Thread.join


@functools.wraps(_start)
def _watched_start(thread: threading.Thread) -> None:
    for seen in _active.within:
        seen._parties.thread_started(thread)
    _own_context(thread)
    _start(thread)


@functools.wraps(_join)
def _watched_join(thread: threading.Thread, timeout: float | None = None) -> None:
    _join(thread, timeout)
    if not thread.is_alive():
        for seen in _active.within:
            seen._parties.thread_joined(thread)


def _own_context(thread: Any) -> None:
    """A thread that inherits the context, as from 3.14 on, is still another party."""
    if getattr(thread, "_context", False) is None:  # pragma: no cover  # 3.14 and later
        import contextvars
        import sys

        if sys.flags.thread_inherit_context:  # type: ignore[attr-defined,unused-ignore]
            context: Context = contextvars.copy_context()
            context.run(_instrument.running.set, None)
            thread._context = context


def _change(on: bool) -> None:
    thread: Any = threading.Thread
    thread.start = _watched_start if on else _start
    thread.join = _watched_join if on else _join


_active.on_change.append(_change)
