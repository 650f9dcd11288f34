"""What every stage is: a goroutine between channels, and views for its consumers.

A stage runs in the background of the scope in which it was made: it does not keep
that scope open. It ends

- when its input has ended, after its last value has been taken;
- when nobody can receive from it any more: all views of its outputs have been
  dropped, by the consumers' ends, by a consumer that is a stage and has ended itself,
  or by `del`;
- with its scope.

Whenever it ends it closes its outputs and lets go of its inputs, so that what is
upstream can end in its turn. So nothing has to be told to stop: what is wanted is
what is referred to. A stage therefore holds its own outputs as channels, never as
views, and refers to its inputs from nothing but its goroutine's frames.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

from .._cases import close_coroutine
from .._chan import Chan
from .._ends import Receiver, RecvChan
from .._go import require_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .._goroutine import Goroutine
    from .._scope import Scope

__all__ = ("Options", "Output", "check_channel", "passed", "stage", "stages")

T = TypeVar("T")


class Options(TypedDict, total=False):
    """What every stage can be given by keyword.

    Attributes:
        cap: how many values the stage's output buffers; 0 if not given.
        name: the stage's name in errors and reports; made up if not given.
        progress: called with 1 for each value that was passed on, such as the
            ``update`` of a bar of tqdm. Runs on the loop, so it has to be quick; but
            that of ``from_queue`` with a ``queue.Queue`` runs on its thread.
    """

    cap: int
    name: str
    progress: Callable[[int], object]


def passed(options: Options) -> Callable[[], object]:
    """What a stage calls for each value that it has passed on."""
    progress = options.get("progress")
    if progress is None:
        return _nothing
    return lambda: progress(1)


def _nothing() -> None:
    pass


class Output(Receiver[T]):
    """A consumer's view of a stage's output. When the last is gone, so is the wish."""

    __slots__ = ("_gone",)

    def __init__(self, channel: Chan[T], gone: Callable[[], object]) -> None:
        super().__init__(channel)
        self._gone = gone

    def __del__(self) -> None:
        # half made, if __init__ was given the wrong arguments
        gone = getattr(self, "_gone", None)
        if gone is not None:
            gone()


class _Stage:
    """The goroutine behind some outputs, as far as their views know it."""

    __slots__ = ("goroutine", "outputs", "wanted")

    def __init__(self, outputs: list[Chan[Any]]) -> None:
        self.outputs = outputs
        self.wanted = len(outputs)
        self.goroutine: Goroutine[None] | None = None

    def view(self, channel: Chan[T]) -> RecvChan[T]:
        """The one view of one output."""
        goroutine = self.goroutine
        assert goroutine is not None
        nursery = goroutine._scope._nursery
        # Collected anywhere, perhaps where a lock is held: act later, on the loop.
        return Output(channel, lambda: nursery.soon(lambda: self.gone(channel)))

    def gone(self, channel: Chan[Any]) -> None:
        """Nobody can receive from ``channel`` any more."""
        self.wanted -= 1
        goroutine = self.goroutine
        assert goroutine is not None
        if self.wanted == 0:
            goroutine.cancel("nobody receives from it")
        elif not channel.closed:
            # a send to it raises, which tells the stage
            channel.close()

    def close(self) -> None:
        """Close what has not been closed."""
        for output in self.outputs:
            if not output.closed:
                output.close()


def check_channel(channel: object, call: str) -> None:
    """Refuse what cannot be received from, and show the right form.

    Raises:
        TypeError: it is not the receiving end of a channel.
    """
    if not isinstance(channel, RecvChan):
        close_coroutine(channel)
        raise TypeError(
            f"{call} wants a channel to receive from, not {channel!r}: "
            "make one of other things with pipeline.source(...)"
        )


def stages(
    kind: str,
    count: int,
    body: Callable[[list[Chan[T]]], Coroutine[Any, Any, None]],
    options: Options,
    depth: int = 2,
) -> list[RecvChan[T]]:
    """Start a stage with ``count`` outputs, in the scope of the calling code.

    Args:
        kind: what it does, for its name.
        count: how many outputs.
        body: is given the outputs; they are closed when it has ended.
        options: of the user.
        depth: how many frames up the user's call is.

    Raises:
        RuntimeError: there is no run and no open scope here.
        TypeError: an option that there is not.
        ValueError: ``cap`` is negative.
    """
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(
            f"{kind}() has no option {min(unknown)!r}: there are "
            f"{', '.join(sorted(Options.__annotations__))}"
        )
    name = options.get("name") or kind
    cap = options.get("cap", 0)
    outputs: list[Chan[T]] = [
        Chan(cap, name=name if count == 1 else f"{name}[{n}]") for n in range(count)
    ]
    owner = require_scope(body, f"pipeline.{kind}")
    made = _Stage(outputs)
    made.goroutine = owner._go(
        _run, (owner, made, body), None, name, sys._getframe(depth), background=True
    )
    return [made.view(output) for output in outputs]


def stage(
    kind: str,
    body: Callable[[Chan[T]], Coroutine[Any, Any, None]],
    options: Options,
) -> RecvChan[T]:
    """:func:`stages` with one output."""

    async def with_one(outputs: list[Chan[T]]) -> None:
        await body(outputs[0])

    (output,) = stages(kind, 1, with_one, options, depth=3)
    return output


async def _run(
    owner: Scope,
    made: _Stage,
    body: Callable[[list[Chan[T]]], Coroutine[Any, Any, None]],
) -> None:
    try:
        await body(made.outputs)
        made.close()
    except BaseException as error:
        # It has failed or is cancelled, and so is the scope, with its consumers. One
        # that has not got that far must not take this for the end of the values, and
        # go on to work with half of them: so close later, for consumers elsewhere.
        if made.wanted:
            owner._at_end(made.close)
        if isinstance(error, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", error)
            if len(group.exceptions) == 1:
                # of the scope that a stage with workers has: it is what it is
                raise group.exceptions[0] from None
        raise
