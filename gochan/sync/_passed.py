"""Wait groups of other processes: every operation is done where they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._cases import RecvCase
from .._parked import parks
from ._waitgroup import WaitGroup

if TYPE_CHECKING:
    from .._ends import RecvChan
    from ..executors._link import Link

__all__ = ("make",)


# Not to be derived from elsewhere: the same thing, in another process.
class _Passed(WaitGroup):  # type: ignore[misc]
    __slots__ = ("_link", "_number", "_origin")

    def __init__(self, link: Link, number: int, origin: tuple[bytes, int]) -> None:
        self._link = link
        self._number = number
        self._origin = origin

    def add(self, delta: int, /) -> None:
        self._call("add", delta)

    @parks("sync.WaitGroup.Wait")
    async def wait(self) -> None:
        await self._zero_there().recv_ok()

    @parks("sync.WaitGroup.Wait")
    def blocking_wait(self, timeout: float | None = None) -> None:
        try:
            self._zero_there().blocking_recv_ok(timeout)
        except TimeoutError:
            raise TimeoutError(f"not zero within {timeout} seconds: {self!r}") from None

    def __gochan_case__(self) -> RecvCase[None]:
        return RecvCase(self._zero_there())

    def _zero_there(self) -> RecvChan[None]:
        """A channel that is closed when the count is zero."""
        zero: RecvChan[None] = self._call("_when_zero")
        return zero

    def _call(self, method: str, *args: Any) -> Any:
        from ..executors._handles import call

        return call(self, method, *args)

    def __repr__(self) -> str:
        return f"<WaitGroup of {self._link.peer}>"


def make(link: Link, number: int, home: bytes, at_home: int) -> WaitGroup:
    """A handle to a wait group."""
    return _Passed(link, number, (home, at_home))
