"""The processes of one executor.

Each is a ``ProcessPoolExecutor`` with one process, which calls ``serve`` once and for
all: see ``_worker``. One executor for all would not do: concurrent.futures gives up
all of its processes when one dies, and here the others go on.

A goroutine has its process from its first step to its end. Those that wait for one get
it in the order in which they began. Processes are started when they are wanted, and
one that has died is replaced when it is.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from .. import _instrument
from .._chan import Chan
from .._errors import BrokenWorkerProcess
from . import _listener, _worker
from ._crew import Crew
from ._in_process import GRACE
from ._link import Link
from ._serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from multiprocessing.process import BaseProcess

    from ._in_process import InProcess
    from ._wire import Stream

__all__ = ("Worker", "Workers")

# Seconds a process has to end, once its link has: then it is killed.
_PATIENCE: Final = 5.0


class Worker:
    """A process, and our end of the link to it."""

    def __init__(self, pool: Workers) -> None:
        self.pool = pool
        self.link: Link
        self.process: BaseProcess | None = None
        # what starts it, and reads the link once that is there
        self.starter = threading.Thread(
            target=self._start, name=f"{pool.name} start", daemon=True
        )
        self.reader: threading.Thread | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._shutting = threading.Lock()
        self._served: Future[None] | None = None
        self._ticket: _listener.Ticket | None = None

    def _start(self) -> None:
        from multiprocessing import resource_tracker

        try:
            self._ticket = _listener.expect(self._connected)
            # Ctrl-C must not hit the process before it is ready for that. The tracker
            # comes first, since its start unblocks the signal.
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, _worker.TERMINAL)
            self._executor = ProcessPoolExecutor(
                1,
                self._context(),
                initializer=_worker.prepare,
                initargs=(self._ticket.address,),
            )
            self._served = self._executor.submit(_worker.serve, self._ticket, True)
        except BaseException as error:  # of a goroutine that wants it
            self.pool.failed(self, error)
        else:
            self._served.add_done_callback(self._ended)

    def _context(self) -> Any:
        """multiprocessing's, which tells us what process it starts."""
        context: Any = type(multiprocessing.get_context(self.pool.start_method))()
        make = context.Process

        def process(*args: Any, **kwargs: Any) -> BaseProcess:
            made: BaseProcess = make(*args, **kwargs)
            self.process = made
            return made

        context.Process = process
        return context

    def _connected(self, stream: Stream, number: int) -> None:
        """It is there. Returns when it has gone."""
        link = Link(stream, f"process {number}")
        link.explain = self._explain
        Server(link)
        self.link = link
        if self.pool.arrived(self):
            link.read()
            self.pool.lost(self)
        stream.close()
        stream.dispose()

    def _ended(self, served: Future[None]) -> None:
        """The executor has seen its end. On the executor's thread."""
        if self.reader is not None:
            return
        # before it could connect
        assert self.process is not None
        cause = served.exception()
        if isinstance(cause, BrokenExecutor):
            self.process.join()
            text = (
                f"{self._end_of_process()} before it was ready: see what it has "
                "printed; is the program's last part under "
                '`if __name__ == "__main__":`?'
            )
        else:
            # it lives, but to no purpose
            self.kill()
            text = f"process {self.process.pid} could not connect: {cause!r}"
        error = BrokenWorkerProcess(text)
        error.__cause__ = cause
        self.pool.failed(self, error)

    def _explain(self) -> str:
        """Why the link is over, though nobody has announced that."""
        assert self._served is not None
        try:
            self._served.exception(GRACE)
        except TimeoutError:
            # it has lost the link, but lives
            self.kill()
        # Only the executor's thread may look for the end of the process: under the
        # forkserver that can be seen once.
        self._shut_down()
        return self._end_of_process()

    def _shut_down(self) -> None:
        """Wait for the end of the process and of the executor's thread."""
        # two threads would close the same files
        with self._shutting:
            if self._executor is not None:
                self._executor.shutdown()
                self._executor = None

    def _end_of_process(self) -> str:
        process = self.process
        assert process is not None
        code = process.exitcode
        if code is not None and code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                # those for real time have no names
                name = f"signal {-code}"
            return f"process {process.pid} was killed by {name}"
        return f"process {process.pid} ended with exit code {code}"

    def kill(self) -> None:
        """End it at once; from any thread."""
        # without a pid it was never started
        if self.process is not None and self.process.pid is not None:
            self.process.kill()

    def end(self) -> None:
        """Let it end, and wait until nothing of it is left."""
        self.starter.join()
        process = self.process
        if self.reader is None:
            self.kill()
        else:
            self.link.close()
        patience = threading.Timer(_PATIENCE, self.kill)
        patience.start()
        self._shut_down()
        patience.cancel()
        patience.join()
        if self.reader is not None:
            self.reader.join()
        if self._ticket is not None:
            _listener.forget(self._ticket)
        if process is not None:
            # what tells of its end, even if somebody keeps the pool
            process.close()


