"""Leak checks: which goroutines a piece of code has left behind."""

from __future__ import annotations

import inspect
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

from .._backends import backend
from .._live import live
from .._report import stack
from .._run import PATIENCE, all_asleep, at_end, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from .._live import GoroutineInfo, Look

__all__ = ("LeakError", "leakcheck")

F = TypeVar("F", bound="Callable[..., Any]")


class LeakError(AssertionError):
    """Goroutines were left over.

    Attributes:
        goroutines: which, and what they wait for.
    """

    def __init__(self, text: str, goroutines: Iterable[GoroutineInfo] = ()) -> None:
        super().__init__(text)
        self.goroutines: list[GoroutineInfo] = list(goroutines)

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        # their channels cannot travel
        return (type(self), (str(self),))


@final
class leakcheck:  # noqa: N801  # used like a function
    """No goroutine that is started inside may be left over at the end.

    Write ``async with leakcheck():`` in a coroutine, ``with leakcheck():`` around
    :func:`run`, or ``@leakcheck()`` above an async function or a plain one.

    A run that is inside is looked at when its ``main`` has returned: as in Go, that is
    what ends what still runs, and so would hide it. Goroutines that are about to end
    are given the time to, up to a second; those that wait for one another are not.

    Source: uber-go/goleak.

    Cancellation: if the body is cancelled, or fails, nothing is checked.

    Raises:
        LeakError: some are left over.
        RuntimeError: ``with`` in a coroutine, where nothing could be waited for.
    """

    __slots__ = ("_before", "_found")

    def __init__(self) -> None:
        self._before: set[int] = set()
        self._found: dict[int, tuple[GoroutineInfo, str]] = {}

    def __enter__(self) -> Self:
        try:
            backend()
        except RuntimeError:
            return self._begin()
        raise RuntimeError(
            "`with leakcheck():` cannot wait for goroutines in a coroutine: "
            "write `async with leakcheck():`"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        at_end.remove(self._note)
        if error is None:
            # they run on other threads
            deadline = time.monotonic() + PATIENCE
            while not all_asleep(self._others()) and time.monotonic() < deadline:
                time.sleep(0.01)
            self._note()
            self._complain()

    async def __aenter__(self) -> Self:
        return self._begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        at_end.remove(self._note)
        if error is None:
            await settle(self._others)
            self._note()
            self._complain()

    def __call__(self, function: F) -> F:
        @wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with leakcheck():
                return function(*args, **kwargs)

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            async with leakcheck():
                return await function(*args, **kwargs)

        checked = awaited if inspect.iscoroutinefunction(function) else plain
        return cast("F", checked)

    def _begin(self) -> Self:
        self._before = {look.goroutine.id for look in live()}
        at_end.append(self._note)
        return self

    def _others(self) -> list[Look]:
        return [look for look in live() if look.goroutine.id not in self._before]

    def _note(self, returned: bool = True) -> None:
        """Remember what is left, with stacks: at a run's end it is cancelled next."""
        if returned:
            for look in self._others():
                self._found.setdefault(look.goroutine.id, (look.info(), stack(look)))

    def _complain(self) -> None:
        # pytest shows who has left them, not who has found them
        __tracebackhide__ = True
        if self._found:
            infos = [info for info, _ in self._found.values()]
            lines = [
                f"  goroutine {info.id} ({info.name}) [{info.wait or info.state}], "
                f"started at {info.created_at}"
                for info in infos
            ]
            some = (
                "a goroutine is" if len(infos) == 1 else f"{len(infos)} goroutines are"
            )
            stacks = [text for _, text in self._found.values()]
            text = "\n".join([f"{some} left over:", *lines, "", *stacks])
            raise LeakError(text, infos)
