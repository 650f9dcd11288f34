"""Every example, as a program of its own, on every backend that it offers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gochan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# an example that hangs is killed before the test itself times out
SECONDS = 30

needs_md5sum = pytest.mark.skipif(
    shutil.which("md5sum") is None, reason="there is no md5sum program here"
)


@pytest.fixture
def runtime(anyio_backend: tuple[str, dict[str, Any]]) -> str:
    """What is given to ``--backend``."""
    name, options = anyio_backend
    if options:
        pytest.skip(f"the examples have no option for {options}")
    return name


@dataclass
class Program:
    """One example on one backend, with warnings as errors."""

    name: str
    runtime: str
    # where it looks for modules first
    path: list[str] = field(default_factory=list[str])

    def command(self, *arguments: object) -> list[str]:
        program = [sys.executable, "-W", "error", str(EXAMPLES / f"{self.name}.py")]
        return [*program, "--backend", self.runtime, *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        # the gochan that is tested, installed or not
        here = str(Path(gochan.__file__).parent.parent)
        path = os.pathsep.join([*self.path, here])
        return {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}

    def start(
        self, *arguments: object, stdout: int, stderr: int
    ) -> subprocess.Popen[bytes]:
        command = self.command(*arguments)
        return subprocess.Popen(
            command, env=self.environment(), stdout=stdout, stderr=stderr
        )

    def __call__(
        self, *arguments: object, status: int = 0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            cwd=cwd,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == status, done.stderr.decode()
        # what is raised in a callback or a destructor does not change the status
        for word in (b"Traceback", b"Exception ignored", b"Warning"):
            assert word not in done.stderr, done.stderr.decode()
        return done

    def lines(self, *arguments: object) -> list[str]:
        return self(*arguments).stdout.decode().splitlines()


def test_every_example_is_tested() -> None:
    tests = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_ex*")]
    tested = set(re.findall(r'Program\("(\w+)"|"(\w+)\.py"', "".join(tests)))
    tested = {name or other for name, other in tested}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested


# prime_sieve


def primes_below(limit: int) -> list[int]:
    return [n for n in range(2, limit) if all(n % d for d in range(2, n))]


def test_the_sieve_finds_the_primes(runtime: str) -> None:
    primes = Program("prime_sieve", runtime).lines("--count", 95)
    assert list(map(int, primes)) == primes_below(500)
    assert len(primes) == 95


# ping_pong


@pytest.mark.parametrize("hits", [0, 1, 1000])
def test_players_take_turns(runtime: str, hits: int) -> None:
    expected = [f"{('pong', 'ping')[hit % 2]} {hit}" for hit in range(1, hits + 1)]
    assert Program("ping_pong", runtime).lines("--hits", hits) == expected


# worker_pool


@pytest.mark.parametrize(("workers", "jobs"), [(3, 16), (4, 1)])
def test_every_job_is_done_once(runtime: str, workers: int, jobs: int) -> None:
    done = Program("worker_pool", runtime)("--workers", workers, "--jobs", jobs)
    expected: list[str] = []
    for job in range(1, jobs + 1):
        password = f"password-{job}".encode()
        key = hashlib.pbkdf2_hmac("sha256", password, b"salt", 20_000)
        expected.append(f"job {job}: {key.hex()[:16]}")
    assert done.stdout.decode().splitlines() == expected
    shares = re.findall(r"worker-(\d+) did (\d+) jobs", done.stderr.decode())
    assert sum(int(share) for _, share in shares) == jobs
    assert {int(worker) for worker, _ in shares} <= set(range(1, workers + 1))


# rate_limiter


def test_requests_come_in_bursts_and_then_at_the_rate(runtime: str) -> None:
    burst, requests, every = 3, 7, 1 / 50
    lines = Program("rate_limiter", runtime).lines(
        "--per-second", 50, "--burst", burst, "--requests", requests
    )
    at: dict[str, list[float]] = {"first": [], "second": []}
    for line in lines:
        found = re.fullmatch(r"(\w+) request (\d+) at ([\d.]+) s", line)
        assert found is not None
        times = at[found[1]]
        times.append(float(found[3]))
        assert int(found[2]) == len(times)
    assert list(map(len, at.values())) == [requests, requests]
    for times in at.values():
        assert all(before <= after for before, after in pairwise(times))
    # Never faster than the rate, however slow this machine is. The first wave
    # begins before the ticks do, the second one anywhere between two of them.
    for number in range(burst, requests):
        ticks = number - burst + 1
        assert at["first"][number] > ticks * every - 0.002
        assert at["second"][number] > (ticks - 1) * every - 0.002


# pub_sub


@pytest.mark.parametrize("messages", [0, 200])
def test_subscribers_get_what_their_channel_promises(
    runtime: str, messages: int
) -> None:
    keen, brief, slow = Program("pub_sub", runtime).lines("--messages", messages)
    news = [f"news {number}" for number in range(1, messages + 1)]
    assert keen == f"keen:  {', '.join(news)}"
    assert brief == f"brief: {', '.join(news[:5])}"
    assert slow == f"slow:  {', '.join(news[-3:])}"


# web_crawler


def links_of(page: int, pages: int) -> int:
    tree = sum(below < pages for below in (2 * page + 1, 2 * page + 2))
    return tree + 3 + (page % 10 == 0)


@pytest.mark.parametrize(("pages", "fetchers"), [(1, 1), (60, 8)])
def test_each_page_is_fetched_once(runtime: str, pages: int, fetchers: int) -> None:
    done = Program("web_crawler", runtime)(
        "--pages", pages, "--fetchers", fetchers, "--latency", 0.001
    )
    *found, total = done.stdout.decode().splitlines()
    expected = [f"200 /{n}: {links_of(n, pages)} links" for n in range(pages)]
    assert found == [*expected, "404 /missing: 0 links"]
    assert total == f"{pages + 1} pages, fetched more than once: none"
    at_a_time = re.search(r"(\d+) fetched at a time at most", done.stderr.decode())
    assert at_a_time is not None
    assert 1 <= int(at_a_time[1]) <= fetchers


# md5all


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files that are as odd as can be."""
    contents = {
        "plain.txt": b"plain",
        "empty": b"",
        "with some spaces": b"spaces",
        " leading and trailing ": b"more spaces",
        "grüße-文字-🐹": b"unicode",
        "new\nline": b"newline",
        "carriage\rreturn": b"carriage return",
        "back\\slash": b"backslash",
        "back\\nslash": b"not a newline",
        "-dash": b"dash",
        "*star": b"star",
        "deep/er/and/deeper/file": b"deep",
        "deep/same": b"the same",
        "deep/er/same": b"the same",
        # more than one chunk
        "large": b"0123456789abcdef" * 200_000,
    }
    root = tmp_path / "a tree"
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "empty folder").mkdir()
    # not regular files: a link would be digested twice or for ever
    (root / "link").symlink_to("plain.txt")
    (root / "loop").symlink_to(".")
    (root / "nowhere").symlink_to("missing")
    os.mkfifo(root / "pipe")
    if sys.platform == "linux":
        # a name that is not UTF-8
        Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_bytes(b"bytes")
    return root


