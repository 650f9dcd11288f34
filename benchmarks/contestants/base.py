"""What a contestant is.

A shape is written once and given a contestant's own operations: ``channel()``
returns its bound methods, and the loops that are timed call those and nothing of
ours. Where a shape would still put a call in between (starting a task from a
coroutine, a select), the contestant brings its own version of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    Send = Callable[[Any], Awaitable[object]]
    Recv = Callable[[], Awaitable[Any]]

__all__ = (
    "Blocking",
    "BlockingEnds",
    "Contestant",
    "Coroutines",
    "Ends",
    "Gate",
    "Group",
    "Sample",
    "Unsupported",
    "per",
)


class Sample(NamedTuple):
    """One measurement.

    Attributes:
        seconds: how long the timed part took.
        values: what it says, by metric; most shapes have one, ``ns`` per operation.
    """

    seconds: float
    values: dict[str, float]


def per(operations: int, seconds: float) -> Sample:
    """The sample of a shape that did so many operations in that time."""
    return Sample(seconds, {"ns": seconds / operations * 1e9})


class Unsupported(Exception):
    """The contestant has no such thing; the message says what."""


class Contestant(ABC):
    """Somebody who can do some of the shapes.

    Attributes:
        smallest: the capacity it takes where a row asks for 0; not 0 if it has no
            rendezvous, which is easier work.
    """

    smallest: int = 0

    @abstractmethod
    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        """Do ``shape`` once, with about ``n`` operations.

        Raises:
            Unsupported: it cannot.
        """


class Ends(NamedTuple):
    """A new channel's operations, bound, and the channel itself."""

    send: Send
    recv: Recv
    channel: Any = None


class Gate(NamedTuple):
    """Many wait for it and are let through at once."""

    wait: Callable[[], Awaitable[object]]
    open: Callable[[], object]


class Group(NamedTuple):
    """Tasks that are waited for: how to start one, how to cancel all."""

    spawn: Callable[..., object]
    cancel: Callable[[], object]


class Coroutines(Contestant):
    """A contestant whose channel is awaited.

    Attributes:
        own: the shapes that it does in its own way, by name.
        crosses_loops: whether a channel joins two loops in two threads.
    """

    own: ClassVar[Mapping[str, Callable[..., Awaitable[Sample]]]] = {}
    crosses_loops: ClassVar[bool] = False

    @abstractmethod
    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run ``main()`` in a new event loop."""

    @abstractmethod
    def group(self) -> AbstractAsyncContextManager[Group]:
        """A group of tasks."""

    @abstractmethod
    def channel(self, cap: int | None) -> Ends:
        """A new channel; ``cap`` None is one without a bound."""

    @abstractmethod
    async def pause(self) -> None:
        """Let the other tasks run."""

    def gate(self) -> Gate:
        """A new gate, closed."""
        raise Unsupported("nothing to wake everybody with")

    def crossing(self, cap: int) -> tuple[Callable[[Any], object], Recv]:
        """A new channel: the blocking send for threads, the receive for the loop."""
        raise Unsupported("its channel is not for threads")

    def call_later(
        self, seconds: float, call: Callable[[], object]
    ) -> Callable[[], object]:
        """Call in so many seconds; what is returned stops that."""
        raise Unsupported("no timers")

    def mutex(self) -> Any:
        """A new lock, for ``async with``."""
        raise Unsupported("no lock")

    # Select, each over channels as in Ends.channel

    async def receive_any(self, channels: Sequence[Any], n: int) -> None:
        """Receive ``n`` values from whichever channel has one."""
        raise Unsupported("no select")

    async def send_any(self, channels: Sequence[Any], n: int) -> None:
        """Send ``n`` values to whichever channel takes one."""
        raise Unsupported("no select that sends")

    async def take_ready(self, n: int) -> float:
        """The seconds of ``n`` selects over two channels that are both ready."""
        raise Unsupported("no select")

    async def until_done(self, done: Any, work: Any) -> None:
        """Select over ``done`` and ``work`` until ``done`` is closed."""
        raise Unsupported("no select")

    def close(self, channel: Any) -> None:
        """Close a channel that is selected on."""
        raise Unsupported("no select")

    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        from benchmarks.shapes import COROUTINES

        function = self.own.get(shape) or COROUTINES.get(shape)
        if function is None:
            raise Unsupported(f"no {shape} for coroutines")

        async def main() -> Sample:
            return await function(self, n, **params)

        sample: Sample = self.run(main)
        return sample


class BlockingEnds(NamedTuple):
    """:class:`Ends` of a channel whose operations block."""

    send: Callable[[Any], object]
    recv: Callable[[], Any]
    channel: Any = None


class Blocking(Contestant):
    """A contestant whose channel blocks a thread or a greenlet."""

    @abstractmethod
    def spawn(self, fn: Callable[..., object], *args: Any) -> Any:
        """Start ``fn(*args)`` and return what :meth:`join` wants."""

    @abstractmethod
    def join(self, started: Any) -> None:
        """Wait for its end."""

    @abstractmethod
    def channel(self, cap: int | None) -> BlockingEnds:
        """A new channel; ``cap`` None is one without a bound."""

    def kill(self, started: Sequence[Any]) -> None:
        """End what would never end by itself."""
        raise Unsupported("its tasks cannot be cancelled")

    def pause(self) -> None:
        """Let the others run."""
        raise Unsupported("too many threads")

    def gate(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """What many wait in, and what lets them through."""
        raise Unsupported("too many threads")

    def mutex(self) -> Any:
        """A new lock, for ``with``."""
        raise Unsupported("no lock")

    def receive_any(self, channels: Sequence[Any], n: int) -> None:
        """Receive ``n`` values from whichever channel has one."""
        raise Unsupported("no select")

    def send_any(self, channels: Sequence[Any], n: int) -> None:
        """Send ``n`` values to whichever channel takes one."""
        raise Unsupported("no select that sends")

    def take_ready(self, n: int) -> float:
        """The seconds of ``n`` selects over two channels that are both ready."""
        raise Unsupported("no select")

    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        from benchmarks.shapes import BLOCKING

        function = BLOCKING.get(shape)
        if function is None:
            raise Unsupported(f"no {shape} for blocking calls")
        return function(self, n, **params)
