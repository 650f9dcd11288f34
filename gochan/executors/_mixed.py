"""A select over channels of this process and of one other process.

The other process does its part as a select of its own, which we *offer*: only its
answer decides. Meanwhile a node that cannot be claimed stands in the queues of the
channels here. A peer that comes by it tells us, and goes on as if nobody stood there;
then we ask for the answer to the offer. If that is "withdrawn", nothing has happened
there, and the cases here are tried. So exactly one case is done, and no value moves
before it is clear which.

Two selects of this kind that could meet on an unbuffered channel here would only look
at each other. So who was told in vain stands there in earnest for a moment, with no
offer made.

Not done for channels of two other processes: neither of them could be asked to wait
for the other.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import anyio

from .. import _backends, _blocking_select, _select
from .._backends import _thread, uninterrupted
from .._waiter import Node, Waiter, bar, unbar
from ._protocol import BLOCKS, NOWAIT, SELECT, WITHDRAWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._cases import Case
    from .._chan import Chan
    from ._handles import Elsewhere

__all__ = ("Mixed",)

# Seconds to stand in earnest: some round trips.
_MOMENT: Final = 0.005


class _Told:
    """In place of a claim, which it never gives: tells that a peer came by."""

    __slots__ = ("tell",)

    def __init__(self, tell: Callable[[], object]) -> None:
        self.tell = tell

    def pop(self) -> None:
        self.tell()
        raise IndexError


class _Look:
    """The nodes in the queues of the channels here."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    @uninterrupted
    def begin(self, table: Sequence[Case], tell: Callable[[], object]) -> None:
        """Call ``tell`` as soon as a case may be ready, perhaps at once."""
        waiter, told = Waiter(), _Told(tell)
        for case in table:
            channel = case._target
            if channel is None:
                continue
            node = Node(waiter, None, 0)
            node.token = told  # type: ignore[assignment]  # as far as a queue knows it
            self.nodes.append(node)
            with channel._lock:
                bar(channel._key)
                queue = channel._senders if case._sends else channel._receivers
                if case._sends:
                    ready = (
                        channel._receivers.head is not None
                        or len(channel._buf) < channel._limit
                        or channel._closed
                        or channel._lossy is not None
                    )
                else:
                    ready = bool(
                        channel._buf
                        or channel._senders.head is not None
                        or channel._closed
                    )
                if not ready:
                    queue.push(node)
                unbar(channel._key)
            if ready:
                tell()
                return

    @uninterrupted
    def end(self) -> None:
        for node in self.nodes:
            queue = node.queue
            if queue is not None:
                with queue.lock:
                    bar(queue.key)
                    if node.queue is queue:
                        queue.remove(node)


class Mixed:
    """Another process and this one, as they do a select together."""

    __slots__ = ("other",)

    def __init__(self, other: Elsewhere) -> None:
        self.other = other

    async def select(self, table: Sequence[Case], biased: bool) -> Case:
        link = self.other.link
        here, there = _sides(table)
        in_vain = 0
        while True:
            for far, part in _runs(table, here, there, biased):
                if far:
                    packed = self.other.pack(part, biased)
                    answer = await link.asked(SELECT + NOWAIT, 0, packed)
                    if answer[0] != BLOCKS:
                        return self.other.finish(part, answer, part=True)
                elif (done := _poll(part, biased)) is not None:
                    return done
            if in_vain % 2:
                with anyio.move_on_after(_MOMENT):
                    own = _backends.async_waiter()
                    if (done := _enlist(here, biased, own)) is not None:
                        return done
                    await own.park()
                    return _finish(here, own)
            offer = self.other.pack(there, biased)
            waiter = _backends.async_waiter()
            look = _Look()
            try:
                number = link.ask(waiter, SELECT, 0, offer)
                look.begin(here, partial(link.withdraw, number))
                await waiter.park()
            except BaseException:
                link.abandon(waiter)
                raise
            finally:
                look.end()
            answer = link.answer_of(waiter)
            if answer[0] != WITHDRAWN:
                return self.other.finish(there, answer, part=True)
            # as in Link.asked(); but it may also be that a case here is ready
            await _backends.backend().yield_now()
            in_vain += 1

    def select_nowait(self, table: Sequence[Case], biased: bool) -> Case | None:
        here, there = _sides(table)
        for far, part in _runs(table, here, there, biased):
            if not far:
                done = _in_place(part, _blocking_select.at_once_or_not, part, biased)
            else:
                packed = self.other.pack(part, biased)
                answer = self.other.link.call(SELECT + NOWAIT, 0, packed)
                done = (
                    None
                    if answer[0] == BLOCKS
                    else self.other.finish(part, answer, part=True)
                )
            if done is not None:
                return done
        return None

    def blocking_select(
        self, table: Sequence[Case], biased: bool, timeout: float | None
    ) -> Case:
        link = self.other.link
        here, there = _sides(table)
        until = inf if timeout is None else monotonic() + timeout
        in_vain = 0
        while True:
            if (done := self.select_nowait(table, biased)) is not None:
                return done
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError(f"no case was ready within {timeout} seconds")
            if in_vain % 2:
                own = _thread.waiter()
                if (done := _enlist(here, biased, own)) is not None:
                    return done
                if own.park_thread(min(left, _MOMENT)):
                    return _finish(here, own)
            offer = self.other.pack(there, biased)
            waiter = _thread.waiter()
            look = _Look()
            try:
                number = link.ask(waiter, SELECT, 0, offer)
                look.begin(here, partial(link.withdraw, number))
                waiter.park_thread(None if left == inf else left)
            except BaseException:
                link.abandon(waiter)
                raise
            finally:
                look.end()
            answer = link.answer_of(waiter)
            if answer[0] != WITHDRAWN:
                return self.other.finish(there, answer, part=True)
            _thread.check_call("blocking_select(...)", "await select(...)", None)
            in_vain += 1


def _sides(table: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The cases whose channels are here, and those there."""
    sides: tuple[list[Case], list[Case]] = ([], [])
    for case in table:
        if case._target is not None:
            sides[case._target._elsewhere is not None].append(case)
    return sides


def _runs(
    table: Sequence[Case], here: list[Case], there: list[Case], biased: bool
) -> Sequence[tuple[bool, list[Case]]]:
    """In which order to try them: parts that are in one process, and whether there."""
    if not biased:
        runs = [(False, here), (True, there)]
        if _select.random() * (len(here) + len(there)) >= len(here):
            runs.reverse()
        return runs
    cases = [case for case in table if case._target is not None]
    return [
        (far, list(run)) for far, run in groupby(cases, lambda case: _far(case._target))
    ]


def _far(target: Chan[Any] | None) -> bool:
    return target is not None and target._elsewhere is not None


def _poll(part: Sequence[Case], biased: bool) -> Case | None:
    return _in_place(part, _select._poll, part, biased)


def _enlist(part: Sequence[Case], biased: bool, waiter: Waiter) -> Case | None:
    return _in_place(part, _select._enlist, part, biased, waiter)


def _in_place(
    part: Sequence[Case], attempt: Callable[..., Case | None], *args: Any
) -> Case | None:
    """Try a part of the cases; their ``index`` is that in the whole."""
    whole = [case.index for case in part]
    done = attempt(*args)
    if done is not None:
        done.index = whole[done.index]
    return done


def _finish(part: Sequence[Case], waiter: Waiter) -> Case:
    case = part[waiter.case]
    return _select._finish(case, case.index, waiter.value, waiter.ok)
