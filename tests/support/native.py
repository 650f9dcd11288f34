"""Run a test in asyncio's own runner, for what is asyncio's own."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("LOOPS", "Clock", "new_loop", "on_asyncio")

# Where only trio is asked for these tests run on asyncio all the same: it is
# always there, and no test is skipped in silence.
LOOPS = [
    name
    for name in os.environ.get("GOCHAN_TEST_BACKENDS", "asyncio,trio").split(",")
    if name != "trio"
] or ["asyncio"]


class Clock:
    """Time for the deadlines of the running loop, in ticks that the test makes.

    On asyncio's own loop time stands still, so that nothing can expire before the
    test wants it, however busy the machine is. uvloop reads the real clock: there a
    tick is long, and passes while the loop is held up.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._passed: float | None = None
        if isinstance(loop, asyncio.BaseEventLoop):
            began = loop.time()
            self._passed = 0.0
            loop.time = lambda: began + (self._passed or 0.0)  # type: ignore[method-assign]
        # seconds
        self.tick = 0.01 if self._passed is None else 0.001

    def pass_by(self, ticks: float) -> None:
        """Let time pass in the middle of a turn of the loop: deadlines with it."""
        if self._passed is not None:
            self._passed += ticks * self.tick
            return
        until = time.monotonic() + ticks * self.tick
        while time.monotonic() < until:
            pass


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """An event loop of one of the :data:`LOOPS`, not running."""
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def on_asyncio(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a loop of the kind that the fixture ``loop`` names.

    The test fails also if anything is reported to the loop's exception handler,
    such as an error in a callback.
    """

    @functools.wraps(test)
    def run(*, loop: str, **arguments: Any) -> None:
        reports: list[dict[str, Any]] = []

        def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            reports.append(context)

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(report)
            await test(**arguments)

        with asyncio.Runner(loop_factory=lambda: new_loop(loop)) as runner:
            runner.run(main())
        gc.collect(0)
        assert not reports

    signature = inspect.signature(test)
    fixture = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), fixture]
    )
    return run
