"""To collect garbage often without waiting for it."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("little_garbage",)


@contextmanager
def little_garbage() -> Generator[None]:
    """The collector looks only at what is made inside, and not at the test runner."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
