"""Digest every file below a folder, many at a time: gochan's main demonstration.

    python examples/md5all.py                      # Python's own standard library
    python examples/md5all.py ~/photos > sums.md5  # then: md5sum -c sums.md5

It shows a bounded pipeline that stops as a whole when any part of it fails:

    walk ---files---> digester 1..n ---digests---> collector
    survey -------------------------------total--> collector

- The channels hold back every stage: the walker is never more than one file ahead
  of the digesters, however many files there are.
- ``digest_all`` closes ``digests`` when the last digester has ended. That is how
  the collector knows that it has seen everything.
- An exception in one goroutine cancels all the others and leaves ``gochan.run`` in
  an ``ExceptionGroup``. There is no channel for errors and none to say "stop".
- The collector waits for two things with ``select``. The total that a progress bar
  needs is counted meanwhile, and arrives whenever it is known.
- Files are read in worker threads; goroutines and channels connect them.

The idea is the last program of "Go Concurrency Patterns: Pipelines and
cancellation" on the Go blog (https://go.dev/blog/pipelines), with structured
goroutines in place of its ``done`` channel and of results that carry errors.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import shutil
import sys
import sysconfig
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import anyio
from anyio import from_thread, to_thread

import gochan
from gochan import Chan, RecvChan, SendChan, go, recv, scope, select

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

# bytes that a thread reads before it looks whether it is still wanted
CHUNK = 1 << 20
# paths that the walker fetches in one visit to a worker thread
BATCH = 256
# below Python's library folder, but not the standard library; or written again
# by whichever Python runs next
NOT_STANDARD = frozenset({"site-packages", "dist-packages", "__pycache__"})


class UnreadableError(Exception):
    """A file or a folder cannot be read. It ends the whole pipeline."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot read {path}: {error.strerror or error}")


@dataclass(frozen=True)
class Digest:
    """What the collector gets for each file."""

    path: Path
    size: int
    md5: str


# The stages. Each closes the channel it sends to after the last value. One that
# fails does not: then nobody waits for more, because all are cancelled.


async def walk(tree: Path, skip: Collection[str], files: SendChan[Path]) -> None:
    """Send the path of every regular file below ``tree``."""
    paths = files_below(tree, skip)
    while batch := await to_thread.run_sync(take, paths):
        for path in batch:
            await files.send(path)
    files.close()


async def survey(tree: Path, skip: Collection[str], total: SendChan[int]) -> None:
    """Send how many bytes there are in all."""
    with anyio.CancelScope():  # check_cancelled() in the thread looks at it
        await total.send(await to_thread.run_sync(size_of, tree, skip))


async def digest(
    files: RecvChan[Path], digests: SendChan[Digest], threads: anyio.CapacityLimiter
) -> None:
    """Digest one file after the other until there are no more."""
    with anyio.CancelScope():  # as in survey()
        async for path in files:
            result = await to_thread.run_sync(digest_of, path, limiter=threads)
            await digests.send(result)


async def digest_all(
    files: RecvChan[Path], digests: SendChan[Digest], workers: int
) -> None:
    """Run ``workers`` digesters; when all have ended there are no more digests."""
    threads = anyio.CapacityLimiter(workers)
    async with scope():
        for number in range(workers):
            go(digest, files, digests, threads, name=f"digester-{number + 1}")
    digests.close()


async def md5_all(
    tree: Path, skip: Collection[str], workers: int, progress: Progress
) -> list[Digest]:
    """Digest all files below ``tree``: start the stages, and collect.

    Returns:
        The digests in the order of their paths.

    Raises:
        ExceptionGroup: with an ``UnreadableError``; everything else has ended.
    """
    files = Chan[Path](name="files")
    digests = Chan[Digest](name="digests")
    # room for one: the survey may be the last to end
    total = Chan[int](1, name="total")
    collected: list[Digest] = []
    async with scope():
        go(walk, tree, skip, files)
        go(digest_all, files, digests, workers)
        if progress.wants_total:
            go(survey, tree, skip, total)
        digested, counted = recv(digests), recv(total)
        while True:
            chosen = await select(digested, counted)
            if chosen is counted:
                progress.expect(counted.value)
            elif digested.ok:
                collected.append(digested.value)
                progress.advance(digested.value.size)
            else:
                break
    return sorted(collected, key=lambda each: each.path)


