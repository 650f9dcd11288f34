"""A goroutine that waits for ever is what these tests look for, so none may hang."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import anyio
import pytest

from golang.helpers import PATIENCE


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Cancel an async test that takes too long; the rest is the anyio plugin's.

    A time limit that raises from a signal handler would leave trio's loop stuck.
    """
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return

    @functools.wraps(test)
    async def guarded(*args: Any, **kwargs: Any) -> None:
        with anyio.fail_after(PATIENCE):
            await test(*args, **kwargs)

    pyfuncitem.obj = guarded
