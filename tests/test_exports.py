"""What ``gochan`` exports is what it says, at run time and for type checkers."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import types
from typing import Any

import pytest

import gochan
import gochan.buffers

PUBLIC = [(name, getattr(gochan, name)) for name in gochan.__all__]
BUFFERS = [(name, getattr(gochan.buffers, name)) for name in gochan.buffers.__all__]
CLASSES: list[type[Any]] = [
    thing for _, thing in [*PUBLIC, *BUFFERS] if isinstance(thing, type)
]
# public, and not final
OPEN = {
    "Buffer": "the base of the buffers",
    "Case": "the base of the cases",
    "Chan": "the base of the nil channel",
    "Instrument": "to be derived from",
    "RecvChan": "an end, of which Chan is made",
    "Selectable": "a protocol",
    "SendChan": "an end, of which Chan is made",
}


@pytest.mark.parametrize("module", [gochan, gochan.buffers], ids=lambda m: m.__name__)
def test_all_is_a_sorted_tuple(module: Any) -> None:
    names: tuple[str, ...] = module.__all__
    assert type(names) is tuple
    assert list(names) == sorted(set(names))


def test_all_is_every_public_name() -> None:
    public = {name for name in dir(gochan) if not name.startswith("_")}
    # what the module itself needs
    public -= {"TYPE_CHECKING", "Any", "annotations", "importlib"}
    assert public == set(gochan.__all__)


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_every_name_is_found_where_it_is_imported_from(name: str, thing: Any) -> None:
    if isinstance(thing, types.ModuleType):
        assert thing.__name__ == f"gochan.{name}"
    elif name == "WouldBlock":
        assert thing.__module__.startswith("anyio")
    elif isinstance(thing, type | types.FunctionType):
        assert thing.__module__ == "gochan"
        assert thing.__qualname__ == name
    else:
        assert thing is gochan.nil


@pytest.mark.parametrize(
    ("name", "thing"),
    [*PUBLIC, *BUFFERS],
    ids=[name for name, _ in [*PUBLIC, *BUFFERS]],
)
def test_everything_public_has_a_docstring(name: str, thing: Any) -> None:
    text = inspect.getdoc(thing)
    assert text, name
    if isinstance(thing, type) and name != "WouldBlock":
        # its own, not its base class's
        assert thing.__doc__
        mro = inspect.getmro(thing)
        undocumented = [
            attribute
            for attribute, value in inspect.getmembers(thing)
            if not attribute.startswith("_")
            and (callable(value) or isinstance(value, property))
            # an override may leave it to what it overrides
            and not any(vars(c)[attribute].__doc__ for c in mro if attribute in vars(c))
        ]
        assert undocumented == []


def test_a_blocking_coroutine_says_what_a_cancellation_does() -> None:
    silent: list[str] = []
    for name, thing in PUBLIC:
        members = [thing]
        if isinstance(thing, type):
            members = [
                value
                for attribute, value in inspect.getmembers(thing)
                if not attribute.startswith("_") or attribute == "__await__"
            ]
        silent += [
            f"{name}.{member.__qualname__}"
            for member in members
            if inspect.iscoroutinefunction(member)
            # the ends refer to the channel
            and name not in {"SendChan", "RecvChan"}
            and "\nCancellation: " not in (inspect.getdoc(member) or "")
        ]
    assert silent == []


def test_classes_are_final_unless_there_is_a_reason() -> None:
    # what is raised may always be derived from
    candidates = [cls for cls in CLASSES if not issubclass(cls, BaseException)]
    assert len(candidates) > len(OPEN)
    left_open = {
        cls.__name__ for cls in candidates if not getattr(cls, "__final__", False)
    }
    assert left_open == set(OPEN)


@pytest.mark.skipif(shutil.which("pyright") is None, reason="needs pyright")
@pytest.mark.timeout(120)  # its first run may have to install it
def test_type_checkers_see_the_same_names() -> None:
    done = subprocess.run(
        ["pyright", "--verifytypes", "gochan", "--ignoreexternal", "--outputjson"],
        check=False,
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout[done.stdout.index("{") :])["typeCompleteness"]
    seen = {
        symbol["name"].removeprefix("gochan.")
        for symbol in report["symbols"]
        if symbol["isExported"]
    }
    modules = {module["name"].removeprefix("gochan.") for module in report["modules"]}
    modules.remove("gochan")
    assert {name for name in seen if "." not in name} | modules == set(gochan.__all__)
    assert report["completenessScore"] == 1