# What happens in worker threads.


def files_below(tree: Path, skip: Collection[str]) -> Iterator[Path]:
    """All regular files below ``tree``, sorted; symbolic links are not followed.

    Raises:
        UnreadableError: a folder cannot be listed.
    """
    if tree.is_file():
        yield tree
        return
    try:
        with os.scandir(tree) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableError(tree, error) from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in skip:
                yield from files_below(Path(entry.path), skip)
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def take(paths: Iterator[Path]) -> list[Path]:
    """The next batch; empty at the end."""
    return list(itertools.islice(paths, BATCH))


def size_of(tree: Path, skip: Collection[str]) -> int:
    """The size in bytes of all files below ``tree``."""
    size = 0
    for path in files_below(tree, skip):
        from_thread.check_cancelled()
        try:
            size += path.lstat().st_size
        except OSError:
            # the digester that comes to it says so
            continue
    return size


def digest_of(path: Path) -> Digest:
    """Read a file and digest it.

    Raises:
        UnreadableError: it cannot be read.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                md5.update(chunk)
                size += len(chunk)
                from_thread.check_cancelled()
    except OSError as error:
        raise UnreadableError(path, error) from error
    return Digest(path, size, md5.hexdigest())


# What people see.


class Progress:
    """Progress without a terminal: a line for every thousandth file."""

    wants_total = False

    def __init__(self) -> None:
        self.files = 0
        self.size = 0

    def expect(self, size: int) -> None:
        """There are ``size`` bytes in all."""

    def advance(self, size: int) -> None:
        """One more file of ``size`` bytes is done."""
        self.files += 1
        self.size += size
        if self.files % 1000 == 0:
            say(f"{self.files:,} files, {self.size / 1e6:,.1f} MB so far")

    def close(self) -> None:
        """All is done, or nothing more will be."""


class ProgressBar(Progress):
    """Progress on a terminal."""

    wants_total = True

    def __init__(self) -> None:
        # not needed to run this program
        from tqdm import tqdm

        super().__init__()
        self.bar = tqdm(unit="B", unit_scale=True, dynamic_ncols=True)

    def expect(self, size: int) -> None:
        """Know how long the bar is."""
        self.bar.total = size
        self.bar.refresh()

    def advance(self, size: int) -> None:
        """Make it longer."""
        self.files += 1
        self.bar.set_postfix_str(f"{self.files:,} files", refresh=False)
        self.bar.update(size)

    def close(self) -> None:
        """Leave it on the screen and end its line."""
        self.bar.close()


def make_progress() -> Progress:
    """A bar if somebody sees it and tqdm is installed, else lines."""
    if sys.stderr.isatty():
        try:
            return ProgressBar()
        except ImportError:
            say("(pip install tqdm shows a progress bar)")
    return Progress()


def say(text: str) -> None:
    """Print a line for people: stdout is for the digests."""
    print(text, file=sys.stderr, flush=True)


def md5sum_line(digest: Digest) -> bytes:
    r"""A line as md5sum prints it.

    A name with a backslash, newline or carriage return in it is escaped, and a
    backslash in front of the line says so.
    """
    name = os.fsencode(digest.path)
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"" if escaped == name else b"\\"
    return mark + digest.md5.encode() + b"  " + escaped + b"\n"


# The program.


@dataclass(frozen=True)
class Options:
    """The command line."""

    tree: Path
    title: str
    skip: Collection[str]
    workers: int
    # where the list goes: a file, "-" for stdout, None for nowhere
    output: str | None
    verify: bool
    backend: Literal["asyncio", "trio"]


async def main(options: Options) -> int:
    """Goroutine 1. Returns the exit status."""
    say(
        f"digesting {options.title} with {options.workers} workers "
        f"on {options.backend} (Ctrl-C stops)"
    )
    begin = time.perf_counter()
    with closing(make_progress()) as progress:
        digests = await md5_all(options.tree, options.skip, options.workers, progress)
    seconds = time.perf_counter() - begin
    listing = b"".join(map(md5sum_line, digests))
    if options.output is not None:
        await to_thread.run_sync(write, listing, options.output)
    megabytes = sum(each.size for each in digests) / 1e6
    say(
        f"{len(digests):,} files, {megabytes:,.1f} MB "
        f"in {seconds:.2f} s: {megabytes / seconds:,.1f} MB/s"
    )
    all_md5 = hashlib.md5(listing, usedforsecurity=False).hexdigest()
    say(f"digest of digests: {all_md5}")
    if options.verify:
        return await verify(listing, len(digests))
    return 0


async def verify(listing: bytes, files: int) -> int:
    """Let md5sum read all files again and compare. Returns the exit status."""
    if not files:
        say("md5sum has nothing to check")
        return 0
    say("md5sum checks them one after the other ...")
    begin = time.perf_counter()
    checked = await anyio.run_process(
        ["md5sum", "-c"], input=listing, check=False, stderr=None
    )
    seconds = time.perf_counter() - begin
    # a line for each file, that ends so if it is the same
    agreed = checked.stdout.count(b": OK\n")
    if checked.returncode == 0 and agreed == files:
        say(f"md5sum agrees on all {files:,} files, in {seconds:.2f} s")
        return 0
    say(f"md5sum agrees on {agreed:,} of {files:,} files")
    return 1


def write(listing: bytes, output: str) -> None:
    """Write the list of digests to a file or to stdout."""
    if output != "-":
        Path(output).write_bytes(listing)
        return
    try:
        sys.stdout.buffer.write(listing)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever reads has seen enough, as in `md5all.py . | head`; what is left
        # in Python's buffer must not fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Digest every file below a folder, in the format of md5sum. "
        "Without a folder: Python's standard library, checked with md5sum."
    )
    parser.add_argument("tree", nargs="?", type=Path)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        default=os.cpu_count() or 2,
        help="files that are read at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where the digests go; - is stdout, the default if a folder is given",
    )
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        help="let md5sum check the result (the default if no folder is given)",
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args(arguments)
    if given.workers < 1:
        parser.error("--workers must be at least 1")
    installed = shutil.which("md5sum") is not None
    if given.verify and not installed:
        parser.error("--verify needs the program md5sum")
    if given.tree is None:
        tree = Path(sysconfig.get_path("stdlib"))
        title = f"Python {sys.version_info[0]}.{sys.version_info[1]}'s library, {tree},"
        return Options(
            tree,
            title,
            NOT_STANDARD,
            given.workers,
            given.output,
            installed if given.verify is None else given.verify,
            given.backend,
        )
    return Options(
        given.tree,
        str(given.tree),
        frozenset(),
        given.workers,
        given.output or "-",
        bool(given.verify),
        given.backend,
    )


def first_in(error: BaseException) -> BaseException:
    """What it is about: scopes within scopes make groups within groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def run(options: Options) -> int:
    """Run the pipeline and tell what went wrong. Returns the exit status."""
    status = 1
    try:
        status = gochan.run(main, options, backend=options.backend)
    except* UnreadableError as errors:
        say(f"md5all: {first_in(errors)}")
    except* OSError as errors:
        say(f"md5all: {first_in(errors)}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(run(parse(None)))
    except KeyboardInterrupt:
        say("md5all: interrupted")
        # what a shell expects of a program that Ctrl-C ended: 128 + SIGINT
        sys.exit(130)
