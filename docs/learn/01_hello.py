from gochan import go, run


async def count_words(text: str) -> int:
    return len(text.split())


async def main() -> None:
    first = go(count_words, "Tyger Tyger, burning bright")
    second = go(count_words, "In the forests of the night")
    print(await first + await second, "words")


run(main)
