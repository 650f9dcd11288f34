"""What ``go()`` and ``run()`` are given: call it, or say what to write instead."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any

__all__ = ("coroutine_of", "refuse_uncallable")


def refuse_uncallable(fn: object, call: str) -> None:
    """Say what to write in place of ``call(fn)``.

    Raises:
        TypeError: it is a coroutine already, or nothing that can be called.
    """
    if callable(fn):
        return
    if inspect.iscoroutine(fn):
        # it will not be awaited: no warning on top of the error
        fn.close()
        name = fn.__name__
        raise TypeError(
            f"{call} wants the function and its arguments, not a coroutine: "
            f"write {call}({name}, ...), not {call}({name}(...))"
        )
    example = "worker, ch" if call == "go" else "main"
    raise TypeError(
        f"{call} wants an async function, not {fn!r}: write {call}({example})"
    )


def coroutine_of(
    fn: Any, args: tuple[Any, ...], call: str = "go"
) -> Coroutine[Any, Any, Any]:
    """Call an async function; refuse everything else and show the right form."""
    if not callable(fn):
        refuse_uncallable(fn, call)
    coroutine = fn(*args)
    if type(coroutine) is CoroutineType or isinstance(coroutine, Coroutine):
        return coroutine  # pyright: ignore[reportUnknownVariableType]
    name = getattr(fn, "__name__", repr(fn))
    if inspect.isasyncgen(coroutine):
        raise TypeError(
            f"{name} is an async generator: give {call} an async function, "
            "with a channel in place of yield"
        )
    raise TypeError(
        f"{name} is a plain function, it returned {coroutine!r}: "
        f"write async def {name}(...)"
    )
