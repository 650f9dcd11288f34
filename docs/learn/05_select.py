from collections import Counter
from pathlib import Path

from gochan import Chan, RecvChan, SendChan, go, recv, run, scope, select

TEXTS = Path(__file__).parent / "texts"


async def read(path: Path, words: SendChan[str], errors: SendChan[OSError]) -> None:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        await errors.send(error)
        return
    for word in text.lower().split():
        await words.send(word.strip(".,:;?!"))


async def read_all(
    paths: list[Path], words: SendChan[str], errors: SendChan[OSError]
) -> None:
    async with scope():
        for path in paths:
            go(read, path, words, errors)
    words.close()


async def collect(words: RecvChan[str], errors: RecvChan[OSError]) -> Counter[str]:
    tally: Counter[str] = Counter()
    word, error = recv(words), recv(errors)
    while True:
        chosen = await select(word, error)
        if chosen is error:
            print("cannot read", Path(error.value.filename).name)
        elif word.ok:
            tally[word.value] += 1
        else:
            return tally


async def main() -> None:
    words, errors = Chan[str](), Chan[OSError]()
    paths = [*sorted(TEXTS.glob("*.txt")), TEXTS / "missing.txt"]
    go(read_all, paths, words, errors)
    tally = await collect(words, errors)
    print(tally.total(), "words,", len(tally), "different ones")


run(main)
