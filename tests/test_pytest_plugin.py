"""The pytest plugin: silent unless it is used, and at peace with the others."""

from __future__ import annotations

import importlib.util
import re
import textwrap

import pytest

import gochan.testing
from gochan.race import _hook

pytest_plugins = ["pytester"]

# What is first loaded by the tests inside would be forgotten, and loaded again.
LOADED = (_hook, gochan.testing)

HAS_TRIO = importlib.util.find_spec("trio") is not None
QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:timeout")


class Project:
    """Some tests, run by a pytest of their own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        if importlib.util.find_spec("pytest_asyncio") is not None:
            # it warns without
            option = "asyncio_default_fixture_loop_scope = function"
            pytester.makeini(f"[pytest]\n{option}\n")

    def write(self, text: str, name: str = "test_project") -> None:
        self.pytester.makepyfile(**{name: textwrap.dedent(text)})

    def run(self, *arguments: str) -> str:
        """What it writes."""
        result = self.pytester.runpytest_inprocess(*QUIET, *arguments)
        return result.stdout.str() + result.stderr.str()

    def outcomes(self, *arguments: str) -> dict[str, str]:
        """By test: passed, failed, ..."""
        return outcomes(self.run("-v", "--strict-markers", *arguments))


def outcomes(written: str) -> dict[str, str]:
    found = re.findall(r"^test_project\.py::(\S+) ([A-Z]+)", written, re.MULTILINE)
    assert found, written
    return dict(found)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)


LEAKS = """
    import anyio
    import pytest
    from gochan import Chan, arun, go, run

    async def stuck():
        await Chan(name="ch").recv()

    async def leaves():
        go(stuck)
        await anyio.sleep(0)

    async def leaves_nothing():
        await go(anyio.sleep, 0)

    leakcheck = pytest.mark.gochan_leakcheck
"""


def test_a_marked_test_fails_if_goroutines_are_left(project: Project) -> None:
    project.write(
        LEAKS
        + """
    @leakcheck
    def test_left(): run(leaves)

    @leakcheck
    def test_none_left(): run(leaves_nothing)

    def test_unmarked(): run(leaves)

    @leakcheck
    def test_that_fails():
        run(leaves)
        assert 1 == 2

    @leakcheck
    class TestClass:
        def test_left(self): run(leaves)
    """,
    )
    written = project.run("-v", "--strict-markers")
    assert outcomes(written) == {
        "test_left": "FAILED",
        "test_none_left": "PASSED",
        "test_unmarked": "PASSED",
        "test_that_fails": "FAILED",
        "TestClass::test_left": "FAILED",
    }
    assert "gochan.testing.LeakError: a goroutine is left over:" in written
    assert re.search(
        r"goroutine \d+ \(stuck\) \[chan receive\], started at test_project\.py:\d+ "
        r"in leaves\n",
        written,
    )
    # nothing of how it was found
    assert "_leakcheck.py" not in written
    assert "contextlib.py" not in written
    # an error of the test's own is what counts
    assert written.count("E   gochan.testing.LeakError: ") == 2


ASYNC = """
    @leakcheck
    {mark}
    async def test_left(): await arun(leaves)

    @leakcheck
    {mark}
    async def test_none_left(): await arun(leaves_nothing)

    {mark}
    async def test_unmarked(): await arun(leaves)
