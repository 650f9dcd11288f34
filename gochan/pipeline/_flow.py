"""Stages that look at one value after another: map, filter, take, zip, batch ...

Each is a goroutine of the calling scope: see ``_stage`` for how long it runs.
"""

from __future__ import annotations

from collections import deque
from inspect import isasyncgen, isawaitable
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from .._cases import recv, send
from .._select import select
from ..buffers import check_size
from ._stage import check_channel, passed, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
    from typing import Unpack

    from .._chan import Chan
    from .._ends import RecvChan
    from ..context import Context
    from ._stage import Options

__all__ = ("collect", "filter", "or_done", "source", "take", "window", "zip")

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")


def source(
    items: Iterable[T] | AsyncIterable[T], **options: Unpack[Options]
) -> RecvChan[T]:
    """The values of an iterable or an async iterable, as a channel.

    One is asked for when there is room for it: an endless iterable is fine. A plain
    iterable runs on the loop, so it must not block. An async generator is closed if the
    stage ends before it.

    Args:
        items: what to iterate over.
        options: see :class:`Options`.

    Raises:
        RuntimeError: there is no run and no open scope here.
        TypeError: ``items`` is not iterable.
    """
    done = passed(options)

    async def body(output: Chan[T]) -> None:
        if hasattr(items, "__aiter__"):
            values = aiter(cast("AsyncIterable[T]", items))
            try:
                async for item in values:
                    await output.send(item)
                    done()
            except GeneratorExit:
                # the loop is gone, nothing can be awaited any more
                raise
            except BaseException:
                await _close(values)
                raise
        else:
            plain: Any = items
            for each in plain:
                await output.send(each)
                done()

    if not hasattr(items, "__aiter__") and not hasattr(items, "__iter__"):
        raise TypeError(
            f"source() wants an iterable or an async iterable, not {items!r}"
        )
    return stage("source", body, options)


async def _close(values: AsyncIterator[object]) -> None:
    """Do not leave an async generator to the garbage collector, as it would be."""
    if isasyncgen(values):
        await values.aclose()


async def collect(channel: RecvChan[T], /) -> list[T]:
    """All values of a channel, once it is closed and drained.

    Cancellation: raises; what was received before is lost.
    """
    check_channel(channel, "collect(ch)")
    return [value async for value in channel]


def filter(  # noqa: A001  # what it does has this name in Python
    predicate: Callable[[T], object],
    channel: RecvChan[T],
    **options: Unpack[Options],
) -> RecvChan[T]:
    """The values for which ``predicate``, plain or async, is true."""
    check_channel(channel, "filter(predicate, ch)")
    done = passed(options)

    async def body(output: Chan[T]) -> None:
        async for value in channel:
            wanted = predicate(value)
            if isawaitable(wanted):
                wanted = await wanted
            if wanted:
                await output.send(value)
                done()

    return stage("filter", body, options)


def take(channel: RecvChan[T], n: int, **options: Unpack[Options]) -> RecvChan[T]:
    """The first ``n`` values. No more than that are received.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is negative.
    """
    check_channel(channel, "take(ch, n)")
    check_size(n, "the number of values to take", 0)
    done = passed(options)

    async def body(output: Chan[T]) -> None:
        for _ in range(n):
            value, ok = await channel.recv_ok()
            if not ok:
                return
            await output.send(cast("T", value))
            done()

    return stage("take", body, options)


@overload
def zip(  # noqa: A001  # what it does has this name in Python
    a: RecvChan[T1], b: RecvChan[T2], /, **options: Unpack[Options]
) -> RecvChan[tuple[T1, T2]]: ...
@overload
def zip(  # noqa: A001  # what it does has this name in Python
    a: RecvChan[T1], b: RecvChan[T2], c: RecvChan[T3], /, **options: Unpack[Options]
) -> RecvChan[tuple[T1, T2, T3]]: ...
@overload
def zip(  # noqa: A001  # what it does has this name in Python
    *channels: RecvChan[T], **options: Unpack[Options]
) -> RecvChan[tuple[T, ...]]: ...
def zip(  # noqa: A001  # what it does has this name in Python
    *channels: RecvChan[Any], **options: Unpack[Options]
) -> RecvChan[tuple[Any, ...]]:
    """Tuples of one value of each channel, until the first of them is drained.

    They are received in order, so that when a channel turns out to be drained, those
    before it have given a value that nobody gets, as with Python's ``zip``.
    """
    for channel in channels:
        check_channel(channel, "zip(a, b)")
    done = passed(options)

    async def body(output: Chan[tuple[Any, ...]]) -> None:
        while channels:
            values: list[Any] = []
            for channel in channels:
                value, ok = await channel.recv_ok()
                if not ok:
                    return
                values.append(value)
            await output.send(tuple(values))
            done()

    return stage("zip", body, options)


def window(
    channel: RecvChan[T], n: int, step: int = 1, **options: Unpack[Options]
) -> RecvChan[tuple[T, ...]]:
    """Each ``n`` neighbouring values, every ``step`` values; none if there are fewer.

    Raises:
        TypeError: ``n`` or ``step`` is not an int.
        ValueError: ``n`` or ``step`` is less than 1.
    """
    check_channel(channel, "window(ch, n)")
    check_size(n, "the size of a window", 1)
    check_size(step, "the step of a window", 1)
    done = passed(options)

    async def body(output: Chan[tuple[T, ...]]) -> None:
        last: deque[T] = deque(maxlen=n)
        missing = n
        async for value in channel:
            last.append(value)
            missing -= 1
            if missing == 0:
                await output.send(tuple(last))
                done()
                missing = step

    return stage("window", body, options)


def or_done(
    ctx: Context, channel: RecvChan[T], **options: Unpack[Options]
) -> RecvChan[T]:
    """The values of a channel until ``ctx`` is done.

    Source: "Concurrency in Go" by Katherine Cox-Buday, the or-done-channel.
    """
    check_channel(channel, "or_done(ctx, ch)")
    done = passed(options)

    async def body(output: Chan[T]) -> None:
        over, value = recv(ctx.done()), recv(channel)
        while await select(over, value, biased=True) is value and value.ok:
            sent = send(output, value.value)
            if await select(over, sent, biased=True) is over:
                return
            done()

    return stage("or_done", body, options)
