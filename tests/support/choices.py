"""Depth-first enumeration of all that a program may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Choices",)


class Choices:
    """Depth-first enumeration: the same program is run again for each path."""

    def __init__(self) -> None:
        self.path: list[int] = []
        self.width: list[int] = []
        self.at = 0
        # whether chance has been asked in this step
        self.drawn = False

    def pick(self, n: int) -> int:
        """One of ``range(n)``; over all runs, each of them."""
        if self.at == len(self.path):
            self.path.append(0)
            self.width.append(n)
        assert self.width[self.at] == n, "the program is not deterministic"
        self.at += 1
        return self.path[self.at - 1]

    def chance(self) -> float:
        """In place of ``random()``: one choice in each step.

        It decides which of two ready cases is done, or in which order two cases
        wait in one queue; no select here has more than two.
        """
        if self.drawn:
            return 0.5
        self.drawn = True
        return 0.9 * self.pick(2)

    def advance(self) -> bool:
        """Go to the next path. False if there is none."""
        while self.path and self.path[-1] + 1 == self.width[-1]:
            self.path.pop()
            self.width.pop()
        if not self.path:
            return False
        self.path[-1] += 1
        return True

    def __iter__(self) -> Iterator[None]:
        while True:
            self.at = 0
            yield
            if not self.advance():
                return
