"""``goroutines()``: what goroutines are doing."""

from __future__ import annotations

import gc
import io
import re
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import pytest

import gochan
from gochan import (
    Chan,
    GoroutineInfo,
    _frames,
    _live,
    dump,
    go,
    goroutines,
    nil,
    recv,
    run,
    scope,
    select,
    send,
    time,
)
from gochan._parked import parks
from gochan._scope import open_scopes
from support.idle import settle
from support.listed import infos, parked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

HERE = Path(__file__).name


# Words


async def test_words_for_channels() -> None:
    empty, full = Chan[int](name="empty"), Chan[int](1, name="full")
    full.send_nowait(1)

    async def receives() -> None:
        await empty.recv()

    async def receives_ok() -> None:
        await empty.recv_ok()

    async def iterates() -> None:
        async for _ in empty:
            pass

    async def receives_at_one_end() -> None:
        await empty.receiver().recv()

    async def sends() -> None:
        await full.send(2)

    async with parked(
        receives, receives_ok, iterates, receives_at_one_end, sends
    ) as found:
        for name, info in found.items():
            assert info.state == "parked"
            on, word = (
                (full, "chan send") if name == "sends" else (empty, "chan receive")
            )
            assert (name, info.wait, info.channel) == (name, word, on)
        assert set(found) >= {"receives", "sends", "iterates"}


async def test_words_for_nil_channels() -> None:
    async def receives() -> None:
        await nil.recv()

    async def sends() -> None:
        await nil.send(1)

    async with parked(receives, sends) as found:
        assert found["receives"].wait == "chan receive (nil chan)"
        assert found["sends"].wait == "chan send (nil chan)"
        assert found["sends"].channel is nil


async def test_words_for_select() -> None:
    a, b = Chan[int](), Chan[int]()

    async def some() -> None:
        await select(recv(a), send(b, 1))

    async def none() -> None:
        await select()

    async def nils() -> None:
        never: gochan.RecvCase[int] = recv(None)
        await select(never, never)

    async with parked(some, none, nils) as found:
        assert (found["some"].wait, found["some"].channel) == ("select", None)
        assert found["none"].wait == "select (no cases)"
        assert found["nils"].wait == "select"


async def test_words_for_the_end_of_goroutines() -> None:
    async def joins() -> None:
        await go(anyio.sleep_forever, name="joined")

    async def waits() -> None:
        async with scope(name="inner") as s:
            s.go(anyio.sleep_forever, name="waited for")

    async with parked(joins, waits) as found:
        assert found["joins"].wait == "chan receive"
        assert str(found["joins"].channel).startswith("<Chan 'end of joined'")
        assert found["waits"].wait == "sync.WaitGroup.Wait"
        assert isinstance(found["waits"].channel, gochan.Scope)
        assert found["waits"].channel.name == "inner"
        assert found["joined"].wait == "await"


async def test_words_for_sleep_and_the_rest() -> None:
    async def sleeps() -> None:
        await time.sleep(1000)

    async def times() -> None:
        await time.after(1000).recv()

    async def awaits() -> None:
        await anyio.sleep(1000)

    async with parked(sleeps, times, awaits) as found:
        assert (found["sleeps"].wait, found["sleeps"].channel) == ("sleep", None)
        assert found["times"].wait == "chan receive"
        assert (found["awaits"].wait, found["awaits"].channel) == ("await", None)


async def test_what_gochan_does_inside_is_told_by_its_outermost_call() -> None:
    """A lock that is made of a channel waits for a lock."""

    class Lock:
        def __init__(self) -> None:
            self.free = Chan[None](1)

        @parks("sync.Mutex.Lock")
        async def lock(self) -> None:
            await self.free.recv()

    lock = Lock()

    async def locks() -> None:
        await lock.lock()

    async def locks_in_gochan() -> None:
        await lock.lock()

    # marked functions of others are not gochan's: what they call is what counts
    async with parked(locks) as found:
        assert found["locks"].wait == "chan receive"
    Lock.lock.__globals__["__name__"], before = "gochan.lock", __name__
    try:
        async with parked(locks_in_gochan) as found:
            # the goroutine's function is in this module as well
            assert found["locks_in_gochan"].wait == "sync.Mutex.Lock"
            assert found["locks_in_gochan"].channel is lock
    finally:
        Lock.lock.__globals__["__name__"] = before


# How coroutines may lead to one another


async def test_through_all_kinds_of_awaitables() -> None:
    ch = Chan[int]()

    class ByCoroutine:
        def __await__(self) -> Any:
            return ch.recv().__await__()

    class ByGenerator:
        def __await__(self) -> Any:
            return (yield from ch.recv().__await__())

    async def values() -> AsyncGenerator[int]:
        while True:
            yield await ch.recv()

    async def by_coroutine() -> None:
        await ByCoroutine()

    async def by_generator() -> None:
        await ByGenerator()

    async def by_async_generator() -> None:
        async for _ in values():
            pass

    async def by_anext() -> None:
        await anext(values(), None)

    async def by_athrow() -> None:
        async def catches() -> AsyncGenerator[int]:
            try:
                yield 1
            finally:
                await ch.recv()

        iterator: Any = catches()
        await anext(iterator)
        await iterator.aclose()

    async with parked(
        by_coroutine, by_generator, by_async_generator, by_anext, by_athrow
    ) as found:
        for name in [name for name in found if name.startswith("by_")]:
            assert (name, found[name].channel) == (name, ch)


