"""What executors have in common that keep threads: how long they keep them.

A *crew* is what runs the goroutines: a pool of threads, some loops. It is closed
by whoever made it, and then its threads end with the last goroutine it has.
"""

from __future__ import annotations

from _thread import allocate_lock
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _instrument
from .._backends import _thread
from .._chan import Chan
from .._executor import Executor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from .._goroutine import Goroutine

__all__ = ("Crew", "Crewed", "Sized", "check_count")

C = TypeVar("C", bound="Crew")


def check_count(count: object, example: str) -> None:
    """Refuse what is not a number of threads.

    Raises:
        TypeError: it is not an int.
        ValueError: it is less than 1.
    """
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(
            f"the number must be an int, not {type(count).__name__}: write {example}"
        )
    if count < 1:
        raise ValueError(f"the number must be at least 1, not {count}: write {example}")


class Crew(ABC):
    """Threads, and how many goroutines want them.

    Invariant: ``_dismiss`` is called once, when it has been closed and nobody
    wants it any more.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = allocate_lock()
        # goroutines between go() and their end
        self._wanted = 0
        self._closed = False
        # closed when the last thread has ended
        self._over: Chan[None] = Chan(name=f"end of {name}")

    def enter(self, *, late: bool = False) -> None:
        """One more goroutine wants it; every one leaves again.

        Args:
            late: it is started by one that is there, so closing does not matter.

        Raises:
            RuntimeError: it has been closed.
        """
        with self._lock:
            if self._closed and not (late and self._wanted):
                raise RuntimeError(
                    f"{self.name} has been closed: start goroutines on it before the "
                    "end of its `with` block"
                )
            self._wanted += 1

    def leave(self) -> None:
        with self._lock:
            self._wanted -= 1
            over = self._closed and not self._wanted
        if over:
            self._end()

    def close(self) -> None:
        """Take no more goroutines, and let the threads end with those there are."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            over = not self._wanted
        if over:
            self._end()

    def ending(self, then: Callable[[], object]) -> bool:
        """See ``_tenants.Closable``."""
        return False

    async def wait(self) -> None:
        """Wait for the end of the threads, after close()."""
        await self._over.recv_ok()

    def blocking_wait(self) -> None:
        """:meth:`wait` for a thread without an event loop."""
        self._over.blocking_recv_ok()

    def _end(self) -> None:
        self._dismiss()
        # They have nothing left to do. This is none of them: one that has scopes or
        # runs of its own runs a goroutine that wants the crew.
        self._join()
        with _instrument.acting(self):
            self._over.close()

    @abstractmethod
    def _dismiss(self) -> None:
        """Nobody wants the threads any more: let them end. Does not block."""

    @abstractmethod
    def _join(self) -> None:
        """Wait for threads that have been dismissed."""


class Crewed(Executor, Generic[C]):
    """An executor with a crew for each run that uses it, until the run's end."""

    @abstractmethod
    def _make(self) -> C:
        """A new crew."""

    def _crew(self, goroutine: Goroutine[Any]) -> C:
        return goroutine._scope._tenant(self, self._make)


class Sized(Crewed[C]):
    """One that may be entered: then it has a single crew, until it is left."""

    _own: C | None = None

    def _crew(self, goroutine: Goroutine[Any]) -> C:
        if self._own is not None:
            return self._own
        return super()._crew(goroutine)

    def _enter(self) -> None:
        if self._own is not None:
            raise RuntimeError(f"{self!r} was entered before: make a new one each time")
        self._own = self._make()

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take no more goroutines, and wait for those there are.

        Not on a thread that runs an event loop, which is what ``async with`` is for;
        and not after an error: it has to reach the scope that cancels them.
        """
        assert self._own is not None
        self._own.close()
        if error is None and not _thread.loop_runs():
            self._own.blocking_wait()

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take no more goroutines, and wait for those there are.

        Not after an error: it has to reach the scope that cancels them. Then the
        threads end with the last one.

        Cancellation: raises, and the threads end with the last goroutine.
        """
        assert self._own is not None
        self._own.close()
        if error is None:
            await self._own.wait()
