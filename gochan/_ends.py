"""The two ends of a channel, as types and as one-way views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, final

from ._crossing import passing

if TYPE_CHECKING:
    from typing import Self

    from ._cases import RecvCase
    from ._chan import Chan as AnyChan
    from ._core import ChanStats

__all__ = ("RecvChan", "SendChan")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class _End(ABC):
    """What both ends have."""

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """The channel's name, as in reports; ``chan-7`` if none was given."""

    @property
    @abstractmethod
    def cap(self) -> int | None:
        """How many values are buffered at most; None if there is no bound."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether the channel has been closed.

        Advisory: False may be out of date when it is looked at. Do not use it to
        decide whether to send; arrange who closes instead.
        """

    @abstractmethod
    def stats(self) -> ChanStats:
        """The channel's state at one instant. Thread-safe."""

    @abstractmethod
    def __len__(self) -> int:
        """How many values are buffered now. As in Go, this orders nothing."""

    def __bool__(self) -> Literal[True]:
        # an empty channel is not a false one: ``if ch:`` would ask for len()
        return True


class SendChan(_End, Generic[T_contra]):
    """The sending end: what a parameter that only sends is typed as.

    Not to be constructed: make a :class:`Chan`, it is one.
    """

    __slots__ = ()

    @abstractmethod
    async def send(self, value: T_contra, /) -> None:
        """See :meth:`Chan.send`."""

    @abstractmethod
    def blocking_send(self, value: T_contra, /, timeout: float | None = None) -> None:
        """See :meth:`Chan.blocking_send`."""

    @abstractmethod
    def send_nowait(self, value: T_contra, /) -> None:
        """See :meth:`Chan.send_nowait`."""

    @abstractmethod
    def close(self) -> None:
        """See :meth:`Chan.close`."""

    @abstractmethod
    def sender(self) -> SendChan[T_contra]:
        """See :meth:`Chan.sender`."""

    @property
    @abstractmethod
    def _channel(self) -> AnyChan[Any]:
        """The channel this is an end of."""


class RecvChan(_End, Generic[T_co]):
    """The receiving end: what a parameter that only receives is typed as.

    Not to be constructed: make a :class:`Chan`, it is one.
    """

    __slots__ = ()

    @abstractmethod
    async def recv(self) -> T_co:
        """See :meth:`Chan.recv`."""

    @abstractmethod
    async def recv_ok(self) -> tuple[T_co, Literal[True]] | tuple[None, Literal[False]]:
        """See :meth:`Chan.recv_ok`."""

    @abstractmethod
    def blocking_recv(self, timeout: float | None = None) -> T_co:
        """See :meth:`Chan.blocking_recv`."""

    @abstractmethod
    def blocking_recv_ok(
        self, timeout: float | None = None
    ) -> tuple[T_co, Literal[True]] | tuple[None, Literal[False]]:
        """See :meth:`Chan.blocking_recv_ok`."""

    @abstractmethod
    def recv_nowait(self) -> T_co:
        """See :meth:`Chan.recv_nowait`."""

    @abstractmethod
    def receiver(self) -> RecvChan[T_co]:
        """See :meth:`Chan.receiver`."""

    @property
    @abstractmethod
    def _channel(self) -> AnyChan[Any]:
        """The channel this is an end of."""

    def __gochan_case__(self) -> RecvCase[T_co]:
        """``recv(self)``: in a select, a channel stands for receiving from it."""
        from ._cases import RecvCase

        return RecvCase(self)

    @abstractmethod
    async def __anext__(self) -> T_co:
        """Receive, for ``async for``; ends when the channel is closed and drained."""

    def __aiter__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        from ._backends import _thread

        _thread.check_call("for value in ch", "async for value in ch", None)
        return self

    def __next__(self) -> T_co:
        """Receive, for ``for``; ends when the channel is closed and drained."""
        value, ok = self.blocking_recv_ok()
        if not ok:
            raise StopIteration
        return value  # type: ignore[return-value]  # ok says that it is a value


class _View(_End):
    """One end of a channel, enforced. Equal to the channel and its other views."""

    __slots__ = ("_channel",)

    _channel: AnyChan[Any]

    @property
    def name(self) -> str:
        return self._channel.name

    @property
    def cap(self) -> int | None:
        return self._channel.cap

    @property
    def closed(self) -> bool:
        return self._channel.closed

    def stats(self) -> ChanStats:
        return self._channel.stats()

    def __len__(self) -> int:
        return len(self._channel)

    def __eq__(self, other: object) -> bool:
        return self._channel is getattr(other, "_channel", other)

    def __hash__(self) -> int:
        return hash(self._channel)

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lstrip('_')} of {self._channel!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if passing.as_handle is None:
            # raises, but for the nil channel, which every process has
            self._channel.__reduce__()
        return (type(self), (self._channel,))


# a slot may stand for an abstract property
@final
class Sender(_View, SendChan[T_contra]):  # pyright: ignore[reportIncompatibleVariableOverride]
    """The sending end and nothing else, at run time too: ``ch.sender()``."""

    __slots__ = ()

    def __init__(self, channel: AnyChan[Any]) -> None:
        self._channel = channel

    async def send(self, value: T_contra, /) -> None:
        await self._channel.send(value)

    def blocking_send(self, value: T_contra, /, timeout: float | None = None) -> None:
        self._channel.blocking_send(value, timeout)

    def send_nowait(self, value: T_contra, /) -> None:
        self._channel.send_nowait(value)

    def close(self) -> None:
        self._channel.close()

    def sender(self) -> SendChan[T_contra]:
        return self


# a slot may stand for an abstract property
class Receiver(_View, RecvChan[T_co]):  # pyright: ignore[reportIncompatibleVariableOverride]
    """The receiving end and nothing else, at run time too: ``ch.receiver()``."""

    __slots__ = ()

    def __init__(self, channel: AnyChan[Any]) -> None:
        self._channel = channel

    async def recv(self) -> T_co:
        value: T_co = await self._channel.recv()
        return value

    async def recv_ok(self) -> tuple[T_co, Literal[True]] | tuple[None, Literal[False]]:
        return await self._channel.recv_ok()

    def blocking_recv(self, timeout: float | None = None) -> T_co:
        value: T_co = self._channel.blocking_recv(timeout)
        return value

    def blocking_recv_ok(
        self, timeout: float | None = None
    ) -> tuple[T_co, Literal[True]] | tuple[None, Literal[False]]:
        return self._channel.blocking_recv_ok(timeout)

    def recv_nowait(self) -> T_co:
        value: T_co = self._channel.recv_nowait()
        return value

    def receiver(self) -> RecvChan[T_co]:
        return self

    async def __anext__(self) -> T_co:
        value: T_co = await self._channel.__anext__()
        return value
