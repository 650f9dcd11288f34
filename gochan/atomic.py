"""Go's ``sync/atomic``: values that are read and changed in one step.

A read is one look at an attribute, which is atomic by itself. What changes a value
holds a lock, so that nothing comes between its look and its change. All operations
of all threads happen in one order.

While an instrument is installed reads hold the lock, too, so that it sees them in
their real order. An operation that sees what another one did comes after it.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, final

from . import _instrument
from ._backends import uninterrupted
from ._errors import Panic

if TYPE_CHECKING:
    from threading import Lock

__all__ = ("Bool", "Int", "InvalidValue", "Pointer", "Value")

T = TypeVar("T")


class InvalidValue(Panic):
    """A ``Value`` was given None, or a value of another type than it holds."""

    def __init__(
        self, text: str = "sync/atomic: store of nil value into Value"
    ) -> None:
        super().__init__(text)


class _Atomic:
    """What all of them are: a value and a lock for those who change it."""

    __slots__ = ("__weakref__", "_lock", "_value")

    _value: Any

    def __init__(self, value: Any) -> None:
        self._lock: Lock = allocate_lock()
        self._value = value

    @uninterrupted
    def _load(self) -> Any:
        if _instrument.active is None:
            return self._value
        with self._lock:
            self._observe()
            return self._value

    @uninterrupted
    def _store(self, value: Any) -> None:
        with self._lock:
            if (seen := _instrument.active) is not None:
                seen.release(_instrument.current_party(), self)
            self._value = value

    @uninterrupted
    def _swap(self, value: Any) -> Any:
        with self._lock:
            before = self._value
            self._change(value)
            return before

    # With the lock held

    def _observe(self) -> None:
        """What came before the change that is seen comes before this."""
        if (seen := _instrument.active) is not None:
            seen.acquire(_instrument.current_party(), self)

    def _change(self, value: Any) -> None:
        """Set what has been looked at: a read and a write."""
        if (seen := _instrument.active) is not None:
            party = _instrument.current_party()
            seen.acquire(party, self)
            seen.release_merge(party, self)
        self._value = value

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be copied or pickled: pass on the object itself, or "
            "what load() returns"
        )

    def __repr__(self) -> str:
        return f"<atomic.{type(self).__name__} {self._value!r}>"


@final
class Int(_Atomic):
    """An integer of 64 or 32 bits with a sign, which wraps around as Go's do.

    Never blocks; from any thread. Source: Go's ``atomic.Int64`` and ``Int32``.

    Not to be used from a signal handler or ``__del__``.

    Args:
        v: its value at first.
        bits: 64 or 32.

    Raises:
        TypeError: ``v`` is not an int; so do all methods that are given a number.
        ValueError: ``bits`` is neither.
    """

    __slots__ = ("_half", "_mask")

    _value: int

    def __init__(self, v: int = 0, bits: Literal[64, 32] = 64) -> None:
        if bits not in (64, 32):
            raise ValueError(f"an Int has 64 or 32 bits, not {bits!r}")
        self._mask = (1 << bits) - 1
        self._half = 1 << bits - 1
        super().__init__(self._wrap(v))

    def load(self) -> int:
        """Its value."""
        value: int = self._load()
        return value

    def store(self, v: int, /) -> None:
        """Set it to ``v``."""
        self._store(self._wrap(v))

    def swap(self, v: int, /) -> int:
        """Set it to ``v``. What it was before."""
        before: int = self._swap(self._wrap(v))
        return before

    @uninterrupted
    def add(self, delta: int, /) -> int:
        """Add ``delta``, which may be negative. What it is now."""
        delta = _integer(delta)
        with self._lock:
            value = self._wrap(self._value + delta)
            self._change(value)
            return value

    @uninterrupted
    def and_(self, mask: int, /) -> int:
        """Keep the bits of ``mask``. What it was before."""
        mask = _integer(mask)
        with self._lock:
            before = self._value
            self._change(self._wrap(before & mask))
            return before

    @uninterrupted
    def or_(self, mask: int, /) -> int:
        """Set the bits of ``mask``. What it was before."""
        mask = _integer(mask)
        with self._lock:
            before = self._value
            self._change(self._wrap(before | mask))
            return before

    @uninterrupted
    def compare_and_swap(self, old: int, new: int, /) -> bool:
        """Set it to ``new`` if it is ``old``. Whether it did."""
        old, new = self._wrap(old), self._wrap(new)
        with self._lock:
            if self._value != old:
                self._observe()
                return False
            self._change(new)
            return True

    def _wrap(self, v: int) -> int:
        if type(v) is not int:
            v = _integer(v)
        half = self._half
        return v if -half <= v < half else ((v + half) & self._mask) - half


@final
class Bool(_Atomic):
    """A truth value. Never blocks; from any thread. Source: Go's ``atomic.Bool``.

    Not to be used from a signal handler or ``__del__``.

    Args:
        v: its value at first.
    """

    __slots__ = ()

    _value: bool

    def __init__(self, v: bool = False) -> None:
        super().__init__(bool(v))

    def load(self) -> bool:
        """Its value."""
        value: bool = self._load()
        return value

    def store(self, v: bool, /) -> None:
        """Set it to ``v``."""
        self._store(bool(v))

    def swap(self, v: bool, /) -> bool:
        """Set it to ``v``. What it was before."""
        before: bool = self._swap(bool(v))
        return before

    @uninterrupted
    def compare_and_swap(self, old: bool, new: bool, /) -> bool:
        """Set it to ``new`` if it is ``old``. Whether it did."""
        old, new = bool(old), bool(new)
        with self._lock:
            if self._value is not old:
                self._observe()
                return False
            self._change(new)
            return True


@final
class Pointer(_Atomic, Generic[T]):
    """A reference to an object, or None.

    ``Pointer[Config](config)``. Never blocks; from any thread. Source: Go's
    ``atomic.Pointer``.

    Not to be used from a signal handler or ``__del__``.

    Args:
        v: what it refers to at first.
    """

    __slots__ = ()

    _value: T | None

    def __init__(self, v: T | None = None) -> None:
        super().__init__(v)

    def load(self) -> T | None:
        """What it refers to."""
        value: T | None = self._load()
        return value

    def store(self, v: T | None, /) -> None:
        """Let it refer to ``v``."""
        self._store(v)

    def swap(self, v: T | None, /) -> T | None:
        """Let it refer to ``v``. What it referred to before."""
        before: T | None = self._swap(v)
        return before

    @uninterrupted
    def compare_and_swap(self, old: T | None, new: T | None, /) -> bool:
        """Let it refer to ``new`` if it refers to ``old`` itself. Whether it did."""
        with self._lock:
            if self._value is not old:
                self._observe()
                return False
            self._change(new)
            return True


@final
class Value(_Atomic):
    """A value that is always of the same type, whichever is stored first.

    Never blocks; from any thread. Source: Go's ``atomic.Value``.

    Not to be used from a signal handler or ``__del__``.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> Any:
        """What was stored last; None if nothing has been."""
        return self._load()

    @uninterrupted
    def store(self, v: Any, /) -> None:
        """Set it to ``v``.

        Raises:
            InvalidValue: ``v`` is None, or not of the type that was stored first.
        """
        with self._lock:
            self._refuse("store", v)
            if (seen := _instrument.active) is not None:
                seen.release(_instrument.current_party(), self)
            self._value = v

    @uninterrupted
    def swap(self, v: Any, /) -> Any:
        """Set it to ``v``. What it was before, None if nothing had been stored.

        Raises:
            InvalidValue: ``v`` is None, or not of the type that was stored first.
        """
        with self._lock:
            self._refuse("swap", v)
            before = self._value
            self._change(v)
            return before

    @uninterrupted
    def compare_and_swap(self, old: Any, new: Any, /) -> bool:
        """Set it to ``new`` if it equals ``old``. Whether it did.

        ``old`` is None for a value that nothing has been stored in. Values are
        compared with ``==``.

        Raises:
            InvalidValue: ``new`` is None, or not of the type of ``old``, or not of
                the type that was stored first.
        """
        if new is None:
            raise InvalidValue("sync/atomic: compare and swap of nil value into Value")
        if old is not None and type(old) is not type(new):
            raise InvalidValue(
                "sync/atomic: compare and swap of inconsistently typed values"
            )
        while True:
            current = self._load()
            if current is None and old is not None:
                return False
            if current is not None and type(current) is not type(new):
                raise InvalidValue(
                    "sync/atomic: compare and swap of inconsistently typed value "
                    "into Value"
                )
            # the user's __eq__, so not with the lock held
            if current is not old and (old is None or current != old):
                return False
            with self._lock:
                if self._value is current:
                    self._change(new)
                    return True

    def _refuse(self, what: str, v: Any) -> None:
        if v is None:
            raise InvalidValue(f"sync/atomic: {what} of nil value into Value")
        if self._value is not None and type(v) is not type(self._value):
            raise InvalidValue(
                f"sync/atomic: {what} of inconsistently typed value into Value"
            )


def _integer(v: object) -> int:
    if not isinstance(v, int):
        raise TypeError(f"an atomic.Int holds ints, not {v!r}")
    return int(v)
