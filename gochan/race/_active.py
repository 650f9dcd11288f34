"""Which detector sees the accesses to variables: the one that was entered last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._detector import Detector

__all__ = ("detector", "enter", "leave", "on_change", "within")

detector: Detector | None = None

# all that have been entered and not left, the latest last
within: list[Detector] = []

# what is called with True when a detector comes where there was none, and with False
# when the last one has gone: nobody pays for a detector that is not there
on_change: list[Callable[[bool], None]] = []


def enter(new: Detector) -> None:
    global detector
    within.append(new)
    detector = new
    if len(within) == 1:
        for change in on_change:
            change(True)


def leave(old: Detector) -> None:
    global detector
    within.remove(old)
    detector = within[-1] if within else None
    if not within:
        for change in on_change:
            change(False)
