"""map: a function of every value, by several workers, in order if wanted.

With one worker on the loop it is a loop. Otherwise three channels connect a feeder,
the workers, and the stage itself, which restores the order:

    feeder -> todo -> workers -> finished -> stage -> output

``room`` has one value for each value that has been fed and not passed on, so a value
that takes long holds up no more than that many behind it.
"""

from __future__ import annotations

from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from .._chan import Chan
from .._go import go
from .._scope import scope
from ..buffers import check_size
from ._stage import check_channel, passed, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Unpack

    from .._ends import RecvChan, SendChan
    from .._executor import AnyExecutor
    from .._goroutine import Goroutine
    from ._stage import Options

__all__ = ("map",)

T = TypeVar("T")
R = TypeVar("R")


@overload
def map(  # noqa: A001  # what it does has this name in Python
    fn: Callable[[T], Coroutine[Any, Any, R]],
    channel: RecvChan[T],
    workers: int = 1,
    ordered: bool = True,
    on: AnyExecutor | None = None,
    **options: Unpack[Options],
) -> RecvChan[R]: ...
@overload
def map(  # noqa: A001  # what it does has this name in Python
    fn: Callable[[T], R],
    channel: RecvChan[T],
    workers: int = 1,
    ordered: bool = True,
    on: AnyExecutor | None = None,
    **options: Unpack[Options],
) -> RecvChan[R]: ...
def map(  # noqa: A001  # what it does has this name in Python
    fn: Callable[[T], Any],
    channel: RecvChan[T],
    workers: int = 1,
    ordered: bool = True,
    on: AnyExecutor | None = None,
    **options: Unpack[Options],
) -> RecvChan[Any]:
    """``fn(value)`` of every value.

    Args:
        fn: plain or async. A plain one runs on the loop, so it must not block,
            unless ``on`` has it run elsewhere.
        channel: where the values come from.
        workers: how many may be at work at the same time.
        ordered: results come in the order of the values. If not, as they are ready.
            At most ``2 * workers`` values are ahead of the one to be passed on next.
        on: where the workers run, as for :func:`gochan.go`.
        options: see :class:`Options`.

    Raises:
        RuntimeError: there is no run and no open scope here.
        TypeError: ``workers`` is not an int, or ``fn`` cannot be called.
        ValueError: ``workers`` is less than 1.
    """
    check_channel(channel, "map(fn, ch)")
    check_size(workers, "the number of workers", 1)
    if not callable(fn):
        raise TypeError(
            f"map() wants a function and a channel, not {fn!r}: write map(parse, lines)"
        )
    kind = f"map({getattr(fn, '__name__', type(fn).__name__)})"
    done = passed(options)

    async def alone(output: Chan[Any]) -> None:
        async for value in channel:
            result = fn(value)
            if isawaitable(result):
                result = await result
            await output.send(result)
            done()

    async def together(output: Chan[Any]) -> None:
        todo: Chan[tuple[int, T]] = Chan(name=f"{kind}: to do")
        finished: Chan[tuple[int, Any]] = Chan(name=f"{kind}: finished")
        room: Chan[None] = Chan(2 * workers, name=f"{kind}: room")
        async with scope(name=kind):
            go(_feed, channel, todo, room, name=f"{kind}: feeder")
            team = [_start(n, kind, fn, todo, finished, on) for n in range(workers)]
            go(_close_after, team, finished, name=f"{kind}: end")
            waiting: dict[int, Any] = {}
            following = 0
            async for number, result in finished:
                # if the order does not matter, each is the next one
                waiting[number if ordered else following] = result
                while following in waiting:
                    await output.send(waiting.pop(following))
                    done()
                    following += 1
                    room.recv_nowait()

    body = alone if workers == 1 and on is None else together
    return stage(kind, body, options)


async def _feed(
    channel: RecvChan[T], todo: SendChan[tuple[int, T]], room: SendChan[None]
) -> None:
    number = 0
    while True:
        # first: a value is not received before it can be worked on
        await room.send(None)
        value, ok = await channel.recv_ok()
        if not ok:
            break
        await todo.send((number, cast("T", value)))
        number += 1
    todo.close()


def _start(
    number: int,
    kind: str,
    fn: Callable[[T], Any],
    todo: RecvChan[tuple[int, T]],
    finished: SendChan[tuple[int, Any]],
    on: AnyExecutor | None,
) -> Goroutine[None]:
    name = f"{kind}: worker {number + 1}"
    if on is None:
        return go(_work, fn, todo, finished, name=name)
    if iscoroutinefunction(fn) or not getattr(on, "_plain", True):
        return go(_work, fn, todo, finished, on=on, name=name)
    return go(_work_blocking, fn, todo, finished, on=on, name=name)


async def _work(
    fn: Callable[[T], Any],
    todo: RecvChan[tuple[int, T]],
    finished: SendChan[tuple[int, Any]],
) -> None:
    async for number, value in todo:
        result = fn(value)
        if isawaitable(result):
            result = await result
        await finished.send((number, result))


def _work_blocking(
    fn: Callable[[T], Any],
    todo: RecvChan[tuple[int, T]],
    finished: SendChan[tuple[int, Any]],
) -> None:
    for number, value in todo:
        finished.blocking_send((number, fn(value)))


async def _close_after(team: list[Goroutine[None]], finished: SendChan[Any]) -> None:
    for worker in team:
        await worker
    finished.close()
