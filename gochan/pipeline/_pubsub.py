"""Publish and subscribe, by topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from .._cases import send
from .._chan import Chan
from .._errors import SendOnClosed
from .._go import require_scope
from ..sync import Mutex
from ._branches import one_of
from ._stage import Output

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .._ends import RecvChan
    from ..buffers import Buffer

__all__ = ("PubSub",)

T = TypeVar("T")


@final
class PubSub(Generic[T]):
    """Passes what is published under a topic on to all who have subscribed to it.

        news = PubSub[str]()
        weather = news.subscribe("weather", cap=10)
        await news.publish("weather", "sunny")

    Nothing is kept: who subscribes later does not get what was published before. All
    subscribers of a topic get its values in the same order.

    To be used on one event loop, from any of its goroutines.
    """

    __slots__ = ("_closed", "_subscribers", "_turns")

    def __init__(self) -> None:
        self._subscribers: dict[Hashable, list[Chan[T]]] = {}
        # one publisher of a topic at a time
        self._turns: dict[Hashable, Mutex] = {}
        self._closed = False

    def subscribe(
        self, topic: Hashable, *, cap: int = 0, buffer: Buffer[T] | None = None
    ) -> RecvChan[T]:
        """What is published under ``topic`` from now on. Never blocks.

        A subscriber who does not receive holds the publishers of the topic up, once
        what it buffers is full: with ``buffer=Sliding(n)`` it does not. The
        subscription ends when the channel that is returned is not referred to any
        more, at :meth:`unsubscribe`, and at :meth:`close`.

        Args:
            topic: compared with ``==``.
            cap: as for :class:`gochan.Chan`; so is ``buffer``.
            buffer: see above.

        Raises:
            RuntimeError: there is no run and no open scope here.
            SendOnClosed: it has been closed.
        """
        if self._closed:
            raise SendOnClosed
        owner = require_scope(self.subscribe, "subscribe")
        channel = Chan(cap, buffer=buffer, name=f"subscription to {topic!r}")
        self._subscribers.setdefault(topic, []).append(channel)
        nursery = owner._nursery
        return Output(channel, lambda: nursery.soon(lambda: self._drop(topic, channel)))

    def unsubscribe(self, subscription: RecvChan[T]) -> None:
        """End a subscription: its channel is closed. Never blocks.

        Does nothing if it has ended before.
        """
        channel: Chan[Any] = subscription._channel
        for topic in list(self._subscribers):
            self._drop(topic, channel)

    async def publish(self, topic: Hashable, value: T) -> int:
        """Send ``value`` to all who have subscribed to ``topic``; say how many got it.

        Waits until each has it, or has room for it.

        Cancellation: raises; some subscribers may have got the value, others not.

        Raises:
            SendOnClosed: it has been closed.
        """
        got = 0
        async with self._turns.setdefault(topic, Mutex()):
            if self._closed:
                raise SendOnClosed
            waiting = [send(each, value) for each in self._subscribers.get(topic, ())]
            while waiting:
                sent = await one_of(waiting)
                if sent is not None:
                    waiting.remove(sent)
                    got += 1
        return got

    def close(self) -> None:
        """End all subscriptions: their channels are closed. Never blocks."""
        self._closed = True
        subscribers, self._subscribers = self._subscribers, {}
        for channels in subscribers.values():
            for channel in channels:
                channel.close()

    def _drop(self, topic: Hashable, channel: Chan[Any]) -> None:
        channels = self._subscribers.get(topic, [])
        if channel in channels:
            channels.remove(channel)
            if not channels:
                del self._subscribers[topic]
            channel.close()
