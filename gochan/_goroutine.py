"""What a goroutine is: a name, a state, a result, and whom its failure concerns.

It belongs to exactly one scope, from ``go()`` to its end. What runs it is the
nursery that a backend gave to the scope.
"""

from __future__ import annotations

import inspect
import itertools
import os.path
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, final

from . import _instrument
from ._backends import _thread, backend, uninterrupted
from ._cases import RecvCase
from ._chan import Chan
from ._errors import CloseOfClosed, GoroutineCancelled
from ._waiter import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import CodeType, FrameType

    from ._executor import Away
    from ._scope import Scope

__all__ = ("Goroutine", "Site", "announce", "watched")

R_co = TypeVar("R_co", covariant=True)

State = Literal["runnable", "running", "parked", "done"]

_ids = itertools.count(1)
_creating = allocate_lock()


class _End(Chan[None]):
    """Closed when a goroutine has ended."""

    __slots__ = ("callbacks",)

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)
        self.callbacks: list[Callable[[], object]] = []

    @uninterrupted
    def close(self) -> None:
        super().close()
        # nobody adds to them any more
        for callback in self.callbacks:
            callback()
        self.callbacks.clear()


@final
class Site:
    """Where a goroutine is started, kept for when it is: as little as can be."""

    __slots__ = ("f_code", "f_lasti")

    def __init__(self, frame: FrameType) -> None:
        self.f_code: CodeType = frame.f_code
        self.f_lasti: int = frame.f_lasti


