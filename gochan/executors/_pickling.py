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
    from collections.abc import Callable, Iterable, Sequence

    from ._holding import Holding

__all__ = (
    "LARGE",
    "NOTHING",
    "PLAIN",
    "Packed",
    "arriving",
    "is_small",
    "pack",
    "unpack",
)

# Smaller ones cost more as messages of their own than the copy that is saved.
_OUT_OF_BAND: Final = 1 << 14


# Larger values may not fit into the pipe at once.
LARGE: Final = 1 << 14

# A pickled value: the pickle; the buffers that it leaves out of band, which are the
# value's own memory; what it refers to that stays here, once for each time.
Packed: TypeAlias = "tuple[bytes, Sequence[memoryview], Sequence[Any]]"
NOTHING: Final[Packed] = b"", (), ()
# the types of values that have nothing in them
PLAIN: Final = frozenset((bytes, str, int, float, bool, type(None)))


class _Arriving(threading.local):
    # by which link the value comes that this thread unpickles
    link: Holding | None = None


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
    if type(value) in PLAIN:
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


def is_small(packed: Packed) -> bool:
    """Whether it is small, and all in one piece."""
    payload, buffers, things = packed
    return len(payload) <= LARGE and not buffers and not things


def unpack(
    payload: bytearray | memoryview, buffers: Sequence[bytearray], link: Holding
) -> Any:
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
    for where, part in _parts(value):
        # a cycle: that one is being looked into
        if any(part is outer for outer in above):
            continue
        try:
            pickle.dumps(part, 5)
        except Exception as reason:
            return _blame(part, path + where, reason, above)
    return path, error


def _parts(value: Any) -> list[tuple[str, object]]:
    """What a value is pickled from, each with how one gets at it."""
    if _is(value, dict):
        keys = [(f" key {key!r}", key) for key in value]
        return keys + [(f"[{key!r}]", part) for key, part in value.items()]
    if _is(value, tuple) and hasattr(value, "_fields"):
        return [(f".{name}", getattr(value, name)) for name in value._fields]
    if _is(value, list, tuple):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if _is(value, set, frozenset):
        return [(f" element {part!r}", part) for part in value]
    if _is(value, MethodType):
        return [(".__self__", value.__self__)]
    if _is(value, type):
        return []
    try:
        reduced: Any = value.__reduce_ex__(5)
    except Exception:
        # that it cannot be pickled is its own decision
        return []
    return _reduced(*reduced) if _is(reduced, tuple) else []


def _is(value: Any, *kinds: type) -> bool:
    # type checkers would know less of it after isinstance()
    return isinstance(value, kinds)


def _reduced(
    _: Any,
    args: tuple[Any, ...],
    state: Any = None,
    items: Iterable[Any] | None = None,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    *_more: Any,
) -> list[tuple[str, object]]:
    """The parts of what ``__reduce_ex__`` returns."""
    parts: list[tuple[str, object]] = []
    # attributes, and those in slots
    for attributes in state if _is(state, tuple) else (state,):
        if _is(attributes, dict):
            parts += [(f".{name}", part) for name, part in attributes.items()]
        elif attributes is not None:
            parts.append((".__getstate__()", attributes))
    # a class that cannot be found is best told by its instance
    parts += [
        (f".__reduce__()[1][{index}]", part)
        for index, part in enumerate(args)
        if not isinstance(part, type)
    ]
    parts += [(f"[{index}]", item) for index, item in enumerate(items or ())]
    parts += [(f"[{key!r}]", item) for key, item in pairs or ()]
    return parts
