"""The channel of a timer: a value is there once its time has come.

Nobody sends. Whether there is a value is computed from the clock when somebody looks,
so that a timer is never late, and none is ever stale: to stop it or to set it anew
changes what those who look will see from then on. The clock is asked to call only
while somebody waits, which wakes them. So a timer that nobody waits for costs
nothing and is collected like any object.

``_buf`` stands for the buffer: :class:`_Due` looks like a deque that holds a value when
one is due. Everything else is a channel's.

Source: timer channels since Go 1.23: ``t.isChan`` and ``maybeRunChan`` in
``runtime/time.go``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

from .. import _instrument
from .._backends import clock, uninterrupted
from .._chan import Chan
from .._core import BLOCKED
from .._waiter import WaitQueue, bar

if TYPE_CHECKING:
    from .._backends import Alarm
    from .._waiter import Node, Waiter

__all__ = ("Ticks",)


class _Due(deque[float]):
    """As a channel's buffer: has a value once ``when`` has come."""

    def __init__(self, now: Any) -> None:
        super().__init__()
        self.now = now
        # None: it has been stopped, or has fired for the last time
        self.when: float | None = None
        # 0: it fires once
        self.period = 0.0

    def __bool__(self) -> bool:
        return self.when is not None and self.when <= self.now()

    def __len__(self) -> int:
        # as in Go, the value is not seen until it is received
        return 0

    def popleft(self) -> float:
        """The tick that is due; those that came after it are dropped."""
        when = self.when
        assert when is not None
        if self.period:
            missed = max(0, (self.now() - when) // self.period)
            self.when = when + self.period * (1 + missed)
        else:
            self.when = None
        return when


class _Waiting(WaitQueue):
    """Those who wait for a tick. While there are any, the clock will call."""

    __slots__ = ("ticks",)

    ticks: Ticks

    def push(self, node: Node) -> None:
        super().push(node)
        self.ticks._arm()

    def remove(self, node: Node) -> None:
        super().remove(node)
        if self.head is None:
            self.ticks._disarm()


class Ticks(Chan[float]):
    """What a timer's ``c`` is, seen from inside."""

    __slots__ = ("_alarm", "_armed_for", "_clock", "_due")

    def __init__(self, name: str) -> None:
        super().__init__(0, name=name)
        self._clock = clock()
        # also what stands for the buffer
        self._buf = self._due = _Due(self._clock.now)
        self._receivers = waiting = _Waiting(self._lock, self._key)
        waiting.ticks = self
        self._alarm: Alarm | None = None
        self._armed_for = 0.0

    # Setting it. Each answers whether there would have been another tick.

    @uninterrupted
    def set(self, after: float, period: float) -> bool:
        with self._lock:
            bar(self._key)
            due = self._due
            pending = due.when is not None
            due.when = self._clock.now() + after
            due.period = period
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
            self._disarm()
        return pending

    # Waking those who wait; with the lock held.

    def _arm(self) -> None:
        when = self._due.when
        if self._alarm is None and when is not None:
            self._armed_for = when
            self._alarm = self._clock.call_at(when, self._fire)

    def _disarm(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()

    @uninterrupted
    def _fire(self) -> None:
        """The clock's call: hand a tick to whoever has waited longest."""
        while True:
            with self._lock:
                bar(self._key)
                due = self._due
                # a clock may call a little early
                now = max(self._clock.now(), self._armed_for)
                if due.when is None or due.when > now:
                    # it has been set anew meanwhile, or stopped
                    self._alarm = None
                    if self._receivers.head is not None:
                        self._arm()
                    return
                node = self._receivers.pop()
                if node is None:
                    self._alarm = None
                    return
                peer: Waiter = node.waiter or node  # type: ignore[assignment]
                before = due.when, due.period
                peer.value = due.popleft()
                peer.ok = True
                peer.case = node.case
                if (seen := _instrument.active) is not None:
                    _given(seen, self, peer.party)
                    seen.goroutine_woken(peer.party)
                self._alarm = None
                if self._receivers.head is not None:
                    self._arm()
            if peer.settle():
                return
            # its loop has been closed: it has received nothing
            with self._lock:
                bar(self._key)
                due.when, due.period = before

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
