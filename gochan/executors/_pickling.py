"""Values on their way to another process, and what in them stays here.

Protocol 5, large buffers out of band. A channel in a value, at any depth, is pickled
as what its handle is made from: see ``_handles``. That works while ``pack`` runs, on
its thread; the receiving side makes the handle while ``unpack`` runs.
"""

from __future__ import annotations

import pickle
import threading
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._crossing import passing
from ._wire import MOST_BUFFERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._link import Link

__all__ = ("NOTHING", "Packed", "arriving", "pack", "unpack")

# Smaller ones cost more as messages of their own than the copy that is saved.
_OUT_OF_BAND: Final = 1 << 14


# A pickled value: the pickle; the buffers that it leaves out of band, which are the
# value's own memory; what it refers to that stays here, once for each time.
Packed: TypeAlias = "tuple[bytes, Sequence[memoryview], Sequence[Any]]"
NOTHING: Final[Packed] = b"", (), ()
# the types of values that have nothing in them
_PLAIN: Final = frozenset((bytes, str, int, float, bool, type(None)))


class _Arriving(threading.local):
    # by which link the value comes that this thread unpickles
    link: Link | None = None


arriving = _Arriving()


def pack(
    value: object,
    name: str,
    as_handle: Callable[[Any], tuple[Any, ...]],
) -> Packed:
    """Pickle ``value`` for another process.

    Args:
        value: what is to be sent.
        name: what to call it in errors.
        as_handle: what stands for a thing that stays here; as ``__reduce__``.

    Raises:
        TypeError: it cannot be pickled; says which part of it.
    """
    if type(value) in _PLAIN:
        return pickle.dumps(value, 5), (), ()
    things: list[Any] = []
    buffers: list[memoryview] = []

    def handle(thing: Any) -> tuple[Any, ...]:
        things.append(thing)
        return as_handle(thing)

    def in_band(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _OUT_OF_BAND or len(buffers) == MOST_BUFFERS:
            return True
        buffers.append(raw)
        return False

    before = passing.as_handle
    passing.as_handle = handle
    try:
        payload = pickle.dumps(value, 5, buffer_callback=in_band)
    except Exception as error:
        path, reason = _blame(value, name, error, [])
        raise TypeError(f"{path.lstrip('.')}: {reason}") from error
    finally:
        passing.as_handle = before
    return payload, buffers, things


def unpack(payload: memoryview, buffers: Sequence[bytearray], link: Link) -> Any:
    """The value that has come by ``link``. Raises whatever its unpickling raises."""
    before = arriving.link
    arriving.link = link
    try:
        return pickle.loads(payload, buffers=buffers)  # noqa: S301  # from our own
    finally:
        arriving.link = before


def _blame(
    value: object, path: str, error: Exception, above: list[object]
) -> tuple[str, Exception]:
    """Which part cannot be pickled, by its path, and why: the innermost one."""
    above = [*above, value]
    try:
        for where, part in _parts(value):
            # a cycle: that one is being looked into
            if not any(part is outer for outer in above):
                try:
                    pickle.dumps(part, 5)
                except Exception as reason:
                    return _blame(part, path + where, reason, above)
    except Exception:  # noqa: S110  # what is raised is looked at below
        # its own __reduce__ raises: that is the reason
        pass
    return path, error


def _parts(value: Any) -> Iterator[tuple[str, object]]:
    """What a value is pickled from, each with how one gets at it."""
    if isinstance(value, dict):
        for key, part in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield f"[{key!r}]", part
            yield f" key {key!r}", key
    elif isinstance(value, tuple) and hasattr(value, "_fields"):  # pyright: ignore[reportUnknownArgumentType]
        named: Any = value  # pyright: ignore[reportUnknownVariableType]
        for name in named._fields:
            yield f".{name}", getattr(named, name)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            yield f"[{index}]", part
    elif isinstance(value, set | frozenset):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            yield f" element {part!r}", part
    elif isinstance(value, MethodType):
        yield ".__self__", value.__self__
    elif not isinstance(value, type):
        reduced = value.__reduce_ex__(5)
        if isinstance(reduced, tuple):
            yield from _state(reduced)  # pyright: ignore[reportUnknownArgumentType]


def _state(reduced: Any) -> Iterator[tuple[str, object]]:
    state = reduced[2] if len(reduced) > 2 else None
    # attributes, and those in slots
    for attributes in state if isinstance(state, tuple) else (state,):  # pyright: ignore[reportUnknownVariableType]
        if isinstance(attributes, dict):
            for name, part in attributes.items():  # pyright: ignore[reportUnknownVariableType]
                yield f".{name}", part
        elif attributes is not None:
            yield ".__getstate__()", attributes
    for index, part in enumerate(reduced[1]):
        # a class that cannot be found is best told by its instance
        if not isinstance(part, type):
            yield f".__reduce__()[1][{index}]", part
    for index, item in enumerate(reduced[3] or () if len(reduced) > 3 else ()):
        yield f"[{index}]", item
    for key, item in (reduced[4] or ()) if len(reduced) > 4 else ():
        yield f"[{key!r}]", item
