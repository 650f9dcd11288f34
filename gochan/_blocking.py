"""The channel's faces that are no coroutines: for threads, and those that never wait.

Each has the rung of the buffer inline, under the channel's key in place of its lock,
and the ladder of ``_core`` for the rest. An interrupt may come anywhere on the main
thread; so the key is given back by ``finally``, and the lock taken by ``with``.
"""

from __future__ import annotations

from sys import modules
from typing import Any, Literal, TypeVar, cast

from . import _instrument
from ._backends import _thread, uninterrupted
from ._core import BLOCKED, Core
from ._errors import ChanClosed, SendOnClosed, WouldBlock
from ._parked import parks
from ._waiter import bar, unbar

__all__ = ("Blocking",)

T = TypeVar("T")


class Blocking(Core[T]):
    """A channel without its async face."""

    __slots__ = ()

    # The blocking face

    @uninterrupted
    @parks("chan send")
    def blocking_send(self, value: T, /, timeout: float | None = None) -> None:
        """:meth:`send` for threads.

        Args:
            value: what to send.
            timeout: seconds; 0 means one try, None for ever.

        Raises:
            SendOnClosed: the channel is closed, or was closed while waiting.
            TimeoutError: nobody took it in time; nothing has changed.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await ch.send(v)``.
        """
        # what check_call() asks, in the usual case
        if (
            timeout is not None
            or "trio" in modules
            or ("asyncio" in modules and _thread.running_loop() is not None)
            or _thread.cancelled
        ):
            _thread.check_call("ch.blocking_send(v)", "await ch.send(v)", timeout)
        key = self._key
        try:
            del key[1]
        except IndexError:
            # another thread is at it
            pass
        else:
            try:
                # the usual case: room in the buffer
                if (
                    len(self._buf) < self._room
                    and key[0]
                    and self._receivers.head is None
                    and _instrument.active is None
                ):
                    self._buf.append(value)
                    return
            finally:
                key.append(None)
        waiter = None
        try:
            while True:
                with self._lock:
                    bar(self._key)
                    peer = self._try_send(value)
                    if peer is BLOCKED:
                        waiter = _thread.waiter(value)
                        self._park(waiter, self._senders, "chan send")
                    unbar(self._key)
                if waiter is not None:
                    break
                if peer is None or peer.settle():
                    return
            if not waiter.park_thread(timeout):
                raise TimeoutError(f"no receiver within {timeout} seconds on {self!r}")
        except KeyboardInterrupt:
            # perhaps between queueing and parking
            if waiter is not None:
                waiter.withdraw()
            raise
        if not waiter.ok:
            raise SendOnClosed(self)

    @uninterrupted
    @parks("chan receive")
    def blocking_recv(self, timeout: float | None = None) -> T:
        """:meth:`recv` for threads.

        Args:
            timeout: seconds; 0 means one try, None for ever.

        Raises:
            ChanClosed: the channel is closed and drained.
            TimeoutError: nothing came in time; nothing has changed.
            ValueError: ``timeout`` is negative.
            RuntimeError: this thread runs an event loop: write
                ``await ch.recv()``.
        """
        # what check_call() asks, in the usual case
        if (
            timeout is not None
            or "trio" in modules
            or ("asyncio" in modules and _thread.running_loop() is not None)
            or _thread.cancelled
        ):
            _thread.check_call("ch.blocking_recv()", "await ch.recv()", timeout)
        key = self._key
        try:
            del key[1]
        except IndexError:
            # another thread is at it
            pass
        else:
            try:
                # the usual case: a value in the buffer
                if (
                    self._buf
                    and key[0]
                    and self._senders.head is None
                    and _instrument.active is None
                ):
                    return self._buf.popleft()
            finally:
                key.append(None)
        value, ok = self._recv_blocking(timeout)
        if not ok:
            raise ChanClosed(self)
        return cast("T", value)

    @uninterrupted
    @parks("chan receive")
    def blocking_recv_ok(
        self, timeout: float | None = None
    ) -> tuple[T, Literal[True]] | tuple[None, Literal[False]]:
        """:meth:`recv_ok` for threads; ``timeout`` and errors as ``blocking_recv``."""
        _thread.check_call("ch.blocking_recv()", "await ch.recv()", timeout)
        value, ok = self._recv_blocking(timeout)
        return (value, True) if ok else (None, False)

    @uninterrupted
    def _recv_blocking(self, timeout: float | None) -> tuple[Any, bool]:
        if timeout == 0 and (got := self._recv_now()) is not None:
            return got
        waiter = None
        try:
            with self._lock:
                bar(self._key)
                value, ok, peer = self._try_recv()
                if peer is BLOCKED:
                    waiter = _thread.waiter()
                    self._park(waiter, self._receivers, "chan receive")
                unbar(self._key)
            if waiter is not None and not waiter.park_thread(timeout):
                raise TimeoutError(f"no sender within {timeout} seconds on {self!r}")
        except KeyboardInterrupt:
            # perhaps between queueing and parking
            if waiter is not None:
                waiter.withdraw()
            raise
        if waiter is not None:
            return waiter.value, waiter.ok
        if peer is not None:
            peer.settle()
        return value, ok

    # The face that never waits

    @uninterrupted
    def send_nowait(self, value: T, /) -> None:
        """Send if that needs no waiting. Never blocks; from any thread.

        Raises:
            WouldBlock: no receiver waits and the buffer is full.
            SendOnClosed: the channel is closed.
        """
        key = self._key
        try:
            del key[1]
        except IndexError:
            # another thread is at it
            pass
        else:
            try:
                # the usual case: room in the buffer
                if (
                    len(self._buf) < self._room
                    and key[0]
                    and self._receivers.head is None
                    and _instrument.active is None
                ):
                    self._buf.append(value)
                    return
            finally:
                key.append(None)
        while True:
            with self._lock:
                bar(self._key)
                peer = self._try_send(value)
                unbar(self._key)
            if peer is BLOCKED:
                raise WouldBlock
            if peer is None or peer.settle():
                return

    @uninterrupted
    def recv_nowait(self) -> T:
        """Receive if that needs no waiting. Never blocks; from any thread.

        Raises:
            WouldBlock: there is no value and no sender waits.
            ChanClosed: the channel is closed and drained.
        """
        key = self._key
        try:
            del key[1]
        except IndexError:
            # another thread is at it
            pass
        else:
            try:
                # the usual case: a value in the buffer
                if (
                    self._buf
                    and key[0]
                    and self._senders.head is None
                    and _instrument.active is None
                ):
                    return self._buf.popleft()
            finally:
                key.append(None)
        got = self._recv_now()
        if got is None:
            raise WouldBlock
        value, ok = got
        if not ok:
            raise ChanClosed(self)
        return cast("T", value)

    @uninterrupted
    def _recv_now(self) -> tuple[Any, bool] | None:
        """Value and ok of a receive, or None if it would have to wait.

        It may still wait for what is lent, since it may be all that there is.
        """
        while True:
            with self._lock:
                bar(self._key)
                value, ok, peer = self._try_recv()
                ahead = self._ahead
                unbar(self._key)
            if peer is not BLOCKED:
                break
            if ahead is None or not ahead.come_home():
                return None
        if peer is not None:
            peer.settle()
        return value, ok
