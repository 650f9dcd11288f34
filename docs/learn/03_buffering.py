from pathlib import Path

from gochan import Chan, SendChan, go, run

TEXTS = Path(__file__).parent / "texts"


async def read(paths: list[Path], lines: SendChan[str], log: list[str]) -> None:
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            await lines.send(line)
        log.append(f"read all of {path.stem}")


async def main() -> None:
    paths = sorted(TEXTS.glob("*.txt"))
    for lines in (Chan[str](), Chan[str](9)):
        log: list[str] = []
        reader = go(read, paths, lines, log)
        await lines.recv()
        print(f"room for {lines.cap}: {log}")
        reader.cancel()


run(main)
