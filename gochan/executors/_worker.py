"""Inside a worker process: goroutines, one after the other, on its main thread.

The pool calls :func:`serve` there. It connects, and runs what comes by the link until
that ends. The link is read by a thread of its own, so that a cancellation is seen, and
other processes can use channels that were made here, while a function computes.

If the link breaks, or the parent dies, there is nobody to work for: the process ends
at once, whatever it does.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import signal
import sys
import threading
from _thread import allocate_lock
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._backends._thread import Seat
from .._backends._thread_clock import DAEMONS
from .._errors import Cancelled, GoroutineCancelled
from .._run import run
from .._scope import current_scope
from . import _home
from ._link import Link
from ._listener import connect
from ._pickling import pack, unpack
from ._protocol import NOTED, RESULT, WITHDRAWN
from ._serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from .._scope import Scope
    from ._listener import Ticket
    from ._pickling import Packed

__all__ = ("TERMINAL", "Job", "pack_job", "prepare", "serve")


class Job(NamedTuple):
    """A goroutine for a worker."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    name: str
    # for run(), should it be async: backend, options
    runtime: tuple[Any, dict[str, Any]]


def pack_job(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    name: str,
    runtime: tuple[str, dict[str, Any]],
) -> Packed:
    """A :class:`Job`, pickled.

    Raises:
        TypeError: something in it cannot be pickled; says what.
    """
    try:
        return pack(Job(fn, args, name, runtime), "", _home.as_handle)
    except TypeError as error:
        if str(error).startswith("fn: "):
            error.add_note(
                "a function that runs in another process is found there by its name: "
                "define it at the top level of a module"
            )
        raise


# what a terminal sends to all of its processes
TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGHUP})


def prepare(address: str) -> None:
    """The first that a worker of our own does.

    Args:
        address: what it is going to connect to.
    """
    _addresses.add(address)
    # Ctrl-C is for the parent, which cancels, and so is the end of the terminal: we see
    # that the parent ends. A handler, not SIG_IGN: that would be inherited by what the
    # function starts. They were blocked when we were started.
    for number in TERMINAL:
        signal.signal(number, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINAL)
    threading.Thread(target=_watch, name="gochan parent", daemon=True).start()


def _nothing(number: int, frame: object) -> None:
    pass


def _watch() -> None:
    _orphaned(None)
    os._exit(1)


def _orphaned(seconds: float | None) -> None:
    """Wait for the end of the parent, and put away what it cannot any more."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None and connection.wait([parent.sentinel], seconds):
        # it may compute here
        sys.setswitchinterval(1e-6)
        for address in _addresses:
            # others try the same
            with contextlib.suppress(OSError):
                os.unlink(address)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(address))


# where those listen that we are connected to
_addresses: set[str] = set()


def serve(ticket: Ticket, own_process: bool) -> None:
    """Run the goroutines that come by the ticket's link, until that is closed.

    Args:
        ticket: what to connect to.
        own_process: whether this process is to end if the link breaks.
    """
    if _home.was_forked() and threading.current_thread() is threading.main_thread():
        # that of the parent's loop: our signals would wake it
        signal.set_wakeup_fd(-1)
    link = Link(connect(ticket), f"process {ticket.home}")
    server = Server(link)
    runner = _Runner(link)
    server.run = runner.put
    server.stop = runner.stop
    _addresses.add(ticket.address)

    def read() -> None:
        link.read()
        if own_process and not link.orderly:
            _orphaned(1.0)
            os._exit(1)
        _addresses.discard(ticket.address)
        runner.inbox.put(None)

    reader = threading.Thread(target=read, name="gochan link", daemon=DAEMONS)
    try:
        reader.start()
        runner.work()
        reader.join()
    finally:
        # at once, if that has failed: the other side must not wait
        link.stream.close()
        link.stream.dispose()


class _WorkerSeat(Seat):
    """The main thread's, while it runs a plain function: it says when that reacts."""

    __slots__ = ("noted",)

    def __init__(self, party: object, noted: Callable[[], None]) -> None:
        super().__init__(party)
        self.noted = noted

    def cancellation(self) -> Cancelled:
        self.noted()
        return super().cancellation()


class _Runner:
    """What runs, and how it is cancelled.

    Of the goroutine that runs, under ``lock``: ``request``; ``why`` it has been
    cancelled, and is as soon as it begins; ``cancel``, how that is done.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.lock = allocate_lock()
        self.inbox: SimpleQueue[tuple[int, bytes, Sequence[bytearray]] | None]
        self.inbox = SimpleQueue()
        self.request = 0
        self.why: str | None = None
        self.cancel: Callable[[str], None] | None = None

    def put(self, request: int, payload: bytes, buffers: Sequence[bytearray]) -> None:
        """Run this: nothing else runs, our side sees to that."""
        with self.lock:
            self.request = request
            self.why = None
        self.inbox.put((request, payload, buffers))

    def stop(self, request: int, why: str) -> None:
        """Cancel it, if it has not ended; asked again: tell whether it reacts."""
        with self.lock:
            if request != self.request:
                return
            self.why = why
            cancel = self.cancel
        if cancel is not None:
            cancel(why)

    def cancels(self, cancel: Callable[[str], None] | None) -> None:
        """Say how what runs now is cancelled."""
        with self.lock:
            self.cancel = cancel
            why = self.why
        if cancel is not None and why is not None:
            cancel(why)

    def noted(self, *, final: bool) -> None:
        """It need not be killed: it reacts; if ``final``, it has been cancelled."""
        self.link.post(NOTED, int(final), self.request)

    def work(self) -> None:
        """Run what comes, until None does."""
        while (job := self.inbox.get()) is not None:
            self.run(*job)
            del job
            for stream in (sys.stdout, sys.stderr):
                # nobody sees what stays in a buffer here; None: there is no such one
                if stream is not None:
                    stream.flush()

    def run(self, request: int, payload: bytes, buffers: Sequence[bytearray]) -> None:
        """Run one, and answer."""
        server = self.link.serve
        assert server is not None
        try:
            job: Job = unpack(memoryview(payload), buffers, self.link)
            result = self.call(job)
        except BaseException as error:
            with self.lock:
                self.request = 0
                stopped = self.why is not None
            if stopped and isinstance(error, Cancelled | GoroutineCancelled):
                self.link.post(WITHDRAWN, 0, request)
            else:
                server.fail(request, error)
        else:
            with self.lock:
                self.request = 0
            server.answer(RESULT, request, result)
        finally:
            self.cancels(None)

    def call(self, job: Job) -> Any:
        """Call the function; if it is async, in a run of its own."""
        threading.current_thread().name = job.name
        seat = _WorkerSeat(job.name, functools.partial(self.noted, final=True))
        seat.take()
        try:
            self.cancels(seat.cancel)
            result = job.fn(*job.args)
        finally:
            seat.leave()
        if not inspect.iscoroutine(result):
            return result
        backend, options = job.runtime
        return run(self.main, result, backend=backend, backend_options=options)

    async def main(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Goroutine 1 of a run in this process."""
        scope = current_scope.get()
        assert scope is not None
        self.cancels(functools.partial(self.cancel_scope, scope))
        return await coroutine

    def cancel_scope(self, scope: Scope, why: str) -> None:
        scope.cancel(why)
        nursery: Any = scope._nursery
        # when the loop comes to that
        nursery._on_loop(functools.partial(self.noted, final=False))
