from gochan import Chan, go, recv, run, select, time
from gochan.buffers import Sliding


async def type_slowly(words: Chan[str]) -> None:
    for word in ("tyger", "tyger", "burning"):
        await time.sleep(0.02)
        await words.send(word)
    # and then nothing comes any more


async def main() -> None:
    words = Chan[str](buffer=Sliding(10))
    go(type_slowly, words)
    ticker = time.Ticker(0.05)
    word, tick = recv(words), recv(ticker.c)
    seen = reports = 0
    while True:
        timeout = recv(time.after(0.2))
        chosen = await select(word, tick, timeout)
        if chosen is word:
            seen += 1
        elif chosen is tick and reports < 2:
            reports += 1
            print(f"{seen} words so far" if reports == 1 else "still counting")
        elif chosen is tick and seen == 3:
            ticker.stop()
        elif chosen is timeout:
            print("no word for a while; there were", seen)
            return


run(main)
