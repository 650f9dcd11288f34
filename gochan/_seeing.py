"""To see the goroutines of this process: as a list, as text, on a signal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from ._leaked import leaked as find_leaked
from ._live import GoroutineInfo, live
from ._report import stacks

if TYPE_CHECKING:
    from types import FrameType

    from ._live import Look

__all__ = ("dump", "dump_on_signal", "goroutines")


def goroutines(leaked: bool = False) -> list[GoroutineInfo]:
    """What every goroutine of this process is doing, by id.

    Nothing has to be installed or switched on before, and nothing gets slower. From any
    thread; what other threads do meanwhile may be missing or out of date.

    Args:
        leaked: only those that can never go on, because they wait on channels and locks
            that nobody else can reach. None of these is a false alarm, but not every
            leak is found: whatever may still be used, such as a channel in a variable
            of a goroutine that runs, keeps who waits on it from being reported. Takes
            as long as collecting garbage does, which it also does.
    """
    return [look.info() for look in _looks(leaked)]


def dump(file: TextIO | None = None, *, leaked: bool = False) -> None:
    """Write what :func:`goroutines` sees as Go does, with stacks.

    Args:
        file: where to; standard error if not given.
        leaked: as for :func:`goroutines`.
    """
    print(_text(leaked), end="", file=sys.stderr if file is None else file)


def _looks(leaked: bool) -> list[Look]:
    return find_leaked(live()) if leaked else live()


def _text(leaked: bool = False) -> str:
    looks = _looks(leaked)
    if not looks:
        return "no goroutines\n"
    return stacks(looks, leaked=leaked)


def dump_on_signal(signum: int | None = None) -> None:
    r"""Write a :func:`dump` to standard error whenever the process gets a signal.

    Ctrl-\ sends SIGQUIT. The program goes on. A second dump tells how long what waits
    has been waiting since the first.

    Args:
        signum: such as ``signal.SIGUSR1``; SIGQUIT if not given.

    Raises:
        ValueError: this is not the main thread, which alone may handle signals, or
            ``signum`` is no signal that can be handled.
    """
    import signal

    if signum is None:
        if not hasattr(signal, "SIGQUIT"):
            raise ValueError(
                "this system has no SIGQUIT; write "
                "gochan.dump_on_signal(signal.SIGBREAK), or another one that it has"
            )
        signum = signal.SIGQUIT
    try:
        signal.signal(signum, on_signal)
    except OSError:
        raise ValueError(
            f"nobody can handle signal {signum}: write "
            "gochan.dump_on_signal(signal.SIGUSR1), or another one"
        ) from None


def on_signal(_signum: int, _frame: FrameType | None) -> None:
    """The handler: it may have interrupted a write to the very same stream."""
    text = _text()
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        # replaced by something that is not a file
        sys.stderr.write(text)
        return
    rest = text.encode(errors="backslashreplace")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
