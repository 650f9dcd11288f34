"""``goroutines()``: those that run on threads."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, GoroutineInfo, dump, run, scope
from support.idle import settle
from support.listed import infos

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def on_a_thread(function: Callable[[], object]) -> Generator[threading.Thread]:
    thread = threading.Thread(target=function)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


async def test_from_another_thread() -> None:
    """A thread looks while the loop runs goroutine code, and while that sleeps."""
    found: list[dict[str, GoroutineInfo]] = []
    looked = threading.Event()

    def look() -> None:
        found.append(infos())
        looked.set()

    async def computes() -> None:
        with on_a_thread(look):
            assert looked.wait(10)

    async with scope() as s:
        await s.go(computes)
    assert found[0]["computes"].state == "running"
    assert found[0]["computes"].wait is None


def test_a_dump_shows_what_runs_on_another_thread(backend: dict[str, Any]) -> None:
    computing, looked = threading.Event(), threading.Event()

    async def computes() -> None:
        computing.set()
        assert looked.wait(10)

    with on_a_thread(lambda: run(computes, **backend)):
        assert computing.wait(10)
        file = io.StringIO()
        dump(file)
        looked.set()
    head, *lines = file.getvalue().splitlines()
    assert head.endswith("[running]: main")
    assert (
        "test_a_dump_shows_what_runs_on_another_thread.<locals>.computes(...)" in lines
    )
    assert any(line.endswith("  assert looked.wait(10)") for line in lines)


async def look_for(name: str, wait: str | None, on: object) -> GoroutineInfo:
    """Until a goroutine elsewhere waits for that."""
    while True:
        info = infos().get(name)
        if info is not None and (info.wait, info.channel) == (wait, on):
            return info
        await anyio.sleep(0)


@pytest.mark.parametrize("where", ["threads", "fibers"])
async def test_a_plain_function_elsewhere(where: str) -> None:
    ch, other = Chan[int](name="ch"), Chan[int](name="other")
    if where == "fibers":
        pytest.importorskip("greenback")

    def work() -> None:
        ch.blocking_recv()
        other.blocking_recv(timeout=1000)
        gochan.blocking_select(ch, other)
        inner()

    def inner() -> None:
        ch.blocking_send(1)

    async with scope() as s:
        s.go(work, on=getattr(gochan, where))
        info = await look_for("work", "chan receive", ch)
        assert info.state == "parked"
        await ch.send(1)
        await look_for("work", "chan receive", other)
        await other.send(1)
        await look_for("work", "select", None)
        await ch.send(1)
        await look_for("work", "chan send", ch)
        file = io.StringIO()
        dump(file)
        await ch.recv()
    # nothing of what runs it there
    stack = next(
        part for part in file.getvalue().split("\n\n") if ": work, on chan 'ch'" in part
    )
    assert [line for line in stack.splitlines()[1:] if not line.startswith("\t")] == [
        "test_a_plain_function_elsewhere.<locals>.inner(...)",
        "test_a_plain_function_elsewhere.<locals>.work(...)",
        "created by test_a_plain_function_elsewhere",
    ]


async def test_an_async_function_on_another_loop() -> None:
    ch, computing = Chan[int](name="ch"), threading.Event()
    looked = threading.Event()

    async def work() -> None:
        await ch.recv()
        computing.set()
        assert looked.wait(10)

    async with gochan.executors.loops(1) as loops, scope() as s:
        s.go(work, on=loops)
        info = await look_for("work", "chan receive", ch)
        assert info.state == "parked"
        await ch.send(1)
        assert computing.wait(10)
        try:
            assert infos()["work"].state == "running"
        finally:
            looked.set()


async def test_a_function_elsewhere_that_has_not_begun() -> None:
    """The one thread that there is has something to do."""
    over = threading.Event()

    async with gochan.executors.threads(1) as pool, scope() as s:
        s.go(over.wait, on=pool, name="first")
        while infos()["first"].state != "running":
            await anyio.sleep(0)
        s.go(over.wait, on=pool, name="second")
        await settle()
        try:
            assert infos()["second"].state == "runnable"
            assert infos()["first"].state == "running"
        finally:
            over.set()
