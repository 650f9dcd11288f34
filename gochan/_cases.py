"""The cases of a select: what to receive from, what to send where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, final

from ._ends import RecvChan, SendChan
from ._errors import ChanClosed, SendOnClosed
from ._nil import nil

if TYPE_CHECKING:
    from typing import Self

    from ._chan import Chan

__all__ = (
    "KINDS",
    "Case",
    "RecvCase",
    "Selectable",
    "SendCase",
    "close_coroutine",
    "recv",
    "send",
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
CaseT_co = TypeVar("CaseT_co", bound="Case", covariant=True)

_NOT_CHOSEN: Final = object()


class Case(ABC):
    """The base of :class:`RecvCase` and :class:`SendCase`.

    A case may be used again in the next select. It carries its result, so use it
    in one select at a time.

    Attributes:
        index: its position in the last select it was given to; -1 before.
    """

    __slots__ = ("_sends", "_target", "_value", "index")

    index: int
    _sends: bool
    # the channel; None for Go's nil channel, which is never ready
    _target: Chan[Any] | None
    _value: Any

    def __gochan_case__(self) -> Self:
        return self

    @property
    @abstractmethod
    def channel(self) -> Any:
        """The channel, as it was given."""

    @property
    @abstractmethod
    def value(self) -> Any:
        """What was received, or what is sent."""

    @property
    @abstractmethod
    def ok(self) -> bool:
        """False if a receive that was chosen found the channel closed."""

    @abstractmethod
    def _completed(self, value: Any, ok: bool, /) -> None:
        """Take the result: the case was chosen."""

    def __repr__(self) -> str:
        target = nil if self._target is None else self._target
        if self._sends:
            return f"send({target!r}, {self._value!r})"
        return f"recv({target!r})"


class Selectable(Protocol[CaseT_co]):
    """Whatever can be given to select: cases, channels, and anything like them."""

    def __gochan_case__(self) -> CaseT_co:
        """The case that stands for it."""
        ...


@final
class RecvCase(Case, Generic[T_co]):
    """Receive from a channel: what ``recv(ch)`` makes."""

    __slots__ = ("_channel", "_ok")

    __match_args__ = ("channel", "value")

    def __init__(self, channel: RecvChan[T_co] | None) -> None:
        self._target = target = _target(channel, RecvChan, "recv(ch)")
        if target is not None and target._elsewhere is not None:
            # not one of KINDS
            self.__class__ = _RecvElsewhere  # pyright: ignore[reportAttributeAccessIssue]
        self._channel = channel
        self._sends = False
        self._value = _NOT_CHOSEN
        self._ok = False
        self.index = -1

    def _completed(self, value: Any, ok: bool, /) -> None:
        self._value = value
        self._ok = ok

    @property
    def channel(self) -> RecvChan[T_co] | None:
        """The channel, as it was given."""
        return self._channel

    @property
    def ok(self) -> bool:
        """Go's ``ok``: whether the last time it was chosen brought a value."""
        return self._ok

    @property
    def value(self) -> T_co:
        """What was received when the case was chosen last.

        Raises:
            ChanClosed: the channel was closed and drained (``ok`` is False).
            RuntimeError: the case has not been chosen yet.
        """
        if self._ok:
            value: T_co = self._value
            return value
        if self._value is _NOT_CHOSEN:
            raise RuntimeError(
                f"{self!r} has not been chosen: look at the case that select returns"
            )
        raise ChanClosed(self._target)


@final
class SendCase(Case, Generic[T]):
    """Send to a channel: what ``send(ch, value)`` makes.

    Set ``value`` to what the next select is to send.
    """

    __slots__ = ("_channel",)

    __match_args__ = ("channel", "value")

    def __init__(self, channel: SendChan[T] | None, value: T) -> None:
        self._target = target = _target(channel, SendChan, "send(ch, value)")
        if target is not None and target._elsewhere is not None:
            # not one of KINDS
            self.__class__ = _SendElsewhere  # pyright: ignore[reportAttributeAccessIssue]
        self._channel = channel
        self._sends = True
        self._value = value
        self.index = -1

    def _completed(self, _: Any, ok: bool, /) -> None:
        if not ok:
            raise SendOnClosed(self._target)

    @property
    def channel(self) -> SendChan[T] | None:
        """The channel, as it was given."""
        return self._channel

    @property
    def value(self) -> T:
        """What is sent; read once, when select is called."""
        value: T = self._value
        return value

    @value.setter
    def value(self, value: T) -> None:
        self._value = value

    @property
    def ok(self) -> bool:
        """True: a send that finds its channel closed raises."""
        return True


# Not to be derived from elsewhere: the same case, of a channel of another process.
class _RecvElsewhere(RecvCase[T_co]):  # type: ignore[misc]
    __slots__ = ()


class _SendElsewhere(SendCase[T]):  # type: ignore[misc]
    __slots__ = ()


# those of channels here; to ask a set is quicker than isinstance() of an abstract class
KINDS: Final[frozenset[type[Any]]] = frozenset((RecvCase, SendCase))


def recv(channel: RecvChan[T] | None) -> RecvCase[T]:
    """A case that receives from ``channel``; ``None`` is never ready.

    Raises:
        TypeError: it is not the receiving end of a channel.
    """
    return RecvCase(channel)


def send(channel: SendChan[T] | None, value: T) -> SendCase[T]:
    """A case that sends ``value`` to ``channel``; ``None`` is never ready.

    Raises:
        TypeError: it is not the sending end of a channel.
    """
    return SendCase(channel, value)


def _target(channel: Any, end: type[Any], form: str) -> Chan[Any] | None:
    if channel is None or channel is nil:
        return None
    if isinstance(channel, end):
        target: Chan[Any] = channel._channel
        return None if target is nil else target
    close_coroutine(channel)
    raise TypeError(
        f"{form} wants a {end.__name__}, not {channel!r}: "
        "give it the channel itself, as in select(recv(a), send(b, 7))"
    )


def close_coroutine(thing: Any) -> bool:
    """Whether it is one, made by mistake: it would warn that it was not awaited."""
    found = hasattr(thing, "close") and hasattr(thing, "cr_frame")
    if found:
        thing.close()
    return found
