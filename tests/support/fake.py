"""A runtime without a loop, whose parties run exactly when a test says so.

``steppable()`` puts it in place of asyncio and trio. A :class:`Party` is one
coroutine driven by hand: :meth:`Party.run` lets it go on to its next wait,
:meth:`Party.cancel` does what a runtime does with a cancellation.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from gochan import _backends, _budget
from gochan._backends._parts import AsyncWaiter

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Hashable

__all__ = ("Cancelled", "FakeBackend", "Party", "steppable")

R = TypeVar("R")


class Cancelled(BaseException):
    """The cancelled exception of this runtime."""


class FakeWaiter(AsyncWaiter):
    """A wait that ends when the test says so."""

    __slots__ = ("woken",)

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.woken = 0

    @override
    async def park(self) -> None:
        try:
            await _Pause(self)
        except BaseException:
            # cancelled, which has withdrawn it, or closed
            self.withdraw()
            raise

    @override
    def wake(self) -> bool:
        assert self.claimed()
        self.woken += 1
        return True


class FirmFakeWaiter(FakeWaiter):
    """A wait that a cancellation does not end."""

    __slots__ = ()

    @override
    def withdraw(self) -> bool:
        return False


class _Pause:
    """Stop the coroutine here and tell the party what it waits for."""

    def __init__(self, waits: FakeWaiter | None) -> None:
        self.waits = waits

    def __await__(self) -> Generator[_Pause, None, None]:
        yield self


class FakeBackend:
    """What gochan takes for the runtime of the calling code."""

    def __init__(self) -> None:
        self.running: Party[Any] | None = None

    def waiter(self, value: Any = None) -> AsyncWaiter:
        _budget.refill()
        return FakeWaiter(value)

    def firm_waiter(self, value: Any = None) -> AsyncWaiter:
        _budget.refill()
        return FirmFakeWaiter(value)

    async def yield_now(self) -> None:
        _budget.refill()
        await _Pause(None)

    def current_task(self) -> Hashable:
        return self.running


class Party(Generic[R]):
    """One coroutine, driven by hand.

    Attributes:
        state: ``new``; ``ready`` to go on, because it has yielded or was woken;
            ``parked``; ``done``; ``cancelled``.
        result: what it returned.
    """

    def __init__(self, runtime: FakeBackend, coroutine: Coroutine[Any, Any, R]) -> None:
        self.runtime = runtime
        self.coroutine = coroutine
        self.result: R | None = None
        self._done: Literal["done", "cancelled"] | None = None
        self._began = False
        # None if it has only given way
        self._waits: FakeWaiter | None = None

    @property
    def state(self) -> Literal["new", "ready", "parked", "done", "cancelled"]:
        if self._done is not None:
            return self._done
        if not self._began:
            return "new"
        if self._waits is not None and not self._waits.woken:
            return "parked"
        return "ready"

    def run(self) -> None:
        """Go on to the next wait, or to the end."""
        assert self.state in ("new", "ready"), self.state
        if self._waits is not None:
            assert self._waits.woken == 1, "woken more than once"
        self._go(None)

    def cancel(self) -> bool:
        """Cancel it as a runtime would. False if its operation has happened."""
        if not self.withdraw():
            return False
        self.interrupt()
        return True

    def withdraw(self) -> bool:
        """The first half: what it waits for is to be as if it had not. As above."""
        return self._waits is None or self._waits.withdraw()

    def interrupt(self) -> None:
        """The second half: raise in it."""
        self._go(Cancelled())

    def close(self) -> None:
        """Free the coroutine of a party that the test leaves parked."""
        if self._done is None:
            if self._waits is not None:
                self._waits.withdraw()
            self.coroutine.close()

    def _go(self, error: BaseException | None) -> None:
        self.runtime.running = self
        self._began = True
        try:
            if error is None:
                self._waits = self.coroutine.send(None).waits
            else:
                self._waits = self.coroutine.throw(error).waits
        except StopIteration as stop:
            self.result = stop.value
            self._done = "done"
        except Cancelled:
            self._done = "cancelled"
        finally:
            self.runtime.running = None


@contextlib.contextmanager
def steppable() -> Generator[FakeBackend]:
    """Let gochan use this runtime on this thread, with a fresh budget."""
    runtime = FakeBackend()

    def backend() -> FakeBackend:
        return runtime

    ours = {"backend": backend, "any_waiter": runtime.waiter}
    ours["async_waiter"] = runtime.waiter
    theirs = {name: getattr(_backends, name) for name in ours}
    before = [
        (module, name, value)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("gochan")
        for name, value in list(vars(module).items())
        if name in theirs and value is theirs[name]
    ]
    budget = _budget.budget
    counted = budget.left, budget.full
    for module, name, _ in before:
        setattr(module, name, ours[name])
    budget.full = budget.left = _budget.OPERATIONS
    try:
        yield runtime
    finally:
        budget.left, budget.full = counted
        for module, name, value in before:
            setattr(module, name, value)
