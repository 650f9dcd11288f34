"""Stacks of coroutines and threads, looked at from outside."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = (
    "coroutines_of",
    "frames_of",
    "innermost",
    "package_of",
    "running_frames",
    "thread_frames",
)

# What a coroutine may await that leads to another one, and has no attribute for it.
_WRAPPERS = frozenset(
    {
        "anext_awaitable",
        "async_generator_asend",
        "async_generator_athrow",
        "coroutine_wrapper",
    }
)


def frames_of(coroutine: object) -> list[FrameType]:
    """The frames of a suspended coroutine and of all that it awaits, outermost first.

    Only its own frame if it is running.
    """
    walked = (frame for _, frame in _walk(coroutine))
    # a coroutine that has ended has none, nor has a compiled one
    frames = [frame for frame in walked if frame is not None]
    return frames + _in_fiber(frames[-1]) if frames else frames


def coroutines_of(coroutine: object) -> list[object]:
    """A suspended coroutine and all that it awaits which is one, outermost first."""
    return [one for one, _ in _walk(coroutine)]


def _in_fiber(shim: FrameType) -> list[FrameType]:
    """The frames in a greenlet of greenback's, if this is what waits for that."""
    if shim.f_globals.get("__name__") != "greenback._impl":
        return []
    greenlet = shim.f_locals.get("resume_greenlet")
    frames = thread_frames(getattr(greenlet, "gr_frame", None))
    if frames:
        frames += frames_of(frames[-1].f_locals.get("coro"))
    return frames


def innermost(coroutine: object) -> object:
    """The last of what a suspended coroutine awaits that is a coroutine itself.

    As long as gochan has it parked, that is an object made for this very wait.
    """
    *_, (last, _) = _walk(coroutine)
    return last


def _walk(awaited: Any) -> Iterator[tuple[object, FrameType | None]]:
    while awaited is not None:
        for frame, inner in (
            ("cr_frame", "cr_await"),
            ("gi_frame", "gi_yieldfrom"),
            ("ag_frame", "ag_await"),
        ):
            if hasattr(awaited, inner):
                yield awaited, getattr(awaited, frame, None)
                awaited = getattr(awaited, inner)
                break
        else:
            if type(awaited).__name__ not in _WRAPPERS:
                # a future, or whatever else the runtime knows
                return
            awaited = next(iter(gc.get_referents(awaited)), None)


def thread_frames(last: FrameType | None) -> list[FrameType]:
    """The frames of a thread whose innermost is ``last``, outermost first."""
    frames: list[FrameType] = []
    while last is not None:
        frames.append(last)
        last = last.f_back
    return frames[::-1]


def running_frames(coroutine: Any) -> list[FrameType]:
    """The frames of a coroutine that is running, on whatever thread.

    Without what it calls of gochan: should it be the one that looks, then the frames of
    that would keep alive what they have looked at.
    """
    own = getattr(coroutine, "cr_frame", None)
    for last in sys._current_frames().values():
        frames = thread_frames(last)
        if own in frames:
            while frames[-1] is not own and package_of(frames[-1]) == "gochan":
                frames.pop()
            return frames[frames.index(own) :]
    return [] if own is None else [own]


def package_of(frame: FrameType) -> str:
    """The name of the top-level package that a frame's code belongs to."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
