"""The import hook, and running a script under it.

``install(chosen)`` has every module rewritten that is imported from then on and that
``chosen(name, path)`` accepts. Compiled files are neither read nor written, so nothing
is left behind.
"""

from __future__ import annotations

import ast
import os.path
import sys
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._rewrite import rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType

    Chosen = Callable[[str, str], bool]
    First = Callable[[ast.Module, bytes, str], None]

__all__ = ("compile_source", "install", "own_files", "run_path")


def compile_source(source: bytes, path: str, first: First | None = None) -> CodeType:
    """Compile a module, rewritten.

    Raises:
        SyntaxError: the source has one.
    """
    tree = ast.parse(source, path)
    if first is not None:
        first(tree, source, path)
    code: CodeType = compile(rewrite(tree), path, "exec", dont_inherit=True)
    return code


class _Loader(SourceFileLoader):
    """Loads one rewritten module."""

    def __init__(self, name: str, path: str, first: First | None) -> None:
        super().__init__(name, path)
        self._first = first

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return compile_source(self.get_data(path), path, self._first)


class _Finder(MetaPathFinder):
    """Asks the finders that come after it, and exchanges the loader."""

    def __init__(self, chosen: Chosen, first: First | None) -> None:
        self._chosen = chosen
        self._first = first

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                self._exchange(spec)
                return spec
        return None

    def _exchange(self, spec: ModuleSpec) -> None:
        file = spec.origin
        if (
            spec.has_location
            and file is not None
            and file.endswith(".py")
            and self._chosen(spec.name, file)
        ):
            # somebody else's loader rewrites, too: pytest's rewrites assertions
            plain = type(spec.loader) is SourceFileLoader
            spec.loader = _Loader(spec.name, file, None if plain else self._first)


@contextmanager
def install(chosen: Chosen, *, first: First | None = None) -> Generator[None]:
    """Rewrite the modules that are imported inside and that are chosen.

    Args:
        chosen: given a module's name and path, whether to rewrite it.
        first: changes the tree of those that a loader of its own would have loaded;
            given the tree, the source and the path.
    """
    finder = _Finder(chosen, first)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def own_files(folder: str) -> Chosen:
    """Chooses the modules in a folder, but nothing that was installed there."""
    root = os.path.join(os.path.realpath(folder), "")
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

    def chosen(_: str, path: str) -> bool:
        path = os.path.realpath(path)
        return (
            path.startswith(root)
            and f"{os.sep}site-packages{os.sep}" not in path
            and not path.startswith(package + os.sep)
        )

    return chosen


def run_path(path: str) -> dict[str, Any]:
    """Run a script as ``__main__``, rewritten, with what it imports from its folder.

    ``sys.argv`` and ``sys.path`` are the caller's business. Returns its globals.

    Raises:
        OSError: there is no such file.
        SyntaxError: it has one.
    """
    with open(path, "rb") as file:
        code = compile_source(file.read(), path)
    main = ModuleType("__main__")
    main.__file__ = path
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    before = sys.modules["__main__"]
    sys.modules["__main__"] = main
    try:
        with install(own_files(os.path.dirname(os.path.abspath(path)))):
            exec(code, vars(main))  # noqa: S102  # that is what it is for
    finally:
        sys.modules["__main__"] = before
    return vars(main)
