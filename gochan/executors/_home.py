"""What this process is home to, and what it has handles to: names for both.

A thing has a number in its home, and a home has a random name, so that whatever way
a handle takes, it is found to be the one that is there already, or the thing itself
when it comes back.
"""

from __future__ import annotations

import itertools
import os
from _thread import allocate_lock
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ._pickling import arriving

__all__ = ("arrive", "as_handle", "known", "number_of", "remember", "was_forked")


class _Home:
    def __init__(self) -> None:
        self.lock = allocate_lock()
        # as one of its parent's threads was, whose loop may have been running
        self.forked = False
        self.name = os.urandom(12)
        self.next = itertools.count(1)
        # of things that were made here, and of handles that were passed on
        self.numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        # by home and number there: what was made here, and handles
        self.things: WeakValueDictionary[tuple[bytes, int], Any] = WeakValueDictionary()


_here = _Home()


def _forked() -> None:
    # what the child makes is its own
    global _here
    _here = _Home()
    _here.forked = True


os.register_at_fork(after_in_child=_forked)


def was_forked() -> bool:
    """Whether this process is a copy of one that used gochan."""
    return _here.forked


def number_of(thing: Any) -> int:
    """By what number others know a thing, or a handle, through this process."""
    here = _here
    with here.lock:
        number = here.numbers.get(thing)
        if number is None:
            number = here.numbers[thing] = next(here.next)
            if origin(thing) is None:
                here.things[here.name, number] = thing
        return number


def origin(thing: Any) -> tuple[bytes, int] | None:
    """Of a handle: the name of its home, and its number there."""
    found: tuple[bytes, int] | None = getattr(thing, "_origin", None)
    return found


def as_handle(thing: Any) -> tuple[Any, ...]:
    """What stands for ``thing`` in a pickle: a call of :func:`arrive`.

    Raises:
        TypeError: there are no handles to things of its kind.
    """
    from ._handles import handle_of

    make, *state = handle_of(thing)
    via = number_of(thing)
    home, number = origin(thing) or (_here.name, via)
    return arrive, (home, number, via, make, tuple(state))


def arrive(
    home: bytes, number: int, via: int, make: Any, state: tuple[Any, ...]
) -> Any:
    """Unpickle what :func:`as_handle` has made."""
    link = arriving.link
    if link is None:
        raise TypeError("a channel can be unpickled only where it was sent to")
    return link.arrived(home, number, via, make, state)


def known(home: bytes, number: int) -> Any:
    """The thing if it was made here, or the handle that is here already, or None."""
    return _here.things.get((home, number))


def remember(home: bytes, number: int, handle: Any) -> None:
    """This is the handle for it from now on."""
    _here.things[home, number] = handle
