"""Signals as values: Ctrl-C and SIGTERM on a channel, or as the end of a context.

    with signal.notify_context(context.background(), SIGINT, SIGTERM) as (ctx, stop):
        await serve(ctx)

A signal interrupts the main thread between any two steps, perhaps in the middle of a
channel's operation. So the handler touches no channel: it asks the event loop to
deliver the signal, as soon as that comes round.

Source: Go's ``os/signal``. Notable differences: handlers are those of Python, so
:func:`notify` has to be called on the main thread, and what was there before is put
back; a second Ctrl-C interrupts the program if the loop has had time to deliver the
first one and has not: it is stuck.
"""

from __future__ import annotations

import signal as _signal
import sys
import threading
from signal import Signals
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from . import _backends
from ._cases import close_coroutine
from ._ends import SendChan
from ._errors import SendOnClosed, WouldBlock
from ._scope import current_scope
from .context import Derived, with_cancel_cause
from .context._tree import attach

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .context import Context
    from .context._derive import CancelFunc

    Handler: TypeAlias = "Callable[[int, FrameType | None], Any] | int | None"

__all__ = ("Received", "notify", "notify_context", "stop")

# how long a loop may take to deliver Ctrl-C before it counts as stuck, in seconds
_PATIENCE: Final = 0.1


@final
class Received(Exception):
    """The cause of a context that a signal has ended.

    Attributes:
        signal: which one.
    """

    def __init__(self, signal: Signals) -> None:
        super().__init__(signal)
        self.signal: Signals = signal

    def __str__(self) -> str:
        return f"{self.signal.name} signal received"


class _Receiver:
    """Who is to be told of some signals, and on which loop."""

    __slots__ = ("channel", "deliver", "post", "posted", "signals")

    def __init__(
        self,
        signals: frozenset[Signals],
        deliver: Callable[[Signals], None],
        channel: SendChan[Signals] | None = None,
    ) -> None:
        self.signals = signals
        self.deliver = deliver
        self.post = _backends.poster()
        # of notify()
        self.channel = channel
        # when those were posted that have not been delivered
        self.posted: list[float] = []

    def tell(self, signum: Signals) -> bool:
        """From the handler. False if the loop is closed."""
        self.posted.append(monotonic())
        return self.post(lambda: self._deliver(signum))

    def stuck(self) -> bool:
        """Whether the loop has had time to deliver what was posted, and has not."""
        # one at most; and a loop on another thread may deliver it just now
        first = self.posted[:1]
        return any(monotonic() - posted > _PATIENCE for posted in first)

    def _deliver(self, signum: Signals) -> None:
        self.posted.pop(0)
        if self in _receivers:
            self.deliver(signum)


# in the order in which they came; and what was there before, by signal
_receivers: list[_Receiver] = []
_before: dict[Signals, Handler] = {}


def notify(channel: SendChan[Signals], /, *signals: int) -> None:
    """Send each of ``signals`` that the program gets to ``channel``.

    Sent without waiting: give the channel a buffer, since a signal for which there is
    no room is dropped. What the signal did before, such as to end the program, it does
    not do until :func:`stop`, or until the run ends. May be called again for more
    signals, and for other channels.

    Args:
        channel: gets ``signal.Signals``.
        signals: such as ``signal.SIGTERM``; if none are given, all that can be caught
            and do not tell of a fault in the program itself.

    Raises:
        RuntimeError: this is not the main thread.
        TypeError: ``channel`` cannot be sent to, or one of the others is no signal.
        ValueError: a signal cannot be caught, or does not exist on this system.
    """
    _check_channel(channel)

    def send(signum: Signals) -> None:
        try:
            channel.send_nowait(signum)
        except WouldBlock:
            pass
        except SendOnClosed:
            stop(channel)

    # each is sent once, however often it was asked for
    known = [each.signals for each in _receivers if each.channel == channel]
    _install(_Receiver(_checked(signals).difference(*known), send, channel))


def stop(channel: SendChan[Signals], /) -> None:
    """Send no more signals to ``channel``. When it returns, none will come.

    Signals that nobody else wants do again what they did before. Does nothing if none
    were sent to it.
    """
    for receiver in [each for each in _receivers if each.channel == channel]:
        _uninstall(receiver)


