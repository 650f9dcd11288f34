from gochan import go, run


async def count_words(text: str) -> int:
    return len(text.split())


async def main() -> None:
    first = go(count_words, "Tyger Tyger, burning bright")
    second = go(count_words, "In the forests of the night")
    print("共", await first + await second, "个单词")


run(main)
