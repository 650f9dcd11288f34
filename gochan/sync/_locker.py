"""What all locks have in common: Go's ``sync.Locker``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from .._backends import _thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .._backends._parts import AsyncWaiter

__all__ = ("Locker", "refuse_copy")


class Locker(ABC):
    """A lock: a Mutex, an RWMutex, or the read half of one.

    ``async with lock:`` in coroutines, ``with lock:`` on threads. Source: Go's
    ``sync.Locker``. Not to be subclassed elsewhere.
    """

    __slots__ = ("__weakref__",)

    @abstractmethod
    async def lock(self) -> None:
        """Lock it; wait until it is free."""

    @abstractmethod
    def blocking_lock(self, timeout: float | None = None) -> None:
        """:meth:`lock` for threads."""

    @abstractmethod
    def try_lock(self) -> bool:
        """Lock it if that needs no waiting. Never blocks; from any thread."""

    @abstractmethod
    def unlock(self) -> None:
        """Unlock it. Never blocks; from any thread."""

    # For Cond, which has to hold the lock again before it may raise anything.

    @abstractmethod
    async def _relock(self, make: Callable[[Any], AsyncWaiter]) -> None:
        """Lock it, waiting with a waiter that ``make`` makes. Does not give way."""

    @abstractmethod
    def _blocking_relock(
        self, make: Callable[[Any], _thread.Waiter | AsyncWaiter]
    ) -> None:
        """The same for threads."""

    async def __aenter__(self) -> None:
        """Lock it; wait until it is free.

        Cancellation: either returns, or raises and nothing has changed.
        """
        await self.lock()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unlock()

    def __enter__(self) -> None:
        _thread.check_call("`with lock`", "async with lock", None)
        self._blocking_relock(_thread.waiter)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unlock()

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)


def refuse_copy(thing: object) -> NoReturn:
    """Go's vet finds copies of locks; here they cannot be made."""
    raise TypeError(
        f"{thing!r} cannot be copied or pickled: pass on the object itself, to "
        "goroutines of this process"
    )
