"""What executors keep for as long as a run lasts: crews of threads, links, and such.

A run is one scope with those inside of it, so these belong to its outermost scope.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, final

from ._backends import backend

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Closable", "Tenants", "moving")

C = TypeVar("C", bound="Closable")

# held by a scope while it asks for one, which it does only as long as it is open
moving = allocate_lock()


class Closable(Protocol):
    """What a scope closes at its end."""

    def close(self) -> None:
        """Let go of what it holds; wait for nobody who still uses it."""

    def ending(self, then: Callable[[], object]) -> bool:
        """False if that is done. Otherwise ``then`` will be called, in any thread."""
        ...

    def _join(self) -> None:
        """Wait for what has nothing more to do."""


@final
class Tenants:
    """Of one scope: what it closes at its end, by what that belongs to."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[object, Any] = {}

    def get(self, key: object, make: Callable[[], C]) -> C:
        """What ``key`` has; made if there is none yet."""
        tenant: C | None = self._by_key.get(key)
        if tenant is None:
            tenant = self._by_key[key] = make()
        return tenant

    async def evict(self, wait: bool) -> None:
        """Close them all; with ``wait``, wait until each has ended."""
        with moving:
            tenants = list(self._by_key.values())
            self._by_key.clear()
        for tenant in tenants:
            tenant.close()
        for tenant in tenants if wait else ():
            # in no queue, so that a cancellation has to wait as well
            waiter = backend().waiter()
            if tenant.ending(waiter.wake):
                await waiter.park()
                tenant._join()
