"""What gochan raises, with Go's texts where Go has the error.

Every exception here can be pickled. A channel cannot travel with it, so
``.channel`` is ``None`` after unpickling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from anyio import BrokenWorkerProcess as BrokenWorkerProcess
from anyio import WouldBlock as WouldBlock

if TYPE_CHECKING:
    from typing import Self

__all__ = (
    "BrokenWorkerProcess",
    "Cancelled",
    "ChanClosed",
    "CloseOfClosed",
    "CloseOfNil",
    "DeadlockError",
    "GoroutineCancelled",
    "Panic",
    "SendOnClosed",
    "WouldBlock",
)


class _ChannelError(Exception):
    """An error with Go's text that remembers the channel it happened on."""

    text: ClassVar[str]

    def __init__(self, channel: object = None) -> None:
        super().__init__(self.text)
        self.channel = channel

    def __reduce__(self) -> tuple[type[Self], tuple[()], dict[str, Any]]:
        # notes travel, the channel cannot
        return (type(self), (), {**self.__dict__, "channel": None})


class ChanClosed(_ChannelError):
    """A receive found the channel closed and drained.

    You do not get this while the buffer still holds values, and never from
    ``async for`` or ``for`` over a channel: they end instead.

    Attributes:
        channel: the channel, or ``None`` after unpickling.
    """

    text = "receive on closed channel"


class Panic(RuntimeError):
    """The base of what Go reports as a run-time panic: a bug in the program.

    ``str()`` of each subclass is Go's own text. Source: Go's ``runtime.Error``.
    """


class SendOnClosed(_ChannelError, Panic):
    """A send found the channel closed, or it was closed while the send waited.

    Close a channel from the sending side only, after the last send.

    Attributes:
        channel: the channel, or ``None`` after unpickling.
    """

    text = "send on closed channel"


class CloseOfClosed(_ChannelError, Panic):
    """A channel was closed twice.

    Attributes:
        channel: the channel, or ``None`` after unpickling.
    """

    text = "close of closed channel"


class CloseOfNil(_ChannelError, Panic):
    """``gochan.nil`` was closed.

    Attributes:
        channel: the channel, or ``None`` after unpickling.
    """

    text = "close of nil channel"


class DeadlockError(Panic):
    """Every goroutine of a run waits for another one, so none can go on.

    Attributes:
        report: who waits for whom, and all goroutines with their stacks. A traceback
            shows it as well.
    """

    def __init__(
        self, text: str = "all goroutines are asleep - deadlock!", *args: Any
    ) -> None:
        super().__init__(text, *args)
        self.report = ""


class GoroutineCancelled(Exception):
    """``await g`` found that the goroutine was cancelled and has no result.

    You do not get this when the *waiting* goroutine is cancelled: that raises
    the runtime's own cancelled exception.

    Attributes:
        reason: what was given to ``cancel(reason)``, or ``None``.
    """

    def __init__(self, goroutine: str = "goroutine", reason: str | None = None) -> None:
        super().__init__(goroutine, reason)
        self.reason = reason

    def __str__(self) -> str:
        goroutine, reason = self.args
        return f"{goroutine} was cancelled" + (f": {reason}" if reason else "")


class Cancelled(BaseException):
    """Raised in a goroutine on a thread or in a process when it is cancelled.

    A goroutine on an event loop gets the runtime's own exception instead
    (``asyncio.CancelledError`` or ``trio.Cancelled``). Let it pass: it derives
    from ``BaseException`` so that ``except Exception`` does.
    """
