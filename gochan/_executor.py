"""What ``go(..., on=...)`` is given: where a goroutine runs, if not on its loop.

An executor turns a function and its arguments into a coroutine that runs in the
goroutine's own scope, as any other: it has the function run elsewhere, waits for
that, and passes a cancellation on. So who owns a goroutine, whom its error
concerns, and that its scope waits for it, are the same wherever it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._goroutine import Goroutine

__all__ = ("Executor",)


class Executor(ABC):
    """The base of what ``gochan.executors`` makes; not to be subclassed elsewhere."""

    __slots__ = ()

    @abstractmethod
    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        """Run ``fn(*args)`` where this executor runs things; returns its result.

        Never blocks itself. The coroutine is the goroutine as its scope sees it.
        """