@final
class Goroutine(Generic[R_co]):
    """A goroutine that has been started: what ``go()`` returns.

    ``await g`` waits for its end and returns what its function returned. In a
    select it is ready once the goroutine has ended.

    Attributes:
        id: a number, unique in this process; ``main`` of the first run is 1.
        name: for reports; the function's name if none was given.
    """

    # Set by the nursery while it needs them. There are many goroutines, so two of the
    # slots serve twice: from the end on they have the error and the result.
    context: Any
    callback: Any
    # set by the nursery if another goroutine of its has started this one
    parent: int
    argument: Any

    __slots__ = (
        "__weakref__",
        "_code",
        "_done",
        "_lasti",
        "_over",
        "_scope",
        "argument",
        "away",
        "callback",
        "context",
        "coroutine",
        "handle",
        "id",
        "name",
        "parent",
        "reason",
    )

    def __init__(
        self,
        scope: Scope,
        coroutine: Coroutine[Any, Any, R_co] | None,
        name: str | None,
        started_by: FrameType | Site,
    ) -> None:
        self.id: int = next(_ids)
        self.name: str = name or getattr(coroutine, "__name__", "?")  # type: ignore[assignment]  # whatever it is, it has a str
        self._scope = scope
        # where it was started, kept as cheaply as can be
        self._code: CodeType = started_by.f_code
        self._lasti: int = started_by.f_lasti
        self._over = False
        # closed at the goroutine's end; made when somebody waits for that
        self._done: _End | None = None
        # the nursery's: what to run, what runs it, and why it was cancelled
        self.coroutine: Coroutine[Any, Any, R_co] | None = coroutine
        self.handle: Any = None
        self.reason: str | None = None
        # where the function is, if it does not run here
        self.away: Away | None = None

    @property
    def state(self) -> State:
        """``runnable``, ``running``, ``parked`` or ``done``; advisory."""
        coroutine = self.coroutine
        if self._over or coroutine is None:
            return "done"
        if self.away is not None:
            return self.away.state
        if _instrument.find_party() is self:
            return "running"
        begun = inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED
        return "parked" if begun else "runnable"

    @property
    def created_at(self) -> str:
        """Where ``go()`` was called: ``pipeline.py:41 in produce``."""
        code = self._code
        file = os.path.basename(code.co_filename)
        return f"{file}:{self._line()} in {code.co_qualname}"

    def _line(self) -> int:
        """The line of the ``go()`` that started it."""
        lines = itertools.islice(self._code.co_positions(), self._lasti // 2, None)
        return next((at[0] for at in lines), None) or self._code.co_firstlineno

    @property
    def created_by(self) -> int | None:
        """The id of the goroutine that called ``go()``.

        If that was other code in a scope, such as a task of the runtime's, it is the
        goroutine that has entered the scope. None if there is no goroutine above it.
        """
        return getattr(self, "parent", self._scope._opener)

    def cancel(self, reason: str | None = None) -> None:
        """Cancel it, at its next checkpoint and at every one after that.

        Never blocks; from any thread; does nothing once it has ended. A value
        that has been handed to it is not lost: that operation returns first.

        Args:
            reason: for reports and for who awaits the goroutine.
        """
        if not self._over:
            if (seen := _instrument.active) is not None:
                seen.cancelled(_instrument.current_party(), self)
            self.reason = self.reason or reason or ""
            self._scope._nursery.cancel_one(self)

    @uninterrupted
    def __await__(self) -> Generator[Any, Any, R_co]:
        """Wait for the goroutine's end and return its function's result.

        Cancellation: either returns, or raises; the goroutine runs on.

        Raises:
            GoroutineCancelled: it was cancelled.
            BaseException: what its function raised.
        """
        if not self._over:
            self._refuse_to_wait()
            yield from self._ended().recv_ok().__await__()
        return self._outcome()

    def blocking_join(self, timeout: float | None = None) -> R_co:
        """``await g`` for threads.

        Args:
            timeout: seconds; 0 means one look, None for ever.

        Raises:
            TimeoutError: it did not end in time; it runs on.
            GoroutineCancelled: it was cancelled.
            RuntimeError: this thread runs an event loop: write ``await g``.
            BaseException: what its function raised.
        """
        _thread.check_call("g.blocking_join()", "await g", timeout)
        if not self._over:
            self._refuse_to_wait()
            self._ended().blocking_recv_ok(timeout)
        return self._outcome()

    def __gochan_case__(self) -> RecvCase[None]:
        return RecvCase(self._ended())

    def __repr__(self) -> str:
        return f"<Goroutine {self.name!r} (id {self.id}), {self.state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be pickled or copied: have it send its result to a "
            "channel, which may be passed to a goroutine in another process"
        )

    @uninterrupted
    def _ended(self) -> _End:
        """The channel that is closed at the goroutine's end."""
        with _creating:
            if self._done is None:
                self._done = _End(name=f"end of {self.name}")
        # the end sets _over before it looks for the channel, this is the other
        # way round: one of the two closes it, or both try to
        if self._over:
            self._close(self._done)
        return self._done

    def _when_over(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when it has ended, as its own last act; at once if it has.

        Its scope has been told of an error by then, and cancelled for it.
        """
        done = self._ended()
        with done._lock:
            bar(done._key)
            if not done.closed:
                done.callbacks.append(callback)
                return
        callback()

    def _refuse_to_wait(self) -> None:
        if _instrument.find_party() is self:
            raise RuntimeError(f"{self!r} awaits its own end, and would for ever")

    @property
    def _error(self) -> BaseException | None:
        """What it has ended with, if it has ended."""
        error: BaseException | None = self.callback
        return error

    def _outcome(self) -> R_co:
        if (seen := _instrument.active) is not None:
            seen.joined(_instrument.current_party(), self)
        error = self._error
        if error is None:
            result: R_co = self.argument
            return result
        if error.__traceback__ is None:
            # Nobody has raised it: it was cancelled. Each who waits gets one of its
            # own, whose traceback leads here, and not back from here.
            raise GoroutineCancelled(*error.args)
        raise error

    def _sign(self, error: BaseException) -> None:
        """Note on an error which goroutine it comes from, and where it was started."""
        note = f"goroutine {self.name!r} (id {self.id}) started at {self.created_at}"
        # an exception may refuse it, such as a frozen dataclass
        with suppress(Exception):
            error.add_note(note)

    # What the nursery calls: see _backends._parts.Job

    def finished(self, result: Any, error: BaseException | None) -> None:
        """The nursery's: the function has returned or raised."""
        self.argument = result
        self.callback = error
        if error is not None:
            self._scope._failed(self, error)
        self._over = True
        self.coroutine = None
        if self.away is not None:
            self._leave()
        if self._done is not None or _instrument.active is not None:
            self._tell()

    def cancelled(self) -> None:
        """The nursery's: it has ended because it was cancelled."""
        self.callback = GoroutineCancelled(
            f"goroutine {self.name!r} (id {self.id})", self.reason or None
        )
        self._over = True
        self.coroutine = None
        if self.away is not None:
            self._leave()
        self._tell()

    def _leave(self) -> None:
        assert self.away is not None
        self.away.left()
        self.away = None

    def _tell(self) -> None:
        """Tell the instrument and who waits that it has ended."""
        if (seen := _instrument.active) is not None:
            # for the end of the scope, which waits for all of its goroutines
            seen.release_merge(self, self._scope)
            seen.goroutine_finished(self)
        if self._done is not None:
            self._close(self._done)

    def _close(self, done: _End) -> None:
        """The goroutine's own last act, whoever performs it."""
        # the end, and who first asks for it, may come at the same time
        with suppress(CloseOfClosed):
            if _instrument.active is None:
                done.close()
            else:
                with _instrument.acting(self):
                    done.close()


def announce(goroutine: Goroutine[Any], seen: _instrument.Instrument) -> None:
    """Tell the instrument that it was created, and later that it begins."""
    coroutine = goroutine.coroutine
    assert coroutine is not None
    seen.goroutine_created(goroutine, _instrument.current_party())
    goroutine.coroutine = watched(goroutine, coroutine)


async def watched(
    goroutine: Goroutine[Any], coroutine: Coroutine[Any, Any, Any]
) -> Any:
    """Run a goroutine of which instruments know: the outermost of its frames."""
    runtime = backend()
    ask = runtime.current_task
    _instrument.running.set((goroutine, ask(), ask, runtime.asker()))
    if (seen := _instrument.active) is not None:
        seen.goroutine_started(goroutine)
    return await coroutine
