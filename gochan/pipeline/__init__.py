"""Channels in, channels out: stages that are put together to a pipeline.

    from gochan import pipeline

    async def main() -> None:
        lines = pipeline.source(open("numbers.txt"))
        numbers = pipeline.map(int, lines)
        async for chunk in pipeline.batch(numbers, 100):
            print(sum(chunk))

A stage is a goroutine of the calling scope. What fails in it cancels that scope, as
with any goroutine, and has a note that names the stage. Stages buffer nothing unless
they are given ``cap``, so the slowest sets the pace.

A stage ends when its input is drained, when its scope ends, or when nobody can receive
from it any more, because nothing refers to the channel that it returned. Then it lets
go of its own input, so the stages before it end, too: a ``break`` out of the last loop
is enough to stop a pipeline that was put together in that loop's head. A scope does not
wait for stages that nobody in it receives from.
"""

from __future__ import annotations

from ._adapters import from_async_iterable, from_stream, to_stream
from ._branches import broadcast, fan_out, merge
from ._flow import collect, filter, or_done, source, take, window, zip  # noqa: A004
from ._pubsub import PubSub
from ._queues import from_queue, to_queue
from ._stage import Options
from ._timed import batch, debounce, rate_limit
from ._workers import map  # noqa: A004

__all__ = (
    "Options",
    "PubSub",
    "batch",
    "broadcast",
    "collect",
    "debounce",
    "fan_out",
    "filter",
    "from_async_iterable",
    "from_queue",
    "from_stream",
    "map",
    "merge",
    "or_done",
    "rate_limit",
    "source",
    "take",
    "to_queue",
    "to_stream",
    "window",
    "zip",
)


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.pipeline"


_rename()
del _rename
