from collections import Counter
from pathlib import Path

from gochan import run, sync, yield_

TEXTS = Path(__file__).parent / "texts"


class Tally:
    """Counts words; many goroutines may add to it."""

    def __init__(self) -> None:
        self.lock = sync.Mutex()
        self.counts: Counter[str] = Counter()

    async def add(self, word: str) -> None:
        async with self.lock:
            n = self.counts[word]
            await yield_()  # others run here
            self.counts[word] = n + 1


def read_common_words() -> frozenset[str]:
    print("reading the list of common words")
    return frozenset(("the", "of", "in", "and", "or"))


async def main() -> None:
    tally = Tally()
    common = sync.once_value(read_common_words)

    async def count(path: Path) -> None:
        for word in path.read_text("utf-8").lower().split():
            if word not in await common():
                await tally.add(word.strip(".,:;?!"))

    wg = sync.WaitGroup()
    for path in sorted(TEXTS.glob("*.txt")):
        wg.go(count, path)
    await wg.wait()
    print(tally.counts.total(), "words that are not common")


run(main)
