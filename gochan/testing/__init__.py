"""Help for tests of programs with goroutines: virtual time.

from gochan import testing

testing.bubble().run(main)
"""

from __future__ import annotations

from ._bubble import Bubble, bubble, wait

__all__ = ("Bubble", "bubble", "wait")


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.testing"


_rename()
del _rename
