"""A broker passes each message on to all who have subscribed.

    python examples/pub_sub.py --messages 20

One goroutine owns the list of subscribers, so the list needs no lock. Whoever wants
to change it sends to a channel, and the broker waits for all of its channels with
one ``select``. A subscriber is a channel too, and its buffer says what happens to
one that is slow:

- an ordinary channel loses nothing: the broker waits for it, and so does everybody;
- a ``Sliding(n)`` one holds nobody up: it has the last ``n`` messages when its
  owner comes to look.

The broker must not wait for one subscriber alone. If that one were just about to
unsubscribe, each would wait for the other for ever; so ``deliver`` selects between
passing the message on and being told that somebody leaves.

The idea is the chat server in section 8.10 of "The Go Programming Language" by
Alan Donovan and Brian Kernighan.
"""

from __future__ import annotations

import argparse
from typing import Generic, TypeVar

import gochan
from gochan import Chan, RecvChan, SendChan, go, recv, select, send
from gochan.buffers import Sliding

T = TypeVar("T")


class Broker(Generic[T]):
    """Start ``go(broker.serve)``; close ``publish`` to end it."""

    def __init__(self) -> None:
        self.publish = Chan[T](name="publish")
        self._enter = Chan[SendChan[T]](name="enter")
        self._leave = Chan[SendChan[T]](name="leave")
        # closed when the broker has ended, and nobody takes from the others
        self._ended = Chan[None](name="ended")

    async def subscribe(self, subscriber: SendChan[T]) -> None:
        """Send messages to ``subscriber``, which is closed after the last one."""
        entering = send(self._enter, subscriber)
        if await select(entering, recv(self._ended)) is not entering:
            subscriber.close()

    async def unsubscribe(self, subscriber: SendChan[T]) -> None:
        """Send no more; ``subscriber`` is closed."""
        await select(send(self._leave, subscriber), recv(self._ended))

    async def serve(self) -> None:
        """Pass messages on until ``publish`` is closed."""
        subscribers: list[SendChan[T]] = []
        message, enter = recv(self.publish), recv(self._enter)
        leave = recv(self._leave)
        while True:
            chosen = await select(message, enter, leave)
            if chosen is enter:
                subscribers.append(enter.value)
            elif chosen is leave:
                drop(subscribers, leave.value)
            elif message.ok:
                await self._deliver(message.value, subscribers)
            else:
                break
        self._ended.close()
        for subscriber in subscribers:
            subscriber.close()

    async def _deliver(self, message: T, subscribers: list[SendChan[T]]) -> None:
        leave = recv(self._leave)
        for subscriber in list(subscribers):
            # until it has the message, or does not want it any more
            while subscriber in subscribers:
                if await select(send(subscriber, message), leave) is not leave:
                    break
                drop(subscribers, leave.value)


def drop(subscribers: list[SendChan[T]], subscriber: SendChan[T]) -> None:
    """Take a subscriber off the list, unless it has left before."""
    if subscriber in subscribers:
        subscribers.remove(subscriber)
        subscriber.close()


async def publish(messages: int, channel: SendChan[str]) -> None:
    """Send the messages and say that there are no more."""
    for number in range(1, messages + 1):
        await channel.send(f"news {number}")
    channel.close()


async def read_all(inbox: RecvChan[str]) -> list[str]:
    """Receive everything until the broker closes the channel."""
    return [message async for message in inbox]


async def read_some(count: int, inbox: Chan[str], broker: Broker[str]) -> list[str]:
    """Receive ``count`` messages, then unsubscribe without a look at the next."""
    messages = [await inbox.recv() for _ in range(count)]
    await broker.unsubscribe(inbox)
    return messages


async def main(messages: int) -> None:
    """Three subscribers of different manners."""
    broker = Broker[str]()
    keen, brief, slow = Chan[str](), Chan[str](), Chan[str](buffer=Sliding(3))
    go(broker.serve)
    for subscriber in (keen, brief, slow):
        await broker.subscribe(subscriber)
    keen_reader = go(read_all, keen, name="keen")
    brief_reader = go(read_some, min(5, messages), brief, broker, name="brief")
    go(publish, messages, broker.publish)
    print("keen: ", ", ".join(await keen_reader))
    print("brief:", ", ".join(await brief_reader))
    # nobody has waited for the slow one, who only looks now that all is over
    print("slow: ", ", ".join(await read_all(slow)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish to subscribers.")
    parser.add_argument("--messages", type=int, default=20, help="default: 20")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    gochan.run(main, given.messages, backend=given.backend)
