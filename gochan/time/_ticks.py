"""The channel of a timer: a value is there once its time has come.

Nobody sends. Whether there is a value is computed from the clock when somebody looks,
so that a timer is never late, and none is ever stale: to stop it or to set it anew
changes what those who look will see from then on. The clock is asked to call only
while somebody waits, which wakes them. So a timer that nobody waits for costs
nothing and is collected like any object.

``_buf`` stands for the buffer: :class:`_Due` looks like a deque that holds a value when
one is due. Everything else is a channel's.

Invariants, of every timer whose lock is free:
1. Somebody waits, and it has been set: there is an alarm for its time.
2. ``_alarm`` is that alarm, and ``_token`` tells its call from others': one that has
   been cancelled may still call, from a thread that was about to, and does nothing.
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

from .. import _instrument
from .._backends import clock, uninterrupted
from .._chan import Chan
from .._core import BLOCKED
from .._waiter import WaitQueue, bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._backends import Alarm
    from .._waiter import Node, Waiter

__all__ = ("Ticks",)


class _Due(deque[float]):
    """As a channel's buffer: has a value once ``when`` has come."""

    __slots__ = ("now", "period", "waiting", "when")

    def __init__(self, now: Callable[[], float], waiting: WaitQueue) -> None:
        self.now = now
        self.waiting = waiting
        # None: it has been stopped, or has fired for the last time
        self.when: float | None = None
        # 0: it fires once
        self.period = 0.0

    def __bool__(self) -> bool:
        # looked at without the lock: another thread may stop it in between
        when = self.when
        return when is not None and when <= self.now() and self.waiting.head is None

    def __len__(self) -> int:
        # as in Go, the value is not seen until it is received
        return 0

    def popleft(self) -> float:
        """The tick that is due; those that came after it are dropped."""
        when = self.when
        assert when is not None
        if self.period:
            now = max(self.now(), when)
            following = when + self.period * (1 + (now - when) // self.period)
            # a period may be too short for a float
            self.when = following if following > now else nextafter(now, inf)
        else:
            self.when = None
        return when


class _Waiting(WaitQueue):
    """Those who wait for a tick. While there are any, the clock will call."""

    __slots__ = ("ticks",)

    ticks: Ticks

    def push(self, node: Node) -> None:
        # first: if the clock cannot do it, then nobody waits
        self.ticks._arm()
        super().push(node)

    def remove(self, node: Node) -> None:
        super().remove(node)
        if self.head is None:
            self.ticks._disarm()


class Ticks(Chan[float]):
    """What a timer's ``c`` is, seen from inside."""

    __slots__ = (
        "_alarm",
        "_clock",
        "_due",
        "_handed",
        "_seconds",
        "_settings",
        "_token",
    )

    def __init__(self) -> None:
        super().__init__()
        self._clock = clock()
        self._receivers = waiting = _Waiting(self._lock, self._key)
        waiting.ticks = self
        # also what stands for the buffer
        self._buf = self._due = _Due(self._clock.now, waiting)
        self._alarm: Alarm | None = None
        self._token: object = None
        # the tick that was handed to a receiver last
        self._handed = 0.0
        # how often it has been set or stopped, and for how long at last
        self._settings = 0
        self._seconds = 0.0

    @property
    def name(self) -> str:
        kind = "ticker" if self._due.period else "timer"
        return f"{kind} of {self._seconds:g} s"

    # Setting it. Each answers whether there would have been another tick.

    @uninterrupted
    def set(self, after: float, period: float) -> bool:
        with self._lock:
            bar(self._key)
            due = self._due
            pending = due.when is not None
            due.when = self._clock.now() + after
            due.period = period
            self._settings += 1
            self._seconds = after
            if (seen := _instrument.active) is not None:
                seen.release(_instrument.current_party(), (self, "timer"))
            self._disarm()
            if self._receivers.head is not None:
                self._arm()
        return pending

    @uninterrupted
    def stop(self) -> bool:
        with self._lock:
            bar(self._key)
            pending = self._due.when is not None
            self._due.when = None
            self._settings += 1
            self._disarm()
        return pending

    # Waking those who wait; with the lock held.

    def _arm(self) -> None:
        when = self._due.when
        if self._alarm is None and when is not None:
            token = object()
            self._alarm = self._clock.call_at(when, partial(self._fire, token))
            self._token = token

    def _disarm(self) -> None:
        alarm, self._alarm, self._token = self._alarm, None, None
        if alarm is not None:
            alarm.cancel()

    @uninterrupted
    def _fire(self, token: object) -> None:
        """The clock's call: hand a tick to whoever has waited longest."""
        with self._lock:
            bar(self._key)
            # otherwise it has been stopped meanwhile, or set anew
            peer = self._hand_over() if self._token is token else None
            before = self._settings
        while peer is not None and not peer.settle():
            # its loop has been closed: it has received nothing
            with self._lock:
                bar(self._key)
                if self._settings != before:
                    return
                self._due.when = self._handed
                peer = self._hand_over()

    def _hand_over(self) -> Waiter | None:
        """Give the tick that is due to the first who waits; the peer to settle."""
        self._disarm()
        node = self._receivers.pop()
        if node is None:
            return None
        peer: Waiter = node.waiter or node  # type: ignore[assignment]
        # a clock may call a little early: that counts as its time
        peer.value = self._handed = self._due.popleft()
        peer.ok = True
        peer.case = node.case
        if (seen := _instrument.active) is not None:
            _given(seen, self, peer.party)
            seen.goroutine_woken(peer.party)
        if self._receivers.head is not None:
            self._arm()
        return peer

    # A channel's operations that are different

    def _try_recv(self) -> tuple[Any, bool, Waiter | None]:
        if not self._buf:
            return None, False, BLOCKED
        if (seen := _instrument.active) is not None:
            _given(seen, self, _instrument.current_party())
        return self._buf.popleft(), True, None

    async def recv(self) -> float:
        # past the rungs that Chan.recv has inline: whoever parks has to arm
        value, _ = await self.recv_ok()
        assert value is not None
        return value

    def close(self) -> NoReturn:
        raise AssertionError("nobody is given the sending end of a timer")


def _given(seen: _instrument.Instrument, ticks: Ticks, party: Any) -> None:
    """``party`` receives a tick: after whoever set the timer, and nobody else.

    It is as if a party of its own had fired it: two timers order nothing.
    """
    seen.acquire(party, (ticks, "timer"))
    seen.completed(party, "recv", ticks, 0)
