"""A call that is made once a channel gives a value or is closed.

It stands in the channel's queue like a party that receives, and is no goroutine and no
thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _instrument
from .._cases import RecvCase
from .._select import _enlist
from .._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._ends import RecvChan

__all__ = ("enlist_callback",)


class _Callback(Waiter):
    """Waits like a party, but is none: it calls a function."""

    __slots__ = ("call",)

    call: Callable[[], object]

    def wake(self) -> bool:
        if self.party is None:
            self.call()
        else:
            with _instrument.acting(self.party):
                self.call()
        return True


def enlist_callback(
    channel: RecvChan[Any], call: Callable[[], object]
) -> Callable[[], object]:
    """Call once ``channel`` gives a value or is closed; at once if it does already.

    The call is made by whoever sends or closes, with no lock held; it must neither
    block nor raise. What is returned withdraws it, unless it has been made.
    """
    waiter = _Callback()
    waiter.call = call
    table = [RecvCase(channel)]
    if _instrument.active is None:
        done = _enlist(table, True, waiter)
    else:
        # nobody who runs waits here: to instruments it is somebody of its own
        with _instrument.acting(waiter):
            done = _enlist(table, True, waiter)
    if done is not None:
        call()
    return waiter.withdraw
