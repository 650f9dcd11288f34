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

import importlib
import os
import random
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import pytest

from . import _select

if TYPE_CHECKING:
    import ast
    from collections.abc import Generator
    from contextlib import AbstractContextManager

__all__ = ("pytest_addoption", "pytest_configure", "pytest_report_header")

_SEED: Final = pytest.StashKey[int]()
_RACE: Final = pytest.StashKey[Any]()


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
    if item.get_closest_marker("gochan_leakcheck") is not None:
        from .testing import leakcheck

        checked = leakcheck()
    with (
        stash[_RACE].detector(report="raise") if _RACE in stash else nullcontext(),
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
    try:
        race: Any = importlib.import_module("gochan.race")
        hook: Any = importlib.import_module("gochan.race._hook")
    except ModuleNotFoundError:
        raise pytest.UsageError(
            "--gochan-race: this version of gochan has no race detector"
        ) from None
    config.stash[_RACE] = race

    def rewrite_asserts(tree: ast.Module, source: bytes, path: str) -> None:
        """What pytest does to modules of tests, which are not its to load then."""
        private: Any = importlib.import_module("_pytest.assertion.rewrite")
        private.rewrite_asserts(tree, source, path, config)

    chosen = hook.own_files(os.fspath(config.rootpath))
    rewriting = hook.install(chosen, first=rewrite_asserts)
    rewriting.__enter__()
    config.add_cleanup(lambda: rewriting.__exit__(None, None, None))
