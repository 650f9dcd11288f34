"""From and to queues: asyncio's, and those between threads.

A thread that waits in ``queue.Queue.get()`` cannot be woken except by an item. So a
goroutine on a thread waits on the queue's own condition instead, which whoever
cancels it can notify. For that a few names of ``queue.Queue`` are needed that its
subclasses override: ``_qsize``, ``_get`` and ``_put``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .._go import go
from .._scope import scope
from ._stage import check_channel, passed, stage

if TYPE_CHECKING:
    import asyncio
    import queue
    from typing import Unpack

    from .._chan import Chan
    from .._ends import RecvChan, SendChan
    from ._stage import Options

    AnyQueue: TypeAlias = "asyncio.Queue[T] | queue.Queue[T]"

__all__ = ("from_queue", "to_queue")

T = TypeVar("T")


def from_queue(queue: AnyQueue[T], **options: Unpack[Options]) -> RecvChan[T]:
    """What is put into a queue, until that is shut down (Python 3.13 and later).

    Args:
        queue: an ``asyncio.Queue``, or a ``queue.Queue`` that threads put into; for
            that a thread is used as long as the stage runs.
        options: see :class:`Options`.

    Raises:
        TypeError: it is no such queue.
    """
    of_asyncio = _of_asyncio(queue, "from_queue(q)")
    done = passed(options)
    q: Any = queue

    async def from_asyncio(output: Chan[T]) -> None:
        # new in Python 3.13
        shut_down = getattr(sys.modules["asyncio"], "QueueShutDown", ())
        while True:
            try:
                value = await q.get()
            except shut_down:
                return
            await output.send(value)
            done()

    async def from_threads(output: Chan[T]) -> None:
        async with scope(name="from_queue"):
            await _on_thread(_drain, q, output, done)

    return stage("from_queue", from_asyncio if of_asyncio else from_threads, options)


async def to_queue(channel: RecvChan[T], queue: AnyQueue[T]) -> None:
    """Put all values into a queue; wait while that is full.

    Cancellation: raises; the value that was being put is lost.

    Args:
        channel: where they come from.
        queue: an ``asyncio.Queue``, or a ``queue.Queue`` that threads get from; for
            that a thread is used.

    Raises:
        TypeError: it is no such queue.
    """
    check_channel(channel, "to_queue(ch, q)")
    if _of_asyncio(queue, "to_queue(ch, q)"):
        q: Any = queue
        async for value in channel:
            await q.put(value)
    else:
        async with scope(name="to_queue"):
            await _on_thread(_fill, queue, channel, None)


def _of_asyncio(queue: object, call: str) -> bool:
    """Whether it is one of asyncio's. Only what is loaded can have made it."""
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None and isinstance(queue, asyncio.Queue):
        return True
    of_threads: Any = sys.modules.get("queue")
    if of_threads is None or not isinstance(queue, of_threads.Queue):
        raise TypeError(f"{call} wants an asyncio.Queue or queue.Queue, not {queue!r}")
    return False


async def _on_thread(pump: Any, queue: Any, channel: Any, done: Any) -> None:
    from ..executors import _default_threads as threads

    stop: list[None] = []
    pumping = go(pump, queue, channel, stop, done, on=threads)
    try:
        await pumping
    finally:
        # it may wait for the queue
        with queue.mutex:
            stop.append(None)
            queue.not_empty.notify_all()
            queue.not_full.notify_all()


def _drain(queue: Any, output: SendChan[Any], stop: list[None], done: Any) -> None:
    while True:
        with queue.not_empty:
            while not queue._qsize() and not stop and not _shut_down(queue):
                queue.not_empty.wait()
            if stop or not queue._qsize():
                return
            value = queue._get()
            queue.not_full.notify()
        output.blocking_send(value)
        done()


def _fill(queue: Any, channel: RecvChan[Any], stop: list[None], _: Any) -> None:
    for value in channel:
        with queue.not_full:
            while 0 < queue.maxsize <= queue._qsize() and not stop:
                queue.not_full.wait()
            if stop:
                return
            queue._put(value)
            queue.unfinished_tasks += 1
            queue.not_empty.notify()


def _shut_down(queue: Any) -> bool:
    return getattr(queue, "is_shutdown", False)
