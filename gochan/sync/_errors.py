"""What misuse of ``gochan.sync`` raises: bugs in the program, with Go's texts.

In Go the first of these ends the process and cannot be recovered from. Here all
of them are exceptions, and the primitive is as it was before the call.
"""

from __future__ import annotations

from .._errors import Panic

__all__ = ("CondCopied", "NegativeCounter", "UnlockOfUnlocked", "WaitGroupReused")


class UnlockOfUnlocked(Panic):
    """A lock was unlocked that nobody holds, or not in this way."""

    def __init__(self, text: str = "sync: unlock of unlocked mutex") -> None:
        super().__init__(text)


class NegativeCounter(Panic):
    """A WaitGroup's ``done`` was called more often than its ``add`` allows."""

    def __init__(self, text: str = "sync: negative WaitGroup counter") -> None:
        super().__init__(text)


class WaitGroupReused(Panic):
    """An ``add`` from zero came before a ``wait`` had returned.

    Raised by that ``wait``. Goroutines are added before anybody waits for them; a
    WaitGroup is used again only when all who waited have gone on.
    """

    def __init__(
        self,
        text: str = "sync: WaitGroup is reused before previous Wait has returned",
    ) -> None:
        super().__init__(text)


class CondCopied(Panic):
    """A Cond was copied: those who wait on one are not woken by the other."""

    def __init__(self, text: str = "sync.Cond is copied") -> None:
        super().__init__(text)
