"""A plain thread: it sleeps on a lock that its waker releases."""

from __future__ import annotations

from _thread import TIMEOUT_MAX, allocate_lock
from sys import modules
from typing import TYPE_CHECKING, Any

from .._waiter import Waiter as BaseWaiter

if TYPE_CHECKING:
    from threading import Lock

__all__ = ("Waiter", "check_call", "firm_waiter", "waiter")


class Waiter(BaseWaiter):
    """One wait of one thread."""

    __slots__ = ("lock",)

    lock: Lock

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.lock = allocate_lock()
        self.lock.acquire()

    def wake(self) -> bool:
        self.lock.release()
        return True

    def park_thread(self, timeout: float | None) -> bool:
        """Sleep until woken. False if ``timeout`` seconds passed before that.

        On False, and when KeyboardInterrupt is raised, the waiter has withdrawn
        and nothing has happened.
        """
        if timeout is None or timeout > TIMEOUT_MAX:
            timeout = -1
        try:
            if self.lock.acquire(timeout=timeout):
                return True
            if self.withdraw():
                return False
        except BaseException:
            # KeyboardInterrupt, on the main thread. If a peer was faster the
            # operation has happened: there is no later point to raise at.
            self.withdraw()
            raise
        # claimed at the last moment: the wake is on its way
        self.lock.acquire()
        return True


def waiter(value: Any = None) -> Waiter:
    """A waiter for whoever makes a blocking call here, with the value it sends."""
    return Waiter(value)


def firm_waiter(value: Any = None) -> Waiter:
    """A waiter for a blocking call that nothing but an interrupt may withdraw.

    For what has to be put right before a cancellation may be raised.
    """
    return Waiter(value)


def check_call(blocking: str, awaited: str, timeout: float | None) -> None:
    """Refuse a blocking call that cannot work, before it has any effect.

    Raises:
        RuntimeError: this thread runs an event loop, which the call would stop.
        ValueError: ``timeout`` is negative or not a number.
    """
    # look only at runtimes that are loaded
    asyncio: Any = modules.get("asyncio")
    if (asyncio is not None and asyncio._get_running_loop() is not None) or (
        "trio" in modules and modules["trio"].lowlevel.in_trio_run()
    ):
        raise RuntimeError(
            f"{blocking} would block the event loop that runs on this thread; "
            f"write: {awaited}"
        )
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be 0 seconds or more, or None, not {timeout}")
