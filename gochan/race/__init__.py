"""A race detector that knows gochan's memory model.

    from gochan import race

    with race.detector():
        gochan.run(main)

Where things are:

    _detector  the instrument                _var      Var
    _parties   whose clock it is             _watch    watch
    _clock     vector clocks                 _hook     the import hook
    _shadow    the check of each access      _rewrite  what it does to a module
    _report    DataRace                      _scopes   which names are shared
    _stack     where it was                  _hooks    what rewritten code calls
    _places    shadows of attributes, items and names
    _foreign   what others synchronise       _active   which detector it is
"""

from __future__ import annotations

from ._detector import Detector, detector
from ._report import Access, DataRace
from ._var import Var
from ._watch import watch

__all__ = ("Access", "DataRace", "Detector", "Var", "detector", "watch")


def _rename() -> None:
    for name in __all__:
        globals()[name].__module__ = "gochan.race"


_rename()
del _rename
