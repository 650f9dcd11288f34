"""A class decorator: the race detector watches the attributes of its instances."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from . import _active
from ._places import read_attribute, write_attribute

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("watch",)

C = TypeVar("C", bound=type)

_METHODS = ("__getattribute__", "__setattr__", "__delattr__")

# the classes, and what they define themselves of those methods
_watched: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()


def watch(cls: C, /) -> C:
    """Let the race detector watch the attributes of a class's instances.

    Every attribute counts, whatever it is called and wherever it is set; methods and
    properties do not, what they read and write does. Class attributes are watched
    where they are read through an instance. Works with dataclasses, ``__slots__``
    and subclasses. While no detector is active the class is as it was.

        @race.watch
        class Counter:
            def __init__(self) -> None:
                self.value = 0

    Raises:
        TypeError: it is not a class.
    """
    if not isinstance(cls, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"race.watch decorates a class, not {cls!r}: for a single variable "
            "write race.Var(value)"
        )
    if cls not in _watched:
        own = vars(cls)
        _watched[cls] = {name: own[name] for name in _METHODS if name in own}
        if _active.within:
            _replace(cls)
    return cls


def _replace(cls: type) -> None:
    """Put watched methods in place of its own or inherited ones."""
    its: Any = cls
    get: Callable[[Any, str], Any] = its.__getattribute__
    set_: Callable[[Any, str, Any], None] = its.__setattr__
    delete: Callable[[Any, str], None] = its.__delattr__

    def __getattribute__(self: Any, name: str) -> Any:  # noqa: N807
        if name[:2] != "__":
            read_attribute(self, name, sys._getframe(1))
        return get(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        write_attribute(self, name, sys._getframe(1))
        set_(self, name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        write_attribute(self, name, sys._getframe(1))
        delete(self, name)

    for method in (__getattribute__, __setattr__, __delattr__):
        setattr(cls, method.__name__, method)


def _restore(cls: type, own: dict[str, Any]) -> None:
    for name in _METHODS:
        if name in own:
            setattr(cls, name, own[name])
        else:
            delattr(cls, name)


def _change(on: bool) -> None:
    for cls, own in list(_watched.items()):
        if on:
            _replace(cls)
        else:
            _restore(cls, own)


_active.on_change.append(_change)