"""

LEFT = {"test_left": "FAILED", "test_none_left": "PASSED", "test_unmarked": "PASSED"}


def test_with_anyios_plugin(project: Project) -> None:
    project.write(LEAKS + ASYNC.format(mark="@pytest.mark.anyio"))
    found = project.outcomes()
    for backend in ("asyncio", "trio") if HAS_TRIO else ("asyncio",):
        assert {
            name.partition("[")[0]: outcome
            for name, outcome in found.items()
            if f"[{backend}]" in name
        } == LEFT


@pytest.mark.parametrize("mode", ["marked", "auto"])
def test_with_pytest_asyncio(project: Project, mode: str) -> None:
    pytest.importorskip("pytest_asyncio")
    mark = "@pytest.mark.asyncio" if mode == "marked" else ""
    project.write(LEAKS + ASYNC.format(mark=mark))
    options = ["-o", "asyncio_mode=auto"] if mode == "auto" else []
    assert project.outcomes(*options) == LEFT


@pytest.mark.parametrize("mode", ["marked", "auto"])
def test_with_pytest_trio(project: Project, mode: str) -> None:
    pytest.importorskip("pytest_trio")
    mark = "@pytest.mark.trio" if mode == "marked" else ""
    project.write(LEAKS + ASYNC.format(mark=mark))
    options = ["-o", "trio_mode=true"] if mode == "auto" else []
    assert project.outcomes(*options) == LEFT


def test_a_scope_of_a_fixture(project: Project) -> None:
    """It lives longer than the test, and so does what the test starts there."""
    project.write(
        LEAKS
        + """
    from gochan import scope

    @pytest.fixture
    def anyio_backend(): return "asyncio"

    @pytest.fixture
    async def background(anyio_backend):
        async with scope() as opened:
            opened.go(stuck)
            yield opened
            opened.cancel()

    @leakcheck
    @pytest.mark.anyio
    async def test_left(background):
        background.go(stuck)
        await anyio.sleep(0)

    @leakcheck
    @pytest.mark.anyio
    async def test_none_left(background):
        await background.go(anyio.sleep, 0)
    """,
    )
    assert project.outcomes() == {"test_left": "FAILED", "test_none_left": "PASSED"}


SEEDED = """
    from gochan import Chan, recv, run, select

    async def choose():
        ready = [Chan(1000) for _ in range(4)]
        for ch in ready:
            for _ in range(1000):
                ch.send_nowait(0)
        cases = [recv(ch) for ch in ready]
        return "".join([str((await select(*cases)).index) for _ in range(50)])

    def test_one(): print("chosen", run(choose))
    def test_two(): print("chosen", run(choose))
"""


def chosen(written: str) -> list[str]:
    return re.findall(r"chosen (\d+)", written)


def test_a_seed(project: Project) -> None:
    """The same choices in every test and every time; others without it."""
    project.write(SEEDED)
    written = project.run("-s", "--gochan-seed=7")
    assert "gochan: --gochan-seed=7\n" in written
    first, second = chosen(written)
    assert first == second
    assert chosen(project.run("-s", "--gochan-seed=7")) == [first, first]
    assert first not in chosen(project.run("-s", "--gochan-seed=8"))
    plain = project.run("-s")
    assert len({first, *chosen(plain)}) == 3
    assert "gochan: " not in plain


def test_a_seed_that_is_drawn(project: Project) -> None:
    """It is written down, to be given the next time."""
    project.write(SEEDED)
    written = project.run("-s", "--gochan-seed=random")
    seed = re.findall(r"--gochan-seed=(\d+)\n", written)[0]
    assert chosen(project.run("-s", f"--gochan-seed={seed}")) == chosen(written)


def test_a_seed_that_is_none(project: Project) -> None:
    project.write(SEEDED)
    written = project.run("--gochan-seed=lucky")
    assert "--gochan-seed wants a number or `random`, not 'lucky'" in written


RACES = """
    'A module whose code begins in its third line, which pytest puts imports into.'

    import program
    from gochan import go, run, scope

    def test_races():
        run(program.racing)
        # pytest's own assertions are rewritten all the same
        assert program.total == 2

    def test_orderly():
        run(program.orderly)

    def test_wrong():
        assert program.total == "rewritten"
"""

PROGRAM = """
    import gochan
    from gochan import go, scope

    total = 0

    async def racing():
        async def add():
            global total
            total += 1
        async with scope():
            go(add)
            go(add)

    async def orderly():
        await go(add_one)
        await go(add_one)

    async def add_one():
        global total
        total += 1
"""


def test_races(project: Project) -> None:
    project.write(RACES)
    project.write(PROGRAM, "program")
    plain = {"test_races": "PASSED", "test_orderly": "PASSED", "test_wrong": "FAILED"}
    assert project.outcomes() == plain
    written = project.run("-v", "--gochan-race")
    assert outcomes(written) == {**plain, "test_races": "FAILED"}
    assert "1 data race" in written
    assert re.search(r'program\.py", line \d+, in racing', written)
    assert "assert 4 == 'rewritten'" in written


@pytest.mark.slow
def test_nothing_is_done_unless_asked_for(project: Project) -> None:
    """And it can be left out altogether."""
    project.write(LEAKS + "    def test_one(): run(leaves)\n")
    # as pytest finds it
    done = project.pytester.runpytest_subprocess(*QUIET)
    written = done.stdout.str()
    assert "1 passed" in written
    assert "gochan" not in written.split("plugins:")[0]
    assert "gochan" not in written.split("collected")[1]
    assert done.stderr.str() == ""
    without = project.run("-p", "no:gochan", "--gochan-seed=1")
    assert "unrecognized arguments: --gochan-seed=1" in without
