"""Go's nil channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, final

from ._chan import Chan
from ._core import BLOCKED
from ._errors import CloseOfNil

if TYPE_CHECKING:
    from ._waiter import Waiter

__all__ = ("nil",)


@final
class _Nil(Chan[Any]):
    """Sends and receives wait for ever, until they are cancelled or time out."""

    __slots__ = ()

    _kind: ClassVar[str] = " (nil chan)"

    async def send(self, value: Any, /) -> None:
        await self._send_slowly(value)

    async def recv(self) -> Any:
        # past the rungs that Chan.recv has inline
        value, _ = await self.recv_ok()
        return value

    def _try_send(self, value: Any) -> Waiter | None:
        return BLOCKED

    def _try_recv(self) -> tuple[Any, bool, Waiter | None]:
        return None, False, BLOCKED

    def close(self) -> NoReturn:
        raise CloseOfNil(self)

    def __repr__(self) -> str:
        return "gochan.nil"

    def __reduce__(self) -> str | tuple[Any, ...]:  # type: ignore[override]
        # the one channel that every process has
        return "nil"


nil: Final[Chan[Any]] = _Nil(name="nil")
"""Go's nil channel: never ready in a select; ``close`` raises ``CloseOfNil``."""
