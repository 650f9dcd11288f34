""":mod:`.flow` with blocking calls, for threads and greenlets."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.contestants.base import Unsupported, per

from .flow import PARTIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants.base import Blocking, Sample

__all__ = ("consume", "fan_in", "mpmc", "mpsc", "ping_pong", "produce", "seq", "spsc")


def produce(send: Callable[[Any], object], n: int) -> None:
    for i in range(n):
        send(i)


def consume(recv: Callable[[], object], n: int) -> None:
    for _ in range(n):
        recv()


def seq(c: Blocking, n: int, cap: int | None) -> Sample:
    """One party fills the buffer and drains it, again and again."""
    if cap == 0:
        raise Unsupported("a rendezvous needs two")
    send, recv, _ = c.channel(cap)
    fill = n if cap is None else cap
    turns = max(n // fill, 1)
    started = perf_counter()
    for _ in range(turns):
        for i in range(fill):
            send(i)
        for _ in range(fill):
            recv()
    return per(turns * fill, perf_counter() - started)


def spsc(c: Blocking, n: int, cap: int | None) -> Sample:
    """One producer, one consumer."""
    return mpsc(c, n, cap, producers=1)


def mpsc(c: Blocking, n: int, cap: int | None, producers: int = PARTIES) -> Sample:
    """Several producers, one consumer."""
    send, recv, _ = c.channel(cap)
    each = max(n // producers, 1)
    started = perf_counter()
    started_all = [c.spawn(produce, send, each) for _ in range(producers)]
    for _ in range(each * producers):
        recv()
    seconds = perf_counter() - started
    for one in started_all:
        c.join(one)
    return per(each * producers, seconds)


def fan_in(c: Blocking, n: int, cap: int | None) -> Sample:
    """A hundred producers, one consumer."""
    return mpsc(c, n, cap, producers=100)


def mpmc(c: Blocking, n: int, cap: int | None) -> Sample:
    """Several producers, several consumers."""
    send, recv, _ = c.channel(cap)
    each = max(n // PARTIES, 1)
    started = perf_counter()
    all_of_them = [
        c.spawn(*work, each)
        for work in ((produce, send), (consume, recv))
        for _ in range(PARTIES)
    ]
    for one in all_of_them:
        c.join(one)
    return per(each * PARTIES, perf_counter() - started)


def ping_pong(c: Blocking, n: int) -> Sample:
    """A value there and back over two channels: one operation is a round trip."""
    ping, pinged, _ = c.channel(0)
    pong, ponged, _ = c.channel(0)

    def answer() -> None:
        for _ in range(n):
            pong(pinged())

    started = perf_counter()
    other = c.spawn(answer)
    for i in range(n):
        ping(i)
        ponged()
    seconds = perf_counter() - started
    c.join(other)
    return per(n, seconds)
