"""What a context is, its errors, and its keys."""

from __future__ import annotations

import importlib
import sys
import typing
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final, overload

from .._crossing import passing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .._cases import RecvCase
    from .._ends import RecvChan

__all__ = ("Canceled", "Context", "DeadlineExceeded", "Key")

T = TypeVar("T")


class Canceled(Exception):
    """What ``ctx.err()`` is when the context was cancelled.

    Source: Go's ``context.Canceled``.
    """

    def __init__(self) -> None:
        super().__init__("context canceled")

    def __reduce__(self) -> tuple[type[Canceled], tuple[()]]:
        return Canceled, ()

    # each context has its own, for its traceback; they are all the same error
    def __eq__(self, other: object) -> bool:
        return type(other) is Canceled

    def __hash__(self) -> int:
        return hash(Canceled)


class DeadlineExceeded(TimeoutError):
    """What ``ctx.err()`` is when the context's time was over.

    Source: Go's ``context.DeadlineExceeded``.
    """

    def __init__(self) -> None:
        super().__init__("context deadline exceeded")

    def __reduce__(self) -> tuple[type[DeadlineExceeded], tuple[()]]:
        return DeadlineExceeded, ()

    # each context has its own, for its traceback; they are all the same error
    def __eq__(self, other: object) -> bool:
        return type(other) is DeadlineExceeded

    def __hash__(self) -> int:
        return hash(DeadlineExceeded)


@final
class Key(Generic[T]):
    """A key for :func:`with_value` whose values have a type.

    Two keys are never equal, whatever their names. In another process, a key that was
    made at the top level of a module is the one that was made there.

    Attributes:
        name: for reports.
    """

    __slots__ = ("_module", "name")

    def __init__(self, name: str) -> None:
        self.name: str = name
        # where it can be found in another process
        caller = sys._getframe(1)
        while caller.f_back is not None and caller.f_globals is typing.__dict__:
            # Key[int]("user")
            caller = caller.f_back
        self._module: str | None = caller.f_globals.get("__name__")

    def __reduce__(self) -> tuple[Any, ...]:
        found = [key for key in _keys_of(self._module) if key.name == self.name]
        if found != [self]:
            raise TypeError(
                f"{self!r} is not found by its name in another process: make a key at "
                "the top level of a module, where no other key has its name"
            )
        return _find_key, (self._module, self.name)

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


def _keys_of(module: str | None) -> list[Key[Any]]:
    names: dict[str, Any] = vars(sys.modules[module]) if module in sys.modules else {}
    return list({id(key): key for key in names.values() if type(key) is Key}.values())  # pyright: ignore[reportUnknownArgumentType]


def _find_key(module: str, name: str) -> Key[Any]:
    importlib.import_module(module)
    return next(key for key in _keys_of(module) if key.name == name)


class Context(ABC):
    """The end of some work, its deadline, and values that belong to it.

    Passed as the first argument to all that works on one request. Its methods never
    block and may be called from any thread. You may write your own contexts, by
    deriving from this class, and derive others from them.

    Source: Go's ``context.Context``.
    """

    __slots__ = ()

    @abstractmethod
    def deadline(self) -> float | None:
        """When it will be done at the latest, as of ``time.now()``; None if never."""

    @abstractmethod
    def done(self) -> RecvChan[None]:
        """A channel that is closed when it is done; the nil channel if it never is.

        The same one each time.
        """

    @abstractmethod
    def err(self) -> Exception | None:
        """None as long as it is not done; then why: Canceled or DeadlineExceeded."""

    @overload
    def value(self, key: Key[T], /) -> T | None: ...
    @overload
    def value(self, key: object, /) -> Any: ...
    @abstractmethod
    def value(self, key: object, /) -> Any:
        """What :func:`with_value` has set for ``key``, here or above; None if nothing.

        Keys are equal if they have the same type and compare equal.
        """

    def scope(self) -> AbstractContextManager[None, bool]:
        """A cancel scope: what is awaited inside is cancelled when this is done.

        Then the scope is left silently; ``err()`` tells. Every await inside is
        cancelled, not just the first. It has the deadline of this context, so that
        anyio and trio see it.

        Write ``with ctx.scope():``, in a coroutine.

        Raises:
            RuntimeError: no event loop runs on this thread.
        """
        # it knows the contexts that are derived from this
        from ._scopes import ContextScope

        return ContextScope(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if passing.as_handle is None:
            raise TypeError(
                f"{self!r} cannot be pickled or copied: a context is passed on only as "
                "an argument of a goroutine in another process, or through a channel "
                "that was"
            )
        # it knows the contexts that are derived from this
        from ._passed import passed_on

        return passed_on(self)

    def __gochan_case__(self) -> RecvCase[None]:
        """``recv(ctx.done())``: in a select, a context stands for its end."""
        return self.done().__gochan_case__()
