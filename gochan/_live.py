"""Which goroutines there are, and what each of them is doing.

Found by looking, from any thread and in a program that was not prepared: the open
scopes know their goroutines, a backend knows what a task waits for, and its stack says
why. What other threads do meanwhile may be missing or out of date.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final
from weakref import WeakKeyDictionary

from . import _instrument
from ._frames import (
    frames_of,
    innermost,
    package_of,
    running_frames,
    thread_frames,
)
from ._parked import FOREIGN, waiter_of_thread, why
from ._scope import open_scopes

if TYPE_CHECKING:
    from types import FrameType

    from ._goroutine import Goroutine, State
    from ._parked import Wait
    from ._scope import Scope

__all__ = ("GoroutineInfo", "Look", "Party", "live")


@final
@dataclass(frozen=True)
class GoroutineInfo:
    """What one goroutine was doing when it was looked at.

    Attributes:
        id: its number; ``main`` of the first run is 1.
        name: its name.
        state: ``running``, ``runnable``, ``parked`` or ``done``.
        wait: why it is parked, in Go's words, such as ``chan receive``; ``await`` for
            anything outside of gochan. None if it is not parked.
        channel: the channel, or the lock or whatever else of gochan, that it waits for.
            None in a select, which may wait for several, and if it is not parked.
        parked_for: seconds for which it has been waiting like this, at least: since it
            was first seen to. None if it is not parked, or not by gochan on a loop.
        created_at: where it was started, such as ``pipeline.py:41 in produce``.
        created_by: the id of the goroutine that started it, if one did.
    """

    id: int
    name: str
    state: State
    wait: str | None
    channel: object
    parked_for: float | None
    created_at: str
    created_by: int | None


class Party:
    """Whoever waits, as a report sees it: a goroutine, or what is none.

    Attributes:
        title: such as ``goroutine 7``.
        name: its name.
        frames: its stack, outermost first.
        wait: why it is parked; None if it is not.
    """

    __slots__ = ("__weakref__", "frames", "name", "title", "wait")

    def __init__(self, title: str, name: str, frames: list[FrameType]) -> None:
        self.title = title
        self.name = name
        self.frames = frames
        self.wait: Wait | None = why(frames)

    def __str__(self) -> str:
        return f"{self.title} ({self.name})"


@final
class Look(Party):
    """A look at one goroutine."""

    __slots__ = ("away", "blocked", "goroutine", "scope", "state", "task")

    def __init__(
        self, scope: Scope, goroutine: Goroutine[Any], task: Any, where: object
    ) -> None:
        super().__init__(f"goroutine {goroutine.id}", goroutine.name, [])
        self.scope = scope
        self.goroutine = goroutine
        # None if it has not begun
        self.task = task
        # its function runs elsewhere
        self.away = goroutine.away is not None
        # a waiter, or something of the runtime's, if it is parked
        self.blocked: object = None
        self.state: State = "runnable"
        coroutine: Any = goroutine.coroutine
        if coroutine is None:
            self.state = "done"
        elif goroutine.away is not None:
            self.state = goroutine.away.state
            self._look_away(where)
        else:
            self._look_at(coroutine, task)
        self.wait = why(self.frames) if self.state == "parked" else None

    def _look_at(self, coroutine: Any, task: Any) -> None:
        if getattr(coroutine, "cr_running", False):
            self.frames = running_frames(coroutine)
            self.state = "running"
            return
        self.frames = frames_of(coroutine)
        self.blocked = None if task is None else self.scope._backend.blocked_on(task)
        self.state = "runnable" if self.blocked is None else "parked"

    def _look_away(self, where: object) -> None:
        """Its function runs in a thread, or on another loop of the same kind."""
        if isinstance(where, int):
            frames = thread_frames(sys._current_frames().get(where))
            # from where gochan calls the function
            packages = [package_of(frame) for frame in frames]
            self.frames = frames[packages.index("gochan") if frames else 0 :]
            if frames:
                self.blocked = waiter_of_thread(frames[-1])
                self.state = "running" if self.blocked is None else "parked"
        elif where is not None:
            self._look_at(self.scope._backend.coroutine_of(where), where)

    @property
    def leads(self) -> bool:
        """Whether it is the main goroutine of a run."""
        return self.scope._main is self.goroutine

    def info(self) -> GoroutineInfo:
        goroutine, wait = self.goroutine, self.wait
        return GoroutineInfo(
            id=goroutine.id,
            name=goroutine.name,
            state=self.state,
            wait=None if wait is None else wait.word,
            channel=None if wait is None else wait.on,
            parked_for=self.parked_for(),
            created_at=goroutine.created_at,
            created_by=goroutine.created_by,
        )

    def parked_for(self) -> float | None:
        """Seconds since it was first seen to wait like this."""
        if self.wait is None or self.wait is FOREIGN or self.away:
            return None
        now = time.monotonic()
        # a new one for every wait
        return now - _seen.setdefault(innermost(self.goroutine.coroutine), now)


# When what is parked was seen first.
_seen: Final[WeakKeyDictionary[object, float]] = WeakKeyDictionary()


def live() -> list[Look]:
    """A look at each goroutine that has not ended, by id."""
    looks: dict[int, Look] = {}
    places = {party: where for where, party in list(_instrument.parties.items())}
    for reference in list(open_scopes):
        scope = reference()
        if scope is None:
            continue
        for job, task in scope._nursery.members():
            goroutine: Goroutine[Any] = job  # type: ignore[assignment]  # of a scope
            look = Look(scope, goroutine, task, places.get(goroutine))
            if look.state != "done":
                looks[goroutine.id] = look
    return [looks[number] for number in sorted(looks)]
