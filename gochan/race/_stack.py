"""Where something happened, kept as cheaply as can be: no frame, no text.

A stack is a flat tuple ``(code, lasti, code, lasti, ...)``, innermost call first. It
keeps nothing alive but code, and is made into lines only for a report.
"""

from __future__ import annotations

import itertools
import os.path
from traceback import FrameSummary, StackSummary
from typing import TYPE_CHECKING, Any

from .. import _chan
from .._goroutine import watched

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = ("Stack", "caller", "capture", "is_own", "place", "summary")

Stack = tuple[Any, ...]

# as many calls as are remembered
DEPTH = 12

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# where a goroutine begins: what is outside of it is not its own
_ROOT = watched.__code__
# of the frames of channels, which are passed by quickly
_FACES: Any = vars(_chan)
# with these files begins what runs threads and loops
_RUNTIMES = tuple(
    os.sep + os.path.join(*parts)
    for parts in (
        ("asyncio", "events.py"),
        ("asyncio", "runners.py"),
        ("trio", "_core", "_run.py"),
        ("threading.py",),
        ("_pytest", "python.py"),
    )
)


def capture(frame: FrameType | None, depth: int = DEPTH) -> Stack:
    """The calls that led to ``frame``, as far as the goroutine goes."""
    found: list[Any] = []
    while frame is not None and depth:
        code = frame.f_code
        if code is _ROOT:
            break
        found.append(code)
        found.append(frame.f_lasti)
        frame = frame.f_back
        depth -= 1
    return tuple(found)


def is_own(frame: FrameType) -> bool:
    """Whether it is code of gochan."""
    return str(frame.f_globals.get("__name__")).startswith("gochan.")


def caller(frame: FrameType | None) -> Stack:
    """The user's send or close, and who called that: ``frame`` or outside of it."""
    while frame is not None and frame.f_globals is _FACES:
        frame = frame.f_back
    while frame is not None and is_own(frame):
        if frame.f_code is _ROOT:
            return ()
        frame = frame.f_back
    if frame is None or frame.f_code is _ROOT:
        return ()
    before = frame.f_back
    if before is None or before.f_code is _ROOT:
        return (frame.f_code, frame.f_lasti)
    return (frame.f_code, frame.f_lasti, before.f_code, before.f_lasti)


def _line(code: CodeType, lasti: int) -> int:
    positions = itertools.islice(code.co_positions(), lasti // 2, None)
    return next((at[0] for at in positions), None) or code.co_firstlineno


def _own(stack: Stack) -> list[tuple[CodeType, int]]:
    """The calls of the user's program, innermost first."""
    calls: list[tuple[CodeType, int]] = list(
        zip(stack[::2], stack[1::2], strict=True),
    )
    mine: list[tuple[CodeType, int]] = []
    for code, lasti in calls:
        if code.co_filename.endswith(_RUNTIMES):
            break
        if not code.co_filename.startswith(_PACKAGE):
            mine.append((code, lasti))
    return mine


def place(stack: Stack) -> tuple[str, int]:
    """File and line of the innermost call."""
    for code, lasti in _own(stack):
        return code.co_filename, _line(code, lasti)
    return "?", 0


def summary(stack: Stack, otherwise: Stack = ()) -> StackSummary:
    """For people, outermost call first, as in a traceback.

    ``otherwise``: in its place if there is nothing of the user's in it.
    """
    return StackSummary.from_list(
        [
            FrameSummary(code.co_filename, _line(code, lasti), code.co_qualname)
            for code, lasti in reversed(_own(stack) or _own(otherwise))
        ]
    )
