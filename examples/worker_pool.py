"""Share out blocking work among threads, over the same channels as goroutines.

    python examples/worker_pool.py --workers 4 --jobs 12

The jobs derive keys from passwords, which takes a processor a while and, because
hashlib lets go of the interpreter meanwhile, runs on all of them at once. The
workers are ordinary threads, started with ``threading.Thread``. They know nothing
of the event loop: they use the blocking face of the channels, where ``main`` and
``hand_out`` use ``await``.

``stop`` is how threads are told to end early. Nothing can cancel a thread, so each
of its operations is a ``blocking_select`` that also receives from ``stop``; closing
it wakes all of them, wherever they wait. ``main`` does that in any case, also when
it fails or Ctrl-C is pressed.

The idea is the worker pool of Go by Example (https://gobyexample.com/worker-pools),
and the ``done`` channel of https://go.dev/blog/pipelines.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import threading
from collections import Counter
from dataclasses import dataclass

import gochan
from gochan import Chan, RecvChan, SendChan, blocking_select, go, recv, send

ROUNDS = 20_000


@dataclass(frozen=True)
class Job:
    """One password to derive a key from."""

    number: int
    password: bytes


@dataclass(frozen=True)
class Result:
    """What became of a job."""

    job: Job
    key: str
    worker: str


def work(jobs: RecvChan[Job], results: SendChan[Result], stop: RecvChan[None]) -> None:
    """In a thread: do jobs until there are no more, or until told to stop."""
    worker = threading.current_thread().name
    next_job, stopped = recv(jobs), recv(stop)
    while True:
        if blocking_select(next_job, stopped) is stopped or not next_job.ok:
            return
        job = next_job.value
        key = hashlib.pbkdf2_hmac("sha256", job.password, b"salt", ROUNDS)
        result = Result(job, key.hex()[:16], worker)
        if blocking_select(send(results, result), stopped) is stopped:
            return


async def hand_out(count: int, jobs: SendChan[Job]) -> None:
    """Send all jobs; closing the channel tells the workers that these were all."""
    for number in range(1, count + 1):
        await jobs.send(Job(number, f"password-{number}".encode()))
    jobs.close()


async def main(workers: int, count: int) -> None:
    """Print the results in the order of the jobs."""
    jobs, results, stop = Chan[Job](), Chan[Result](), Chan[None]()
    threads = [
        threading.Thread(
            target=work, args=(jobs, results, stop), name=f"worker-{number}"
        )
        for number in range(1, workers + 1)
    ]
    try:
        for thread in threads:
            thread.start()
        go(hand_out, count, jobs)
        # each job has one result, in any order
        done = [await results.recv() for _ in range(count)]
    finally:
        stop.close()
    for result in sorted(done, key=lambda each: each.job.number):
        print(f"job {result.job.number}: {result.key}")
    share = Counter(result.worker for result in done)
    for name, jobs_done in sorted(share.items()):
        print(f"{name} did {jobs_done} jobs", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run jobs on a pool of threads.")
    parser.add_argument("--workers", type=int, default=3, help="default: 3")
    parser.add_argument("--jobs", type=int, default=9, help="default: 9")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if given.workers < 1:
        parser.error("--workers must be at least 1")
    gochan.run(main, given.workers, given.jobs, backend=given.backend)
