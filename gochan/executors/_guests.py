"""Goroutines in the processes of somebody else's ``concurrent.futures.Executor``.

The executor is given a call of ``serve`` for each goroutine. That connects, and runs
this goroutine alone. A cancellation takes effect at the function's next operation; one
that computes is waited for: its process is not ours to kill.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from .._backends import backend
from . import _listener, _worker
from ._crew import Crew, Crewed
from ._link import Link
from ._on_link import OnLink
from ._serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor as FuturesExecutor
    from concurrent.futures import Future

    from .._goroutine import Goroutine
    from ._pickling import Packed
    from ._wire import Stream

__all__ = ("Foreign",)


class Guests(Crew):
    """The threads of such goroutines: they submit, and read a link."""

    def __init__(self) -> None:
        super().__init__("processes of other executors")
        self.threads: set[threading.Thread] = set()

    def _dismiss(self) -> None:
        """They end by themselves."""

    def _join(self) -> None:
        for thread in list(self.threads):
            thread.join()


class Guest(OnLink):
    """A goroutine in a process of somebody else's."""

    __slots__ = ("_begun", "_executor", "_future", "_submitting", "_ticket", "guests")

    def __init__(
        self,
        goroutine: Goroutine[Any],
        packed: Packed,
        executor: FuturesExecutor,
        guests: Guests,
    ) -> None:
        super().__init__(goroutine, packed)
        self._executor = executor
        self.guests = guests
        self._future: Future[None] | None = None
        # under the lock: whether it has connected, or never will
        self._begun = False

    def begin(self) -> None:
        self._ticket = _listener.expect(self._connected)
        # It may start processes. One that is forked inherits what its thread has, and
        # in this one an event loop runs.
        self._submitting = thread = threading.Thread(
            target=self._submit, name="gochan submit", daemon=True
        )
        self.guests.threads.add(thread)
        thread.start()

    def _submit(self) -> None:
        own_process = not _is_interpreter_pool(self._executor)
        try:
            future = self._executor.submit(_worker.serve, self._ticket, own_process)
        except BaseException as error:  # it is the goroutine's
            error.add_note(f"the goroutine was given to {self._executor!r}")
            self._end(error)
            return
        with self._lock:
            self._future = future
            cancelled = self._cancelled
        future.add_done_callback(self._settled)
        if cancelled:
            future.cancel()

    def _connected(self, stream: Stream, number: int) -> None:
        thread = threading.current_thread()
        self.guests.threads.add(thread)
        if self._claim():
            link = Link(stream, f"process {number}")
            link.explain = self._explain
            Server(link)
            self.run_on(link)
            link.read()
            _listener.forget(self._ticket)
        stream.close()
        stream.dispose()

    def _settled(self, future: Future[None]) -> None:
        """The executor has done with it, perhaps before it has begun."""
        if future.cancelled():
            self._end(
                self.cancellation()
                if self._cancelled
                else RuntimeError(f"{self._executor!r} was shut down before it began")
            )
        else:
            self._end(future.exception() or RuntimeError("it has not connected"))

    def _end(self, error: BaseException) -> None:
        if self._claim():
            _listener.forget(self._ticket)
            self.finish(None, error)

    def _claim(self) -> bool:
        with self._lock:
            begun, self._begun = self._begun, True
        return not begun

    def _explain(self) -> str:
        """Why the link has broken: the executor may know."""
        # it may have been that fast
        self._submitting.join()
        assert self._future is not None
        try:
            error = self._future.exception(1)
        except BaseException:  # it does not know yet
            error = None
        text = f"a process of {self._executor!r} has died"
        return text if error is None else f"{text}: {error}"

    def forget(self) -> None:
        with self._lock:
            future = self._future
        if future is not None:
            # if it has not begun
            future.cancel()

    def released(self, link: Link) -> None:
        # one goroutine, one link
        link.close()

    def left(self) -> None:
        super().left()
        self.guests.leave()


def _is_interpreter_pool(executor: FuturesExecutor) -> bool:
    interpreters: Any = sys.modules.get("concurrent.futures.interpreter")
    return interpreters is not None and isinstance(
        executor, interpreters.InterpreterPoolExecutor
    )


class Foreign(Crewed[Guests]):
    """Any executor that runs things in other processes, as ``on``."""

    def __init__(self, executor: FuturesExecutor) -> None:
        self._executor = executor

    def _make(self) -> Guests:
        return Guests()

    def _crew(self, goroutine: Goroutine[Any]) -> Guests:
        # one for all of them
        return goroutine._scope._tenant(Guests, Guests)

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        packed = _worker.pack_job(fn, args, goroutine.name, backend().same_again())
        guests = self._crew(goroutine)
        guests.enter()
        goroutine.away = away = Guest(goroutine, packed, self._executor, guests)
        return away.supervise()
