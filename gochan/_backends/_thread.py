"""A plain thread: it sleeps on a lock that its waker releases.

A thread that runs a goroutine has a :class:`Seat` meanwhile: through it a
cancellation reaches the blocking calls that are made there. A blocking call on a
thread with an event loop is for fibers only: see ``_fiber``.
"""

from __future__ import annotations

from _thread import TIMEOUT_MAX, allocate_lock, get_ident
from contextlib import contextmanager
from sys import modules
from typing import TYPE_CHECKING, Any

from .. import _backends, _instrument
from .._errors import Cancelled
from .._waiter import Waiter as BaseWaiter
from . import _fiber
from ._parts import Ear

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable
    from threading import Lock

    from ._parts import AsyncWaiter, Clock

__all__ = (
    "Seat",
    "Waiter",
    "cancelled",
    "check_call",
    "countdown",
    "ear",
    "firm_waiter",
    "is_cancelled",
    "loop_runs",
    "on_sleep",
    "shielded",
    "waiter",
)


class Waiter(BaseWaiter):
    """One wait of one thread."""

    __slots__ = ("lock",)

    lock: Lock

    def __init__(self, value: Any = None) -> None:
        # super().__init__(value), in place
        self.prev = self.next = self.queue = self.waiter = self.token = None
        self.value = value
        self.case = 0
        self.ok = False
        self.nodes = None
        self.party = None
        self.lock = lock = allocate_lock()
        lock.acquire()

    def wake(self) -> bool:
        self.lock.release()
        return True

    def park_thread(self, timeout: float | None) -> bool:
        """Sleep until woken. False if ``timeout`` seconds passed before that.

        On False, and when KeyboardInterrupt is raised, the waiter has withdrawn
        and nothing has happened.
        """
        if timeout is None or timeout > TIMEOUT_MAX:
            timeout = -1
        try:
            if self.lock.acquire(timeout=timeout):
                return True
            if self.withdraw():
                return False
        except BaseException:
            # KeyboardInterrupt, on the main thread. If a peer was faster the
            # operation has happened: there is no later point to raise at.
            self.withdraw()
            # or it came in the middle of withdrawing
            self.unlink()
            raise
        # claimed at the last moment: the wake is on its way
        self.lock.acquire()
        return True


class Seat:
    """A thread's while it runs a goroutine: how its blocking calls are cancelled.

    A cancellation stands from :meth:`cancel` on. It is raised where a blocking
    call begins, and where one is parked that no peer has claimed: that one is
    withdrawn, by whoever comes second, the cancellation or the parking. Both hold
    ``lock`` when they look for the other.
    """

    __slots__ = (
        "cancelled",
        "ear",
        "ident",
        "lock",
        "outer",
        "party",
        "shields",
        "waiter",
    )

    def __init__(self, party: Hashable) -> None:
        self.party = party
        self.lock = allocate_lock()
        # the thread, while it sits there, and whose seat that was before
        self.ident = 0
        self.outer: Seat | None = None
        # the operation that is parked
        self.waiter: _SeatWaiter | None = None
        # what Cancelled is raised with
        self.cancelled: str | None = None
        # hears when it is cancelled or left; made when somebody wants to
        self.ear: Ear | None = None
        # how many shielded() blocks it is in
        self.shields = 0

    def take(self) -> None:
        """The calling thread runs the goroutine from now on."""
        self.ident = ident = get_ident()
        self.outer = _seats.get(ident)
        _instrument.parties[ident] = self.party
        _seats[ident] = self
        with self.lock:
            if self.cancelled is not None:
                cancelled.add(ident)

    def leave(self) -> None:
        """It has run to its end."""
        ident = self.ident
        # its error's traceback leads here: no cycle
        self.party = None
        with self.lock:
            self.ident = 0
            cancelled.discard(ident)
        outer = self.outer
        if outer is None:
            del _seats[ident], _instrument.parties[ident]
        else:
            # an executor that runs what it is given at once
            _seats[ident] = outer
            _instrument.parties[ident] = outer.party
            with outer.lock:
                if outer.cancelled is not None:
                    cancelled.add(ident)
        if self.ear is not None:
            self.ear.hear()

    def cancel(self, message: str) -> None:
        """Cancel the blocking calls from now on; from any thread."""
        with self.lock:
            if self.cancelled is not None:
                return
            self.cancelled = message
            if self.ident:
                cancelled.add(self.ident)
            parked = None if self.shields else self.waiter
            ear = self.ear
        if ear is not None:
            ear.hear()
        if parked is not None:
            parked.cancel()

    @property
    def asleep(self) -> Hashable:
        """What its thread sleeps on for ever, unless a peer wakes it; None if not."""
        waiter = self.waiter
        if waiter is None or not waiter.for_ever or waiter.claimed():
            return None
        return waiter

    def due(self) -> bool:
        """Whether a blocking call has to raise."""
        return self.cancelled is not None and not self.shields

    def cancellation(self) -> Cancelled:
        """What it raises: asked only by who does."""
        return Cancelled(self.cancelled)

    # For whoever counts the threads that run

    def parks(self) -> None:
        """The thread is about to sleep in a blocking call."""

    def resumes(self) -> None:
        """It goes on."""


