"""Goroutines that are plain functions on the loop's own thread, in greenlets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._executor import Executor, plain_result, refuse_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .._goroutine import Goroutine

__all__ = ("Fibers",)


class Fibers(Executor):
    """Runs goroutines in fibers: see ``_backends._fiber``."""

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        refuse_async(fn, "fibers run")
        try:
            import greenback
        except ImportError as error:
            raise ImportError(
                "fibers need the package greenback: pip install 'gochan-csp[fibers]'"
            ) from error
        return _run(greenback.with_portal_run_sync, fn, args)

    def __repr__(self) -> str:
        return "<fibers>"


async def _run(portal: Any, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    return plain_result(fn, "fibers run", await portal(fn, *args))
