"""Whether a coroutine waits for a thread, as far as its stack tells."""

from __future__ import annotations

import os.path
from typing import Any, Final

__all__ = ("awaits_a_thread",)

# functions that wait for a thread, and what their files' paths end with
_OF_THREADS: Final = {
    # anyio.to_thread on asyncio; on trio it is trio's
    "run_sync_in_worker_thread": os.path.join("anyio", "_backends", "_asyncio.py"),
    # trio.to_thread
    "to_thread_run_sync": os.path.join("trio", "_threads.py"),
}
_EXECUTORS: Final = os.path.join("gochan", "executors", "")


def awaits_a_thread(coroutine: Any) -> bool:
    """Whether it, or what it awaits, waits for something on another thread."""
    while coroutine is not None:
        code = getattr(coroutine, "cr_code", None) or getattr(
            coroutine, "gi_code", None
        )
        if code is not None:
            end = _OF_THREADS.get(code.co_name)
            if end is not None and code.co_filename.endswith(end):
                return True
            if _EXECUTORS in code.co_filename:
                # a goroutine that runs elsewhere
                return True
        coroutine = getattr(coroutine, "cr_await", None) or getattr(
            coroutine, "gi_yieldfrom", None
        )
    return False