def notify_context(parent: Context, /, *signals: int) -> Derived[CancelFunc]:
    """A context that is also done when the program gets one of ``signals``.

    From then on, and after ``stop()``, which is what ``cancel`` is here, the signals do
    again what they did before: so the second Ctrl-C ends the program. The context's
    cause is :class:`Received`.

    Args:
        parent: the context that it derives from.
        signals: as for :func:`notify`.

    Raises:
        RuntimeError: this is not the main thread.
        TypeError: one of ``signals`` is no signal.
        ValueError: a signal cannot be caught, or does not exist on this system.
    """
    wanted = _checked(signals)
    _check_thread()
    derived = with_cancel_cause(parent)
    ctx, cancel = derived
    receiver = _Receiver(wanted, lambda signum: cancel(Received(signum)))
    _install(receiver)
    attach(ctx, _Ended(receiver))

    def stop() -> None:
        cancel(None)

    return Derived((ctx, stop))


class _Ended:
    """What the end of a context does to its receiver."""

    __slots__ = ("receiver",)

    def __init__(self, receiver: _Receiver) -> None:
        self.receiver = receiver

    def cancel(self, error: Exception, why: BaseException) -> None:  # noqa: ARG002  # as told
        _uninstall(self.receiver)


def _check_channel(channel: object) -> None:
    if not isinstance(channel, SendChan):
        close_coroutine(channel)
        raise TypeError(
            f"notify() wants a channel to send signals to, not {channel!r}: write "
            "notify(ch, signal.SIGTERM), with ch = Chan[signal.Signals](1)"
        )


def _checked(signals: tuple[object, ...]) -> frozenset[Signals]:
    if not signals:
        if sys.platform == "win32":
            return _OF_WINDOWS
        return frozenset(Signals) - _UNCATCHABLE - _FAULTS
    wanted: set[Signals] = set()
    for each in signals:
        if not isinstance(each, int) or isinstance(each, bool):
            raise TypeError(f"a signal is wanted, such as signal.SIGTERM, not {each!r}")
        try:
            signum = Signals(each)
        except ValueError:
            raise ValueError(f"there is no signal {each} on this system") from None
        if signum in _UNCATCHABLE:
            raise ValueError(f"{signum.name} cannot be caught")
        if sys.platform == "win32" and signum not in _OF_WINDOWS:
            raise ValueError(
                f"{signum.name} cannot be caught on Windows: there are "
                f"{', '.join(sorted(each.name for each in _OF_WINDOWS))}"
            )
        wanted.add(signum)
    return frozenset(wanted)


def _named(*names: str) -> frozenset[Signals]:
    return frozenset(Signals[name] for name in names if name in Signals.__members__)


_UNCATCHABLE = _named("SIGKILL", "SIGSTOP")
_FAULTS = _named("SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGABRT", "SIGTRAP")
_OF_WINDOWS = _named("SIGINT", "SIGBREAK", "SIGTERM")


def _check_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "Python delivers signals to the main thread: call notify() there, before "
            "what runs on other threads is started"
        )


def _install(receiver: _Receiver) -> None:
    _check_thread()
    _receivers.append(receiver)
    for signum in receiver.signals - _before.keys():
        _before[signum] = _signal.signal(signum, _handle)
    scope = current_scope.get()
    while scope is not None and scope._outer is not None:
        scope = scope._outer
    if scope is not None:
        # nothing is left behind by a run
        scope._at_end(lambda: _uninstall(receiver))


def _uninstall(receiver: _Receiver) -> None:
    if not _remove(receiver):
        return
    if threading.current_thread() is threading.main_thread():
        _restore()
    # otherwise the handler does, when it is called next


def _remove(receiver: _Receiver) -> bool:
    try:
        _receivers.remove(receiver)
    except ValueError:
        return False
    return True


def _restore() -> None:
    """Put back what was there for signals that nobody wants. On the main thread."""
    wanted = {signum for receiver in _receivers for signum in receiver.signals}
    for signum in _before.keys() - wanted:
        before = _before.pop(signum)
        # somebody else may have set another handler since
        if _signal.getsignal(signum) is _handle:
            _signal.signal(signum, before if before is not None else _signal.SIG_DFL)


def _handle(number: int, frame: FrameType | None) -> None:
    """The handler of all signals. It must touch nothing that has a lock."""
    signum = Signals(number)
    before = _before.get(signum)
    receivers = [each for each in _receivers if signum in each.signals]
    stuck = signum is Signals.SIGINT and any(each.stuck() for each in receivers)
    told = [each.tell(signum) for each in receivers]
    if stuck:
        raise KeyboardInterrupt
    if not any(told):
        # nobody wants it any more, or their loops are closed
        for receiver in receivers:
            _remove(receiver)
        _restore()
        if callable(before):
            before(number, frame)
        elif before == _signal.SIG_DFL:  # pragma: no cover  # it ends the program
            _signal.raise_signal(number)
