"""Select: wait for several channel operations, do exactly one.

Three passes, as in Go's ``runtime/select.go``:
1. *poll*: is a case ready? Looks without locks, chooses at random among those
   that seem ready, and does the operation under its channel's lock. ``_glance`` is
   this pass for the usual case, where a call costs as much as the operation.
2. *enlist*: with the locks of all channels held, look again at one instant; if
   still nothing is ready, queue one waiter on every channel.
3. *park*, and tell which case a peer has completed. The peer has unlinked the
   cases that lost.

Looking without a lock is safe: what it sees may be out of date, so a case that
looked ready is tried under the lock, and "none is ready" is only believed in
pass 2.

Every ready case is equally likely, and a case given twice counts twice. A send on
a closed channel is ready, and raises if it is chosen. Nothing is fair over time
beyond that: a case that is not first in line may lose many times in a row.
"""

from __future__ import annotations

import random as _random_module
from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING, Any, cast, overload

from . import _backends, _edges, _instrument
from ._backends import uninterrupted
from ._budget import budget
from ._cases import KINDS
from ._core import BLOCKED
from ._parked import parks
from ._table import C1, C2, C3, C4, C5, elsewhere, seem_ready, table_of, try_case
from ._waiter import Node, Waiter, bar, give_back, unbar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Lock

    from ._cases import Case, Selectable
    from ._chan import Chan
    from ._waiter import Key

__all__ = ("select",)

# replaced by tests and by the schedule explorer
random: Callable[[], float] = _random_module.random


@uninterrupted
def _at_once(cases: tuple[Any, ...], biased: bool, drawn: int) -> Any:
    """Passes 1 and 2 for the usual case, with the channels' keys in place of locks.

    Called with budget left, so no instrument is installed, for genuine cases. The one
    at ``drawn`` is chosen if it is ready: to draw again would favour others.

    Returns:
        The chosen case, done; or the waiter, queued on all; or None: nothing has
        happened, and it has to be done in the other way.
    """
    held: list[Key] = []
    ready: list[int] = []
    try:
        for index, case in enumerate(cases):
            channel = case._target
            if channel is None:
                continue
            key = channel._key
            try:
                del key[1]
            except IndexError:
                # another thread has it, or we: a channel that stands here twice
                return None
            held.append(key)
            if not key[0]:
                return None
            if case._sends:
                if (
                    channel._receivers.head is not None
                    or len(channel._buf) < channel._room
                    or channel._closed
                    or channel._lossy is not None
                    # it has to be asked for the room that it has lent
                    or channel._loans is not None
                ):
                    ready.append(index)
            elif channel._buf or channel._senders.head is not None or channel._closed:
                ready.append(index)
        if not ready:
            waiter: Any = _backends.async_waiter()
            waiter.for_select(again=True)
            nodes = waiter.nodes
            for index, case in enumerate(cases):
                channel = case._target
                if channel is not None:
                    node = Node(waiter, case._value, index)
                    nodes.append(node)
                    (channel._senders if case._sends else channel._receivers).push(node)
            return waiter
        index = drawn if drawn in ready else _pick(ready, biased)
        value, ok, peer = try_case(cases[index])
    finally:
        try:
            for key in held:
                key.append(None)
        except RecursionError:
            for key in held:
                if not key[1:]:
                    key[1:] = (None,)
            raise
        except KeyboardInterrupt:
            for key in held:
                give_back(key)
            raise
    # BLOCKED: only peers waited there that have been claimed elsewhere
    if peer is BLOCKED or (
        peer is not None and not peer.settle() and cases[index]._sends
    ):
        return None
    return _finish(cases[index], index, value, ok)


@uninterrupted
def _carry_out(case: Case, index: int) -> Case | None:
    """Do this very case: to draw again would favour those that are simple."""
    channel = case._target
    assert channel is not None
    with channel._lock:
        bar(channel._key)
        value, ok, peer = try_case(case)
        unbar(channel._key)
    if peer is BLOCKED:
        return None
    if peer is None or peer.settle() or not case._sends:
        return _finish(case, index, value, ok)
    # it went to a receiver whose loop has been closed: not sent
    return None


