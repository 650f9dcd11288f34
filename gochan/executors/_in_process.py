"""A goroutine in one of our own processes, which may be killed if it insists."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from .._errors import BrokenWorkerProcess
from ._on_link import OnLink

if TYPE_CHECKING:
    from .._goroutine import Goroutine
    from ._link import Link
    from ._pickling import Packed
    from ._workers import Worker, Workers

__all__ = ("GRACE", "InProcess")

# Seconds a cancelled goroutine has until a plain function comes to an operation, or
# the loop of an async one turns, over and over. One that computes all that time is
# killed, and its process with it.
GRACE: Final = 1.0


class InProcess(OnLink):
    """A goroutine in one of our own processes.

    ``_timer`` is guarded by the lock; there is one only while there is a link.
    """

    __slots__ = ("_alive", "_killed", "_timer", "pool", "worker")

    def __init__(
        self, goroutine: Goroutine[Any], packed: Packed, pool: Workers
    ) -> None:
        super().__init__(goroutine, packed)
        self.pool = pool
        self.worker: Worker
        self._timer: threading.Timer | None = None
        # since the timer was set: it may be cleaning up
        self._alive = False
        # so the process is of no use to anybody else
        self._killed = False

    def begin(self) -> None:
        self.pool.submit(self)

    def start(self, worker: Worker) -> None:
        """Run it there, or on another one if that has just died."""
        self.worker = worker
        try:
            self.run_on(worker.link)
        except BrokenWorkerProcess:
            self.pool.submit(self, first=True)
            if self._cancelled:
                self.forget()

    def forget(self) -> None:
        if self.pool.forget(self):
            self.finish(None, self.cancellation())

    def withdraw(self, link: Link) -> None:
        """Have it cancelled there, and insist."""
        super().withdraw(link)
        with self._lock:
            # otherwise it has just ended, or knows already
            if self.link is link and self._timer is None:
                self._insist(link)

    def _insist(self, link: Link) -> None:
        """Look again in a while. With the lock held."""
        self._alive = False
        self._timer = timer = threading.Timer(GRACE, self._look, (link,))
        timer.name = "gochan grace"
        timer.daemon = True
        timer.start()

    def _look(self, link: Link) -> None:
        """It has had its time."""
        with self._lock:
            if self._timer is None or self.link is not link:
                return
            alive = self._alive
            if alive:
                self._insist(link)
            else:
                self._killed = True
        if alive:
            # its loop turned a while ago: does it still?
            super().withdraw(link)
        else:
            self.worker.kill()

    def noted(self, *, final: bool) -> None:
        with self._lock:
            self._alive = True
            timer = None
            if final:
                timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()

    def released(self, link: Link) -> None:
        self.noted(final=True)
        if link.over is None and not self._killed:
            self.pool.free(self.worker)

    def left(self) -> None:
        super().left()
        self.pool.leave()
