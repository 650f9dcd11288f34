"""What rewritten code calls; see ``_rewrite``. Each returns what its first argument is.

One call for one access, and next to nothing while no detector is active.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import _instrument
from . import _active, _places
from ._foreign import LOCKS, Locked
from ._places import Cell

__all__ = ()

getframe = sys._getframe


class _Imports:
    """The import lock, as an address."""


_imports = _Imports()


def new_cell(name: str) -> Cell:
    return Cell(name)


def read_attribute(thing: Any, name: str) -> Any:
    """Returns it; a lock as one that tells what it orders."""
    if _active.detector is not None:
        if type(thing) in LOCKS and name in ("acquire", "release"):
            return Locked(thing)
        _places.read_attribute(thing, name, getframe(1))
    return thing


def enter(manager: Any) -> Any:
    """What a ``with`` statement is given."""
    if _active.detector is not None and type(manager) in LOCKS:
        return Locked(manager)
    return manager


def write_attribute(thing: Any, name: str) -> Any:
    if _active.detector is not None:
        _places.write_attribute(thing, name, getframe(1))
    return thing


def then_write_attribute(value: Any, thing: Any, name: str) -> Any:
    if _active.detector is not None:
        _places.write_attribute(thing, name, getframe(1))
    return value


def read_item(thing: Any, index: Any) -> Any:
    """``thing[index]`` itself."""
    if _active.detector is not None:
        _places.read_item(thing, index, getframe(1))
    return thing[index]


def use_item(thing: Any, index: Any) -> Any:
    """Returns the index, with which the item is about to be read."""
    if _active.detector is not None:
        _places.read_item(thing, index, getframe(1))
    return index


def write_item(thing: Any, index: Any) -> Any:
    """Returns the index."""
    if _active.detector is not None:
        _places.write_item(thing, index, getframe(1))
    return index


def then_write_item(value: Any, thing: Any, index: Any) -> Any:
    if _active.detector is not None:
        _places.write_item(thing, index, getframe(1))
    return value


def read_name(value: Any, cell: Cell) -> Any:
    if _active.detector is not None:
        _places.read_cell(cell, getframe(1))
    return value


def use_name(cell: Cell) -> None:
    """It is about to be read."""
    if _active.detector is not None:
        _places.read_cell(cell, getframe(1))


def write_name(cell: Cell) -> None:
    """It has been written."""
    if _active.detector is not None:
        _places.write_cell(cell, getframe(1))


def wrote_name(value: Any, cell: Cell) -> Any:
    if _active.detector is not None:
        _places.write_cell(cell, getframe(1))
    return value


def imports_end() -> None:
    """A module has been imported: what it did comes before every later import."""
    if (seen := _instrument.active) is not None:
        seen.release_merge(_instrument.current_party(), _imports)


def imported() -> None:
    """An import statement in a function has been done."""
    if (seen := _instrument.active) is not None:
        seen.acquire(_instrument.current_party(), _imports)
