"""Goroutines on a pool of threads.

The pool runs a number of goroutines at a time, and one that is parked in a channel
operation or another blocking call of gochan's does not count: its place goes to the
next one, in a new thread if need be. So they cannot lock each other out, however
few may run. When it goes on it waits for no place: then there are more for a while.

Why not ``concurrent.futures.ThreadPoolExecutor`` with no bound: it may leave what
it is given in its queue while all its threads are busy (a worker counts as idle
from a moment before it takes something until somebody is told so), which is
harmless only if they end some time without that. Why not ``anyio.to_thread``: its
threads belong to one loop, are not waited for at its end, and go on unowned after
a native cancellation.
"""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING, Any

from .._backends._thread import Seat
from .._executor import refuse_async
from .._parked import idles
from ._crew import Crew, Crewed, Sized, check_count
from ._on_thread import OnThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .._goroutine import Goroutine

__all__ = ("SizedThreads", "Threads")

# how many goroutines of the default pool run at a time: anyio's number of threads
DEFAULT = 40


class _Worker:
    """One thread of a pool."""

    __slots__ = ("job", "thread", "wakeup")

    def __init__(self, pool: Pool, job: _OnPool) -> None:
        # what to run next; None to end
        self.job: _OnPool | None = job
        # locked while it is idle
        self.wakeup = allocate_lock()
        self.wakeup.acquire()
        options: dict[str, Any] = {}
        if sys.version_info >= (3, 14):
            import contextvars

            # otherwise it may keep the context of whoever needed one more thread
            options["context"] = contextvars.Context()
        self.thread = threading.Thread(
            target=pool.work, args=(self,), name=pool.name, **options
        )


class Pool(Crew):
    """Threads that run what they are given, and wait for more.

    Invariants, while ``_lock`` is free:
    1. ``_running`` counts the goroutines that have been given to a thread, have
       not ended and are not parked.
    2. If some wait, at least ``_size`` run.
    3. At most ``_size`` threads are idle.
    """

    def __init__(self, size: int, name: str) -> None:
        super().__init__(name)
        self._size = size
        self._running = 0
        self._waiting: deque[_OnPool] = deque()
        self._idle: list[_Worker] = []
        self._threads: set[threading.Thread] = set()
        # of those that have left it: the last one waits for the one before
        self._left: threading.Thread | None = None

    # A goroutine's way through the pool

    def submit(self, job: _OnPool) -> None:
        """Run it when there is a place."""
        with self._lock:
            self._waiting.append(job)
            worker = self._next()
        self._start(worker)

    def parks(self) -> None:
        """The goroutine that runs on the calling thread gives up its place."""
        with self._lock:
            self._running -= 1
            worker = self._next()
        self._start(worker)

    def resumes(self) -> None:
        """It goes on, whether there is a place or not."""
        with self._lock:
            self._running += 1

    def _next(self) -> _Worker | None:
        """Give the place that is free, if one is, to who waits longest."""
        if self._running >= self._size or not self._waiting:
            return None
        self._running += 1
        job = self._waiting.popleft()
        if not self._idle:
            made = _Worker(self, job)
            self._threads.add(made.thread)
            return made
        worker = self._idle.pop()
        worker.job = job
        return worker

    def _start(self, worker: _Worker | None) -> None:
        """Let a worker run its job: wake it, or start its thread."""
        while worker is not None:
            if worker.thread.ident is not None:
                worker.wakeup.release()
                return
            job = worker.job
            assert job is not None
            try:
                worker.thread.start()
            except RuntimeError as error:
                # the system has no more threads for us
                job.fail(error)
                with self._lock:
                    self._threads.discard(worker.thread)
                    self._running -= 1
                    worker = self._next()
            else:
                return

    @idles(lambda variables: variables["worker"] in variables["self"]._idle)
    def work(self, worker: _Worker) -> None:
        """What each thread does."""
        while (job := worker.job) is not None:
            job.run()
            worker.job = job = None
            with self._lock:
                self._running -= 1
                if self._running < self._size and self._waiting:
                    self._running += 1
                    worker.job = self._waiting.popleft()
                    continue
                if len(self._idle) >= self._size or (self._closed and not self._wanted):
                    break
                self._idle.append(worker)
            worker.wakeup.acquire()
        with self._lock:
            self._threads.discard(worker.thread)
            before, self._left = self._left, worker.thread
        if before is not None:
            before.join()

    def _dismiss(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.wakeup.release()

    def _join(self) -> None:
        with self._lock:
            threads = [*self._threads, self._left]
        for thread in threads:
            if thread is not None:
                thread.join()


class _OnPool(OnThread):
    """A goroutine on a thread of a pool."""

    __slots__ = ("pool",)

    def __init__(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        pool: Pool,
    ) -> None:
        self.pool = pool
        super().__init__(goroutine, fn, args)

    def _take_seat(self) -> Seat:
        return _PoolSeat(self.goroutine, self.pool)

    def begin(self) -> None:
        super().begin()
        self.pool.submit(self)

    def left(self) -> None:
        super().left()
        self.pool.leave()


class _PoolSeat(Seat):
    """A thread of a pool while it runs a goroutine."""

    __slots__ = ("pool",)

    def __init__(self, goroutine: Goroutine[Any], pool: Pool) -> None:
        super().__init__(goroutine)
        self.pool = pool

    def parks(self) -> None:
        self.pool.parks()

    def resumes(self) -> None:
        self.pool.resumes()


class Threads(Crewed[Pool]):
    """Runs goroutines in threads: a pool for each run, which ends with the run."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name

    def _make(self) -> Pool:
        return Pool(self._size, self._name)

    def _supervise(
        self,
        goroutine: Goroutine[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Coroutine[Any, Any, Any]:
        refuse_async(fn, "threads run")
        pool = self._crew(goroutine)
        pool.enter()
        goroutine.away = away = _OnPool(goroutine, fn, args, pool)
        return away.supervise()

    def __repr__(self) -> str:
        return f"<{self._name}>"


class SizedThreads(Threads, Sized[Pool]):
    """What ``gochan.executors.threads(n)`` makes."""

    def __init__(self, size: int) -> None:
        check_count(size, "threads(4)")
        super().__init__(size, f"threads({size})")
