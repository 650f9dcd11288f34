"""Values that the home of a channel has lent us: see ``_ahead``.

Those that have code of their own stay pickled until they are received.
Whoever receives takes the first and says so, before it has it; the home hears that
before anything else that is done here afterwards. One is taken at a time: while it is
unpickled, others ask the home, who then reclaims the rest. What cannot be unpickled
goes back with all that comes after it, as it does when it was asked for.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from pickle import loads
from typing import TYPE_CHECKING, Any

from .._backends import uninterrupted
from ._pickling import unpack
from ._protocol import FAILED, TAKEN, UNUSED, VALUE

if TYPE_CHECKING:
    from ._holding import Holding
    from ._protocol import Answer

__all__ = ("Stocks",)


class _Stock:
    """Of one channel. Everything under the link's lock."""

    __slots__ = ("busy", "number", "serial", "values", "wanted")

    def __init__(self, number: int, serial: int, values: list[Any]) -> None:
        self.number = number
        self.serial = serial
        # plain values, and pickles of others, each a bytearray
        self.values: deque[Any] = deque(values)
        # somebody unpickles the first
        self.busy = False
        # nobody is to take another
        self.wanted = False


class Stocks:
    """Of all channels of one link, by the numbers of their handles.

    Attributes:
        told: a lock, held from when somebody gets an answer until that has been
            acknowledged: what has come with it is taken after that.
    """

    __slots__ = ("by_number", "link", "told")

    def __init__(self, link: Holding) -> None:
        self.link = link
        self.told = allocate_lock()
        self.by_number: dict[int, _Stock] = {}

    @uninterrupted
    def take(self, number: int) -> Answer | None:
        """What a receive would be answered; None if the home has to be asked."""
        stock = self.by_number.get(number)
        if stock is None:
            return None
        link = self.link
        mine = taken = False
        answer: Answer
        try:
            with self.told, link.lock:
                if stock.busy or stock.wanted or not stock.values or link.over:
                    return None
                item: Any = stock.values[0]
                if type(item) is not bytearray:
                    self._took(stock)
                    return VALUE, item
                stock.busy = mine = True
            try:
                answer = VALUE, unpack(item, (), link)
                taken = True
            except BaseException as error:  # of who receives
                error.add_note(f"while unpickling what has come from {link.peer}")
                answer = FAILED, (error, None)
        finally:
            if mine:
                with link.lock:
                    stock.busy = False
                    if taken:
                        self._took(stock)
                    elif self.by_number.get(number) is stock:
                        self.drop(number)
        # otherwise it has gone back, since its home has gone
        return answer if link.over is None else None

    # With the lock held

    def _took(self, stock: _Stock) -> None:
        """The first has a party."""
        number = stock.number
        if self.by_number.get(number) is not stock:
            # the link is over
            return
        stock.values.popleft()
        self.link.stream.post(TAKEN, number)
        if not stock.values:
            # which the home can count
            del self.by_number[number]
        elif stock.wanted:
            self.drop(number)

    def drop(self, number: int) -> None:
        """Give back what nobody is going to take."""
        stock = self.by_number.get(number)
        if stock is None:
            return
        stock.wanted = True
        # otherwise who unpickles does it
        if not stock.busy:
            del self.by_number[number]
            self.link.stream.post(UNUSED, number, stock.serial)

    # On the reader's thread

    def put(self, number: int, serial: int, payload: memoryview) -> None:
        """The home has lent something."""
        link = self.link
        with link.lock:
            if number in link.handles:
                self.by_number[number] = _Stock(number, serial, loads(payload))  # noqa: S301  # from our own
            else:
                link.stream.post(UNUSED, number, serial)

    def reclaim(self, number: int, serial: int) -> None:
        """The home wants it back."""
        with self.link.lock:
            stock = self.by_number.get(number)
            # otherwise it has been told that there is nothing left
            if stock is not None and stock.serial == serial:
                self.drop(number)

    def drop_all(self) -> None:
        """Something goes back that came before: all has to."""
        with self.link.lock:
            for number in list(self.by_number):
                self.drop(number)
