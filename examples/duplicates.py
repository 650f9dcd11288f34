"""Find files with the same content, on a pool of threads.

    python examples/duplicates.py ~/Pictures --workers 4

Without a folder it makes one, with some files in it that are the same.

    walk ---files---> digest 1..n ---digests---> main

Every stage but the last is a plain function in a thread: ``go(digest, files,
digests, on=pool)``. They use the blocking face of the channels, and need no word
about how they end: ``for path in files`` ends when the channel is closed, and if one
of them fails, or Ctrl-C is pressed, all others are cancelled wherever they wait and
the first error comes out of the scope.

Reading a file and digesting it lets go of the interpreter, so threads use all cores
even where Python has a GIL. In the end the program does the same work once more,
in one goroutine on the loop, and says how long each of the two took.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gochan
from gochan import Chan, RecvChan, SendChan, executors, go, scope

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """What a file contains, in 32 bytes."""

    path: Path
    size: int
    sha256: str


# What happens in threads.


def files_below(folder: Path) -> Iterator[Path]:
    """All regular files, in order; symbolic links are not followed."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for path in sorted(Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path


def digest_of(path: Path) -> Digest:
    """Read a file and digest it."""
    sha256 = hashlib.sha256()
    size = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            size += len(chunk)
    return Digest(path, size, sha256.hexdigest())


def walk(folder: Path, files: SendChan[Path]) -> None:
    """The first stage."""
    for path in files_below(folder):
        files.blocking_send(path)
    files.close()


def digest(files: RecvChan[Path], digests: SendChan[Digest]) -> int:
    """The second stage, several times. Returns how many it did."""
    done = 0
    for path in files:
        digests.blocking_send(digest_of(path))
        done += 1
    return done


# What happens on the loop.


async def in_threads(folder: Path, workers: int) -> list[Digest]:
    """Digest all files on a pool of threads."""
    files, digests = Chan[Path](name="files"), Chan[Digest](name="digests")
    async with executors.threads(workers) as pool, scope():
        go(walk, folder, files, on=gochan.threads)
        digesters = [
            go(digest, files, digests, on=pool, name=f"digester-{number + 1}")
            for number in range(workers)
        ]

        async def close_after() -> None:
            for digester in digesters:
                say(f"{digester.name} did {await digester} files")
            digests.close()

        go(close_after)
        return [each async for each in digests]


async def in_one_goroutine(folder: Path) -> list[Digest]:
    """The same, one file after the other; nothing else can run meanwhile."""
    return [digest_of(path) for path in files_below(folder)]


def say(text: str) -> None:
    """Print a line that is not part of the result."""
    print(text, file=sys.stderr)


def print_duplicates(digests: list[Digest], folder: Path) -> None:
    """Groups of files that are the same."""
    same: dict[str, list[Digest]] = defaultdict(list)
    for each in sorted(digests, key=lambda each: each.path):
        same[each.sha256].append(each)
    for group in same.values():
        if len(group) > 1:
            names = " = ".join(str(each.path.relative_to(folder)) for each in group)
            print(f"{names} ({group[0].size:,} bytes)")


def make_files(folder: Path, files: int, size: int) -> None:
    """Files of random bytes; every fifth is the same as the one before it."""
    luck = random.Random(1)
    content = b""
    for number in range(files):
        if (number + 1) % 5:
            content = luck.randbytes(size)
        (folder / f"{number:03}.bin").write_bytes(content)


async def main(folder: Path, workers: int) -> None:
    """Digest everything twice, compare, and print what is there twice."""
    begin = time.perf_counter()
    digests = await in_threads(folder, workers)
    middle = time.perf_counter()
    again = await in_one_goroutine(folder)
    end = time.perf_counter()
    print_duplicates(digests, folder)
    assert set(digests) == set(again)
    size = sum(each.size for each in digests) / 1e6
    say(
        f"{len(digests)} files, {size:.1f} MB: {middle - begin:.2f} s in {workers} "
        f"threads, {end - middle:.2f} s in one goroutine, "
        f"{(end - middle) / (middle - begin):.2f} times as long"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Find files with the same content.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        default=os.cpu_count() or 2,
        help="files that are digested at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--files", type=int, default=40, help="how many to make (default: 40)"
    )
    parser.add_argument(
        "--size", type=int, default=4_000_000, help="of each (default: 4000000)"
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if given.workers < 1:
        parser.error("--workers must be at least 1")
    with ExitStack() as stack:
        folder: Path | None = given.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            make_files(folder, given.files, given.size)
        try:
            gochan.run(main, folder, given.workers, backend=given.backend)
        except* OSError as errors:
            say(f"duplicates: {errors.exceptions[0]}")
            sys.exit(1)
        except* KeyboardInterrupt:
            say("duplicates: interrupted")
            sys.exit(130)
