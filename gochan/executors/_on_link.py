"""A goroutine whose function runs in another process, whoever owns the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .._executor import Away
from .._waiter import Waiter
from ._protocol import RESULT, RUN, WITHDRAWN

if TYPE_CHECKING:
    from .._goroutine import Goroutine
    from ._link import Link
    from ._pickling import Packed

__all__ = ("OnLink", "RemoteTraceback")


class RemoteTraceback(Exception):
    """Of an exception in another process: its traceback, as the ``__cause__`` here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class _Running(Waiter):
    """The request to run a goroutine: its answer is the goroutine's end."""

    __slots__ = ("away",)

    def __init__(self, away: OnLink) -> None:
        super().__init__()
        self.away = away

    def wake(self) -> bool:
        answer: Any = self.value
        self.value = None
        kind, value = answer
        self.away.answered(kind, value)
        return True


class OnLink(Away):
    """One such goroutine.

    ``link`` is set from the request to the answer; it is guarded by the lock, as is
    whether the goroutine has been cancelled.
    """

    __slots__ = ("_cancelled", "_failed", "_packed", "_request", "link")

    def __init__(self, goroutine: Goroutine[Any], packed: Packed) -> None:
        super().__init__(goroutine)
        self.link: Link | None = None
        # dropped when it has been sent
        self._packed: Packed | None = packed
        self._request = 0
        self._cancelled = False
        # what went wrong behind its back
        self._failed: BaseException | None = None

    @property
    def state(self) -> Literal["runnable", "running", "parked"]:
        link = self.link
        if link is None:
            return "runnable"
        return "parked" if link.parked else "running"

    def run_on(self, link: Link) -> None:
        """Have the other side run it.

        Raises:
            BrokenWorkerProcess: it has just died.
        """
        packed = self._packed
        assert packed is not None
        link.party = self.goroutine
        link.job = self
        with self._lock:
            self._request = link.ask(_Running(self), RUN, 0, packed)
            self.link = link
            cancelled = self._cancelled
        self._packed = None
        if cancelled:
            self.withdraw(link)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            link = self.link
        if link is not None:
            self.withdraw(link)
        else:
            self.forget()

    def fail(self, error: BaseException) -> None:
        """It has done what cannot be done, and gone on: that ends it."""
        with self._lock:
            link = self.link
            self._failed = self._failed or error
        if link is not None:
            self.withdraw(link)

    def withdraw(self, link: Link) -> None:
        """Have the other side cancel it."""
        link.withdraw(self._request, str(self.cancellation()))

    def forget(self) -> None:
        """It has been cancelled, and does not run yet: end it, if it never will."""

    def noted(self) -> None:  # not all insist
        """It has seen that it is cancelled, and may take its time."""

    def released(self, link: Link) -> None:
        """The other side has done with it; ``link`` may be over."""

    def answered(self, kind: int, value: Any) -> None:
        """It has ended, or its process has."""
        with self._lock:
            link, self.link = self.link, None
        assert link is not None
        gone = link.over is not None
        self.released(link)
        if self._failed is not None:
            self.finish(None, self._failed)
        elif kind == RESULT:
            self.finish(value, None)
        elif kind == WITHDRAWN or (gone and self._cancelled):
            self.finish(None, self.cancellation())
        else:
            error, text = value
            if text is not None:
                error.__cause__ = RemoteTraceback(text)
            self.finish(None, error)
