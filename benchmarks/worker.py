"""One contestant in a process of its own: ``python -m benchmarks.worker NAME``.

It says that it is ready, then answers one request per line of its standard input
until that ends; everything is JSON. See process.py for the other side.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .contestants import CONTESTANTS, make
from .contestants.base import Contestant, Unsupported

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("answer", "main", "on_one_core")


@contextmanager
def on_one_core() -> Generator[None]:
    """Keep this thread, and those that it starts, on one core, where that is known."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def answer(contestant: Contestant, request: dict[str, Any]) -> dict[str, Any]:
    """Measure what is asked for."""
    # what the last measurement has left behind is not this one's business
    gc.collect()
    params = dict(request["params"])
    one_core = params.pop("one_core", False)
    try:
        with on_one_core() if one_core else nullcontext():
            sample = contestant.measure(request["shape"], int(request["n"]), params)
    except Unsupported as error:
        return {"unsupported": str(error)}
    return {"seconds": sample.seconds, "values": sample.values}


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # gochan in a checkout that is not installed: the commit says it
            pass
    return found


def main() -> int:
    # the answers have the real standard output, whatever a package prints
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        contestant = make(sys.argv[1])
    except ModuleNotFoundError as error:
        say({"missing": str(error)})
        return 0
    versions = _versions(CONTESTANTS[sys.argv[1]].packages)
    say({"ready": versions, "smallest": contestant.smallest})
    for line in sys.stdin:
        say(answer(contestant, json.loads(line)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
