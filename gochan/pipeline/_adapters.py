"""From and to what others have in place of channels: streams and iterables.

``from_...`` makes a stage. ``to_...`` is to be awaited, or given to ``go()``: it ends
when the channel is drained. Neither closes what it was given: who has opened that
closes it, except for async generators, which nobody opens. A value that a stage has in
its hand when it is cancelled is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ._flow import source
from ._stage import check_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from typing import Unpack

    from .._ends import RecvChan
    from ._stage import Options

__all__ = ("from_async_iterable", "from_stream", "to_stream")

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class SendsObjects(Protocol[T_contra]):
    """anyio's ObjectSendStream, trio's SendChannel, and anything like them."""

    async def send(self, item: T_contra, /) -> None:
        """Send it."""


def from_async_iterable(
    items: AsyncIterable[T], **options: Unpack[Options]
) -> RecvChan[T]:
    """:func:`source` for what ``async for`` iterates over.

    Raises:
        TypeError: ``items`` is no async iterable.
    """
    return _iterated(items, "from_async_iterable", options)


def from_stream(stream: AsyncIterable[T], **options: Unpack[Options]) -> RecvChan[T]:
    """What is received from an anyio object stream, or a trio memory channel.

    Ends at the end of the stream.

    Raises:
        TypeError: ``stream`` cannot be received from.
    """
    return _iterated(stream, "from_stream", options)


def _iterated(items: AsyncIterable[T], call: str, options: Options) -> RecvChan[T]:
    if not hasattr(items, "__aiter__"):
        raise TypeError(f"{call}() wants what `async for` iterates over, not {items!r}")
    named: Options = {"name": call}
    named.update(options)
    return source(items, **named)


async def to_stream(channel: RecvChan[T], stream: SendsObjects[T]) -> None:
    """Send all values to an anyio object stream, or a trio memory channel.

    Cancellation: raises; the value that was being sent is lost.
    """
    check_channel(channel, "to_stream(ch, stream)")
    async for value in channel:
        await stream.send(value)
