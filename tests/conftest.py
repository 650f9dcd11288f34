"""Every test runs on every backend named in GOCHAN_TEST_BACKENDS.

``async def`` tests run inside a loop of each backend (anyio's plugin). A test
that starts its own run takes the fixture ``backend``: ``run(main, **backend)``.
Tests marked ``trio``, in ``test_trio_*.py``, are run by pytest-trio instead.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import _budget
from gochan.executors import _ahead
from support.ends import Ends, Lent
from support.native import LOOPS

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
NAMES = os.environ.get("GOCHAN_TEST_BACKENDS", "asyncio,trio").split(",")

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("trio") is None or "trio" not in NAMES:
    # these files test what is trio's own, and import it
    collect_ignore_glob.append("test_trio_*.py")


def pytest_configure() -> None:
    # A shell that starts us in the background has us ignore Ctrl-C, and programs
    # that the tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "anyio_backend" in metafunc.fixturenames:
        # anyio wants every async test; pytest-trio's are to run once
        own = metafunc.definition.get_closest_marker("trio") is not None
        names = ["trio"] if own else NAMES
        metafunc.parametrize("anyio_backend", names, indirect=True)


@pytest.fixture(scope="module", autouse=True)
def _little_garbage() -> None:  # pyright: ignore[reportUnusedFunction]
    """Who collects garbage does not look at the test runner and thousands of tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return BACKENDS[request.param]


@pytest.fixture
def backend(anyio_backend: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Keyword arguments for ``gochan.run``."""
    name, options = anyio_backend
    return {"backend": name, "backend_options": options}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The kind of event loop, for tests that are about asyncio."""
    kind: str = request.param
    return kind


# Both ends of a link in this process: see support.ends


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


@pytest.fixture
def lent(ends: Ends) -> Lent:
    return Lent(ends)


@pytest.fixture
def always_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who receives is lent values however slow this machine is."""
    monkeypatch.setattr(_ahead, "_SOON", 1e9)


@pytest.fixture
def one_budget() -> Iterator[None]:
    """Once a second thread runs a loop, gochan counts otherwise: not in other tests."""
    budget = _budget.budget
    before = {name: getattr(budget, name) for name in type(budget).__slots__}
    yield
    for name, value in before.items():
        setattr(budget, name, value)


NEEDS_GREENBACK = pytest.mark.skipif(
    importlib.util.find_spec("greenback") is None, reason="greenback is not installed"
)


@pytest.fixture(
    params=[
        "threads",
        "threads(1)",
        "ThreadPoolExecutor",
        pytest.param("fibers", marks=NEEDS_GREENBACK),
    ]
)
def on(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each executor for plain functions, for ``go(..., on=on)``."""
    match request.param:
        case "threads":
            yield gochan.threads
        case "threads(1)":
            yield gochan.executors.threads(1)
        case "fibers":
            yield gochan.fibers
        case _:
            with ThreadPoolExecutor(8) as pool:
                yield pool