def test_frames_of_what_has_ended_or_is_no_coroutine() -> None:
    async def nothing() -> None:
        pass

    coroutine = nothing()
    assert [frame.f_code.co_name for frame in _frames.frames_of(coroutine)] == [
        "nothing"
    ]
    coroutine.close()
    assert _frames.frames_of(coroutine) == []
    assert _frames.running_frames(coroutine) == []
    assert _frames.frames_of(object()) == []


# States


async def test_states() -> None:
    ch = Chan[int]()
    seen: list[GoroutineInfo] = []

    async def looks() -> None:
        seen.append(infos()["looks"])

    async def receives() -> None:
        await ch.recv()

    async with scope() as s:
        begins = s.go(receives, name="begins")
        assert infos()["begins"].state == "runnable"
        assert infos()["begins"].wait is None
        await settle()
        assert infos()["begins"].state == "parked"
        await ch.send(1)
        assert infos()["begins"].state in {"runnable", "done"}
        await begins
        assert "begins" not in infos()
        await s.go(looks)
    assert [(info.state, info.wait, info.channel) for info in seen] == [
        ("running", None, None)
    ]


async def test_one_whose_end_is_being_told_is_seen_no_more() -> None:
    class Ends(gochan.Instrument):
        names: ClassVar[list[str]] = []

        def goroutine_finished(self, party: Any) -> None:
            self.names.append(party.name)
            assert party.name not in infos()

    with Ends():
        async with scope() as s:
            s.go(gochan.yield_, name="ends")
            s.go(anyio.sleep_forever, name="is cancelled").cancel()
    assert sorted(Ends.names) == ["ends", "is cancelled"]


async def test_one_that_yields_is_runnable() -> None:
    async def yields() -> None:
        while True:
            await gochan.yield_()

    async with scope() as s:
        s.go(yields)
        for _ in range(5):
            await anyio.sleep(0)
        assert infos()["yields"].state == "runnable"
        s.cancel()


async def test_one_that_is_cancelled_is_runnable() -> None:
    async def waits() -> None:
        await Chan[int]().recv()

    async with scope() as s:
        g = s.go(waits)
        await settle()
        g.cancel()
        assert infos()["waits"].state == "runnable"


# Where from


async def test_created_at_and_by() -> None:
    ids: list[int] = []

    async def child() -> None:
        ids.append(infos()["child"].id)
        await anyio.sleep_forever()

    async def parent() -> None:
        go(child)
        await anyio.sleep_forever()

    async def scoped_parent() -> None:
        async with scope() as s:
            s.go(anyio.sleep_forever, name="scoped child")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(from_a_task)

    async def from_a_task() -> None:
        go(anyio.sleep_forever, name="task's child")
        await anyio.sleep_forever()

    async with parked(parent, scoped_parent) as found:
        assert found["child"].id == ids[0]
        assert found["child"].created_by == found["parent"].id
        assert re.fullmatch(
            rf"{HERE}:\d+ in test_created_at_and_by\.<locals>\.parent",
            found["child"].created_at,
        )
        # there is no goroutine here
        assert found["parent"].created_by is None
        # of the one that has entered the scope
        assert found["scoped child"].created_by == found["scoped_parent"].id
        assert found["task's child"].created_by == found["scoped_parent"].id
        # also when it is started, in the first step of the one that starts it
        assert [info.id for info in goroutines()] == sorted(
            info.id for info in goroutines()
        )


def test_main(backend: dict[str, Any]) -> None:
    async def main() -> GoroutineInfo:
        (info,) = goroutines()
        return info

    info = run(main, **backend)
    assert info.name == "main"
    assert info.created_by is None
    assert info.created_at.endswith(" in test_main")
    assert goroutines() == []


async def test_one_started_from_another_thread_has_no_parent() -> None:
    async with scope() as s:
        await anyio.to_thread.run_sync(
            lambda: s.go(anyio.sleep_forever, name="from a thread")
        )
        await settle()
        assert infos()["from a thread"].created_by is None
        s.cancel()


# How long


async def test_parked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("gochan._live.monotonic", lambda: now)
    ch = Chan[int]()

    async def receives() -> None:
        while True:
            await ch.recv()

    async def awaits() -> None:
        await anyio.sleep_forever()

    async with parked(receives, awaits) as found:
        # since it was first seen
        assert found["receives"].parked_for == 0
        assert found["awaits"].parked_for is None
        now += 125
        assert infos()["receives"].parked_for == 125
        file = io.StringIO()
        dump(file)
        assert "[chan receive, 2 minutes]: receives, on chan " in file.getvalue()
        # it waits for the same again, which is another wait
        await ch.send(1)
        await settle()
        assert infos()["receives"].parked_for == 0


def test_what_was_seen_is_forgotten(backend: dict[str, Any]) -> None:
    async def main() -> None:
        async with parked(Chan[int]().recv):
            assert len(_live._seen) > before

    gc.collect()
    before = len(_live._seen)
    run(main, **backend)
    gc.collect()
    assert len(_live._seen) == before


# Scopes that nobody has left


async def test_a_scope_that_was_thrown_away() -> None:
    """The list of scopes does not keep it: its loop may have been closed under it."""
    found: list[int] = []

    def open_one() -> None:
        coroutine: Any = scope(name="thrown away").__aenter__()
        with pytest.raises(StopIteration):
            while True:
                coroutine.send(None)
        found.append(len(open_scopes))

    before = len(open_scopes)
    copy_context().run(open_one)
    gc.collect()
    assert found == [before + 1]
    assert len(open_scopes) == before
