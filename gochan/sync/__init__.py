"""Go's ``sync``: locks, wait groups, conditions; for coroutines and threads alike.

    from gochan import sync

    mu = sync.Mutex()
    async with mu: ...          # in coroutines
    with mu: ...                # on threads

One object serves goroutines on asyncio and trio, on several event loops, and plain
threads, at the same time. What may wait is awaited, and has a form for threads whose
name begins with ``blocking_``. Everything else is a plain call that never waits.

Where things are; each module imports only what stands below it:

    _once        Once, once_func, once_value, once_values
    _call        one execution that several parties wait for
    _cond        Cond                       _waitgroup  WaitGroup
    _mutex       Mutex                      _rwmutex    RWMutex, RLocker
    _locker      what locks have in common
    _map         Map                        _pool       Pool
    _errors      what misuse raises
"""

from __future__ import annotations

from ._cond import Cond
from ._errors import CondCopied, NegativeCounter, UnlockOfUnlocked, WaitGroupReused
from ._locker import Locker
from ._map import Map
from ._mutex import Mutex
from ._once import Once, OnceFunction, once_func, once_value, once_values
from ._pool import Pool
from ._rwmutex import RLocker, RWMutex
from ._waitgroup import WaitGroup

__all__ = (
    "Cond",
    "CondCopied",
    "Locker",
    "Map",
    "Mutex",
    "NegativeCounter",
    "Once",
    "OnceFunction",
    "Pool",
    "RLocker",
    "RWMutex",
    "UnlockOfUnlocked",
    "WaitGroup",
    "WaitGroupReused",
    "once_func",
    "once_value",
    "once_values",
)


# Reports, pickles and the documentation name things by where users import them.
def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = __name__


_rename()
del _rename
