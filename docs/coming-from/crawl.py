from gochan import Chan, RecvChan, atomic, go, recv, run, select, sync, time

WEB: dict[str, list[str]] = {
    "/": ["/a", "/b", "/missing"],
    "/a": ["/", "/a/one", "/b"],
    "/a/one": ["/a"],
    "/b": ["/b/two", "/a"],
    "/b/two": [],
}


class Crawler:
    def __init__(self, limit: RecvChan[float]) -> None:
        self.mu = sync.Mutex()
        self.visited: set[str] = set()

        self.wg = sync.WaitGroup()
        self.limit = limit
        self.slots = Chan[None](2)
        self.broken = Chan[str]()
        self.pages = atomic.Int()

    async def is_new(self, url: str) -> bool:
        async with self.mu:
            if url in self.visited:
                return False
            self.visited.add(url)
            return True

    async def visit(self, url: str) -> None:
        try:
            await self.limit.recv()  # not too often
            await self.slots.send(None)  # not too many at a time
            try:
                links = WEB.get(url)
                if links is None:
                    await self.broken.send(url)
                    return
                self.pages.add(1)
                for link in links:
                    if await self.is_new(link):
                        self.wg.add(1)
                        go(self.visit, link)
            finally:
                await self.slots.recv()
        finally:
            self.wg.done()


async def main() -> None:
    ticker = time.Ticker(0.002)
    c = Crawler(limit=ticker.c)
    done = Chan[None]()
    await c.is_new("/")
    c.wg.add(1)
    go(c.visit, "/")

    async def finish() -> None:
        await c.wg.wait()
        done.close()

    go(finish)

    broken, finished = recv(c.broken), recv(done)
    while True:
        quiet = recv(time.after(5))
        chosen = await select(broken, quiet, finished)
        if chosen is broken:
            print("broken:", broken.value)
        elif chosen is quiet:
            print("nothing happens any more")
            break
        else:
            print("pages:", c.pages.load())
            break
    ticker.stop()


run(main)
