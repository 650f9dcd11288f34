"""Shadows of attributes, items, globals and closure variables.

An attribute is an object and a name: the object on which the value is found, a class
for a class attribute even if it is read through an instance. Methods, properties and
other descriptors are no variables; what a property reads and writes are. An item is
an object and an index.

Shadows are kept by the object's id, until a weak reference says that it is gone. Some
objects allow none (lists, dicts, instances of slotted classes). Those are kept alive
for a while, and let go once nothing else refers to them; see ``_sweep``.
"""

from __future__ import annotations

import sys
from _thread import RLock
from types import MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any
from weakref import ref

from . import _active
from ._shadow import Shadow, first

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import FrameType

    from ._detector import Detector

__all__ = (
    "CELL",
    "Cell",
    "Places",
    "class_of",
    "read_attribute",
    "read_cell",
    "read_item",
    "write_attribute",
    "write_cell",
    "write_item",
)

# how many objects without weak references are kept before a look at who needs them,
# and how many items of one object are told apart
KEPT = 1024
ITEMS = 16384

# the name under which a module keeps the cell of its global variable
CELL = "_gochan_race_"

# what cannot be changed has no races
_CONSTANT = (str, bytes, tuple, frozenset, range, int, float, complex, super)
# an index of these is equal to another one exactly if they stand for the same item
_PLAIN = (str, int, float, bool, bytes, type(None))

# of any type, and nothing for type checkers to infer
_LIST: type[Any] = list
_TUPLE: type[Any] = tuple
class_of: Callable[[Any], type[Any]] = type

# what a class makes of an attribute of its instances: a slot; something that decides
# by itself, such as a property; a method; or nothing in particular
_SLOT, _PROPERTY, _METHOD, _ORDINARY = range(4)


class Cell:
    """Stands for a global or closure variable of rewritten code."""

    __slots__ = ("__weakref__", "name", "shadow")

    def __init__(self, name: str) -> None:
        self.name = name
        self.shadow: Shadow | None = None


