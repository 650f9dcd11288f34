"""Tests in virtual time."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from gochan import testing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("in_bubble",)


def in_bubble(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a bubble, on each backend. It takes no time."""

    def within(*, backend: dict[str, Any], **fixtures: Any) -> None:
        # a bubble has its own loop: on uvloop it is asyncio's
        runtime = backend["backend"]
        testing.bubble(backend=runtime).run(functools.partial(test, **fixtures))

    functools.update_wrapper(within, test)
    own = inspect.signature(test)
    given = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY)
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in own.parameters.values()
    ]
    within.__signature__ = own.replace(  # type: ignore[attr-defined]  # what pytest asks for
        parameters=[*parameters, given]
    )
    del within.__wrapped__  # type: ignore[attr-defined]  # pytest would look there
    return within
