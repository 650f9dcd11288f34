"""Crawl a web site with a fixed number of fetchers, each page exactly once.

    python examples/web_crawler.py --pages 40 --fetchers 4

The program starts the web server that it crawls: a made-up site on this machine
whose pages link to each other in circles, to nowhere, and to other sites.

    crawl ---todo---> fetcher 1..n
          <---found---

``crawl`` alone knows which pages have been seen, so that needs no lock. It both
hands out addresses and takes in what the fetchers find. If it did one after the
other it would be stuck sooner or later: it cannot hand out while all fetchers wait
to tell what they found. So it offers the next address and listens, in one
``select``. While it has no address to offer, the channel of that case is ``None``,
Go's nil channel, which is never ready.

It knows when it is done: no address is left, and none is being fetched.

The idea is the web crawler of the Go Tour's last exercise (https://go.dev/tour),
and section 8.6 of "The Go Programming Language" by Alan Donovan and Brian
Kernighan.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream

import gochan
from gochan import Chan, RecvChan, SendChan, go, recv, scope, select, send


@dataclass(frozen=True)
class Page:
    """What a fetcher has found at an address."""

    url: str
    status: int
    links: tuple[str, ...]


# The crawler.


async def fetch(url: str) -> Page:
    """Get one page: as little HTTP as this server needs."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    async with await anyio.connect_tcp(parts.hostname, parts.port) as stream:
        await stream.send(f"{request}Connection: close\r\n\r\n".encode())
        reply = b"".join([part async for part in stream]).decode()
    head, _, body = reply.partition("\r\n\r\n")
    found = re.findall(r'href="([^"]*)"', body)
    return Page(url, int(head.split()[1]), tuple(urljoin(url, link) for link in found))


async def fetcher(todo: RecvChan[str], found: SendChan[Page]) -> None:
    """Fetch one address after the other until there are no more."""
    async for url in todo:
        await found.send(await fetch(url))


async def crawl(start: str, fetchers: int) -> list[Page]:
    """Fetch all pages of one host that can be reached from ``start``."""
    host = urlsplit(start).netloc
    todo, found = Chan[str](name="todo"), Chan[Page](name="found")
    waiting, seen = deque([start]), {start}
    fetching = 0
    pages: list[Page] = []
    arrived = recv(found)
    async with scope():
        for number in range(fetchers):
            go(fetcher, todo, found, name=f"fetcher-{number + 1}")
        while waiting or fetching:
            offer = send(todo, waiting[0]) if waiting else send(None, "")
            if await select(offer, arrived) is offer:
                waiting.popleft()
                fetching += 1
                continue
            fetching -= 1
            pages.append(arrived.value)
            for link in arrived.value.links:
                if urlsplit(link).netloc == host and link not in seen:
                    seen.add(link)
                    waiting.append(link)
        todo.close()
    return pages


# The site.


class Site:
    """Pages /0, /1, ... with links, and a note of every visit."""

    def __init__(self, pages: int, latency: float) -> None:
        self.pages = pages
        self.latency = latency
        self.visits: Counter[str] = Counter()
        self.visitors = 0
        self.most_visitors = 0

    def links(self, number: int) -> list[str]:
        """A tree that reaches all pages, and links that close circles in it."""
        below = [n for n in (2 * number + 1, 2 * number + 2) if n < self.pages]
        elsewhere = ["/0", f"/{number * 7 % self.pages}", "http://other.example/"]
        missing = ["/missing"] if number % 10 == 0 else []
        return [f"/{n}" for n in below] + elsewhere + missing

    async def serve(self, listener: Listener[SocketStream]) -> None:
        """Answer requests for ever: until ``main`` returns."""
        async with listener:
            await listener.serve(self.answer)

    async def answer(self, stream: SocketStream) -> None:
        """Answer one request."""
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive()
            path = request.split()[1].decode()
            self.visits[path] += 1
            self.visitors += 1
            self.most_visitors = max(self.most_visitors, self.visitors)
            # what a real server takes to think
            await anyio.sleep(self.latency)
            self.visitors -= 1
            name = path.removeprefix("/")
            if name.isdecimal() and int(name) < self.pages:
                links = "".join(f'<a href="{to}">x</a>' for to in self.links(int(name)))
                await stream.send(f"HTTP/1.1 200 OK\r\n\r\n{links}".encode())
            else:
                await stream.send(b"HTTP/1.1 404 Not Found\r\n\r\n")


async def main(size: int, fetchers: int, latency: float) -> None:
    """Serve a site, crawl it, and compare what both sides have seen."""
    site = Site(size, latency)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # not Django's
    root = f"http://127.0.0.1:{port}"
    go(site.serve, listener)
    begin = time.perf_counter()
    pages = await crawl(f"{root}/0", fetchers)
    seconds = time.perf_counter() - begin
    for page in sorted(pages, key=lambda each: (len(each.url), each.url)):
        path = page.url.removeprefix(root)
        print(f"{page.status} {path}: {len(page.links)} links")
    again = [path for path, visits in site.visits.items() if visits != 1]
    print(f"{len(pages)} pages, fetched more than once: {', '.join(again) or 'none'}")
    print(
        f"{seconds:.2f} s, {site.most_visitors} fetched at a time at most; "
        f"one by one it takes {len(pages) * latency:.2f} s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Crawl a site that it serves itself.")
    parser.add_argument("--pages", type=int, default=40, help="default: 40")
    parser.add_argument("--fetchers", type=int, default=4, help="default: 4")
    parser.add_argument(
        "--latency", type=float, default=0.01, help="seconds a page (default: 0.01)"
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    if min(given.pages, given.fetchers) < 1:
        parser.error("--pages and --fetchers must be at least 1")
    gochan.run(main, given.pages, given.fetchers, given.latency, backend=given.backend)