class Workers(Crew):
    """The processes, and the goroutines that wait for one.

    Invariants, under the lock: a goroutine waits only if no process is idle; there
    are as many on their way as goroutines wait, unless there are ``size`` already.
    """

    def __init__(self, size: int, start_method: str, name: str) -> None:
        super().__init__(name)
        self.start_method = start_method
        self._size = size
        self._idle: list[Worker] = []
        self._waiting: deque[InProcess] = deque()
        # those that are there, or on their way; how many are
        self._workers: set[Worker] = set()
        self._coming = 0
        # those that have died, until they are joined
        self._dead: list[Worker] = []
        self._dismissed = False
        # whether nothing is left, and who wants to know
        self._ended = False
        self._closing: threading.Thread | None = None
        self._then: list[Callable[[], object]] = []
        self._gone: Chan[None] = Chan(name=f"end of {name}")

    def submit(self, job: InProcess, *, first: bool = False) -> None:
        """Run it on a process, before others if ``first``. Never blocks."""
        with self._lock:
            if not self._idle:
                (self._waiting.appendleft if first else self._waiting.append)(job)
                self._hire()
                return
            worker = self._idle.pop()
        job.start(worker)

    def forget(self, job: InProcess) -> bool:
        """Do not run it. False if it has been given to a process."""
        with self._lock:
            try:
                self._waiting.remove(job)
            except ValueError:
                return False
        return True

    def free(self, worker: Worker) -> None:
        """It has nothing to do."""
        with self._lock:
            if not self._waiting:
                self._idle.append(worker)
                return
            job = self._waiting.popleft()
        job.start(worker)

    def arrived(self, worker: Worker) -> bool:
        """It has connected. False if it is not wanted any more."""
        with self._lock:
            if worker not in self._workers:
                # it has died at once, and has been told to have failed
                return False
            self._coming -= 1
            if self._dismissed:
                return False
            worker.reader = threading.current_thread()
        self.free(worker)
        return True

    def failed(self, worker: Worker, error: BaseException) -> None:
        """It could not be started: tell one of those who wait for it."""
        with self._lock:
            if worker.reader is not None:
                # it has connected meanwhile: then its link tells
                return
            self._coming -= 1
            self._workers.discard(worker)
            self._dead.append(worker)
            job = self._waiting.popleft() if self._waiting else None
            self._hire()
        if job is not None:
            job.finish(None, error)

    def lost(self, worker: Worker) -> None:
        """Its link is over."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
            if not self._dismissed:
                self._workers.discard(worker)
                self._dead.append(worker)
                self._hire()

    def _hire(self) -> None:
        """Start what is missing. With the lock held."""
        while (
            self._coming < len(self._waiting)
            and len(self._workers) < self._size
            and not self._dismissed
        ):
            worker = Worker(self)
            self._workers.add(worker)
            self._coming += 1
            try:
                worker.starter.start()
            except RuntimeError as error:
                # the system has no more threads for us
                self._workers.discard(worker)
                self._coming -= 1
                self._waiting.popleft().finish(None, error)

    # The end. Processes take some time to end: it is waited for in a thread.

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            over = not self._wanted
        if over:
            self._end()

    def ending(self, then: Callable[[], object]) -> bool:
        with self._lock:
            if not self._dismissed or self._ended:
                # somebody still uses it, who does not belong to who asks
                return False
            self._then.append(then)
        return True

    async def wait(self) -> None:
        await self._gone.recv_ok()
        self._join()

    def blocking_wait(self) -> None:
        self._gone.blocking_recv_ok()
        self._join()

    def _dismiss(self) -> None:
        with self._lock:
            self._dismissed = True
            workers = [*self._workers, *self._dead]
        # not a daemon: the program must not end before
        self._closing = threading.Thread(
            target=self._shut, args=(workers,), name=f"{self.name} end"
        )
        self._closing.start()

    def _shut(self, workers: list[Worker]) -> None:
        try:
            ending = [threading.Thread(target=worker.end) for worker in workers]
            for thread in ending:
                thread.start()
            for thread in ending:
                thread.join()
        finally:
            # the run waits for that, whatever has gone wrong here
            with self._lock:
                self._ended = True
                then = self._then
        for call in then:
            call()
        # nobody's act that an instrument should know of
        with _instrument.acting(self):
            self._gone.close()

    def _join(self) -> None:
        assert self._closing is not None
        self._closing.join()
