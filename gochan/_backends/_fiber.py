"""A fiber: plain code on the loop's own thread, in a greenlet of greenback's.

A blocking call there parks as a coroutine would, with the loop's own waiter, and
``greenback.await_`` switches to the loop meanwhile. So a cancellation is the
runtime's own, too. Every task with a portal of greenback's counts as a fiber.
"""

from __future__ import annotations

from contextlib import contextmanager
from sys import modules
from typing import TYPE_CHECKING, Any

from .. import _backends
from .._budget import budget

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._parts import AsyncWaiter

__all__ = ("give_way", "inside", "park", "shield", "spend")


def inside() -> bool:
    """Whether the calling code runs in a fiber."""
    # whoever is in one has loaded it
    greenback: Any = modules.get("greenback")
    return greenback is not None and bool(greenback.has_portal())


def spend() -> None:
    """One operation of the budget: a fiber must not hog the loop either.

    Cancellation: raises if it is due and the budget is spent.
    """
    if budget.left > 0:
        budget.left -= 1
    elif _backends.must_yield():
        give_way()


def give_way() -> None:
    """Let others run.

    Cancellation: raises if it is due.
    """
    modules["greenback"].await_(_backends.backend().yield_now())


def park(waiter: AsyncWaiter, timeout: float | None) -> bool:
    """Sleep until woken. False if ``timeout`` seconds passed before that.

    Cancellation: raises the runtime's own exception, and the waiter has withdrawn.
    """
    if timeout == 0 and waiter.withdraw():
        return False
    await_ = modules["greenback"].await_
    if not timeout:
        # never, or too late: it has been claimed
        await_(waiter.park())
        return True
    woken: bool = await_(_park_within(waiter, timeout))
    return woken


async def _park_within(waiter: AsyncWaiter, seconds: float) -> bool:
    import anyio

    with anyio.move_on_after(seconds):
        await waiter.park()
        # it may have been claimed at the last moment
        return True
    return False


@contextmanager
def shield() -> Generator[None]:
    """Nothing inside is cancelled."""
    import anyio

    with anyio.CancelScope(shield=True):
        yield
