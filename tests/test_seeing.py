"""``goroutines()``, ``dump()``, ``dump_on_signal()``: what goroutines are doing."""

from __future__ import annotations

import gc
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import asynccontextmanager, contextmanager
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
    _seeing,
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

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

HERE = Path(__file__).name


def infos() -> dict[str, GoroutineInfo]:
    """By name; those of this test only, names are used once."""
    return {info.name: info for info in goroutines()}


@asynccontextmanager
async def parked(
    *mains: Callable[[], Coroutine[Any, Any, object]],
) -> AsyncGenerator[dict[str, GoroutineInfo], None]:
    """Each as a goroutine of the name of its function, when they have parked."""
    async with scope() as s:
        for main in mains:
            s.go(main)
        await settle()
        yield infos()
        s.cancel()


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


# Threads


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


# Dumps


GOLDEN = """\
goroutine 1 [running]: main
main(...)
	FILE:37  gochan.dump(sys.stdout)
created by <module>
	FILE:41  run(main, backend=sys.argv[1])

goroutine 2 [chan receive]: consume, on chan 'jobs'
consume(...)
	FILE:8  async for _ in jobs:
created by main in goroutine 1
	FILE:27  go(consume, jobs)

goroutine 3 [chan send]: produce, on chan 'full' (2/2)
Producer.put(...)
	FILE:13  await self.full.send(3)
produce(...)
	FILE:16  await Producer(full).put()
created by main in goroutine 1
	FILE:28  go(produce, full)

goroutine 4 [select]: choose, to receive from chan 'jobs' or send to chan 'full' (2/2) \
or receive from a nil chan
choose(...)
	FILE:19  await select(jobs, send(full, 3), None)
created by main in goroutine 1
	FILE:29  go(choose, jobs, full)

goroutine 5 [sync.WaitGroup.Wait]: collect, on scope 'all'
collect(...)
	FILE:22  async with scope(name="all") as s:
created by main in goroutine 1
	FILE:30  collecting = go(collect, jobs)

goroutine 6 [chan receive]: wait, on the end of collect
wait(...)
	FILE:33  await collecting
created by main in goroutine 1
	FILE:34  go(wait)

goroutine 7 [chan receive]: recv, on chan 'jobs'
Chan.recv(...)
created by collect in goroutine 5
	FILE:23  s.go(jobs.recv)
"""

DUMPED = """\
import sys
import gochan
from gochan import Chan, go, run, scope, select, send
from gochan.buffers import Unbounded


async def consume(jobs):
    async for _ in jobs:
        pass
class Producer:
    def __init__(self, full): self.full = full
    async def put(self):
        await self.full.send(3)

async def produce(full):
    await Producer(full).put()

async def choose(jobs, full):
    await select(jobs, send(full, 3), None)

async def collect(jobs):
    async with scope(name="all") as s:
        s.go(jobs.recv)
async def main():
    jobs, full = Chan(name="jobs"), Chan(2, name="full")
    full.send_nowait(1); full.send_nowait(2)
    go(consume, jobs)
    go(produce, full)
    go(choose, jobs, full)
    collecting = go(collect, jobs)

    async def wait():
        await collecting
    go(wait)
    import anyio
    await anyio.sleep(0.01)
    gochan.dump(sys.stdout)



run(main, backend=sys.argv[1])
"""


def execute(
    program: str, folder: Path, *args: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(program)
    root = str(Path(gochan.__file__).parent.parent)
    path_there = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(path), *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": path_there, "PYTHONWARNINGS": "error"},
    )
    assert not check or done.stderr == ""
    return done


def test_a_dump(backend: dict[str, Any], tmp_path: Path) -> None:
    done = execute(DUMPED, tmp_path, backend["backend"])
    found = done.stdout.replace(str(tmp_path / "program.py"), "FILE")
    # where a method of gochan's is, and the qualified name of an inner function
    found = re.sub(r"\n\t/.*gochan/_chan\.py.*", "", found)
    assert found.replace("main.<locals>.wait", "wait") == GOLDEN


def test_a_dump_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    dump()
    assert capsys.readouterr().err == "no goroutines\n"


async def test_a_dump_names_what_it_cannot() -> None:
    """What has no name is told apart by its address."""
    unbounded = Chan[int](buffer=gochan.buffers.Unbounded(), name="log")

    class Thing:
        pass

    from gochan._report import described

    thing = Thing()
    kind = Thing.__qualname__
    assert described(thing) == f"{kind} {id(thing):#x}"
    assert described(unbounded) == "chan 'log' (0/∞)"
    assert described(None) == "a nil chan"


def test_a_dump_takes_no_lock(backend: dict[str, Any]) -> None:
    """A signal may come while its thread has locked a channel."""
    ch = Chan[int](1, name="locked")

    async def main() -> None:
        async with parked(ch.recv):
            with ch._lock:
                file = io.StringIO()
                dump(file)
                assert "on chan 'locked' (0/1)" in file.getvalue()

    run(main, **backend)


# Signals


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "SIGQUIT"), reason="there are no such signals"
)


@needs_signals
def test_dump_on_signal(backend: dict[str, Any], tmp_path: Path) -> None:
    """In a program that hangs, which then goes on."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        import anyio, gochan

        gochan.dump_on_signal()
        gochan.dump_on_signal(signal.SIGUSR1)

        async def main():
            ch = gochan.Chan(name="ch")
            gochan.go(ch.recv)
            await anyio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGQUIT)
            os.kill(os.getpid(), signal.SIGUSR1)
            await ch.send(1)
            return "went on"

        print(gochan.run(main, backend=sys.argv[1]))
        """
    )
    done = execute(program, tmp_path, backend["backend"], check=False)
    assert done.stdout == "went on\n"
    assert done.stderr.count("[running]: main\n") == 2
    assert done.stderr.count("[chan receive]: recv, on chan 'ch'\n") == 2
    assert "os.kill(os.getpid(), signal.SIGQUIT)" in done.stderr


@needs_signals
def test_the_handler_writes_past_what_it_may_have_interrupted(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream may be in the middle of a write: the descriptor is not."""

    class Busy(io.TextIOBase):
        def fileno(self) -> int:
            return 2

        def write(self, _: str) -> int:
            raise RuntimeError("reentrant call")

    monkeypatch.setattr(sys, "stderr", Busy())
    _seeing.on_signal(signal.SIGQUIT, None)
    assert capfd.readouterr().err == "no goroutines\n"


def test_the_handler_writes_to_what_is_no_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stderr", replaced)
    _seeing.on_signal(0, None)
    assert replaced.getvalue() == "no goroutines\n"


def test_only_the_main_thread_may_ask_for_it() -> None:
    errors: list[ValueError] = []

    def ask() -> None:
        with pytest.raises(ValueError, match="main thread") as raised:
            gochan.dump_on_signal(signal.SIGTERM)
        errors.append(raised.value)

    with on_a_thread(ask):
        pass
    assert errors


def test_a_signal_that_nobody_can_handle() -> None:
    with pytest.raises(ValueError, match=r"nobody can handle signal 9: write gochan"):
        gochan.dump_on_signal(signal.SIGKILL)


def test_a_system_without_sigquit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGQUIT", raising=False)
    with pytest.raises(ValueError, match=r"write gochan.dump_on_signal\(signal\."):
        gochan.dump_on_signal()


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
