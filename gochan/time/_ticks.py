"""The channel of a timer: a value is there once its time has come.

Nobody sends. Whether there is a value is computed from the clock when somebody looks,
so that a timer is never late, and none is ever stale: to stop it or to set it anew
changes what those who look will see from then on. The clock is asked to call only
while somebody waits, which wakes them. So a timer that nobody waits for costs
nothing and is collected like any object.

``_buf`` stands for the buffer: :class:`_Due` looks like a deque that holds a value when
one is due. The queue of receivers, :class:`Schedule`, knows when that is. Everything
else is a channel's.

Invariants, of every timer whose lock is free:
1. Somebody waits, and it has been set: there is an alarm for its time.
2. ``alarm`` is that alarm, and ``token`` tells its call from others': one that has been
   cancelled may still call, from a thread that was about to, and does nothing.
3. Somebody waits: for all others there is no value. It goes to who was first, when the
   clock calls.

The clock is asked with the lock held. It takes no lock under which it would call here.

Source: timer channels since Go 1.23: ``t.isChan`` and ``maybeRunChan`` in
``runtime/time.go``.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import ref

from .. import _instrument
from .._backends import clock, uninterrupted
from .._chan import Chan
from .._core import BLOCKED
from .._waiter import WaitQueue, bar

if TYPE_CHECKING:
    from threading import Lock

    from .._backends._parts import Alarm
    from .._waiter import Key, Node, Waiter

__all__ = ("Schedule", "Ticks")


class Schedule(WaitQueue):
    """When the next tick is, and who waits for it.

    While anybody does, the clock will call. Refers to its channel weakly, so that a
    timer is freed when nobody refers to it.

    Attributes:
        when: the next tick; None if it has been stopped, or has fired for the last
            time.
        period: seconds between two ticks; 0 if there is one only.
        seconds: for how long it was set.
    """

    __slots__ = (
        "alarm",
        "clock",
        "handed",
        "now",
        "period",
        "seconds",
        "settings",
        "ticks",
        "token",
        "when",
    )

    def __init__(self, lock: Lock, key: Key, ticks: Ticks) -> None:
        super().__init__(lock, key)
        self.ticks = ref(ticks)
        self.clock = clock()
        self.now = self.clock.now
        self.when: float | None = None
        self.period = 0.0
        self.seconds = 0.0
        self.alarm: Alarm | None = None
        self.token: object = None
        # the tick that was handed to a receiver last
        self.handed = 0.0
        # how often it has been set or stopped
        self.settings = 0

    # Setting it. Each answers whether there would have been another tick.

    @uninterrupted
    def set(self, seconds: float, period: float) -> bool:
        with self.lock:
            bar(self.key)
            pending = self.when is not None
            self.when = self.now() + seconds
            self.period = period
            self.seconds = seconds
            self.settings += 1
            if (seen := _instrument.active) is not None:
                seen.release(_instrument.current_party(), (self, "timer"))
            self._disarm()
            if self.head is not None:
                self._arm()
        return pending

    @uninterrupted
    def stop(self) -> bool:
        with self.lock:
            bar(self.key)
            pending = self.when is not None
            self.when = None
            self.settings += 1
            self._disarm()
        return pending

    # With the lock held

    def push(self, node: Node) -> None:
        # first: if the clock cannot do it, then nobody waits
        self._arm()
        super().push(node)

    def remove(self, node: Node) -> None:
        super().remove(node)
        if self.head is None:
            self._disarm()

    def take(self, peer: Waiter | None = None) -> float:
        """The tick that is due; those that came after it are dropped.

        It is for ``peer``, or for whoever calls.
        """
        when = self.when
        assert when is not None
        if self.period:
            now = max(self.now(), when)
            following = when + self.period * (1 + (now - when) // self.period)
            # a period may be too short for a float
            self.when = following if following > now else nextafter(now, inf)
        else:
            self.when = None
        if (seen := _instrument.active) is not None:
            # After whoever has set the timer, and nobody else: it is as if a party of
            # its own had fired it. Two timers order nothing.
            party = _instrument.current_party() if peer is None else peer.party
            seen.acquire(party, (self, "timer"))
            seen.completed(party, "recv", self.ticks(), 0)
        return when

    def _arm(self) -> None:
        if self.alarm is None and self.when is not None:
            token = object()
            self.alarm = self.clock.call_at(self.when, partial(self._fire, token))
            self.token = token

    def _disarm(self) -> None:
        alarm, self.alarm, self.token = self.alarm, None, None
        if alarm is not None:
            alarm.cancel()

    # Waking who waits

    @uninterrupted
    def _fire(self, token: object) -> None:
        """The clock's call: hand a tick to whoever has waited longest."""
        with self.lock:
            bar(self.key)
            # otherwise it has been stopped meanwhile, or set anew
            peer = self._hand_over() if self.token is token else None
            before = self.settings
        while peer is not None and not peer.settle():
            # its loop has been closed: it has received nothing
            with self.lock:
                bar(self.key)
                if self.settings != before:
                    return
                self.when = self.handed
                peer = self._hand_over()

    def _hand_over(self) -> Waiter | None:
        """Give the tick that is due to the first who waits; the peer to settle."""
        self._disarm()
        node = self.pop()
        if node is None:
            return None
        peer: Waiter = node.waiter or node  # type: ignore[assignment]
        # a clock may call a little early: that counts as its time
        peer.value = self.handed = self.take(peer)
        peer.ok = True
        peer.case = node.case
        if (seen := _instrument.active) is not None:
            seen.goroutine_woken(peer.party)
        if self.head is not None:
            self._arm()
        return peer


class _Due(deque[float]):
    """As a channel's buffer: has a value once its time has come."""

    __slots__ = ("schedule",)

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def __bool__(self) -> bool:
        # looked at without the lock: another thread may stop it in between
        schedule = self.schedule
        when = schedule.when
        return when is not None and when <= schedule.now() and schedule.head is None

    def __len__(self) -> int:
        # as in Go, the value is not seen until it is received
        return 0

    def popleft(self) -> float:
        return self.schedule.take()


class Ticks(Chan[float]):
    """What a timer's ``c`` is, seen from inside."""

    __slots__ = ("_schedule",)

    def __init__(self, seconds: float, period: float) -> None:
        super().__init__()
        self._receivers = self._schedule = schedule = Schedule(
            self._lock, self._key, self
        )
        self._buf = _Due(schedule)
        schedule.set(seconds, period)

    @property
    def name(self) -> str:
        schedule = self._schedule
        kind = "ticker" if schedule.period else "timer"
        return f"{kind} of {schedule.seconds:g} s"

    # A channel's operations that are different

    def _try_recv(self) -> tuple[Any, bool, Waiter | None]:
        if not self._buf:
            return None, False, BLOCKED
        return self._buf.popleft(), True, None

    async def recv(self) -> float:
        # past the rungs that Chan.recv has inline: whoever parks has to arm
        value, _ = await self.recv_ok()
        assert value is not None
        return value

    def close(self) -> NoReturn:
        raise AssertionError("nobody is given the sending end of a timer")
