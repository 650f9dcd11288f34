"""Random operations on a few channels, and a driver that disturbs them.

One round: some workers do random operations on the same channels while a driver,
between two steps of the loop, cancels some of them, does operations of its own, or
lets time pass. In the end every value has to be accounted for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan, RecvCase, SendCase, recv, select, send

from .ledger import Ledger

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ("Storm",)


class Storm:
    """The channels of one round, and who may do what with them.

    Attributes:
        operations: how many operations have returned.
        disturbed: how many were cancelled.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ledger = Ledger()
        caps = rng.choices((0, 0, 0, 1, 2), k=rng.randint(1, 3))
        self.channels = [Chan[int](cap) for cap in caps]
        self.operations: int = 0
        self.disturbed: int = 0
        # closing ends most of a round, so only a few have it
        self.may_close = rng.random() < 0.1

    async def operate(self) -> None:
        """One random operation, accounted for in the step in which it returns.

        Counts itself as disturbed if it raises a cancellation.
        """
        try:
            await self._operate()
        except (gochan.ChanClosed, gochan.SendOnClosed):
            pass
        except BaseException:
            self.disturbed += 1
            raise
        self.operations += 1

    async def _operate(self) -> None:
        rng, ledger = self.rng, self.ledger
        channel = rng.choice(self.channels)
        kind = rng.randrange(6)
        if kind == 0:
            value = ledger.new()
            await channel.send(value)
            ledger.sent(value)
        elif kind == 1:
            ledger.got(await channel.recv())
        elif kind == 2:
            got, ok = await channel.recv_ok()
            if ok and got is not None:
                ledger.got(got)
        elif kind == 3:
            async for got in channel:
                ledger.got(got)
                break
        else:
            cases: list[RecvCase[int] | SendCase[int]] = [
                send(each, ledger.new()) if rng.random() < 0.5 else recv(each)
                for each in rng.choices(self.channels, k=rng.randint(1, 4))
            ]
            chosen = await select(*cases)
            if isinstance(chosen, SendCase):
                ledger.sent(chosen.value)
            elif chosen.ok:
                ledger.got(chosen.value)

    def act(self) -> None:
        """An operation of the driver's own, which never waits."""
        rng, ledger = self.rng, self.ledger
        channel = rng.choice(self.channels)
        try:
            if self.may_close and rng.random() < 0.05:
                if not channel.closed:
                    channel.close()
            elif rng.random() < 0.5:
                value = ledger.new()
                channel.send_nowait(value)
                ledger.sent(value)
            else:
                ledger.got(channel.recv_nowait())
        except (gochan.WouldBlock, gochan.ChanClosed, gochan.SendOnClosed):
            pass
        self.look()

    def look(self) -> None:
        """See that the channels' invariants hold, in the middle of everything."""
        for each in self.channels:
            each._check()

    def drive(self, disturb: Callable[[], Any]) -> None:
        """What happens in one tick: a few things, in any order."""
        for _ in range(self.rng.randint(0, 4)):
            if self.rng.random() < 0.4:
                disturb()
            else:
                self.act()

    def check(self) -> None:
        self.ledger.check(*self.channels)
