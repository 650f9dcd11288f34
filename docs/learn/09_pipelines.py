from collections import Counter
from pathlib import Path

from gochan import pipeline, run

TEXTS = Path(__file__).parent / "texts"


def words_of(path: Path) -> list[str]:
    return [word.strip(".,:;?!") for word in path.read_text("utf-8").lower().split()]


async def main() -> None:
    paths = pipeline.source(sorted(TEXTS.glob("*.txt")))
    lists = pipeline.map(words_of, paths, workers=3)
    long = pipeline.filter(lambda words: len(words) > 30, lists)
    tally: Counter[str] = Counter()
    async for words in long:
        tally.update(words)
    print(tally["the"], "times 'the' in texts of more than 30 words")

    # a stage stops when nobody wants its values any more
    numbers = pipeline.source(iter(int, 1))  # zeros, for ever
    print(await pipeline.collect(pipeline.take(numbers, 3)))


run(main)
