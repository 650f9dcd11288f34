"""The channel: three thin faces on one state machine.

- ``await ch.send(v)``: for coroutines on any runtime.
- ``ch.blocking_send(v)``: for threads. See ``_blocking``.
- ``ch.send_nowait(v)``: never waits. See there, too.

Each tries the ladder of ``_core``, and parks with the backend of its caller if that
would block. ``send`` and ``recv`` have the ladder inline, under the channel's key in
place of its lock: to call it, and a tuple for its answer, would cost as much as the
operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from . import _backends, _instrument
from ._backends import uninterrupted
from ._budget import budget
from ._core import BLOCKED
from ._ends import Receiver, RecvChan, SendChan, Sender
from ._errors import ChanClosed, SendOnClosed
from ._parked import parks
from ._waiter import bar, give_back, stranded, unbar
from ._watched import DONE, NOT_USUAL, Watched

if TYPE_CHECKING:
    from ._backends._parts import AsyncWaiter

__all__ = ("Chan",)

T = TypeVar("T")


def _received(waiter: Any) -> tuple[Any, bool]:
    """Value and ok of a receive that has been woken; the waiter keeps nothing."""
    value, waiter.value = waiter.value, None
    return (value, True) if waiter.ok else (None, False)


class Chan(Watched[T], SendChan[T], RecvChan[T]):
    """A channel: values go in at one end and come out at the other, in order.

    Any number of goroutines, threads and event loops may use it at the same
    time; every operation is atomic. ``None`` is an ordinary value. A channel
    needs no closing and is silent when it is collected.

    ``Chan[int](3)`` buffers three ints. Without a buffer a send waits for its
    receiver. A ``Chan[T]`` may be passed where a ``SendChan[T]`` or a
    ``RecvChan[T]`` is wanted.

    Args:
        cap: how many values are buffered; 0 makes every transfer a rendezvous.
        name: for reports; made up if not given.
        buffer: instead of ``cap``, one of ``gochan.buffers``.

    Raises:
        TypeError: ``cap`` is not an int, ``buffer`` not a buffer, or both given.
        ValueError: ``cap`` is negative.

    Not to be used from a signal handler or ``__del__``: those may run while the
    same thread holds the channel's lock.
    """

    __slots__ = ()

    # The async face

    @uninterrupted
    @parks("chan send")
    async def send(self, value: T, /) -> None:
        """Send ``value``; wait until it is buffered or a receiver has taken it.

        Yields to other goroutines when it waits, and at least every 64th time
        when it does not.

        Cancellation: either returns, or raises and nothing has changed.

        Raises:
            SendOnClosed: the channel is closed, or was closed while waiting.
        """
        left = budget.left
        if left > 0:
            key = self._key
            try:
                del key[1]
            except IndexError:
                # another thread is at it
                pass
            else:
                queue = self._receivers
                peer: Any = queue.head
                try:
                    if not key[0]:
                        key.append(None)
                    # a waiting receiver: hand the value over
                    elif peer is not None:
                        budget.left = left - 1
                        if peer.waiter is None:
                            box = peer.box
                            if box is not None and not box.draining:
                                # first, since it may raise: see Mailbox.post()
                                box.ask()
                            # queue.pop(), in place
                            queue.head = after = peer.next
                            if after is None:
                                queue.tail = None
                            else:
                                after.prev = peer.next = None
                            peer.queue = None
                            key.append(None)
                            peer.value = value
                            peer.ok = True
                            if box is not None:
                                # peer.wake(), in place
                                box.ready.append(peer)
                                if box.draining or box.armed or box.ask():
                                    return
                                if not box.gone(peer):
                                    # it had run before its loop was closed
                                    return
                            else:
                                try:
                                    if peer.wake():
                                        return
                                except RecursionError:
                                    stranded[:0] = (peer,)
                                    return
                        else:
                            node = queue.pop()
                            key.append(None)
                            if node is not None:
                                # a select's
                                peer = node.waiter or node
                                peer.value = value
                                peer.ok = True
                                peer.case = node.case
                                if peer.settle():
                                    return
                    # room in the buffer
                    elif (room := self._room) > 0 and len(self._buf) < room:
                        budget.left = left - 1
                        self._buf.append(value)
                        key.append(None)
                        return
                    # would block: park, which gives way
                    elif room >= 0 and self._lossy is None:
                        waiter = await _backends.async_park(self._senders, value)
                        waiter.value = None
                        if not waiter.ok:
                            raise SendOnClosed(self)
                        return
                    else:
                        key.append(None)
                except RecursionError:
                    if not key[1:]:
                        key[1:] = (None,)
                    raise
                except KeyboardInterrupt:
                    give_back(key)
                    raise
        elif left < 0 and (seen := _instrument.quick) is not None:
            budget.left = left + 1
            done = self._send_watched(value, seen)
            if done is DONE:
                return
            if done is not NOT_USUAL:
                await done.park()
                done.value = done.party = None
                if not done.ok:
                    raise SendOnClosed(self)
                return
        await self._send_slowly(value)

    @uninterrupted
    @parks("chan send")
    async def _send_slowly(self, value: T) -> None:
        """Send when the budget is spent or watched, to a select, or closed."""
        if budget.left > 0:
            budget.left -= 1
        elif _backends.must_yield() and not self._send_parks():
            await _backends.async_yield()
            if budget.left > 0:
                await self.send(value)
                return
        while True:
            waiter = None
            with self._lock:
                bar(self._key)
                peer = self._try_send(value)
                if peer is BLOCKED:
                    waiter = _backends.async_waiter(value)
                    self._park(waiter, self._senders, "chan send")
                unbar(self._key)
            if waiter is not None:
                break
            if peer is None or peer.settle():
                return
        await waiter.park()
        if not waiter.ok:
            raise SendOnClosed(self)

    def _send_parks(self) -> bool:
        """Whether a send would park now, which is as good as to yield."""
        return (
            self._receivers.head is None
            and len(self._buf) >= self._room >= 0
            and self._lossy is None
        )

    @uninterrupted
    @parks("chan receive")
    async def recv(self) -> T:
        """Receive the next value; wait until there is one.

        Yields to other goroutines when it waits, and at least every 64th time
        when it does not.

        Cancellation: either returns, or raises and nothing has changed.

        Raises:
            ChanClosed: the channel is closed and drained.
        """
        left = budget.left
        if left > 0:
            key = self._key
            try:
                del key[1]
            except IndexError:
                # another thread is at it
                pass
            else:
                buf = self._buf
                queue = self._senders
                peer: Any = queue.head
                try:
                    if not key[0]:
                        key.append(None)
                    # a waiting sender: take the head of the buffer, if there is one,
                    # and let the sender's value have the place at its tail
                    elif peer is not None:
                        budget.left = left - 1
                        if peer.waiter is None:
                            box = peer.box
                            if box is not None and not box.draining:
                                # first, since it may raise: see Mailbox.post()
                                box.ask()
                            value: T = peer.value
                            if buf:
                                buf.append(value)
                                value = buf.popleft()
                            # queue.pop(), in place
                            queue.head = after = peer.next
                            if after is None:
                                queue.tail = None
                            else:
                                after.prev = peer.next = None
                            peer.queue = None
                            key.append(None)
                            peer.ok = True
                            if box is not None:
                                # peer.wake(), in place
                                box.ready.append(peer)
                                if not box.draining and not box.armed:
                                    box.ask()
                            else:
                                try:
                                    peer.wake()
                                except RecursionError:
                                    stranded[:0] = (peer,)
                            return value
                        node = queue.pop()
                        if node is not None:
                            # a select's
                            value = node.value
                            if buf:
                                buf.append(value)
                                value = buf.popleft()
                            key.append(None)
                            peer = node.waiter or node
                            peer.ok = True
                            peer.case = node.case
                            peer.settle()
                            return value
                        key.append(None)
                    # a value in the buffer
                    elif buf:
                        budget.left = left - 1
                        value = buf.popleft()
                        key.append(None)
                        return value
                    # would block: park, which gives way
                    elif not self._closed:
                        waiter = await _backends.async_park(self._receivers)
                        if not waiter.ok:
                            raise ChanClosed(self)
                        value = waiter.value
                        waiter.value = None
                        return value
                    else:
                        key.append(None)
                except RecursionError:
                    if not key[1:]:
                        key[1:] = (None,)
                    raise
                except KeyboardInterrupt:
                    give_back(key)
                    raise
        elif left < 0 and (seen := _instrument.quick) is not None:
            budget.left = left + 1
            done, value = self._recv_watched(seen)
            if done is DONE:
                return value
            if done is not NOT_USUAL:
                await done.park()
                if not done.ok:
                    raise ChanClosed(self)
                value = done.value
                done.value = done.party = None
                return value
        slow, ok = await self.recv_ok()
        if not ok:
            raise ChanClosed(self)
        return cast("T", slow)

    @uninterrupted
    @parks("chan receive")
    async def recv_ok(self) -> tuple[T, Literal[True]] | tuple[None, Literal[False]]:
        """Go's ``v, ok := <-ch``: ``(value, True)``, or ``(None, False)`` if closed.

        Yields to other goroutines when it waits, and at least every 64th time
        when it does not.

        Cancellation: either returns, or raises and nothing has changed.
        """
        # Its variables are a part of whoever waits here: so there are few.
        got: Any
        if budget.left > 0:
            budget.left -= 1
            # it may be replaced meanwhile: see Shut
            key = self._key
            try:
                del key[1]
            except IndexError:
                # another thread is at it
                pass
            else:
                # the usual case: a value in the buffer
                if key[0] and self._buf and self._senders.head is None:
                    try:
                        got = self._buf.popleft()
                    except RecursionError:
                        key[1:] = (None,)
                        raise
                    except KeyboardInterrupt:
                        give_back(key)
                        raise
                    key.append(None)
                    return got, True
                key.append(None)
        elif _backends.must_yield() and (
            self._buf or self._senders.head is not None or self._closed
        ):
            # otherwise it parks, which is as good
            await _backends.async_yield()
        got = self._recv_or_queue()
        if type(got) is not tuple:
            await got.park()
            got = _received(got)
        return got  # type: ignore[no-any-return]  # pyright: ignore[reportUnknownVariableType]

    @uninterrupted
    def _recv_or_queue(self) -> tuple[Any, bool] | AsyncWaiter:
        """Receive, with the lock: value and ok; or the waiter, to be parked."""
        with self._lock:
            bar(self._key)
            value, ok, peer = self._try_recv()
            if peer is BLOCKED:
                waiter = _backends.async_waiter()
                self._park(waiter, self._receivers, "chan receive")
                unbar(self._key)
                return waiter
            unbar(self._key)
        if peer is not None:
            peer.settle()
        return (value, True) if ok else (None, False)

    async def __anext__(self) -> T:
        """Receive, for ``async for``; ends when the channel is closed and drained.

        Cancellation: either returns, or raises and nothing has changed.
        """
        try:
            return await self.recv()
        except ChanClosed as closed:
            if closed.channel is self:
                raise StopAsyncIteration from None
            raise

    # Views

    def sender(self) -> SendChan[T]:
        """A view that can only send and close."""
        return Sender(self)

    def receiver(self) -> RecvChan[T]:
        """A view that can only receive."""
        return Receiver(self)

    @property
    def _channel(self) -> Chan[Any]:
        return self
