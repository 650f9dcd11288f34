"""The package as it is built, described, installed and imported."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import gochan

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parent.parent
# the tests may also have been copied away, to see what is installed
IS_CHECKOUT = (ROOT / "gochan").is_dir()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


class Wheel(NamedTuple):
    files: set[str]
    metadata: Message


def build(kind: str, folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """The wheel that this checkout makes, else the one that is installed."""
    if not IS_CHECKOUT:
        dist = metadata.distribution("gochan-csp")
        files = {str(file) for file in dist.files or () if file.suffix != ".pyc"}
        return Wheel(files, email.message_from_string(str(dist.read_text("METADATA"))))
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        files = set(archive.namelist())
        (about,) = (name for name in files if name.endswith("/METADATA"))
        text = archive.read(about).decode()
    return Wheel(files, email.message_from_string(text))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Wheel) -> None:
    version = PROJECT["project"]["version"]
    top = {name.split("/")[0] for name in wheel.files}
    assert top == {"gochan", f"gochan_csp-{version}.dist-info"}
    assert "gochan/py.typed" in wheel.files
    assert f"gochan_csp-{version}.dist-info/licenses/LICENSE" in wheel.files


@pytest.mark.skipif(not IS_CHECKOUT, reason="there is no source to compare with")
def test_the_wheel_holds_every_module(wheel: Wheel) -> None:
    package = ROOT / "gochan"
    source = {
        file.relative_to(ROOT).as_posix()
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert source == {name for name in wheel.files if name.startswith("gochan/")}


@pytest.mark.skipif(not IS_CHECKOUT, reason="there is no source to build from")
def test_the_source_distribution_can_be_tested(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "gochan/py.typed",
        "pyproject.toml",
        "tests/conftest.py",
    }
    assert wanted <= names


def test_metadata(wheel: Wheel) -> None:
    about = wheel.metadata
    assert about["Name"] == "gochan-csp"
    assert about["Version"] == PROJECT["project"]["version"]
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == "MIT"
    required = about.get_all("Requires-Dist", [])
    assert [line for line in required if "extra ==" not in line] == ["anyio>=4.12"]
    assert set(about.get_all("Provides-Extra", [])) == {"fibers", "trio"}


def test_the_installed_version_is_this_one() -> None:
    assert metadata.version("gochan-csp") == PROJECT["project"]["version"]


def test_the_floor_group_pins_what_users_may_have() -> None:
    """Otherwise the lowest versions are promised and not tested."""
    project = PROJECT["project"]
    promised = [*project["dependencies"], *project["optional-dependencies"]["trio"]]
    pinned = [
        line for line in PROJECT["dependency-groups"]["test-floor"] if "==" in line
    ]
    floors = dict(line.split(">=") for line in promised)
    pins = dict(line.split("==") for line in pinned)
    assert {name: pin.removesuffix(".0") for name, pin in pins.items()} == floors


@pytest.mark.skipif(not IS_CHECKOUT, reason="there is no source to look at")
def test_nobody_is_told_to_install_an_unrelated_program() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "gochan").rglob("*.py")]
    files += (ROOT / "docs").rglob("*.md")
    assert len(files) > 10
    wrong = re.compile(r"(pip3?|uv|pipx)( \w+)* install( -\S+)* [\"']?gochan(?!-csp)")
    assert wrong.search("pip install -U gochan[trio]")
    assert [file for file in files if wrong.search(file.read_text())] == []


def fresh(program: str) -> Any:
    """What ``program`` prints as JSON, in an interpreter that measures no coverage."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COV")
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return json.loads(done.stdout)


def test_import_is_light() -> None:
    # older anyio loads nearly everything itself
    loaded = fresh(
        "import json, sys; before = set(sys.modules); import anyio\n"
        "if 'anyio._lazyimport' not in sys.modules: before = set(sys.modules)\n"
        "import gochan; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    assert "gochan._chan" in loaded
    heavy = {
        "asyncio",
        "concurrent",
        "logging",
        "multiprocessing",
        "pathlib",
        "pickle",
        "select",
        "selectors",
        "signal",
        "sniffio",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "trio",
        "uvloop",
    }
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)


def test_import_starts_no_thread_and_takes_no_signal() -> None:
    threads, handlers = fresh(
        "import gochan, json, signal, threading; "
        "print(json.dumps([threading.active_count(), "
        "[repr(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)]]))"
    )
    assert threads == 1
    assert "default_int_handler" in handlers[0]
    assert "SIG_DFL" in handlers[1]


def test_it_is_installed_outside_of_a_copy_of_the_tests() -> None:
    home = Path(gochan.__file__).resolve().parent.parent
    if IS_CHECKOUT:
        assert home == ROOT
    else:
        assert home.name == "site-packages"
