"""Contexts whose time runs out.

A deadline has passed when the clock says so: whoever looks after that finds the context
done, also if the loop has had no time to call, and nobody has awaited anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from .. import _instrument
from .._backends import clock
from ._base import DeadlineExceeded
from ._tree import CancelContext

if TYPE_CHECKING:
    from .._backends._parts import Alarm, Clock
    from ._base import Context

__all__ = ("DeadlineContext",)


@final
class DeadlineContext(CancelContext):
    """What :func:`with_deadline` makes."""

    __slots__ = ("_alarm", "_clock", "_reason", "_when")

    def __init__(
        self, parent: Context, when: float, reason: BaseException | None
    ) -> None:
        self._when = when
        self._reason = reason
        self._clock: Clock = clock()
        self._alarm: Alarm | None = None
        super().__init__(parent)
        self._limit = self._timed = self
        if (seen := _instrument.active) is not None:
            seen.release(_instrument.current_party(), (self, "timer"))
        if self._error is not None:
            return
        if self._is_due():
            self._expired()
        else:
            alarm = self._alarm = self._clock.call_at(when, self._expired)
            if self.err() is not None:
                # cancelled by another thread meanwhile
                alarm.cancel()

    def deadline(self) -> float | None:
        here = clock()
        if here.now == self._clock.now:
            return self._when
        # made on another loop, whose time begins elsewhere
        return here.now() + (self._when - self._clock.now())

    def _is_due(self) -> bool:
        return self._error is None and self._when <= self._clock.now()

    def _expired(self) -> None:
        if (seen := _instrument.active) is None:
            self.cancel(DeadlineExceeded(), self._reason)
            return
        # whoever set the deadline came before, and nobody else: not who happens to look
        nobody = _Nobody()
        with _instrument.acting(nobody):
            seen.acquire(nobody, (self, "timer"))
            self.cancel(DeadlineExceeded(), self._reason)

    def _finished(self) -> None:
        super()._finished()
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()

    def _suffix(self) -> str:
        left = self._when - self._clock.now()
        return f"WithDeadline({self._when:.3f} [{left:.3f}s])"


class _Nobody:
    """Who ends a context whose time is over."""
