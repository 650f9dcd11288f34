from pathlib import Path

from gochan import Chan, RecvChan, SendChan, go, run

TEXTS = Path(__file__).parent / "texts"


async def count(path: Path, counts: SendChan[tuple[str, int]]) -> None:
    words = path.read_text("utf-8").split()
    await counts.send((path.stem, len(words)))


async def report(counts: RecvChan[tuple[str, int]], how_many: int) -> None:
    # in the order in which they come, which is any
    received = [await counts.recv() for _ in range(how_many)]
    for name, words in sorted(received):
        print(f"{name}: {words} words")


async def main() -> None:
    counts = Chan[tuple[str, int]]()
    paths = sorted(TEXTS.glob("*.txt"))
    for path in paths:
        go(count, path, counts)
    await report(counts, len(paths))


run(main)
