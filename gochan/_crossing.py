"""What stays in its process though others may use it: channels, and the like.

Such a thing is pickled as a *handle* to itself, and only by who passes it on to
another process. While a value is pickled for that, ``passing.as_handle`` says how;
otherwise there is nobody who could let its operations come back here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("handle_for", "passing")


class _Passing(threading.local):
    # what this thread pickles things with that stay here
    as_handle: Callable[[Any], tuple[Any, ...]] | None = None


passing = _Passing()


def handle_for(thing: object) -> tuple[Any, ...] | None:
    """What ``__reduce__`` of a thing that stays here returns; None if it has to raise.

    Pickled channels within channels, and within what a user's own ``__reduce__``
    pickles, come here as well: it is asked of the thread, not of the pickler.
    """
    as_handle = passing.as_handle
    return None if as_handle is None else as_handle(thing)
