r"""``python -m gochan``: run a script, see what it does.

    python -m gochan run script.py 1 2 3
    python -m gochan version

While a script runs, Ctrl-\ writes what all goroutines are doing. The exit status is
the script's; 1 if it raises, 2 if that is a deadlock, as in Go, 66 if races were found.
"""

from __future__ import annotations

import argparse
import os.path
import platform
import runpy
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from ._errors import DeadlockError
from ._live import live
from ._run import at_end, run
from ._seeing import dump, dump_on_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from .race import Detector

__all__ = ("main",)

# Go's exit status for races
_RACES: Final = 66
_DEADLOCK: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, ``sys.argv``'s if not given. Returns the status."""
    parser = argparse.ArgumentParser(prog="python -m gochan")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("run", help="run a script")
    command.set_defaults(command=_run)
    command.add_argument(
        "--race", action="store_true", help="report races between goroutines"
    )
    command.add_argument("--trace", metavar="FILE", help="not there yet")
    command.add_argument(
        "--backend",
        choices=["asyncio", "trio"],
        help="the runtime, where the script does not name one",
    )
    command.add_argument(
        "--dump-on-exit",
        action="store_true",
        help="when a run ends, write what its goroutines are doing that it cancels",
    )
    command.add_argument("script", help="the file to run")
    command.add_argument("args", nargs=argparse.REMAINDER, help="what it is given")
    command = commands.add_parser("trace", help="not there yet")
    command.add_argument("args", nargs=argparse.REMAINDER)
    command.set_defaults(command=_trace)
    command = commands.add_parser("version", help="write the version")
    command.set_defaults(command=_version)
    options = parser.parse_args(arguments)
    try:
        status: int = options.command(options)
    except (_NotThereError, FileNotFoundError) as error:
        parser.error(str(error))
    return status


class _NotThereError(Exception):
    """What was asked for is not part of this version."""


def _run(options: argparse.Namespace) -> int:
    if options.trace is not None:
        raise _NotThereError("--trace: this version cannot record traces")
    run_path: Callable[[str], object] = _plainly
    detector: Detector | None = None
    if options.race:
        run_path, detector = _racing()
    if options.backend is not None:
        # what a script gets that calls run(main)
        assert run.__kwdefaults__ is not None
        run.__kwdefaults__["backend"] = options.backend
    if options.dump_on_exit:
        at_end.append(_dump_left)
    if hasattr(signal, "SIGQUIT"):
        dump_on_signal()
    script: str = options.script
    if not os.path.exists(script):
        raise FileNotFoundError(f"there is no file {script!r}")
    if os.path.isdir(script):
        raise FileNotFoundError(f"{script!r} is a folder: give the script in it")
    sys.argv = [script, *options.args]
    # in place of the working directory, which is python -m's
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        if detector is None:
            run_path(script)
        else:
            with detector:
                run_path(script)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  # as the interpreter does
        _show(error, script)
        if isinstance(error, KeyboardInterrupt):
            return _INTERRUPTED
        return _DEADLOCK if isinstance(error, DeadlockError) else 1
    finally:
        if detector is not None and detector.races:
            _sum_up(len(detector.races))
    return _RACES if detector is not None and detector.races else 0


def _sum_up(number: int) -> None:
    """What all reports have in common, once: last, where it will be seen."""
    found = "1 data race was" if number == 1 else f"{number} data races were"
    sys.stderr.write(
        f"gochan: {found} found. A data race is two uses of one variable, at\n"
        "least one a write, with nothing that makes one wait for the other, such as a\n"
        "channel or a lock. What comes of it is luck.\n"
    )


def _plainly(script: str) -> object:
    return runpy.run_path(script, run_name="__main__")


def _racing() -> tuple[Callable[[str], object], Detector]:
    """How to run a script under the race detector, and the detector."""
    from .race import _hook, detector

    return _hook.run_path, detector(report="log")


def _dump_left(returned: bool) -> None:
    if live():
        why = "main has returned" if returned else "the run has been cancelled"
        sys.stderr.write(f"{why}, and these goroutines are left:\n\n")
        dump()


def _show(error: BaseException, script: str) -> None:
    """Write its traceback, from the script on: as if python had run that itself."""
    traceback: TracebackType | None = error.__traceback__
    while traceback and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    if not (isinstance(error, SyntaxError) and error.filename == script):
        # one in the script itself tells where, and no call has led there
        traceback = traceback or error.__traceback__
    shown = error.with_traceback(traceback)
    sys.excepthook(type(error), shown, shown.__traceback__)


def _trace(_: argparse.Namespace) -> int:
    raise _NotThereError("trace: this version has no traces")


def _version(_: argparse.Namespace) -> int:
    parts = [("gochan", "gochan-csp"), ("anyio", "anyio"), ("trio", "trio")]
    versions = [f"{name} {_version_of(package)}" for name, package in parts]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    sys.stdout.write(f"{', '.join([*versions, python])}\n")
    return 0


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
