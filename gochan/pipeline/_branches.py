"""Stages with several inputs or several outputs: merge, broadcast, fan_out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .._cases import send
from .._errors import SendOnClosed
from .._go import go
from .._scope import scope
from .._select import select
from ..buffers import check_size
from ._stage import check_channel, passed, stage, stages

if TYPE_CHECKING:
    from typing import Unpack

    from .._cases import SendCase
    from .._chan import Chan
    from .._ends import RecvChan
    from ._stage import Options

__all__ = ("broadcast", "fan_out", "merge", "one_of")

T = TypeVar("T")


def merge(*channels: RecvChan[T], **options: Unpack[Options]) -> RecvChan[T]:
    """The values of several channels, as they come, until all are drained.

    The values of one channel stay in order.
    """
    for channel in channels:
        check_channel(channel, "merge(a, b)")
    done = passed(options)
    inputs = list(channels)
    del channels

    async def body(output: Chan[T]) -> None:
        async def forward(channel: RecvChan[T]) -> None:
            async for value in channel:
                await output.send(value)
                done()

        async with scope(name="merge"):
            while inputs:
                # no reference is kept here: one that is drained is let go of
                go(forward, inputs.pop(), name="merge: input")

    return stage("merge", body, options)


def broadcast(
    channel: RecvChan[T], n: int, **options: Unpack[Options]
) -> list[RecvChan[T]]:
    """``n`` channels, each of which gives every value.

    The slowest consumer sets the pace; ``cap`` gives the others a lead. An output
    that nobody refers to any more is left out.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1.
    """
    check_channel(channel, "broadcast(ch, n)")
    check_size(n, "the number of outputs", 1)
    done = passed(options)

    async def body(outputs: list[Chan[T]]) -> None:
        async for value in channel:
            waiting = [send(output, value) for output in outputs if not output.closed]
            while waiting:
                sent = await one_of(waiting)
                if sent is not None:
                    waiting.remove(sent)
            done()

    return stages("broadcast", n, body, options)


def fan_out(
    channel: RecvChan[T], n: int, **options: Unpack[Options]
) -> list[RecvChan[T]]:
    """``n`` channels that share the values: each goes to one that is ready for it.

    An output that nobody refers to any more is left out.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1.
    """
    check_channel(channel, "fan_out(ch, n)")
    check_size(n, "the number of outputs", 1)
    done = passed(options)

    async def body(outputs: list[Chan[T]]) -> None:
        async for value in channel:
            ready = [send(output, value) for output in outputs if not output.closed]
            while ready and await one_of(ready) is None:
                pass
            done()

    return stages("fan_out", n, body, options)


async def one_of(cases: list[SendCase[T]]) -> SendCase[T] | None:
    """Do one of the sends; None if a consumer was gone, whose case is removed."""
    try:
        return await select(*cases)
    except SendOnClosed as error:
        cases[:] = [case for case in cases if case.channel is not error.channel]
        return None
