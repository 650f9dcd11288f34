"""Go's src/runtime/race/testdata/chan_test.go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gochan
from gochan import Chan, ChanClosed, Panic, go, recv, select, select_nowait, send
from gochan.race import Var
from golang.race.helpers import check, later, programs
from support.idle import settle

if TYPE_CHECKING:
    from golang.race.helpers import Program


async def no_race_chan_sync() -> None:
    v, c = Var(0), Chan[int]()

    async def child() -> None:
        v.value = 1
        await c.send(0)

    go(child)
    await c.recv()
    v.value = 2


async def no_race_chan_sync_rev() -> None:
    v, c = Var(0), Chan[int]()

    async def child() -> None:
        await c.send(0)
        v.value = 2

    go(child)
    v.value = 1
    await c.recv()


async def no_race_chan_async() -> None:
    v, c = Var(0), Chan[int](10)

    async def child() -> None:
        v.value = 1
        await c.send(0)

    go(child)
    await c.recv()
    v.value = 2


async def race_chan_async_rev() -> None:
    v, c = Var(0), Chan[int](10)

    async def child() -> None:
        await c.send(0)
        v.value = 1

    go(child)
    v.value = 2
    await c.recv()


async def _close_recv(c: Chan[int], how: str) -> None:
    v = Var(0)

    async def child() -> None:
        v.value = 1
        c.close()

    go(child)
    if how == "recv":
        with suppress(ChanClosed):
            await c.recv()
    elif how == "recv_ok":
        await c.recv_ok()
    else:
        async for _ in c:
            pass
    v.value = 2


async def no_race_chan_async_close_recv() -> None:
    await _close_recv(Chan(10), "recv")


async def no_race_chan_async_close_recv2() -> None:
    await _close_recv(Chan(10), "recv_ok")


async def no_race_chan_async_close_recv3() -> None:
    await _close_recv(Chan(10), "range")


async def no_race_chan_sync_close_recv() -> None:
    await _close_recv(Chan(), "recv")


async def no_race_chan_sync_close_recv2() -> None:
    await _close_recv(Chan(), "recv_ok")


async def no_race_chan_sync_close_recv3() -> None:
    await _close_recv(Chan(), "range")


async def race_chan_sync_close_send() -> None:
    v, c = Var(0), Chan[int]()

    async def child() -> None:
        v.value = 1
        c.close()

    go(child)
    with suppress(Panic):
        await c.send(0)
    v.value = 2


async def race_chan_async_close_send() -> None:
    v, c = Var(0), Chan[int](10)

    async def child() -> None:
        v.value = 1
        c.close()

    go(child)
    with suppress(Panic):
        while True:
            await c.send(0)
    v.value = 2


async def race_chan_close_close() -> None:
    compl, v1, v2, c = Chan[bool](2), Var(0), Var(0), Chan[int]()

    async def child(mine: Var[int], other: Var[int]) -> None:
        mine.value = 1
        try:
            c.close()
        except Panic:
            other.value = 2
        await compl.send(True)

    go(child, v1, v2)
    go(child, v2, v1)
    await compl.recv()
    await compl.recv()


async def race_chan_send_len() -> None:
    v, c = Var(0), Chan[int](10)

    async def child() -> None:
        v.value = 1
        await c.send(1)

    go(child)
    while len(c) == 0:
        await gochan.yield_()
    v.value = 2


async def race_chan_recv_len() -> None:
    v, c = Var(0), Chan[int](10)
    await c.send(1)

    async def child() -> None:
        v.value = 1
        await c.recv()

    go(child)
    while len(c) != 0:
        await gochan.yield_()
    v.value = 2


async def race_chan_send_send() -> None:
    compl, v1, v2, c = Chan[bool](2), Var(0), Var(0), Chan[int](1)

    async def child(mine: Var[int], other: Var[int]) -> None:
        mine.value = 1
        if select_nowait(send(c, 1)) is None:
            other.value = 2
        await compl.send(True)

    go(child, v1, v2)
    go(child, v2, v1)
    await compl.recv()
    await compl.recv()


async def no_race_chan_ptr() -> None:
    c = Chan[Var[int]]()

    async def child() -> None:
        m = Var(0)
        m.value = 1
        await c.send(m)

    go(child)
    m = await c.recv()
    m.value = 2


async def race_chan_wrong_send() -> None:
    v1, v2, c = Var(0), Var(0), Chan[int](2)

    async def child(mine: Var[int], number: int) -> None:
        mine.value = number
        await c.send(number)

    go(child, v1, 1)
    go(child, v2, 2)
    await settle()
    if await c.recv() == 1:
        v2.value = 3
    else:
        v1.value = 3


async def race_chan_wrong_close() -> None:
    v1, v2, c, done = Var(0), Var(0), Chan[int](1), Chan[bool]()

    async def sender() -> None:
        v1.value = 1
        with suppress(Panic):
            await c.send(1)
            await done.send(True)

    async def closer() -> None:
        await later()
        v2.value = 2
        c.close()
        await done.send(True)

    go(sender)
    go(closer)
    await settle()
    _, who = await c.recv_ok()
    if who:
        v2.value = 2
    else:
        v1.value = 2
    await done.recv()
    await done.recv()


async def race_chan_send_close() -> None:
    compl, c = Chan[bool](2), Chan[int](1)

    async def sender() -> None:
        with suppress(Panic):
            await c.send(1)
        await compl.send(True)

    async def closer() -> None:
        await later()
        c.close()
        await compl.send(True)

    go(sender)
    go(closer)
    await compl.recv()
    await compl.recv()


async def race_chan_send_select_close() -> None:
    compl, c, c1 = Chan[bool](2), Chan[int](1), Chan[int]()

    async def sender() -> None:
        await later()
        with suppress(Panic):
            await select(send(c, 1), recv(c1))
        await compl.send(True)

    async def closer() -> None:
        c.close()
        await compl.send(True)

    go(sender)
    go(closer)
    await compl.recv()
    await compl.recv()


async def race_select_read_write_async() -> None:
    done, x = Chan[bool](), Var(0)
    c1, c2, c3 = Chan[int](10), Chan[int](10), Chan[int]()
    await c2.send(1)

    async def child() -> None:
        # reads x, which races with ...
        await select(send(c1, x.value), send(c3, 1))
        await done.send(True)

    go(child)
    got = recv(c2)
    await select(got, send(c3, 1))
    # ... the write
    x.value = got.value
    await done.recv()


async def race_select_read_write_sync() -> None:
    done, x = Chan[bool](), Var(0)
    c1, c2, c3 = Chan[int](), Chan[int](), Chan[int]()

    async def child() -> None:
        # reads x, which races with ...
        await select(send(c1, x.value), send(c3, 1))
        await done.send(True)

    # make c1 and c2 ready
    go(c1.recv)
    go(c2.send, 1)
    go(child)
    got = recv(c2)
    await select(got, send(c3, 1))
    # ... the write
    x.value = got.value
    await done.recv()


async def no_race_select_read_write_async() -> None:
    done, x, c1, c2 = Chan[bool](), Var(0), Chan[int](), Chan[int]()

    async def child() -> None:
        # reads x, which comes before ...
        await select(send(c1, x.value), send(c2, 1))
        await done.send(True)

    go(child)
    got = recv(c1)
    await select(got, send(c2, 1))
    # ... the write
    x.value = got.value
    await done.recv()


async def race_chan_read_write_async() -> None:
    done, c1, c2, x = Chan[bool](), Chan[int](10), Chan[int](10), Var(0)
    await c2.send(10)

    async def child() -> None:
        await c1.send(x.value)
        await done.send(True)

    go(child)
    x.value = await c2.recv()
    await done.recv()


async def race_chan_read_write_sync() -> None:
    done, c1, c2, x = Chan[bool](), Chan[int](), Chan[int](), Var(0)

    async def child() -> None:
        await c1.send(x.value)
        await done.send(True)

    # make c1 and c2 ready
    go(c1.recv)
    go(c2.send, 10)
    go(child)
    x.value = await c2.recv()
    await done.recv()


async def no_race_chan_read_write_async() -> None:
    done, c1, x = Chan[bool](), Chan[int](10), Var(0)

    async def child() -> None:
        await c1.send(x.value)
        await done.send(True)

    go(child)
    x.value = await c1.recv()
    await done.recv()


async def no_race_producer_consumer_unbuffered() -> None:
    queue, x = Chan[Any](), Var(0)

    async def consumer() -> None:
        task, done = await queue.recv()
        task()
        await done.send(True)

    async def do(task: Any) -> None:
        done = Chan[bool](1)
        await queue.send((task, done))
        await done.recv()

    go(consumer)
    await do(lambda: x.store(1))
    x.load()


async def _channel_itself(use: Any, first: Chan[int], wait: bool = False) -> None:
    """``c`` is used by one goroutine while another one replaces it."""
    compl, c = Chan[bool](1), Var(first)

    async def child() -> None:
        await use(c.value)
        await compl.send(True)

    go(child)
    if wait:
        await settle()
    c.value = Chan(20)
    await compl.recv()


async def race_chan_itself_send() -> None:
    async def use(c: Chan[int]) -> None:
        await c.send(0)

    await _channel_itself(use, Chan(10))


async def race_chan_itself_recv() -> None:
    async def use(c: Chan[int]) -> None:
        await c.recv()

    c = Chan[int](10)
    await c.send(1)
    await _channel_itself(use, c, wait=True)


async def race_chan_itself_nil() -> None:
    c = Var[Chan[int] | None](Chan(10))

    async def child() -> None:
        channel = c.value
        assert channel is not None
        await channel.send(0)

    go(child)
    await settle()
    c.value = None


async def race_chan_itself_close() -> None:
    async def use(c: Chan[int]) -> None:
        c.close()

    await _channel_itself(use, Chan())


async def race_chan_itself_len() -> None:
    async def use(c: Chan[int]) -> None:
        len(c)

    await _channel_itself(use, Chan())


async def race_chan_itself_cap() -> None:
    async def use(c: Chan[int]) -> None:
        assert c.cap is not None

    await _channel_itself(use, Chan())


async def no_race_chan_close_len() -> None:
    c, r = Chan[int](10), Chan[int](10)

    async def looks() -> None:
        await r.send(len(c))

    async def closes() -> None:
        c.close()
        await r.send(0)

    go(looks)
    go(closes)
    await r.recv()
    await r.recv()


async def no_race_chan_close_cap() -> None:
    c, r = Chan[int](10), Chan[Any](10)

    async def looks() -> None:
        await r.send(c.cap)

    async def closes() -> None:
        c.close()
        await r.send(0)

    go(looks)
    go(closes)
    await r.recv()
    await r.recv()


async def race_chan_close_send() -> None:
    compl, c = Chan[bool](1), Chan[int](10)

    async def child() -> None:
        c.close()
        await compl.send(True)

    go(child)
    await c.send(0)
    await compl.recv()


async def no_race_chan_mutex() -> None:
    done, mtx, data = Chan[None](), Chan[None](1), Var(0)

    async def child() -> None:
        await mtx.send(None)
        data.value = 42
        await mtx.recv()
        await done.send(None)

    go(child)
    await mtx.send(None)
    data.value = 43
    await mtx.recv()
    await done.recv()


async def no_race_select_mutex() -> None:
    done, mtx, aux, data = Chan[None](), Chan[None](1), Chan[bool](), Var(0)

    async def locked(value: int) -> None:
        await select(send(mtx, None), recv(aux))
        data.value = value
        await select(recv(mtx), recv(aux))

    async def child() -> None:
        await locked(42)
        await done.send(None)

    go(child)
    await locked(43)
    await done.recv()


async def race_chan_sem() -> None:
    done, mtx, data = Chan[None](), Chan[bool](2), Var(0)

    async def child() -> None:
        await mtx.send(True)
        data.value = 42
        await mtx.recv()
        await done.send(None)

    go(child)
    await mtx.send(True)
    data.value = 43
    await mtx.recv()
    await done.recv()


async def no_race_chan_wait_group() -> None:
    n = 10
    chan_wg = Chan[bool](n // 2)
    data = [Var(0) for _ in range(n)]

    async def child(i: int) -> None:
        data[i].value = 42
        await chan_wg.recv()

    for i in range(n):
        await chan_wg.send(True)
        go(child, i)
    for _ in range(n // 2):
        await chan_wg.send(True)
    for one in data:
        assert one.value == 42


async def _blocked_send(receive: Any) -> None:
    c = Chan[Any](1)
    await c.send(None)

    async def child() -> None:
        i = Var(0)
        i.value = 42
        await c.send(i)

    go(child)
    # so that it waits for room
    await settle()
    await c.recv()
    p = await receive(c)
    assert p.value == 42


async def no_race_blocked_send_sync() -> None:
    async def receive(c: Chan[Any]) -> Any:
        return await c.recv()

    await _blocked_send(receive)


async def no_race_blocked_select_send_sync() -> None:
    async def receive(c: Chan[Any]) -> Any:
        got = recv(c)
        await select(got, recv(Chan[int]()))
        return got.value

    await _blocked_send(receive)


async def no_race_close_happens_before_read() -> None:
    for _ in range(100):
        loc, write, read = Var(0), Chan[None](), Chan[None]()

        async def reader(loc: Var[int], write: Chan[None], read: Chan[None]) -> None:
            if select_nowait(recv(write)) is not None:
                loc.load()
            read.close()

        async def writer(loc: Var[int], write: Chan[None]) -> None:
            loc.value = 1
            write.close()

        go(reader, loc, write, read)
        go(writer, loc, write)
        await read.recv_ok()


async def no_race_elem_size0() -> None:
    x, y, c = Var(0), Var(0), Chan[None](2)
    await c.send(None)
    await c.send(None)

    async def child(mine: Var[int]) -> None:
        mine.value += 1
        await c.recv()

    go(child, x)
    go(child, y)
    await settle()
    await c.send(None)
    await c.send(None)
    x.value += 1
    y.value += 1


@programs(globals(), 45)
def test_chan(backend: dict[str, Any], program: Program) -> None:
    check(program, backend)
