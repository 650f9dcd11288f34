"""A goroutine whose function runs in a thread, whoever owns the thread."""

from __future__ import annotations

import threading
from contextvars import copy_context
from sys import modules
from typing import TYPE_CHECKING, Any

from .._backends._thread import Seat
from .._executor import Away, plain_result

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Literal

    from .._goroutine import Goroutine

__all__ = ("OnThread",)


class OnThread(Away):
    """One such goroutine. The thread calls :meth:`run`, others the rest.

    Either the thread begins it, or it is given up before that: ``_claim`` decides.
    """

    __slots__ = ("_begun", "_call", "_context", "_seat")

    def __init__(
        self, goroutine: Goroutine[Any], fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        super().__init__(goroutine)
        # dropped when it has been called, or never will be
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None = (fn, args)
        self._seat = self._take_seat()
        self._begun = False

    def _take_seat(self) -> Seat:
        return Seat(self.goroutine)

    @property
    def state(self) -> Literal["runnable", "running", "parked"]:
        if not self._begun:
            return "runnable"
        return "running" if self._seat.waiter is None else "parked"

    @property
    def asleep(self) -> Hashable:
        return self._seat.asleep

    def begin(self) -> None:
        # of the coroutine that supervises it, which is the goroutine's
        self._context = copy_context()

    def run(self) -> None:
        """Call the function. Raises nothing, whatever it raises."""
        if not self._claim():
            return
        thread = threading.current_thread()
        name, thread.name = thread.name, self.goroutine.name
        result = error = None
        seat = self._seat
        seat.take()
        try:
            result = self._context.run(self._run)
        except BaseException as raised:
            error = raised
        finally:
            seat.leave()
            thread.name = name
        self.finish(result, error)
        # the error's traceback leads to this frame: no cycle
        del error, self

    def _run(self) -> Any:
        # No event loop runs here, though the context was copied where one does.
        sniffio: Any = modules.get("sniffio")
        if sniffio is not None:
            sniffio.current_async_library_cvar.set(None)
        assert self._call is not None
        fn, args = self._call
        self._call = None
        return plain_result(fn, "threads run", fn(*args))

    def cancel(self) -> None:
        if self._claim():
            self.finish(None, self.cancellation())
        else:
            self._seat.cancel(str(self.cancellation()))

    def fail(self, error: BaseException) -> None:
        """It could not be run, unless it has been."""
        if self._claim():
            self.finish(None, error)

    def _claim(self) -> bool:
        with self._lock:
            begun, self._begun = self._begun, True
        return not begun
