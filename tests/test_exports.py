"""What the public modules export is what they say, at run time and for checkers."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import types
from typing import Any

import pytest

import gochan

MODULES: list[types.ModuleType] = [
    gochan,
    *(
        thing
        for name in gochan.__all__
        if isinstance(thing := getattr(gochan, name), types.ModuleType)
    ),
]
# what they are made of is in private modules
PACKAGES = [module for module in MODULES if hasattr(module, "__path__")]
PUBLIC: list[tuple[types.ModuleType, str, Any]] = [
    (module, name, getattr(module, name))
    for module in MODULES
    for name in module.__all__
]
CLASSES: list[type[Any]] = [thing for *_, thing in PUBLIC if isinstance(thing, type)]
# its own names for what it also raises
ANYIO = {"BrokenWorkerProcess", "WouldBlock"}
# public, and not final
OPEN = {
    "Buffer": "the base of the buffers",
    "Case": "the base of the cases",
    "Chan": "the base of the nil channel",
    "Context": "to be derived from",
    "Executor": "the base of the executors",
    "Instrument": "to be derived from",
    "Locker": "the base of the locks",
    "Options": "a typed dictionary",
    "RecvChan": "an end, of which Chan is made",
    "Selectable": "a protocol",
    "SendChan": "an end, of which Chan is made",
}

modules = pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
public = pytest.mark.parametrize(
    ("module", "name", "thing"),
    PUBLIC,
    ids=[f"{module.__name__}.{name}" for module, name, _ in PUBLIC],
)


@modules
def test_all_is_a_sorted_tuple(module: Any) -> None:
    names: tuple[str, ...] = module.__all__
    assert type(names) is tuple
    assert list(names) == sorted(set(names))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda m: m.__name__)
def test_all_is_every_public_name(package: Any) -> None:
    names: dict[str, Any] = package.__dict__
    public = {
        name
        for name, thing in names.items()
        if not name.startswith("_")
        and getattr(thing, "__module__", None) == package.__name__
    }
    assert public <= set(package.__all__)
    assert set(package.__all__) <= set(dir(package))


@public
def test_every_name_is_found_where_it_is_imported_from(
    module: types.ModuleType, name: str, thing: Any
) -> None:
    if isinstance(thing, types.ModuleType):
        assert thing.__name__ == f"gochan.{name}"
    elif name in ANYIO:
        assert thing.__module__.startswith("anyio")
    elif isinstance(thing, type | types.FunctionType):
        assert thing.__module__ == module.__name__
        assert thing.__qualname__ == name
    else:
        assert any(
            thing is each for each in (gochan.nil, gochan.threads, gochan.fibers)
        )


@public
def test_everything_public_has_a_docstring(
    module: types.ModuleType, name: str, thing: Any
) -> None:
    text = inspect.getdoc(thing)
    assert text, name
    if isinstance(thing, type) and name not in ANYIO:
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
    for _, name, thing in PUBLIC:
        members = [thing]
        if isinstance(thing, type):
            members = [
                value
                for attribute, value in inspect.getmembers(thing)
                if not attribute.startswith("_")
                or attribute in {"__await__", "__call__"}
            ]
        silent += [
            f"{name}.{member.__qualname__}"
            for member in members
            if inspect.iscoroutinefunction(member)
            # the ends refer to the channel, and the base of the locks says nothing
            and name not in {"SendChan", "RecvChan", "Locker"}
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
    modules = {m["name"] for m in report["modules"]} - {"gochan.__main__"}
    assert modules == {m.__name__ for m in MODULES}
    seen: dict[str, set[str]] = {module.__name__: set() for module in MODULES}
    for symbol in report["symbols"]:
        owner, _, name = symbol["name"].rpartition(".")
        if symbol["isExported"] and owner in seen:
            seen[owner].add(name)
    for module in MODULES:
        if module in PACKAGES:
            own = {m.__name__.rpartition(".")[2] for m in MODULES[1:]}
            assert seen[module.__name__] | own >= set(module.__all__)
            extra = seen[module.__name__] - set(module.__all__)
            assert not {name for name in extra if not name.startswith("_")}
        else:
            # also what it keeps to itself without an underscore, such as T
            assert seen[module.__name__] >= set(module.__all__)
    assert report["completenessScore"] == 1