def _finish(case: Case, index: int, value: Any, ok: bool) -> Case:
    """Fill in the result of the chosen case."""
    # the same case object may stand in the call twice
    case.index = index
    case._completed(value, ok)
    return case


def _pick(ready: list[int], biased: bool) -> int:
    """Take one out of those that are ready."""
    if biased or len(ready) == 1:
        return ready.pop(0)
    return ready.pop(int(random() * len(ready)))


def _poll(table: Sequence[Case], biased: bool, drawn: int = -1) -> Case | None:
    """Pass 1. The chosen case, done, or None.

    The one at ``drawn`` is chosen if it is ready.
    """
    ready = seem_ready(table)
    while ready:
        if drawn in ready:
            index = drawn
            ready.remove(drawn)
        else:
            index = _pick(ready, biased)
        if (done := _carry_out(table[index], index)) is not None:
            return done
    return None


class Lent(Exception):
    """Nothing is ready, but values of one of the channels are lent.

    Raised to who does not wait. ``values`` is what the channel knows of them.
    """

    def __init__(self, values: Any) -> None:
        self.values = values


@uninterrupted
def _enlist(table: Sequence[Case], biased: bool, waiter: Waiter | None) -> Case | None:
    """Pass 2. The chosen case, done; or None, with ``waiter`` queued on all.

    Raises:
        Lent: there is no waiter, and values are lent.
    """
    while True:
        done = _look(table, biased, waiter)
        if done is None:
            return None
        index, value, ok, peer = done
        if peer is None or peer.settle() or not table[index]._sends:
            return _finish(table[index], index, value, ok)
        # it went to a receiver whose loop has been closed: not sent


def _look(
    table: Sequence[Case], biased: bool, waiter: Waiter | None
) -> tuple[int, Any, bool, Waiter | None] | None:
    """With all locks: do a case, and tell which and how; or queue ``waiter``."""
    channels = {id(case._target): case._target for case in table}
    # one order for all, so that two selects cannot wait for each other's locks
    ordered: list[Chan[Any]] = [
        channel for _, channel in sorted(channels.items()) if channel is not None
    ]
    # Taken and let go in one step each, which an interrupt cannot come into: on the
    # main thread it may be raised after any call.
    held: list[Lock] = []
    taking = filter(_take, [channel._lock for channel in ordered])
    letting_go = map(_let_go, held)
    lent: Any = None
    try:
        try:
            held.extend(taking)
            for channel in ordered:
                bar(channel._key)
            done = _first_ready(table, biased)
            if done is None and waiter is not None:
                _queue(table, waiter, biased or len(ordered) == len(table))
            elif done is None:
                for case in table:
                    if not case._sends and (target := case._target) is not None:
                        lent = lent or target._ahead
            for channel in ordered:
                unbar(channel._key)
        finally:
            _exhaust(letting_go)
    except BaseException:
        # such as an interrupt, when it was in some of the queues
        if waiter is not None:
            waiter.withdraw()
        raise
    if lent is not None:
        raise Lent(lent)
    return done


_take: Callable[[Lock], bool] = type(allocate_lock()).acquire
_let_go: Callable[[Lock], None] = type(allocate_lock()).release
_exhaust: Callable[[Iterable[object]], None] = deque[object](maxlen=0).extend


def _first_ready(
    table: Sequence[Case], biased: bool
) -> tuple[int, Any, bool, Waiter | None] | None:
    """With all locks held: do a case that is ready, and tell which and how."""
    ready = seem_ready(table)
    while ready:
        index = _pick(ready, biased)
        value, ok, peer = try_case(table[index])
        # BLOCKED: only receivers waited there whose loops have been closed
        if peer is not BLOCKED:
            return index, value, ok, peer
    return None


def _queue(table: Sequence[Case], waiter: Waiter, in_order: bool) -> None:
    waiter.for_select()
    if (seen := _instrument.active) is not None:
        _edges.parked(seen, waiter, "select" if table else "select (no cases)", None)
    nodes = waiter.nodes
    assert nodes is not None
    for index, case in enumerate(table):
        if case._target is not None:
            nodes.append(Node(waiter, case._value, index))
    if not in_order:
        # the first of two cases in one queue is served first: draw which it is
        nodes.sort(key=lambda _: random())
    for node in nodes:
        case = table[node.case]
        channel = case._target
        assert channel is not None
        (channel._senders if case._sends else channel._receivers).push(node)


