"""Event loops that have been closed while somebody waited in them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from .idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

__all__ = ("Ended", "ended")


class Ended:
    """An asyncio loop that has been closed while ``coroutine`` was parked in it."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        last: Callable[[], object] | None = None,
    ) -> None:
        loop = asyncio.new_event_loop()
        self.task = loop.create_task(coroutine)
        loop.run_until_complete(settle())
        # e.g. wake it, when the loop will not turn any more
        if last is not None:
            last()
        loop.close()

    def forget(self) -> None:
        """Let the task be destroyed."""
        self.task._log_destroy_pending = False  # type: ignore[attr-defined]
        del self.task


@contextlib.contextmanager
def ended(
    coroutine: Coroutine[Any, Any, Any], last: Callable[[], object] | None = None
) -> Generator[None]:
    place = Ended(coroutine, last)
    try:
        yield
    finally:
        place.forget()
