"""What ``goroutines()`` lists, for tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gochan import goroutines, scope
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from gochan import GoroutineInfo

__all__ = ("infos", "parked")


def infos() -> dict[str, GoroutineInfo]:
    """By name; those of this test only, names are used once."""
    return {info.name: info for info in goroutines()}


@asynccontextmanager
async def parked(
    *mains: Callable[[], Coroutine[Any, Any, object]],
) -> AsyncGenerator[dict[str, GoroutineInfo], None]:
    """Each as a goroutine of the name of its function, when they have parked."""
    async with scope() as s:
        for main in mains:
            s.go(main)
        await settle()
        yield infos()
        s.cancel()
