"""What processes, threads, coroutines, goroutines and fibers cost, for the docs.

    python -m benchmarks.ground            # print the table
    python -m benchmarks.ground --write    # into docs/, in English and in Chinese

Memory is what the process grows by for each of many that wait. A switch is half of a
round trip: one side wakes the other and waits. Each figure is the least of five, each
taken in a process of its own: whatever else runs can only add to it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gochan
from benchmarks.machine import describe
from gochan import Chan, fibers, go

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).resolve().parent.parent / "docs"


def resident() -> int:
    """Bytes of memory that this process uses."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# Memory: bytes for each of many that wait


def process_bytes() -> float:
    code = "import sys; sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.read(1)
    # what is its own: the rest is shared with others of the same program
    rollup = Path(f"/proc/{child.pid}/smaps_rollup").read_text("ascii")
    private = sum(
        int(line.split()[1]) for line in rollup.splitlines() if "Private_" in line
    )
    child.communicate()
    return private * 1024


def thread_bytes(n: int = 500) -> float:
    stop = threading.Event()
    before = resident()
    threads = [threading.Thread(target=stop.wait) for _ in range(n)]
    for thread in threads:
        thread.start()
    grown = resident() - before
    stop.set()
    for thread in threads:
        thread.join()
    return grown / n


def coroutine_bytes(n: int = 20_000) -> float:
    async def main() -> float:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            await gate

        before = resident()
        tasks = [asyncio.create_task(wait()) for _ in range(n)]
        await asyncio.sleep(0)
        grown = resident() - before
        gate.set_result(None)
        await asyncio.gather(*tasks)
        return grown / n

    return asyncio.run(main())


def goroutine_bytes(n: int = 20_000) -> float:
    async def main() -> float:
        gate = Chan[None]()
        before = resident()
        for _ in range(n):
            go(gate.recv_ok)
        await asyncio.sleep(0.01)
        return (resident() - before) / n

    return gochan.run(main)


def fiber_bytes(n: int = 2_000) -> float:
    async def main() -> float:
        gate = Chan[None]()

        def wait() -> None:
            gate.blocking_recv_ok()

        before = resident()
        for _ in range(n):
            go(wait, on=fibers)
        while gate.stats().waiting_receivers < n:  # noqa: ASYNC110  # fibers park
            await asyncio.sleep(0)
        grown = resident() - before
        gate.close()
        return grown / n

    return gochan.run(main)


# Switches: nanoseconds


def _process_partner(connection: multiprocessing.connection.Connection) -> None:
    while (message := connection.recv_bytes()) != b"end":
        connection.send_bytes(message)


def process_switch(n: int = 5_000) -> float:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_process_partner, args=(theirs,))
    child.start()
    ours.send_bytes(b"x")
    ours.recv_bytes()
    began = time.perf_counter_ns()
    for _ in range(n):
        ours.send_bytes(b"x")
        ours.recv_bytes()
    taken = time.perf_counter_ns() - began
    ours.send_bytes(b"end")
    child.join()
    return taken / n / 2


def thread_switch(n: int = 20_000) -> float:
    ping, pong = threading.Semaphore(0), threading.Semaphore(0)

    def partner() -> None:
        for _ in range(n):
            ping.acquire()
            pong.release()

    thread = threading.Thread(target=partner)
    thread.start()
    began = time.perf_counter_ns()
    for _ in range(n):
        ping.release()
        pong.acquire()
    taken = time.perf_counter_ns() - began
    thread.join()
    return taken / n / 2


def coroutine_switch(n: int = 100_000) -> float:
    async def turn() -> None:
        for _ in range(n):
            await asyncio.sleep(0)

    async def main() -> float:
        began = time.perf_counter_ns()
        await asyncio.gather(turn(), turn())
        return (time.perf_counter_ns() - began) / n / 2

    return asyncio.run(main())


def goroutine_switch(n: int = 100_000) -> float:
    async def main() -> float:
        ping, pong = Chan[None](), Chan[None]()

        async def partner() -> None:
            async for _ in ping:
                await pong.send(None)

        go(partner)
        began = time.perf_counter_ns()
        for _ in range(n):
            await ping.send(None)
            await pong.recv()
        return (time.perf_counter_ns() - began) / n / 2

    return gochan.run(main)


def fiber_switch(n: int = 20_000) -> float:
    async def main() -> float:
        ping, pong = Chan[None](), Chan[None]()

        def partner() -> None:
            for _ in ping:
                pong.blocking_send(None)

        def measure() -> float:
            began = time.perf_counter_ns()
            for _ in range(n):
                ping.blocking_send(None)
                pong.blocking_recv()
            taken = time.perf_counter_ns() - began
            ping.close()
            return taken / n / 2

        go(partner, on=fibers)
        return await go(measure, on=fibers)

    return gochan.run(main)


# what is measured, and what the two tables call it
ROWS: dict[tuple[str, str], tuple[Callable[[], float], Callable[[], float]]] = {
    ("process", "进程"): (process_bytes, process_switch),
    ("thread", "线程"): (thread_bytes, thread_switch),
    ("coroutine (an asyncio task)", "协程（asyncio 任务）"): (
        coroutine_bytes,
        coroutine_switch,
    ),
    ("goroutine, on a loop", "goroutine，在事件循环上"): (
        goroutine_bytes,
        goroutine_switch,
    ),
    ("goroutine, in a fiber", "goroutine，在纤程里"): (fiber_bytes, fiber_switch),
}
TABLES = {
    DOCS / "concepts" / "ground-costs.inc": (
        "What it is | memory, waiting | a switch",
        "{cpu}, CPython {python}",
    ),
    DOCS / "zh" / "ground-costs.inc": (
        "种类 | 等待时占用的内存 | 一次切换",
        "{cpu}，CPython {python}",
    ),
}


def measured(function: Callable[[], float]) -> float:
    """The least of five, each in a process of its own."""
    figures: list[float] = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.ground", "--only", function.__name__],
            capture_output=True,
            text=True,
            check=True,
        )
        figures.append(float(done.stdout))
    return min(figures)


def _size(number: float) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.1f} MB"
    return f"{number / 1e3:.1f} kB"


def tables() -> dict[Path, str]:
    """The tables, by the file that holds them."""
    figures = [tuple(map(measured, functions)) for functions in ROWS.values()]
    made: dict[Path, str] = {}
    for language, (path, (head, foot)) in enumerate(TABLES.items()):
        lines = [f"| {head} |", "|---|---:|---:|"]
        for names, (size, taken) in zip(ROWS, figures, strict=True):
            shown = f"{_size(size)} | {taken / 1000:.1f} µs"
            lines.append(f"| {names[language]} | {shown} |")
        lines += ["", f"*{foot.format(**describe())}*", ""]
        made[path] = "\n".join(lines)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What each costs.")
    parser.add_argument("--write", action="store_true", help="into the docs")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(globals()[given.only]())
    elif given.write:
        for path, text in tables().items():
            path.write_text(text, "utf-8")
    else:
        print(next(iter(tables().values())))