def files_below(root: Path) -> list[Path]:
    paths = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def expected_lines(paths: Sequence[Path]) -> list[bytes]:
    """Recomputed here, in md5sum's format."""
    lines: list[bytes] = []
    for path in paths:
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        name = os.fsencode(path)
        escaped = (
            name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        )
        mark = b"\\" if escaped != name else b""
        lines.append(mark + md5.encode() + b"  " + escaped)
    return lines


@pytest.mark.parametrize("workers", [1, 50])
def test_digests_are_right(runtime: str, tree: Path, workers: int) -> None:
    done = Program("md5all", runtime)(tree, "--workers", workers)
    assert done.stdout.split(b"\n") == [*expected_lines(files_below(tree)), b""]


@needs_md5sum
def test_md5sum_prints_the_same(runtime: str, tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "sums.md5"
    done = Program("md5all", runtime)(tree, "--output", output, "--verify")
    assert done.stdout == b""
    paths = files_below(tree)
    md5sum = subprocess.run(["md5sum", *paths], stdout=subprocess.PIPE, check=True)
    assert output.read_bytes() == md5sum.stdout
    subprocess.run(["md5sum", "-c", "--status", output], check=True)
    # the summary
    text = done.stderr.decode()
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    assert f"\n{len(paths)} files, {megabytes:.1f} MB in " in text
    assert re.search(r" in [\d.]+ s: [\d.,]+ MB/s\n", text)
    all_md5 = hashlib.md5(output.read_bytes(), usedforsecurity=False).hexdigest()
    assert f"\ndigest of digests: {all_md5}\n" in text
    assert f"\nmd5sum agrees on all {len(paths)} files, in " in text


@needs_md5sum
def test_md5sum_that_disagrees(runtime: str, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    liar = path / "md5sum"
    liar.write_text("#!/bin/sh\ncat >/dev/null\necho 'plain.txt: OK'\nexit 1\n")
    liar.chmod(0o755)
    program = Program("md5all", runtime)
    done = subprocess.run(
        program.command(tree, "--verify", "--output", os.devnull),
        env={**program.environment(), "PATH": f"{path}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert b"md5sum agrees on 1 of " in done.stderr


def test_the_package_json_of_the_standard_library(runtime: str) -> None:
    folder = Path(sysconfig.get_path("stdlib"), "json")
    done = Program("md5all", runtime)(folder)
    lines = done.stdout.splitlines()
    # whoever runs at the same time may be writing to __pycache__
    paths = [path for path in files_below(folder) if path.suffix == ".py"]
    assert set(expected_lines(paths)) <= set(lines)
    assert len(paths) >= 5
    names = [line.partition(b"  ")[2] for line in lines]
    assert names == sorted(names)


def test_paths_are_as_they_were_given(runtime: str, tree: Path) -> None:
    done = Program("md5all", runtime)("deep", cwd=tree)
    names = [line.partition(b"  ")[2] for line in done.stdout.splitlines()]
    assert names == [b"deep/er/and/deeper/file", b"deep/er/same", b"deep/same"]
    # a single file is a tree, too
    done = Program("md5all", runtime)("plain.txt", cwd=tree)
    assert done.stdout == hashlib.md5(b"plain").hexdigest().encode() + b"  plain.txt\n"


def test_an_empty_tree(runtime: str, tmp_path: Path) -> None:
    done = Program("md5all", runtime)(tmp_path)
    assert done.stdout == b""
    assert b"\n0 files, 0.0 MB in " in done.stderr


def make_unreadable_file(root: Path) -> Path:
    """A file that nobody can open, not even root: its path is one too long.

    The path of its folder is just short enough for the folder to be listed.
    """
    longest = os.pathconf(root, "PC_PATH_MAX") - 1
    folder = os.open(root, os.O_RDONLY)
    path = root
    try:
        while left := longest - len("/unread") - len(os.fsencode(path)):
            name = "long" * 60
            if left < 2 * len(name):
                name = "x" * (left // 2 - 1 if left > len(name) else left - 1)
            os.mkdir(name, dir_fd=folder)
            parent, folder = folder, os.open(name, os.O_RDONLY, dir_fd=folder)
            os.close(parent)
            path /= name
        os.close(os.open("unreadable", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    finally:
        os.close(folder)
    return path / "unreadable"


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Path]:
    """A tree of one file, which takes the better part of an hour to read."""
    root = tmp_path / "endless"
    root.mkdir()
    file = root / "1 endless"
    file.touch()
    os.truncate(file, 1 << 40)
    yield root
    file.unlink()


def test_the_first_error_ends_everything(runtime: str, endless: Path) -> None:
    # one digester is in the middle of the first file when the other one fails
    bad = make_unreadable_file(endless)
    for number in range(500):
        (endless / f"{number}").touch()
    output = endless.parent / "output"
    done = Program("md5all", runtime)(
        endless, "--workers", 2, "--output", output, status=1
    )
    started, *rest = done.stderr.decode().splitlines()
    assert started.startswith("digesting ")
    assert rest == [f"md5all: cannot read {bad}: File name too long"]
    assert done.stdout == b""
    assert not output.exists()


def test_a_folder_that_does_not_exist(runtime: str, tmp_path: Path) -> None:
    done = Program("md5all", runtime)(tmp_path / "missing", status=1)
    reason = f"md5all: cannot read {tmp_path}/missing: No such file or directory\n"
    assert done.stderr.decode().endswith(reason)
    assert done.stdout == b""


def test_output_that_cannot_be_written(runtime: str, tmp_path: Path) -> None:
    output = tmp_path / "no folder" / "sums.md5"
    done = Program("md5all", runtime)(tmp_path, "--output", output, status=1)
    last = done.stderr.decode().splitlines()[-1]
    assert last == f"md5all: [Errno 2] No such file or directory: '{output}'"


def test_a_reader_that_has_seen_enough(runtime: str, tree: Path) -> None:
    program = Program("md5all", runtime).start(
        tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    program.stdout.close()
    program.stdout = None
    _, errors = program.communicate(timeout=SECONDS)
    assert program.returncode == 0
    assert errors.count(b"\n") == 3
    assert b"Error" not in errors


@pytest.fixture
def _sigint() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Programs that are started here end from Ctrl-C.

    One that is started while its parent ignores the signal ignores it, too, and a
    job in the background of a shell script does.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_sigint")
def test_ctrl_c_ends_it(runtime: str, endless: Path) -> None:
    program = Program("md5all", runtime).start(
        endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stderr is not None
    assert program.stderr.readline().startswith(b"digesting ")
    program.send_signal(signal.SIGINT)
    output, errors = program.communicate(timeout=SECONDS)
    assert program.returncode == 130
    assert errors == b"md5all: interrupted\n"
    assert output == b""


# md5all on a terminal


def on_terminal(
    program: Program, *arguments: object, ctrl_c_after: str | None = None
) -> tuple[int, str]:
    """What people see on a terminal; they may press Ctrl-C when they see something."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"there are no terminals here: {error}")
    # 24 lines of 100 characters
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = program.start(*arguments, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = ""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(65536):
                seen += part.decode()
                if ctrl_c_after is not None and re.search(ctrl_c_after, seen):
                    process.send_signal(signal.SIGINT)
                    ctrl_c_after = None
        except OSError:
            # how Linux says that the other side has been closed
            pass
    return process.wait(SECONDS), seen.replace("\r\n", "\n")


def test_a_terminal_shows_a_bar(runtime: str, tree: Path) -> None:
    pytest.importorskip("tqdm")
    status, seen = on_terminal(Program("md5all", runtime), tree)
    assert status == 0
    # the last state of the bar, with the total if that was counted in time
    files = len(files_below(tree))
    assert re.search(rf"\r.*3\.20M[^\r]*B/s, {files} files\]\n{files} files, ", seen)


def test_without_tqdm_there_are_lines(runtime: str, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("raise ImportError")
    program = Program("md5all", runtime, path=[str(tmp_path)])
    for number in range(1000):
        (tree / f"{number}").touch()
    status, seen = on_terminal(program, tree)
    assert status == 0
    lines = seen.splitlines()
    assert lines[1] == "(pip install tqdm shows a progress bar)"
    assert lines[2].startswith("1,000 files, ")
    assert lines[3].startswith("1,01")
    assert len(lines) == 5


@pytest.mark.usefixtures("_sigint")
def test_ctrl_c_under_a_bar(runtime: str, endless: Path) -> None:
    pytest.importorskip("tqdm")
    # once the size of the file is known
    status, seen = on_terminal(
        Program("md5all", runtime), endless, ctrl_c_after=r"1\.10T"
    )
    assert status == 130
    assert seen.endswith("\nmd5all: interrupted\n")
    assert "Traceback" not in seen
