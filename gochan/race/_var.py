"""A variable that the race detector watches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from . import _active
from ._shadow import Shadow, first

if TYPE_CHECKING:
    from ._detector import Detector

__all__ = ("Var",)

T = TypeVar("T")


@final
class Var(Generic[T]):
    """A variable that goroutines and threads share.

    Reading and writing it synchronises nothing. While a race detector is active it
    is told of both; while there is none, ``load``, ``store`` and ``value`` cost what
    a plain method and a plain attribute cost.

    Args:
        value: what it holds at first.
        name: for reports; where it is accessed if not given.
    """

    __slots__ = ("__weakref__", "_shadow", "_value", "name")

    def __init__(self, value: T, /, *, name: str | None = None) -> None:
        self._value = value
        self.name: str | None = name
        self._shadow: Shadow | None = None

    def load(self) -> T:
        """Read it."""
        return self._value

    def store(self, value: T, /) -> None:
        """Write it."""
        self._value = value

    if TYPE_CHECKING:

        @property
        def value(self) -> T:
            """Read or write it."""
            ...

        @value.setter
        def value(self, value: T) -> None: ...

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name is not None else ""
        return f"<race.Var {name}{self._value!r}>"


def _shadow(var: Var[Any], seen: Detector) -> Shadow:
    shadow = var._shadow
    if shadow is None or shadow.owner is not seen:
        name = "a Var" if var.name is None else f"Var {var.name!r}"
        made = Shadow(seen, name)
        with first:
            # two may be the first at the same time, and they are who races
            shadow = var._shadow
            if shadow is None or shadow.owner is not seen:
                shadow = var._shadow = made
    return shadow


def _watched_load(var: Var[T]) -> T:
    if (seen := _active.detector) is not None:
        seen._read_variable(_shadow(var, seen), sys._getframe(1))
    return var._value


def _watched_store(var: Var[T], value: T, /) -> None:
    if (seen := _active.detector) is not None:
        seen._write_variable(_shadow(var, seen), sys._getframe(1))
    var._value = value


# The methods are exchanged when a detector comes and goes, so that nothing is asked
# while there is none.
_PLAIN: dict[str, Any] = {
    "load": vars(Var)["load"],
    "store": vars(Var)["store"],
    "value": vars(Var)["_value"],
}
_WATCHED: dict[str, Any] = {
    "load": _watched_load,
    "store": _watched_store,
    "value": property(_watched_load, _watched_store),
}


def _change(on: bool) -> None:
    for name, method in (_WATCHED if on else _PLAIN).items():
        setattr(Var, name, method)


_change(False)
_active.on_change.append(_change)
