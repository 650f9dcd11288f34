"""The pytest plugin: does nothing unless it is asked to.

- ``@pytest.mark.gochan_leakcheck``: no goroutine may be left over at the test's end;
  see ``gochan.testing.leakcheck``.
- ``--gochan-seed=N``: selects choose among ready cases as the seed says, the same in
  each test every time; ``random`` draws a seed and writes it down.
- ``--gochan-race``: every test runs under the race detector.

All of them wrap the call of a test, whoever makes it: pytest itself, or anyio's,
pytest-asyncio's or pytest-trio's plugin.
"""

from __future__ import annotations

import ast
import os
import random
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import pytest

from . import _select

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager


__all__ = ("pytest_addoption", "pytest_configure", "pytest_report_header")

_SEED: Final = pytest.StashKey[int]()
_RACE: Final = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gochan")
    group.addoption(
        "--gochan-seed",
        metavar="N",
        help="what gochan's selects choose by: a number, or `random` to draw one",
    )
    group.addoption(
        "--gochan-race",
        action="store_true",
        help="run each test under gochan's race detector",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "gochan_leakcheck: fail if goroutines are left over at the end of the test",
    )
    seed: str | None = config.getoption("--gochan-seed")
    if seed is not None:
        config.stash[_SEED] = _number(seed)
    if config.getoption("--gochan-race"):
        _install_race(config)


def _number(seed: str) -> int:
    if seed == "random":
        return random.SystemRandom().randrange(2**32)
    try:
        return int(seed)
    except ValueError:
        raise pytest.UsageError(
            f"--gochan-seed wants a number or `random`, not {seed!r}"
        ) from None


def pytest_report_header(config: pytest.Config) -> str | None:
    if _SEED in config.stash:
        return f"gochan: --gochan-seed={config.stash[_SEED]}"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    __tracebackhide__ = True
    stash = item.config.stash
    checked: AbstractContextManager[object] = nullcontext()
    watched: AbstractContextManager[object] = nullcontext()
    if _RACE in stash:
        from .race import detector

        watched = detector(report="raise")
    if item.get_closest_marker("gochan_leakcheck") is not None:
        from .testing import leakcheck

        checked = leakcheck()
    with (
        watched,
        _seeded(stash[_SEED]) if _SEED in stash else nullcontext(),
        checked,
    ):
        yield


@contextmanager
def _seeded(seed: int) -> Generator[None, None, None]:
    before, _select.random = _select.random, random.Random(seed).random  # noqa: S311  # no secret
    try:
        yield
    finally:
        _select.random = before


def _install_race(config: pytest.Config) -> None:
    """Have the project's modules rewritten that are imported from now on."""
    from _pytest.assertion import rewrite

    from .race import _hook

    def rewrite_asserts(tree: ast.Module, source: bytes, path: str) -> None:
        """What pytest does to modules of tests, which are not its to load then."""
        rewrite.rewrite_asserts(tree, source, path, config)
        node: Any
        for node in ast.walk(tree):
            # it says where its own nodes begin, and not where they end
            if getattr(node, "end_lineno", 0) is None:
                node.end_lineno = node.lineno
                node.end_col_offset = node.col_offset

    config.stash[_RACE] = True
    chosen = _hook.own_files(os.fspath(config.rootpath))
    rewriting = ExitStack()
    rewriting.enter_context(_hook.install(chosen, first=rewrite_asserts))
    config.add_cleanup(rewriting.close)
