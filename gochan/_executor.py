"""What ``go(..., on=...)`` is given: where a goroutine runs, if not on its loop.

An executor turns a function and its arguments into a coroutine that runs in the
goroutine's own scope, as any other: it has the function run elsewhere, waits for
that, and passes a cancellation on. So who owns a goroutine, whom its error
concerns, and that its scope waits for it, are the same wherever it runs.
"""

from __future__ import annotations

import inspect
from _thread import allocate_lock
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ._backends import backend, uninterrupted
from ._errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from concurrent.futures import Executor as FuturesExecutor
    from typing import Literal, TypeAlias

    from ._backends._parts import AsyncWaiter
    from ._goroutine import Goroutine

    # what ``on`` may be
    AnyExecutor: TypeAlias = "Executor | FuturesExecutor"

__all__ = ("Away", "Executor", "adapt", "here", "plain_result", "refuse_async")


class Executor(ABC):
    """The base of what ``gochan.executors`` makes; not to be subclassed elsewhere."""

    __slots__ = ()

    # whether plain functions are what it runs
    _plain: ClassVar[bool] = True

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


class Away(ABC):
    """A goroutine whose function runs elsewhere: how its own loop waits for that.

    Whatever happens, the loop waits for the function's end; a cancellation is
    passed on, and the function decides what comes of it. If it raises
    ``Cancelled`` the goroutine has been cancelled. If it returns in spite of the
    cancellation, that is its result.
    """

    __slots__ = ("__weakref__", "_lock", "_waiter", "error", "goroutine", "result")

    def __init__(self, goroutine: Goroutine[Any]) -> None:
        self.goroutine: Goroutine[Any] = goroutine
        self._lock = allocate_lock()
        # the loop's, while it waits
        self._waiter: AsyncWaiter | None = None
        # of the function; the result is missing until it has ended
        self.error: BaseException | None = None

    @property
    @abstractmethod
    def state(self) -> Literal["runnable", "running", "parked"]:
        """What the function does; advisory. Asked until the goroutine has ended."""

    @property
    def asleep(self) -> Hashable:
        """What the function sleeps on, if only a peer in gochan can wake it; or None.

        A new one for each time it falls asleep.
        """
        return None

    @abstractmethod
    def begin(self) -> None:
        """Have the function run elsewhere. On the goroutine's own loop."""

    @abstractmethod
    def cancel(self) -> None:
        """Pass a cancellation on. On the goroutine's own loop, after begin()."""

    def enclose(self) -> None:  # noqa: B027  # only on a loop is it one
        """See that it is in a cancel scope of its own. Where it runs, if on a loop."""

    def left(self) -> None:
        """The goroutine has ended, perhaps without having begun."""
        # its error's traceback leads to our frames: no cycle
        del self.goroutine

    @property
    def over(self) -> bool:
        """Whether the function has ended."""
        return hasattr(self, "result")

    def finish(self, result: Any, error: BaseException | None) -> None:
        """The function has ended; from any thread."""
        with self._lock:
            self.error = error
            self.result: Any = result
            waiter = self._waiter
        if waiter is not None and waiter.claim():
            # its loop may be gone, then nobody wants to know
            waiter.wake()

    @uninterrupted
    async def supervise(self) -> Any:
        """What the goroutine's scope runs."""
        if self.goroutine.reason is not None or backend().is_cancelled():
            # cancelled before it began: then it does not
            await backend().yield_now()
        self.begin()
        try:
            await self._ended()
        except GeneratorExit:
            # the loop is gone, nobody can wait any more
            self.cancel()
            raise
        except BaseException:
            import anyio

            self.cancel()
            # what is repeated at every checkpoint must not spin here
            with anyio.CancelScope(shield=True):
                while not self.over:
                    # a native one minds no shield
                    with suppress(anyio.get_cancelled_exc_class()):
                        await self._ended()
            if isinstance(self.error, Cancelled):
                self.error = None
                # the runtime's own
                raise
        return await self._outcome()

    async def _ended(self) -> None:
        waiter = backend().waiter()
        waiter.for_select()
        with self._lock:
            if self.over:
                return
            self._waiter = waiter
        await waiter.park()

    async def _outcome(self) -> Any:
        error, self.error = self.error, None
        if error is None:
            return self.result
        if isinstance(error, Cancelled):
            # the function's own idea
            self.goroutine.cancel(str(error))
            while True:
                await backend().yield_now()
        try:
            raise error
        finally:
            # no cycle from the exception's traceback to itself
            del error

    def cancellation(self) -> Cancelled:
        """What its function gets, or would have got."""
        goroutine = self.goroutine
        reason = f": {goroutine.reason}" if goroutine.reason else ""
        return Cancelled(
            f"goroutine {goroutine.name!r} (id {goroutine.id}) was cancelled{reason}"
        )


# The executor of goroutines that call go() without ``on``, by thread: those on the
# loops of an executor stay there.
here: dict[int, Executor] = {}


def _refuse(on: object) -> NoReturn:
    raise TypeError(
        f"on= wants an executor, not {on!r}: write go(fn, ..., on=gochan.threads), "
        "or give it one of gochan.executors or concurrent.futures"
    )


# replaced by the module that knows executors
adapt: Callable[[object], Executor] = _refuse
"""What stands for anything that is given as ``on``; raises TypeError."""


def refuse_async(fn: Any, where: str) -> None:
    """Say that plain functions run there, and how to run an async one.

    Raises:
        TypeError: it is an async function.
    """
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        _needs_plain(fn, where)


def plain_result(fn: Any, where: str, result: Any) -> Any:
    """What a function has returned, unless that shows that it is not a plain one.

    Raises:
        TypeError: it has returned a coroutine.
    """
    if inspect.iscoroutine(result):
        result.close()
        _needs_plain(fn, where)
    return result


def _needs_plain(fn: Any, where: str) -> NoReturn:
    name = getattr(fn, "__name__", repr(fn))
    raise TypeError(
        f"{name} is an async function, and {where} plain ones: write go({name}, ...) "
        f"to run it on this loop, or go({name}, ..., on=gochan.executors.loops(2)) "
        "for loops in threads of their own"
    )
