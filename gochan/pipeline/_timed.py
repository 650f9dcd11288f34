"""Stages that look at the clock: batch, rate_limit, debounce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .. import time
from .._cases import recv
from .._select import select
from ..buffers import check_size
from ._stage import check_channel, passed, stage

if TYPE_CHECKING:
    from typing import Unpack

    from .._chan import Chan
    from .._ends import RecvChan
    from ._stage import Options

__all__ = ("batch", "debounce", "rate_limit")

T = TypeVar("T")


def batch(
    channel: RecvChan[T],
    n: int,
    within: float | None = None,
    **options: Unpack[Options],
) -> RecvChan[list[T]]:
    """Lists of ``n`` values; the last one may be shorter.

    Args:
        channel: where the values come from.
        n: how many make a full batch.
        within: seconds; a batch is passed on so long after its first value came, full
            or not. None waits until it is full.
        options: see :class:`Options`.

    Raises:
        TypeError: ``n`` is not an int, ``within`` not a number.
        ValueError: ``n`` is less than 1, or ``within`` is not more than 0.
    """
    check_channel(channel, "batch(ch, n)")
    check_size(n, "the size of a batch", 1)
    if within is not None:
        _check_positive(within, "within")
    done = passed(options)

    async def body(output: Chan[list[T]]) -> None:
        late = time.Timer(within or 0)
        late.stop()
        try:
            value, over = recv(channel), recv(late.c)
            values: list[T] = []
            while True:
                if not values or within is None:
                    chosen: Any = await select(value)
                else:
                    chosen = await select(value, over)
                if chosen is value and value.ok:
                    values.append(value.value)
                    if len(values) == 1 and within is not None:
                        late.reset(within)
                    if len(values) < n:
                        continue
                if values:
                    late.stop()
                    await output.send(values)
                    done()
                if chosen is value and not value.ok:
                    return
                values = []
        finally:
            late.stop()

    return stage("batch", body, options)


def rate_limit(
    channel: RecvChan[T],
    per_second: float,
    burst: int = 1,
    **options: Unpack[Options],
) -> RecvChan[T]:
    """The values, no more than ``per_second`` of them on average.

    Args:
        channel: where the values come from.
        per_second: how many, at most.
        burst: so many may follow each other at once after a pause.
        options: see :class:`Options`.

    Raises:
        TypeError: ``per_second`` is not a number, ``burst`` not an int.
        ValueError: ``per_second`` is not more than 0, or ``burst`` less than 1.

    Source: the token bucket of Go's ``golang.org/x/time/rate``.
    """
    check_channel(channel, "rate_limit(ch, per_second)")
    _check_positive(per_second, "per_second")
    check_size(burst, "burst", 1)
    done = passed(options)

    async def body(output: Chan[T]) -> None:
        # when the bucket, which takes one token each 1 / per_second, will be full
        full = time.now()
        async for value in channel:
            full = max(full, time.now()) + 1 / per_second
            # nothing to wait for unless more than a bucketful has been taken
            await time.sleep(full - time.now() - burst / per_second)
            await output.send(value)
            done()

    return stage("rate_limit", body, options)


def debounce(
    channel: RecvChan[T], seconds: float, **options: Unpack[Options]
) -> RecvChan[T]:
    """A value once no other has followed it for ``seconds``; the others are dropped.

    The last one before the channel was closed is passed on at once.

    Raises:
        TypeError: ``seconds`` is not a number.
        ValueError: ``seconds`` is not more than 0.
    """
    check_channel(channel, "debounce(ch, seconds)")
    _check_positive(seconds, "seconds")
    done = passed(options)

    async def body(output: Chan[T]) -> None:
        quiet = time.Timer(seconds)
        quiet.stop()
        try:
            value, over = recv(channel), recv(quiet.c)
            # the one that waits for silence, if any
            last: list[T] = []
            while True:
                chosen = await select(value, over)
                if chosen is value and value.ok:
                    last = [value.value]
                    quiet.reset(seconds)
                    continue
                if last:
                    await output.send(last.pop())
                    done()
                if chosen is value:
                    return
        finally:
            quiet.stop()

    return stage("debounce", body, options)


def _check_positive(number: object, what: str) -> None:
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise TypeError(f"{what} must be a number, not {number!r}")
    if not number > 0:
        raise ValueError(f"{what} must be more than 0, not {number}")
