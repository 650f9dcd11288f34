"""Ctrl-C at every place where Python may raise it inside of gochan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import gochan

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ("interrupt",)

_PACKAGE = str(Path(gochan.__file__).parent)


class _Interrupt:
    """A profiler that raises once: when a function of gochan begins or has called C.

    There Python looks for signals. Other places would be unfair.
    """

    def __init__(self, after: int) -> None:
        self.left = after
        self.raised = False

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if event not in {"call", "c_return"}:
            return
        if self.raised or not frame.f_code.co_filename.startswith(_PACKAGE):
            return
        self.left -= 1
        if self.left < 0:
            self.raised = True
            sys.setprofile(None)
            raise KeyboardInterrupt


def interrupt(call: Callable[[], object], after: int) -> bool:
    """Call it, and interrupt this thread at the ``after``-th place.

    False if it has not so many. What it returns or raises is of no interest.
    """
    profiler = _Interrupt(after)
    before = sys.getprofile()
    try:
        sys.setprofile(profiler)
        call()
    except (KeyboardInterrupt, TimeoutError, gochan.WouldBlock):
        pass
    finally:
        sys.setprofile(before)
    return profiler.raised
