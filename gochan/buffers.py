"""Buffers that never make a sender wait.

Pass one to ``Chan(buffer=...)``. A buffer object is a description: two channels
made with the same one share nothing.
"""

from __future__ import annotations

from typing import Generic, TypeVar, final

__all__ = ("Buffer", "Dropping", "Sliding", "Unbounded")

T = TypeVar("T")


def check_size(size: object, what: str, least: int, form: str = "") -> int:
    """``size`` as an int of at least ``least``; ``form`` tells what to write.

    Raises:
        TypeError: it is not an int (a bool is not one here).
        ValueError: it is too small.
    """
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"{what} must be an int, not {type(size).__name__}{form}")
    if size < least:
        raise ValueError(f"{what} must be at least {least}, not {size}")
    return size


class Buffer(Generic[T]):
    """The base of the buffers below; not to be subclassed elsewhere.

    Attributes:
        cap: how many values it holds; None if there is no bound.
    """

    __slots__ = ("cap",)

    cap: int | None

    def __repr__(self) -> str:
        size = "" if self.cap is None else self.cap
        return f"{type(self).__name__}({size})"


@final
class Dropping(Buffer[T]):
    """Holds ``n`` values; while it is full, a value that is sent is dropped.

    Source: ``dropping-buffer`` of Clojure's core.async.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1.
    """

    __slots__ = ()

    def __init__(self, n: int) -> None:
        self.cap: int | None = check_size(n, "the size of Dropping", 1)


@final
class Sliding(Buffer[T]):
    """Holds the last ``n`` values: while it is full, a send drops the oldest.

    Source: ``sliding-buffer`` of Clojure's core.async.

    Raises:
        TypeError: ``n`` is not an int.
        ValueError: ``n`` is less than 1.
    """

    __slots__ = ()

    def __init__(self, n: int) -> None:
        self.cap: int | None = check_size(n, "the size of Sliding", 1)


@final
class Unbounded(Buffer[T]):
    """Holds any number of values.

    It hides a consumer that is too slow until memory runs out: prefer a bound.
    """

    __slots__ = ()

    def __init__(self) -> None:
        self.cap: int | None = None
