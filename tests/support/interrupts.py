"""Ctrl-C at every place where Python may raise it inside of gochan."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import gochan

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ("Interrupt", "interrupt")

_PACKAGE = str(Path(gochan.__file__).parent)


class Interrupt:
    """Press Ctrl-C once: when a function of gochan begins, or has called C.

    There Python looks for signals. Other places would be unfair; and so is the entry of
    a ``with``, from 3.14 on: a lock is taken then, and nobody can release it.

    Attributes:
        left: at how many more places it is not pressed.
        where: where it was.
    """

    def __init__(self, after: int) -> None:
        self.left = after
        self.where = ""

    def start(self) -> None:
        """Watch the calling thread, which is the main one."""
        sys.setprofile(self._look)

    def stop(self) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event not in {"call", "c_return"} or not code.co_filename.startswith(
            _PACKAGE
        ):
            return
        if getattr(arg, "__name__", None) == "__enter__":
            return
        self.left -= 1
        if self.left < 0:
            self.stop()
            self.where = f"{event} at {code.co_qualname}:{frame.f_lineno}"
            signal.raise_signal(signal.SIGINT)


def interrupt(call: Callable[[], object], after: int) -> str:
    """Call it, and interrupt this thread at the ``after``-th place.

    Says where; "" if it has not so many. What it returns or raises is of no interest.
    """
    pressed = Interrupt(after)
    try:
        pressed.start()
        call()
    except (KeyboardInterrupt, TimeoutError, gochan.WouldBlock):
        pass
    finally:
        pressed.stop()
    return pressed.where
