import threading
from pathlib import Path

from gochan import Chan, RecvChan, SendChan, go, processes, run, threads

TEXTS = Path(__file__).parent / "texts"


def count(paths: RecvChan[Path], counts: SendChan[tuple[str, int]]) -> None:
    """A plain function: it blocks, and only itself."""
    for path in paths:
        words = path.read_text("utf-8").split()
        counts.blocking_send((path.stem, len(words)))


async def main() -> None:
    here = threading.get_ident()
    for where in (threads, processes):
        paths, counts = Chan[Path](), Chan[tuple[str, int]]()
        workers = [go(count, paths, counts, on=where) for _ in range(2)]

        async def hand_out(paths: SendChan[Path] = paths) -> None:
            for path in TEXTS.glob("*.txt"):
                await paths.send(path)
            paths.close()

        go(hand_out)
        print(sorted([await counts.recv() for _ in range(4)]))
        for worker in workers:
            await worker
    assert threading.get_ident() == here


if __name__ == "__main__":  # the worker processes import this file
    run(main)
