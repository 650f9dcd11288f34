"""Goroutines on any ``concurrent.futures.Executor``.

One that runs things in threads of this process gets the function as it is. Any
other one gets what can be pickled. Which kind it is, an executor is asked with the
first goroutine that it is given, unless it is one of the standard library's:
people write their own, and nothing else tells.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from .._executor import Away, Executor, refuse_async
from ._on_thread import OnThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future
    from typing import Literal

    from .._goroutine import Goroutine

__all__ = ("adapt",)


def adapt(executor: FuturesExecutor) -> Executor:
    """What stands for it as ``on``."""
    kind = _kinds.get(executor) or _kind_of(executor)
    if kind == "threads":
        return _OnThreads(executor)
    if kind == "processes":
        return _on_processes(executor)
    return _Unknown(executor)


# what those have answered that were asked: "threads" or "processes"
_kinds: WeakKeyDictionary[FuturesExecutor, str] = WeakKeyDictionary()


def _kind_of(executor: FuturesExecutor) -> str | None:
    interpreters: Any = sys.modules.get("concurrent.futures.interpreter")
    if interpreters is not None and isinstance(
        executor, interpreters.InterpreterPoolExecutor
    ):
        # a kind of ThreadPoolExecutor, but it shares nothing
        return "processes"
    processes: Any = sys.modules.get("concurrent.futures.process")
    if processes is not None and isinstance(executor, processes.ProcessPoolExecutor):
        return "processes"
    return "threads" if isinstance(executor, ThreadPoolExecutor) else None


def _on_processes(executor: FuturesExecutor) -> Executor:
    from ._guests import Foreign

    return Foreign(executor)


class _OnThreads(Executor):
    """An executor that runs things in threads of this process."""

    def __init__(self, executor: FuturesExecutor) -> None:
        self._executor = executor

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        refuse_async(fn, "threads run")
        goroutine.away = away = _OnFuture(goroutine, fn, args, self._executor)
        return away.supervise()


class _OnFuture(OnThread):
    """A goroutine on a thread of somebody else's."""

    __slots__ = ("executor", "future")

    def __init__(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        executor: FuturesExecutor,
    ) -> None:
        super().__init__(goroutine, fn, args)
        self.executor = executor

    def begin(self) -> None:
        super().begin()
        self.future = _submit(self.executor, self.run, self.goroutine)
        self.future.add_done_callback(self._settled)

    def cancel(self) -> None:
        super().cancel()
        # it may still be in a queue
        self.future.cancel()

    def _settled(self, future: Future[None]) -> None:
        """It has been run, or never will be."""
        error = (
            RuntimeError(f"{self.executor!r} has been shut down before it began")
            if future.cancelled()
            else future.exception()
        )
        if error is not None:
            self.fail(error)


def _submit(
    executor: FuturesExecutor, fn: Callable[[], Any], goroutine: Goroutine[Any]
) -> Future[Any]:
    try:
        return executor.submit(fn)
    except RuntimeError as error:
        error.add_note(f"goroutine {goroutine.name!r} was given to {executor!r}")
        raise


# Which interpreter of which process this is. The child of a fork has the same token,
# another interpreter has the same process.
_TOKEN: Final = os.urandom(16)


def _here() -> tuple[int, bytes]:
    return os.getpid(), _TOKEN


class _Unknown(Executor):
    """An executor that has to be asked where it runs things."""

    def __init__(self, executor: FuturesExecutor) -> None:
        self._executor = executor

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        goroutine.away = question = _Question(goroutine, self._executor)
        return self._ask(question, fn, args)

    async def _ask(
        self, question: _Question, fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        there = await question.supervise()
        _kinds[self._executor] = "threads" if there == _here() else "processes"
        known = adapt(self._executor)
        return await known._supervise(question.goroutine, fn, args)


class _Question(Away):
    """Where does it run things?"""

    __slots__ = ("executor", "future")

    def __init__(self, goroutine: Goroutine[Any], executor: FuturesExecutor) -> None:
        super().__init__(goroutine)
        self.executor = executor

    @property
    def state(self) -> Literal["runnable"]:
        return "runnable"

    def begin(self) -> None:
        self.future = _submit(self.executor, _here, self.goroutine)
        self.future.add_done_callback(self._answered)

    def cancel(self) -> None:
        self.future.cancel()

    def _answered(self, future: Future[tuple[int, bytes]]) -> None:
        if future.cancelled():
            self.finish(None, self.cancellation())
        elif (error := future.exception()) is not None:
            self.finish(None, error)
        else:
            self.finish(future.result(), None)
