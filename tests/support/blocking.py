"""Goroutines that are plain functions: their operations, and what they are at."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

import gochan
from gochan import RecvCase, SendCase, blocking_select, recv, send

from .ledger import Ledger
from .parked import Parked
from .storm import Storm

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from gochan import Goroutine

__all__ = ("BlockingParked", "BlockingStorm", "eventually", "parked")


async def eventually(condition: Callable[[], object]) -> None:
    """Let others run, threads as well, until ``condition()`` is true."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await anyio.lowlevel.checkpoint()


async def parked(*goroutines: Goroutine[Any]) -> None:
    """Let others run until these are parked."""
    await eventually(lambda: all(g.state == "parked" for g in goroutines))


class BlockingParked(Parked):
    """:class:`Parked`, by a plain function."""

    def block(self, timeout: float | None = None) -> object:
        """The bare operation; give what it returns to :meth:`record`."""
        other = self.ledger.new()
        match self.kind:
            case "send":
                self.full.blocking_send(self.value, timeout)
                return None
            case "recv":
                return self.empty.blocking_recv(timeout)
            case "recv_ok":
                return self.empty.blocking_recv_ok(timeout)
            case "iterate":
                # the others can be given a timeout
                if timeout is not None:
                    return self.empty.blocking_recv(timeout)
                return next(self.empty)
            case "select recv":
                return blocking_select(
                    recv(self.empty2), recv(self.empty), timeout=timeout
                )
            case "select send":
                return blocking_select(
                    send(self.full2, other),
                    send(self.full, self.value),
                    timeout=timeout,
                )
            case _:
                return blocking_select(
                    recv(self.empty), send(self.full, self.value), timeout=timeout
                )

    def blocking_operate(self, timeout: float | None = None) -> None:
        """Do the operation and note it."""
        try:
            self.record(self.block(timeout))
        except (gochan.ChanClosed, gochan.SendOnClosed, StopIteration):
            self.closed = True


class _LockedLedger(Ledger):
    """One for several threads: a counter is not atomic on every build."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def new(self) -> int:
        with self._lock:
            return super().new()


class BlockingStorm(Storm):
    """:class:`Storm`, with workers that are plain functions."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.ledger = _LockedLedger()

    def look(self) -> None:
        """Nothing: a select that a thread has claimed may not be unlinked yet."""

    def blocking_operate(self, timeout: float | None = None) -> None:
        """One random operation. Counts itself as disturbed if it does not return."""
        try:
            self._blocking_operate(timeout)
        except (gochan.ChanClosed, gochan.SendOnClosed):
            pass
        except BaseException:
            self.disturbed += 1
            raise
        self.operations += 1

    def _blocking_operate(self, timeout: float | None) -> None:
        rng, ledger = self.rng, self.ledger
        channel = rng.choice(self.channels)
        kind = rng.randrange(5)
        if kind == 0:
            value = ledger.new()
            channel.blocking_send(value, timeout)
            ledger.sent(value)
        elif kind == 1:
            ledger.got(channel.blocking_recv(timeout))
        elif kind == 2:
            got, ok = channel.blocking_recv_ok(timeout)
            if ok and got is not None:
                ledger.got(got)
        else:
            cases: list[RecvCase[int] | SendCase[int]] = [
                send(each, ledger.new()) if rng.random() < 0.5 else recv(each)
                for each in rng.choices(self.channels, k=rng.randint(1, 4))
            ]
            chosen = blocking_select(*cases, timeout=timeout)
            if isinstance(chosen, SendCase):
                ledger.sent(chosen.value)
            elif chosen.ok:
                ledger.got(chosen.value)
