"""Calls that are to be made at some time, in the order of their times.

For runtimes that have no such thing themselves: trio, and plain threads. Not
thread-safe; who serves it sees to that.
"""

from __future__ import annotations

import itertools
from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Alarms", "Entry")

# the call; empty once it has been made or cancelled
Entry: TypeAlias = "list[Callable[[], object]]"

# so many cancelled calls do no harm
_FEW: Final = 64


class Alarms:
    """A heap from which cancelled calls are cleared when they are the most of it.

    Args:
        draw: gives what decides between calls at the same time. Always the same, if not
            given: then they are made in the order in which they came.
    """

    __slots__ = ("_cancelled", "_draw", "_heap", "_numbers")

    def __init__(self, draw: Callable[[], float] | None = None) -> None:
        self._draw = draw or float
        self._heap: list[tuple[float, float, int, Entry]] = []
        self._numbers = itertools.count()
        self._cancelled = 0

    def add(self, when: float, call: Callable[[], object]) -> Entry:
        """Make the call at ``when``. What is returned is for :meth:`cancel`."""
        entry = [call]
        # the number, so that calls are never compared
        heappush(self._heap, (when, self._draw(), next(self._numbers), entry))
        return entry

    def cancel(self, entry: Entry) -> None:
        """Do not make it. Amortised O(log n)."""
        if not entry:
            return
        entry.clear()
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled > len(self._heap) // 2:
            self._heap[:] = [item for item in self._heap if item[-1]]
            heapify(self._heap)
            self._cancelled = 0

    def next(self) -> float:
        """When there is something to do; infinity if never."""
        heap = self._heap
        while heap and not heap[0][-1]:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else inf

    def due(self, now: float) -> Callable[[], object] | None:
        """The first call whose time has come, taken out; None if there is none."""
        if self.next() > now:
            return None
        return heappop(self._heap)[-1].pop()
