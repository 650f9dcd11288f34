"""The import hook, and running a script under it."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import race
from gochan.race import _hook, _places
from support.races import lines

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MODULE = """
import gochan
total = 0
async def bump():
    global total
    total += 1
async def main():
    for _ in range(2):
        gochan.go(bump)
    await gochan.yield_()
    await gochan.yield_()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A folder to import from; what was imported is forgotten afterwards."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def test_install(folder: Path) -> None:
    (folder / "racy_a.py").write_text(MODULE)
    (folder / "racy_b.py").write_text(MODULE)
    asked: list[tuple[str, str]] = []

    def chosen(name: str, path: str) -> bool:
        if name.startswith("racy"):
            asked.append((name, path))
        return name == "racy_a"

    finders = list(sys.meta_path)
    with _hook.install(chosen), race.detector(report="collect") as detector:
        for name in ("racy_a", "racy_b"):
            gochan.run(importlib.import_module(name).main)
    assert sys.meta_path == finders
    assert asked == [(n, str(folder / f"{n}.py")) for n in ("racy_a", "racy_b")]
    assert set(lines(detector.races)) == {"read/write racy_a.total"}
    # nothing is left behind for who imports it the ordinary way
    assert not list(folder.glob("__pycache__/racy_a*"))
    with pytest.raises(ModuleNotFoundError), _hook.install(chosen):
        importlib.import_module("racy_c")


def test_global_variables_from_outside(folder: Path, backend: dict[str, Any]) -> None:
    """``module.total`` and the module's own ``total`` are the same variable."""
    (folder / "racy_d.py").write_text("x = 0\ndef get():\n    return x\n")
    (folder / "racy_e.py").write_text(
        "import gochan, racy_d\n"
        "async def set(): racy_d.x = 1\n"
        "async def main():\n"
        "    gochan.go(set)\n"
        "    await gochan.yield_()\n"
        "    await gochan.yield_()\n"
        "    racy_d.get()\n"
    )
    with (
        _hook.install(_hook.own_files(str(folder))),
        race.detector(report="collect") as seen,
    ):
        gochan.run(importlib.import_module("racy_e").main, **backend)
    assert lines(seen.races) == ["read/write racy_d.x"]


def test_importing_orders(folder: Path, backend: dict[str, Any]) -> None:
    """What a module did when it was imported comes before what is done with it."""
    (folder / "racy_f.py").write_text("class Box: pass\nbox = Box()\nbox.x = 1\n")
    (folder / "racy_g.py").write_text(
        "import gochan\n"
        "async def use():\n"
        "    import racy_f\n"
        "    from racy_f import box\n"
        "    assert box.x == racy_f.box.x == 1\n"
        "async def main():\n"
        "    for _ in range(2): gochan.go(use)\n"
        "    await gochan.yield_()\n"
        "    await gochan.yield_()\n"
    )
    with _hook.install(_hook.own_files(str(folder))), race.detector():
        gochan.run(importlib.import_module("racy_g").main, **backend)


def test_another_loader_rewrites_too(folder: Path) -> None:
    """As pytest's does: what it does to the tree is done first."""
    (folder / "racy_h.py").write_text("x = 'before'\n")

    class Loader(SourceFileLoader):
        pass

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any, target: Any = None) -> Any:
            if name != "racy_h":
                return None
            file = str(folder / "racy_h.py")
            return importlib.util.spec_from_file_location(
                name, file, loader=Loader(name, file)
            )

    def first(tree: ast.Module, source: bytes, path: str) -> None:
        assert source == b"x = 'before'\n"
        assert path == str(folder / "racy_h.py")
        tree.body = ast.parse("x = 'after'\ndef f(): return x").body

    sys.meta_path.insert(0, Finder)
    try:
        with _hook.install(_hook.own_files(str(folder)), first=first):
            module = importlib.import_module("racy_h")
    finally:
        sys.meta_path.remove(Finder)
    assert module.x == "after"
    assert isinstance(vars(module)[_places.CELL + "x"], _places.Cell)


def test_own_files(tmp_path: Path) -> None:
    chosen = _hook.own_files(str(tmp_path))
    assert chosen("m", str(tmp_path / "m.py"))
    assert chosen("p.m", str(tmp_path / "p" / "m.py"))
    assert not chosen("m", str(tmp_path.parent / "m.py"))
    installed = tmp_path / "lib" / "site-packages" / "m.py"
    assert not chosen("m", str(installed))
    # not gochan itself, where that lies beside the program
    package = gochan.__file__
    assert not _hook.own_files("/")("gochan", package)


def test_run_path(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "racy_i.py").write_text(MODULE)
    script = folder / "script.py"
    script.write_text(
        "import gochan, racy_i, sys\n"
        "if __name__ == '__main__':\n"
        "    gochan.run(racy_i.main)\n"
        "    print(__file__, sys.modules['__main__'].__file__, racy_i.total)\n"
    )
    before = sys.modules["__main__"]
    with race.detector(report="collect") as detector:
        names = _hook.run_path(str(script))
    assert sys.modules["__main__"] is before
    assert names["__name__"] == "__main__"
    assert capsys.readouterr().out == f"{script} {script} 2\n"
    assert set(lines(detector.races)) == {"read/write racy_i.total"}


def test_run_path_of_what_is_no_script(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _hook.run_path(str(tmp_path / "missing.py"))
    (tmp_path / "bad.py").write_text("def\n")
    with pytest.raises(SyntaxError, match=r"bad\.py, line 1"):
        _hook.run_path(str(tmp_path / "bad.py"))