# by thread
_seats: dict[int, Seat] = {}
# the threads of those that are cancelled: a blocking call tests that it is empty
cancelled: set[int] = set()


class _SeatWaiter(Waiter):
    """One wait of a thread that runs a goroutine."""

    __slots__ = ("cancelled", "for_ever", "seat")

    def __init__(self, value: Any, seat: Seat) -> None:
        super().__init__(value)
        self.seat = seat
        self.cancelled = False
        # whether its thread sleeps without a timeout
        self.for_ever = False

    def park_thread(self, timeout: float | None) -> bool:
        """As that of any thread.

        Raises:
            Cancelled: the goroutine has been cancelled, and the waiter withdrawn.
        """
        seat = self.seat
        if timeout:
            home = _backends.find_home()
            if home is not None and home.stands_still:
                return self._park_until(home, timeout)
        self.for_ever = timeout is None
        seat.parks()
        try:
            with seat.lock:
                seat.waiter = self
                due = seat.due()
            if due:
                self.cancel()
            for told in on_sleep:
                told()
            woken = super().park_thread(timeout)
        finally:
            seat.waiter = None
            seat.resumes()
        if self.cancelled:
            raise seat.cancellation()
        return woken

    def _park_until(self, clock: Clock, seconds: float) -> bool:
        """Sleep with a timeout in the time of ``clock``, which is not real."""
        late = False

        def wake() -> None:
            nonlocal late
            if self.withdraw():
                late = True
                self.wake()

        alarm = clock.call_at(clock.now() + seconds, wake)
        try:
            self.park_thread(None)
        finally:
            alarm.cancel()
        return not late

    def cancel(self) -> None:
        """Withdraw it, if no peer was faster, and wake the thread."""
        if self.withdraw():
            self.cancelled = True
            self.wake()


# Who wants to know when a goroutine on a thread falls asleep: called on that thread.
on_sleep: list[Callable[[], object]] = []


def ear() -> Ear | None:
    """Hears when the goroutine that runs on this thread is cancelled, if one does."""
    seat = _seats.get(get_ident())
    if seat is None:
        return None
    with seat.lock:
        if seat.ear is None:
            seat.ear = Ear()
        return seat.ear


def is_cancelled() -> bool:
    """Whether the goroutine that runs on this thread has been cancelled."""
    return get_ident() in cancelled


def _running_loop() -> object:
    """asyncio's function of that name, if asyncio is loaded; takes its place then."""
    global running_loop
    found: Callable[[], object] | None
    found = getattr(modules.get("asyncio"), "_get_running_loop", None)
    if found is None:
        return None
    running_loop = found
    return found()


# The asyncio loop that runs on this thread, or None.
running_loop: Callable[[], object] = _running_loop


def loop_runs() -> bool:
    """Whether an event loop runs on this thread."""
    return _backends.running_loop() is not None


def waiter(value: Any = None) -> Waiter | AsyncWaiter:
    """A waiter for whoever makes a blocking call here, with the value it sends."""
    if loop_runs():
        # in a fiber, check_call() has refused all else; first, since that loop may
        # run in a thread that has a seat
        return _backends.async_waiter(value)
    if _seats and (seat := _seats.get(get_ident())) is not None:
        return _SeatWaiter(value, seat)
    return Waiter(value)


def firm_waiter(value: Any = None) -> Waiter | AsyncWaiter:
    """A waiter for a blocking call that nothing but an interrupt may withdraw.

    For what has to be put right before a cancellation may be raised.
    """
    return _backends.firm_waiter(value) if loop_runs() else Waiter(value)


def check_call(blocking: str, awaited: str, timeout: float | None) -> None:
    """Refuse a blocking call that cannot work, before it has any effect.

    In a fiber it may let others run first: the fiber's share of the budget.

    Raises:
        RuntimeError: this thread runs an event loop, which the call would stop.
        ValueError: ``timeout`` is negative or not a number.
        Cancelled: the goroutine that runs on this thread has been cancelled.
    """
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be 0 seconds or more, or None, not {timeout}")
    if loop_runs():
        if not _fiber.inside():
            raise RuntimeError(
                f"{blocking} would block the event loop that runs on this thread; "
                f"write: {awaited}"
            )
        _fiber.spend()
    elif (
        cancelled
        and (ident := get_ident()) in cancelled
        and (seat := _seats[ident]).due()
    ):
        raise seat.cancellation()


def countdown(timeout: float | None) -> Callable[[], float | None]:
    """What is left of ``timeout`` seconds, each time it is called.

    In the time by which ``park_thread`` sleeps, which may stand still.
    """
    if timeout is None:
        return _for_ever
    now = _backends.clock().now
    deadline = now() + timeout
    return lambda: max(0.0, deadline - now())


def _for_ever() -> None:
    return None


@contextmanager
def shielded() -> Generator[None]:
    """Blocking calls inside are not cancelled: for what must be put right first.

    In a goroutine on a thread and in a fiber; elsewhere nothing cancels them.
    """
    if _fiber.inside():
        with _fiber.shield():
            yield
        return
    seat = _seats.get(get_ident())
    if seat is None:
        yield
        return
    with seat.lock:
        seat.shields += 1
    try:
        yield
    finally:
        with seat.lock:
            seat.shields -= 1
