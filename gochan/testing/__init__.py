"""Help for tests of programs with goroutines: virtual time, leak checks.

from gochan import testing

testing.bubble().run(main)
testing.leakcheck()(gochan.run)(main)
"""

from __future__ import annotations

from ._bubble import Bubble, bubble, wait
from ._leakcheck import LeakError, leakcheck

__all__ = ("Bubble", "LeakError", "bubble", "leakcheck", "wait")


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.testing"


_rename()
del _rename