@overload
async def select(case: Selectable[C1], /, *, biased: bool = False) -> C1: ...
@overload
async def select(
    case: Selectable[C1], case2: Selectable[C2], /, *, biased: bool = False
) -> C1 | C2: ...
@overload
async def select(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    /,
    *,
    biased: bool = False,
) -> C1 | C2 | C3: ...
@overload
async def select(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    case4: Selectable[C4],
    /,
    *,
    biased: bool = False,
) -> C1 | C2 | C3 | C4: ...
@overload
async def select(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    case4: Selectable[C4],
    case5: Selectable[C5],
    /,
    *,
    biased: bool = False,
) -> C1 | C2 | C3 | C4 | C5: ...
@overload
async def select(*cases: Selectable[C1] | None, biased: bool = False) -> C1: ...
@uninterrupted
@parks("select")
async def select(*cases: Selectable[Case] | None, biased: bool = False) -> Case:
    """Wait until one of the cases can go on, do it, and return that very case.

    ``recv(ch)`` and ``send(ch, value)`` make cases. A channel stands for
    ``recv(channel)``, and so does anything with ``__gochan_case__()`` for what
    that returns; then the case that is returned is a new one. Values to send are
    read once, on entry. With no cases, or with nil channels alone, it waits for
    ever.

    Yields to other goroutines when it waits, and at least every 64th time when it
    does not.

    Cancellation: either returns with exactly one case done, or raises and nothing
    has changed on any channel.

    Args:
        cases: what to wait for.
        biased: take the first ready case in order, instead of any at random.

    Raises:
        SendOnClosed: a send on a closed channel was chosen.
        TypeError: an argument cannot be selected on.
        ValueError: the channels are in more than one other process.
    """
    drawn = -1
    left = budget.left
    if left > 0:
        budget.left = left - 1
        index = 0
        case: Any
        for case in cases:
            if type(case) not in KINDS:
                break
            case.index = index
            index += 1  # noqa: SIM113  # enumerate() costs more
        else:
            if index and not biased:
                # the usual case: a buffer is ready at the first case that we try
                drawn = int(random() * index)
                case = cases[drawn]
                channel = case._target
                if channel is not None:
                    key = channel._key
                    try:
                        del key[1]
                    except IndexError:
                        # another thread is at it
                        pass
                    else:
                        try:
                            if not key[0]:
                                pass
                            elif case._sends:
                                if channel._receivers.head is None and (
                                    len(channel._buf) < channel._room
                                ):
                                    channel._buf.append(case._value)
                                    key.append(None)
                                    # it may stand in the call twice
                                    case.index = drawn
                                    sent: Case = case
                                    return sent
                            elif channel._buf and channel._senders.head is None:
                                value = channel._buf.popleft()
                                key.append(None)
                                # what it has received before may use the channel
                                # when it is deleted
                                case._value = value
                                case._ok = True
                                case.index = drawn
                                received: Case = case
                                return received
                            key.append(None)
                        except RecursionError:
                            if not key[1:]:
                                key[1:] = (None,)
                            raise
                        except KeyboardInterrupt:
                            give_back(key)
                            raise
            done: Any = _at_once(cases, biased, drawn)
            if done is not None:
                if type(done) in KINDS:
                    return done  # type: ignore[no-any-return]
                await done.park()
                parked: Case = cases[done.case]  # pyright: ignore[reportUnknownVariableType]
                # the waiter may be kept, to be used again
                value, done.value = done.value, None
                return _finish(parked, done.case, value, done.ok)  # pyright: ignore[reportUnknownArgumentType]
    elif _backends.must_yield():
        await _backends.async_yield()
    table = table_of(cases)
    if (other := elsewhere(table)) is not None:
        return cast("Case", await other.select(table, biased))
    if (chosen := _poll(table, biased, drawn)) is not None:
        return chosen
    waiter = _backends.async_waiter()
    if (chosen := _enlist(table, biased, waiter)) is not None:
        return chosen
    await waiter.park()
    return _finish(table[waiter.case], waiter.case, waiter.value, waiter.ok)  # pyright: ignore[reportUnknownArgumentType]