class Places:
    """The shadows of one detector."""

    def __init__(self, owner: Detector) -> None:
        self._owner = owner
        # as the detector's
        self._lock = RLock()
        self._weak: dict[int, tuple[Any, dict[Hashable, Shadow]]] = {}
        self._kept: dict[int, tuple[Any, dict[Hashable, Shadow]]] = {}
        self._most = KEPT
        self._kinds: dict[tuple[type, str], int] = {}

    def attribute(self, thing: Any, name: str) -> Shadow:
        """The shadow of an attribute found on ``thing``."""
        number = id(thing)
        entry = self._weak.get(number) or self._kept.get(number)
        shadows = self._new(thing) if entry is None else entry[1]
        shadow = shadows.get(name)
        if shadow is None:
            kind: Any = thing if isinstance(thing, type) else type(thing)
            what = f"{kind.__qualname__}.{name}"
            if isinstance(thing, ModuleType):
                cell = vars(thing).get(CELL + name)
                if isinstance(cell, Cell):
                    # the module itself is rewritten: the same variable
                    return self.cell(cell)
                what = f"{thing.__name__}.{name}"
            shadow = shadows.setdefault(name, Shadow(self._owner, what))
        return shadow

    def item(self, thing: Any, index: Any) -> Shadow | None:
        """The shadow of ``thing[index]``; None if nobody knows which item that is."""
        if type(index) is int:
            if index < 0 and isinstance(thing, _LIST):
                index += len(thing)
        elif isinstance(index, _TUPLE):
            if not all(type(part) in _PLAIN for part in index):
                return None
        elif class_of(index) not in _PLAIN and _equals(class_of(index)):
            return None
        number = id(thing)
        entry = self._weak.get(number) or self._kept.get(number)
        shadows = self._new(thing) if entry is None else entry[1]
        # not as the attribute of that name
        key = (index,)
        shadow = shadows.get(key)
        if shadow is None:
            if len(shadows) >= ITEMS:
                with self._lock:
                    for old in list(shadows)[: ITEMS // 2]:
                        shadows.pop(old, None)
            what = f"item [{index!r}] of a {type(thing).__qualname__}"
            shadow = shadows.setdefault(key, Shadow(self._owner, what))
        return shadow

    def cell(self, cell: Cell) -> Shadow:
        """The shadow of a global or closure variable."""
        shadow = cell.shadow
        if shadow is None or shadow.owner is not self._owner:
            made = Shadow(self._owner, cell.name)
            with first:
                # as for a Var
                shadow = cell.shadow
                if shadow is None or shadow.owner is not self._owner:
                    shadow = cell.shadow = made
        return shadow

    def clear(self) -> None:
        self._weak.clear()
        self._kept.clear()
        self._kinds.clear()

    def _new(self, thing: Any) -> dict[Hashable, Shadow]:
        number, weak = id(thing), self._weak
        shadows: dict[Hashable, Shadow] = {}

        def gone(_: object) -> None:
            weak.pop(number, None)

        with self._lock:
            try:
                return weak.setdefault(number, (ref(thing, gone), shadows))[1]
            except TypeError:
                if len(self._kept) >= self._most:
                    self._sweep()
                return self._kept.setdefault(number, (thing, shadows))[1]

    def _sweep(self) -> None:
        """Let go what nobody else refers to, and if that is little, the oldest half.

        To forget an object that is in use can hide a race on it. To keep all of them
        would keep the program's garbage.
        """
        for number, entry in list(self._kept.items()):
            # the entry's, and the argument's
            if sys.getrefcount(entry[0]) <= 2:  # noqa: PLR2004
                del self._kept[number]
        if len(self._kept) > self._most // 2:
            for number in list(self._kept)[: self._most // 2]:
                del self._kept[number]

    def kind(self, of: type, name: str) -> int:
        """What the class makes of an attribute of its instances."""
        kind = self._kinds.get((of, name))
        if kind is None:
            found = _lookup(of, name)
            if isinstance(found, MemberDescriptorType):
                kind = _SLOT
            elif hasattr(class_of(found), "__set__"):
                kind = _PROPERTY
            elif hasattr(class_of(found), "__get__"):
                kind = _METHOD
            else:
                kind = _ORDINARY
            self._kinds[of, name] = kind
        return kind


def _lookup(kind: type, name: str) -> Any:
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None


def _equals(kind: type) -> bool:
    """Whether its instances may be equal to others."""
    return _lookup(kind, "__eq__") is not vars(object)["__eq__"]


def _on_class(kind: type, name: str) -> type | None:
    """The class that has the class attribute, if it is a variable."""
    for base in kind.__mro__:
        if name in vars(base):
            value = vars(base)[name]
            return None if hasattr(class_of(value), "__get__") else base
    return None


def _home(seen: Detector, thing: Any, name: str) -> Any:
    """On which object an attribute is found; None if it is no variable."""
    if isinstance(thing, ModuleType):
        return thing if name in vars(thing) else None
    if isinstance(thing, type):
        return _on_class(thing, name)
    if isinstance(thing, _CONSTANT):
        return None
    kind = seen._places.kind(class_of(thing), name)
    if kind == _SLOT:
        return thing
    if kind == _PROPERTY:
        return None
    try:
        if name in object.__getattribute__(thing, "__dict__"):
            return thing
    except AttributeError:
        pass
    return None if kind == _METHOD else _on_class(class_of(thing), name)


def read_attribute(thing: Any, name: str, frame: FrameType) -> None:
    """``thing.name`` is about to be read."""
    seen = _active.detector
    if seen is not None and (home := _home(seen, thing, name)) is not None:
        seen._read_variable(seen._places.attribute(home, name), frame)


def write_attribute(thing: Any, name: str, frame: FrameType) -> None:
    """``thing.name`` is about to be written or deleted."""
    seen = _active.detector
    if seen is None or isinstance(thing, _CONSTANT):
        return
    if (
        isinstance(thing, (ModuleType, type))
        or seen._places.kind(class_of(thing), name) != _PROPERTY
    ):
        seen._write_variable(seen._places.attribute(thing, name), frame)


def read_item(thing: Any, index: Any, frame: FrameType) -> None:
    """``thing[index]`` is about to be read."""
    seen = _active.detector
    if seen is None or isinstance(thing, (type, *_CONSTANT)):
        return
    shadow = seen._places.item(thing, index)
    if shadow is not None:
        seen._read_variable(shadow, frame)


def write_item(thing: Any, index: Any, frame: FrameType) -> None:
    """``thing[index]`` is about to be written or deleted."""
    seen = _active.detector
    if seen is not None:
        shadow = seen._places.item(thing, index)
        if shadow is not None:
            seen._write_variable(shadow, frame)


def read_cell(cell: Cell, frame: FrameType) -> None:
    """A global or closure variable is read."""
    seen = _active.detector
    if seen is not None:
        seen._read_variable(seen._places.cell(cell), frame)


def write_cell(cell: Cell, frame: FrameType) -> None:
    """A global or closure variable is written or deleted."""
    seen = _active.detector
    if seen is not None:
        seen._write_variable(seen._places.cell(cell), frame)
