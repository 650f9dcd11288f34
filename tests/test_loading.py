"""A runtime that another thread is just loading, parts of which are missing."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING

from gochan import Chan

if TYPE_CHECKING:
    import pytest


def test_blocking_calls_while_a_runtime_is_being_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("asyncio", "trio", "trio.lowlevel"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    ch = Chan[int](1)
    ch.blocking_send(1)
    assert ch.blocking_recv() == 1
