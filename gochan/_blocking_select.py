"""Select's faces that are no coroutines: for threads, and the one that never waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, overload

from ._backends import _thread
from ._parked import parks
from ._select import Lent, _enlist, _finish, _poll
from ._table import C1, C2, C3, C4, C5, elsewhere, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._cases import Case, Selectable

__all__ = ("at_once_or_not", "blocking_select", "select_nowait")


@overload
def select_nowait(case: Selectable[C1], /, *, biased: bool = False) -> C1 | None: ...
@overload
def select_nowait(
    case: Selectable[C1], case2: Selectable[C2], /, *, biased: bool = False
) -> C1 | C2 | None: ...
@overload
def select_nowait(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    /,
    *,
    biased: bool = False,
) -> C1 | C2 | C3 | None: ...
@overload
def select_nowait(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    case4: Selectable[C4],
    /,
    *,
    biased: bool = False,
) -> C1 | C2 | C3 | C4 | None: ...
@overload
def select_nowait(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    case4: Selectable[C4],
    case5: Selectable[C5],
    /,
    *,
    biased: bool = False,
) -> C1 | C2 | C3 | C4 | C5 | None: ...
@overload
def select_nowait(*cases: Selectable[C1] | None, biased: bool = False) -> C1 | None: ...
def select_nowait(*cases: Selectable[Case] | None, biased: bool = False) -> Case | None:
    """Go's select with ``default``: the case that was done, or None if none is ready.

    All channels are looked at in one instant. Never blocks; from any thread.

    Raises:
        SendOnClosed: a send on a closed channel was chosen.
        TypeError: an argument cannot be selected on.
        ValueError: the channels are in more than one other process.
    """
    table = table_of(cases)
    if (other := elsewhere(table)) is not None:
        return cast("Case | None", other.select_nowait(table, biased))
    return at_once_or_not(table, biased)


@overload
def blocking_select(
    case: Selectable[C1], /, *, biased: bool = False, timeout: float | None = None
) -> C1: ...
@overload
def blocking_select(
    case: Selectable[C1],
    case2: Selectable[C2],
    /,
    *,
    biased: bool = False,
    timeout: float | None = None,
) -> C1 | C2: ...
@overload
def blocking_select(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    /,
    *,
    biased: bool = False,
    timeout: float | None = None,
) -> C1 | C2 | C3: ...
@overload
def blocking_select(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    case4: Selectable[C4],
    /,
    *,
    biased: bool = False,
    timeout: float | None = None,
) -> C1 | C2 | C3 | C4: ...
@overload
def blocking_select(
    case: Selectable[C1],
    case2: Selectable[C2],
    case3: Selectable[C3],
    case4: Selectable[C4],
    case5: Selectable[C5],
    /,
    *,
    biased: bool = False,
    timeout: float | None = None,
) -> C1 | C2 | C3 | C4 | C5: ...
@overload
def blocking_select(
    *cases: Selectable[C1] | None, biased: bool = False, timeout: float | None = None
) -> C1: ...
@parks("select")
def blocking_select(
    *cases: Selectable[Case] | None, biased: bool = False, timeout: float | None = None
) -> Case:
    """:func:`select` for threads.

    Args:
        cases: what to wait for.
        biased: take the first ready case in order, instead of any at random.
        timeout: seconds; 0 means one look, None for ever.

    Raises:
        SendOnClosed: a send on a closed channel was chosen.
        TimeoutError: no case was ready in time; nothing has changed.
        TypeError: an argument cannot be selected on.
        ValueError: ``timeout`` is negative, or the channels are in more than one
            other process.
        RuntimeError: this thread runs an event loop: write ``await select(...)``.
    """
    _thread.check_call("blocking_select(...)", "await select(...)", timeout)
    table = table_of(cases)
    if (other := elsewhere(table)) is not None:
        return cast("Case", other.blocking_select(table, biased, timeout))
    chosen = at_once_or_not(table, biased) if timeout == 0 else _poll(table, biased)
    if chosen is not None:
        return chosen
    waiter = _thread.waiter()
    try:
        if (chosen := _enlist(table, biased, waiter)) is not None:
            return chosen
        if not waiter.park_thread(timeout):
            raise TimeoutError(f"no case was ready within {timeout} seconds")
    except KeyboardInterrupt:
        # perhaps between queueing and parking
        waiter.withdraw()
        raise
    return _finish(table[waiter.case], waiter.case, waiter.value, waiter.ok)


def at_once_or_not(table: Sequence[Case], biased: bool) -> Case | None:
    """A whole select with a default. It may still wait for what is lent."""
    while True:
        try:
            return _poll(table, biased) or _enlist(table, biased, None)
        except Lent as lent:
            if not lent.values.come_home():
                return None
