from collections import Counter
from pathlib import Path

from gochan import Chan, RecvChan, SendChan, go, run, scope

TEXTS = Path(__file__).parent / "texts"


async def read(paths: list[Path], lines: SendChan[str]) -> None:
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            await lines.send(line)
    lines.close()


async def split(lines: RecvChan[str], words: SendChan[str]) -> None:
    async for line in lines:
        for word in line.lower().split():
            await words.send(word.strip(".,:;?!"))


async def split_by_three(lines: RecvChan[str], words: SendChan[str]) -> None:
    async with scope():
        for _ in range(3):
            go(split, lines, words)
    words.close()


async def main() -> None:
    lines, words = Chan[str](), Chan[str](100)
    go(read, sorted(TEXTS.glob("*.txt")), lines)
    go(split_by_three, lines, words)
    tally = Counter([word async for word in words])
    for word, n in sorted(tally.items(), key=lambda each: (-each[1], each[0]))[:5]:
        print(f"{n:3} {word}")


run(main)
