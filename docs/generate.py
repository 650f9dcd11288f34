"""Write the pages that are made from programs: docs/by-example/*.md.

    python docs/generate.py            # write what has changed
    python docs/generate.py --check    # only say what would

A page is made from NN_NAME.py and from NN_NAME.out, what it prints. The program's
docstring is the text: its first line, up to the colon, is the title. The tests run the
programs and compare what they print; they also see that the pages are up to date.
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
FOLDER = DOCS / "by-example"

# in the order in which they are read, under the names of Go by Example
TOPICS = (
    "goroutines",
    "channels",
    "channel-buffering",
    "channel-synchronization",
    "channel-directions",
    "select",
    "timeouts",
    "non-blocking-channel-operations",
    "closing-channels",
    "range-over-channels",
    "timers",
    "tickers",
    "worker-pools",
    "waitgroups",
    "rate-limiting",
    "atomic-counters",
    "mutexes",
    "stateful-goroutines",
    "context",
    "signals",
)


def _program(topic: str) -> Path:
    """Numbered, so that none has the name of a module of Python's."""
    number = TOPICS.index(topic) + 1
    return FOLDER / f"{number:02}_{topic.replace('-', '_')}.py"


def _parts(program: Path) -> tuple[str, str, str, str]:
    """Title, what it is about, text, and the program without its docstring."""
    source = program.read_text("utf-8")
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree) or ""
    first, _, text = docstring.partition("\n")
    title, _, about = first.partition(":")
    end = tree.body[0].end_lineno or 0
    code = "\n".join(source.splitlines()[end:]).strip("\n")
    return title, about.strip(), text.strip("\n"), code


def _page(topic: str, following: str | None) -> str:
    title, about, text, code = _parts(_program(topic))
    output = _program(topic).with_suffix(".out").read_text("utf-8").rstrip("\n")
    lines = [
        f"# {title}",
        "",
        f"*{about[0].upper()}{about[1:]}*",
        "",
        text,
        "",
        "```python",
        code,
        "```",
        "",
        "It prints:",
        "",
        "```text",
        output,
        "```",
        "",
    ]
    if following is not None:
        next_title = _parts(_program(following))[0]
        lines += [f"Next: [{next_title}]({following}.md).", ""]
    return "\n".join(lines)


def _index() -> str:
    lines = [
        "# By example",
        "",
        "One idea to a page: a whole program, and what it prints. The topics have the",
        "names of [Go by Example](https://gobyexample.com), so that you can read both",
        "side by side.",
        "",
    ]
    for topic in TOPICS:
        title, about, _, _ = _parts(_program(topic))
        lines.append(f"- [{title}]({topic}.md): {about.rstrip('.')}")
    lines += [
        "",
        "Larger programs are in the folder `examples/` of the repository; each takes",
        "`--backend asyncio` or `--backend trio`.",
        "",
    ]
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """All generated pages, with what they are to hold."""
    made = {FOLDER / "index.md": _index()}
    for topic, following in zip(TOPICS, (*TOPICS[1:], None), strict=True):
        made[FOLDER / f"{topic}.md"] = _page(topic, following)
    return made


def main() -> int:
    """Write or check them."""
    parser = argparse.ArgumentParser(description="Make pages from programs.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args()
    stale = [
        page
        for page, text in pages().items()
        if not page.exists() or page.read_text("utf-8") != text
    ]
    for page in stale:
        print(page.relative_to(DOCS))
        if not given.check:
            page.write_text(pages()[page], "utf-8")
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
