"""Ctrl-C on the main thread, wherever it may come.

In blocking calls, and in those that are awaited: the first Ctrl-C that an asyncio loop
gets cancels its main task, but the second is raised wherever the program is.

A signal handler raises after any call. By then the operation may have happened, which
cannot be undone. But no lock may be left taken, nor anybody queued who is not there.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from gochan import (
    Chan,
    _budget,
    blocking_select,
    recv,
    select,
    select_nowait,
    send,
)
from support.interrupts import interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def step(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run it to where it would wait: there is no loop in which it could."""
    _budget.budget.left = _budget.OPERATIONS
    try:
        with contextlib.suppress(StopIteration, RuntimeError):
            coroutine.send(None)
    finally:
        coroutine.close()


# each gets an empty channel and a full one
OPERATIONS: dict[str, Callable[[Chan[int], Chan[int]], object]] = {
    "send": lambda a, _: a.blocking_send(2),
    "send that waits": lambda _, b: b.blocking_send(2, timeout=0),
    "recv": lambda _, b: b.blocking_recv(),
    "recv that waits": lambda a, _: a.blocking_recv(timeout=0),
    "recv_ok that waits": lambda a, _: a.blocking_recv_ok(timeout=0),
    "send_nowait": lambda a, _: a.send_nowait(2),
    "send_nowait that fails": lambda _, b: b.send_nowait(2),
    "recv_nowait": lambda _, b: b.recv_nowait(),
    "recv_nowait that fails": lambda a, _: a.recv_nowait(),
    "close": lambda a, _: a.close(),
    "stats": lambda _, b: b.stats(),
    "select": lambda a, b: blocking_select(recv(a), recv(b), send(b, 3)),
    "select that waits": lambda a, b: blocking_select(recv(a), send(b, 3), timeout=0),
    "select that waits twice": lambda a, b: blocking_select(
        recv(a), recv(a), send(b, 3), timeout=0
    ),
    "await send": lambda a, _: step(a.send(2)),
    "await send that waits": lambda _, b: step(b.send(2)),
    "await recv": lambda _, b: step(b.recv()),
    "await recv that waits": lambda a, _: step(a.recv()),
    "await recv_ok": lambda _, b: step(b.recv_ok()),
    "await recv_ok that waits": lambda a, _: step(a.recv_ok()),
    "await select": lambda _, b: step(select(recv(b), recv(b))),
    "await select that sends": lambda a, _: step(select(send(a, 1), send(a, 2))),
    "await select of two": lambda a, b: step(select(recv(a), recv(b))),
    "await select that waits": lambda a, b: step(select(recv(a), send(b, 2))),
    "select_nowait": lambda a, b: select_nowait(recv(a), recv(b)),
    "select_nowait that fails": lambda a, b: select_nowait(recv(a), send(b, 3)),
}


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_nothing_stays_locked_and_nobody_queued(operation: str) -> None:
    operate = OPERATIONS[operation]
    places = 0
    where = "the start"
    while where:
        empty, full = Chan[int](1), Chan[int](1)
        full.send_nowait(1)
        where = interrupt(
            lambda empty=empty, full=full: operate(empty, full),  # type: ignore[misc]
            places,
        )
        for ch in (empty, full):
            assert not ch._lock.locked(), where
            assert len(ch._key) == 2, where
            ch._check()
            stats = ch.stats()
            assert stats.waiting_senders == stats.waiting_receivers == 0, where
        places += 1
    # it was interrupted at all
    assert places > 2
