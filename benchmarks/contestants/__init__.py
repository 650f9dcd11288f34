"""Who takes part, by name.

A name is ``what`` or ``what/where it runs``. A module makes its contestants:
``make(variant)``. Whatever it needs is imported when it makes one, so that a
package that is missing is noticed in the contestant's own process.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .base import Contestant

__all__ = ("CONTESTANTS", "OURS", "make", "ours_for")


class _How(NamedTuple):
    """The module that makes it, which of its variants, and whose versions to tell."""

    module: str
    variant: str = ""
    packages: tuple[str, ...] = ()


CONTESTANTS: Final[Mapping[str, _How]] = {
    "gochan/asyncio": _How("ours", "asyncio", ("gochan-csp", "anyio")),
    "gochan/uvloop": _How("ours", "uvloop", ("gochan-csp", "anyio", "uvloop")),
    "gochan/trio": _How("ours", "trio", ("gochan-csp", "anyio", "trio")),
    "gochan/threads": _How("ours_threads", "", ("gochan-csp",)),
    "gochan/processes": _How("processes", "asyncio", ("gochan-csp", "anyio")),
    "gochan/processes/trio": _How("processes", "trio", ("gochan-csp", "anyio", "trio")),
    "asyncio.Queue": _How("peer_asyncio", "asyncio"),
    "asyncio.Queue/uvloop": _How("peer_asyncio", "uvloop", ("uvloop",)),
    "asyncio tasks": _How("tasks", "asyncio"),
    "asyncio tasks/uvloop": _How("tasks", "uvloop", ("uvloop",)),
    "anyio/asyncio": _How("peer_anyio", "asyncio", ("anyio",)),
    "anyio/trio": _How("peer_anyio", "trio", ("anyio", "trio")),
    "trio": _How("peer_trio", "", ("trio",)),
    "trio tasks": _How("peer_trio", "", ("trio",)),
    "aiochan": _How("peer_aiochan", "", ("aiochan",)),
    "asyncio-channel": _How("peer_asyncio_channel", "", ("asyncio-channel",)),
    "janus": _How("peer_janus", "", ("janus",)),
    "culsans": _How("peer_culsans", "", ("culsans", "aiologic")),
    "culsans/threads": _How("peer_culsans", "threads", ("culsans", "aiologic")),
    "aiologic": _How("peer_aiologic", "", ("aiologic",)),
    "aiologic/threads": _How("peer_aiologic", "threads", ("aiologic",)),
    "gevent": _How("peer_gevent", "", ("gevent", "greenlet")),
    "queue.Queue": _How("peer_queue", "Queue"),
    "queue.SimpleQueue": _How("peer_queue", "SimpleQueue"),
    "threads": _How("threads"),
    "multiprocessing.Queue": _How("processes", "multiprocessing"),
    "on the loop": _How("computing", "", ("gochan-csp",)),
    "on loops(2)": _How("computing", "loops", ("gochan-csp",)),
    "on threads": _How("computing", "threads", ("gochan-csp",)),
    "on processes": _How("computing", "processes", ("gochan-csp",)),
    "pygo-routines": _How("peer_pygo", "", ("pygo-routines",)),
    "asyncio.sleep(0)": _How("limits", "asyncio"),
    "trio checkpoint": _How("limits", "trio", ("trio",)),
    "generator switch": _How("limits", "generator"),
    # made of the sources in benchmarks/go: see process.py
    "Go/1 core": _How("", "1"),
    "Go/2 cores": _How("", "2"),
}

OURS: Final = "gochan/asyncio"


def ours_for(name: str) -> str:
    """The contestant of ours that ``name`` is compared with."""
    if name == "multiprocessing.Queue" or name.startswith("gochan/processes"):
        return "gochan/processes"
    if name.startswith("on "):
        return "on the loop"
    _, _, where = name.partition("/")
    if where == "uvloop":
        return "gochan/uvloop"
    if where == "trio" or name.startswith("trio"):
        return "gochan/trio"
    if where == "threads" or name in (
        "queue.Queue",
        "queue.SimpleQueue",
        "pygo-routines",
        "threads",
    ):
        return "gochan/threads"
    return OURS


def make(name: str) -> Contestant:
    """The contestant of that name.

    Raises:
        ModuleNotFoundError: what it needs is not installed.
    """
    how = CONTESTANTS[name]
    made: Contestant = import_module(f".{how.module}", __name__).make(how.variant)
    return made
