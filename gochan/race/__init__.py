"""A race detector that knows gochan's memory model.

    from gochan import race

    with race.detector():
        gochan.run(main)

Where things are:

    _detector  the instrument                _var    Var
    _clock     vector clocks                 _watch  watch
    _shadow    the check of each access      _stack  where it was
    _report    DataRace                      _active which detector it is
"""

from __future__ import annotations

from . import _foreign as _foreign
from ._detector import Detector, detector
from ._report import Access, DataRace
from ._var import Var
from ._watch import watch

__all__ = ("Access", "DataRace", "Detector", "Var", "detector", "watch")
