"""``goroutines(leaked=True)``: who can never go on, and nobody else."""

from __future__ import annotations

import ctypes
import gc
import io
import sys
import threading
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import (
    Chan,
    RecvChan,
    dump,
    go,
    goroutines,
    nil,
    recv,
    run,
    scope,
    select,
    send,
    sync,
    time,
)
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

# Free-threaded builds do not count all references, and keep more: there, less is
# found, and still nothing that is not so.
if not getattr(sys, "_is_gil_enabled", lambda: True)():  # pragma: no cover
    pytest.skip("references are not counted exactly", allow_module_level=True)


def leaked() -> set[str]:
    return {info.name for info in goroutines(leaked=True)}


@pytest.fixture
async def s(anyio_backend: object) -> AsyncGenerator[gochan.Scope]:
    """A scope to leak goroutines in; it cancels them in the end."""
    async with scope() as opened:
        yield opened
        opened.cancel()


async def receive(ch: RecvChan[Any]) -> None:
    await ch.recv()


async def stuck() -> None:
    await Chan[int]().recv()


# Nobody can reach these


async def test_one_that_nobody_can_reach(s: gochan.Scope) -> None:
    async def sends() -> None:
        await Chan[int]().send(1)

    async def sends_to_a_full_buffer() -> None:
        ch = Chan[int](1)
        await ch.send(1)
        await ch.send(2)

    async def selects() -> None:
        await select(recv(Chan[int]()), send(Chan[int](), 1))

    async def iterates() -> None:
        async for _ in Chan[int]():
            pass

    async def receives_at_one_end() -> None:
        await Chan[int]().receiver().recv()

    for function in (
        stuck,
        sends,
        sends_to_a_full_buffer,
        selects,
        iterates,
        receives_at_one_end,
    ):
        s.go(function)
    await settle()
    assert leaked() == {
        "stuck",
        "sends",
        "sends_to_a_full_buffer",
        "selects",
        "iterates",
        "receives_at_one_end",
    }
    # to look changes nothing
    assert leaked() == leaked()


async def test_one_that_waits_for_nothing(s: gochan.Scope) -> None:
    async def none() -> None:
        await select()

    async def receives_from_nil() -> None:
        await nil.recv()

    async def sends_to_nil() -> None:
        await nil.send(1)

    async def selects_nil() -> None:
        never: gochan.RecvCase[int] = recv(None)
        await select(never, send(nil, 1))

    for function in (none, receives_from_nil, sends_to_nil, selects_nil):
        s.go(function)
    await settle()
    assert leaked() == {"none", "receives_from_nil", "sends_to_nil", "selects_nil"}


async def test_locks(s: gochan.Scope) -> None:
    async def locks() -> None:
        mutex = sync.Mutex()
        await mutex.lock()
        await mutex.lock()

    async def waits() -> None:
        group = sync.WaitGroup()
        group.add(1)
        await group.wait()

    async def is_not_told() -> None:
        condition = sync.Cond(sync.Mutex())
        async with condition:
            await condition.wait()

    s.go(locks)
    s.go(waits)
    s.go(is_not_told)
    await settle()
    assert leaked() == {"locks", "waits", "is_not_told"}


async def test_several_that_lead_to_each_other(s: gochan.Scope) -> None:
    async def left(a: Chan[int], b: Chan[int]) -> None:
        await a.recv()
        await b.send(1)

    async def right(a: Chan[int], b: Chan[int]) -> None:
        await b.recv()
        await a.send(1)

    async def starts() -> None:
        a, b = Chan[int](), Chan[int]()
        go(left, a, b)
        go(right, a, b)

    s.go(starts)
    await settle()
    assert leaked() == {"left", "right"}


async def test_a_long_chain(s: gochan.Scope) -> None:
    """Each has the channel of the one before."""

    async def link(number: int, ch: Chan[int]) -> None:
        if number:
            go(link, number - 1, ch)
        await Chan[int]().recv()

    s.go(link, 50, Chan[int]())
    await settle()
    assert len(goroutines(leaked=True)) == 51


async def test_one_that_waits_for_a_leaked_one(s: gochan.Scope) -> None:
    async def joins() -> None:
        await go(stuck)

    async def selects_the_end() -> None:
        await select(go(stuck, name="selected"))

    async def waits_for_all() -> None:
        async with scope() as inner:
            inner.go(stuck, name="inside")

    for function in (joins, selects_the_end, waits_for_all):
        s.go(function)
    await settle()
    assert leaked() == {
        "joins",
        "stuck",
        "selects_the_end",
        "selected",
        "waits_for_all",
        "inside",
    }


async def test_a_weak_reference_is_none(s: gochan.Scope) -> None:
    seen: list[weakref.ref[Chan[int]]] = []

    async def receives() -> None:
        ch = Chan[int]()
        seen.append(weakref.ref(ch))
        await ch.recv()

    s.go(receives)
    await settle()
    assert leaked() == {"receives"}
    assert seen[0]() is not None


async def test_nor_is_garbage(s: gochan.Scope) -> None:
    class Holder:
        ch: Any
        myself: Any

    def throw_away(ch: Chan[int]) -> None:
        holder = Holder()
        holder.ch, holder.myself = ch, holder

    async def receives() -> None:
        ch = Chan[int]()
        throw_away(ch)
        await ch.recv()

    s.go(receives)
    gc.disable()
    try:
        await settle()
        assert leaked() == {"receives"}
    finally:
        gc.enable()


async def test_nor_is_a_handle(s: gochan.Scope) -> None:
    """Who has the handle may cancel it, which is not to wake it."""
    handle = s.go(stuck)
    await settle()
    assert leaked() == {"stuck"}
    assert not handle._over


def test_main_that_waits_for_ever_does_so_on_purpose(backend: dict[str, Any]) -> None:
    """What only it has is leaked all the same, as in Go."""
    found: list[set[str]] = []

    async def main() -> None:
        go(receive, Chan[int](), name="leaked")
        go(ends)
        await select()

    async def ends() -> None:
        await settle()
        found.append(leaked())
        raise KeyError

    with pytest.raises(ExceptionGroup):
        run(main, **backend)
    assert found == [{"leaked"}]


async def test_a_dump_of_them(s: gochan.Scope) -> None:
    s.go(stuck)
    s.go(anyio.sleep_forever)
    await settle()
    file = io.StringIO()
    dump(file, leaked=True)
    head = file.getvalue().partition("\n")[0]
    assert "[chan receive (leaked)]: stuck, on chan 'chan-" in head
    assert file.getvalue().count("goroutine ") == 1


def test_a_dump_of_none(capsys: pytest.CaptureFixture[str]) -> None:
    dump(leaked=True)
    assert capsys.readouterr().err == "no goroutines\n"


# These may be woken: each keeps a channel in its own way, and returns what keeps it

kept_by_a_module: Any = None
VARIABLE: ContextVar[Any] = ContextVar("variable")


class Class:
    attribute: Any = None


def in_a_variable(ch: Chan[int]) -> object:
    return ch


def in_a_container(ch: Chan[int]) -> object:
    return {"deep": [({"down": ch},)]}


def at_one_end(ch: Chan[int]) -> object:
    return ch.sender()


def in_a_closure(ch: Chan[int]) -> object:
    return lambda: ch


def in_a_default(ch: Chan[int]) -> object:
    def function(ch: Chan[int] = ch) -> Chan[int]:
        return ch

    return function


def in_a_bound_method(ch: Chan[int]) -> object:
    return partial(ch.send_nowait, 1)


def in_a_generator(ch: Chan[int]) -> object:
    def generator() -> Iterator[Chan[int]]:
        yield ch
        yield ch

    started = generator()
    next(started)
    return started


def in_a_case(ch: Chan[int]) -> object:
    return send(ch, 1)


def in_another_channel(ch: Chan[int]) -> object:
    outer = Chan[Chan[int]](1)
    outer.send_nowait(ch)
    return outer


def in_an_exception(ch: Chan[int]) -> object:
    try:
        raise KeyError(ch)
    except KeyError as error:
        return error


def in_a_frame_of_a_traceback(ch: Chan[int]) -> object:
    try:
        raise KeyError
    except KeyError as error:
        return error


def in_a_class(ch: Chan[int]) -> object:
    Class.attribute = ch
    return Class


def in_a_module(ch: Chan[int]) -> object:
    global kept_by_a_module
    kept_by_a_module = ch
    return None


def in_a_context_variable(ch: Chan[int]) -> object:
    VARIABLE.set(ch)
    return None


def in_c(ch: Chan[int]) -> object:
    """A reference that only C knows of."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(ch))
    return None


WAYS = (
    in_a_variable,
    in_a_container,
    at_one_end,
    in_a_closure,
    in_a_default,
    in_a_bound_method,
    in_a_generator,
    in_a_case,
    in_another_channel,
    in_an_exception,
    in_a_frame_of_a_traceback,
    in_a_class,
    in_a_module,
    in_a_context_variable,
    in_c,
)


@contextmanager
def undone() -> Generator[None]:
    global kept_by_a_module
    try:
        yield
    finally:
        kept_by_a_module = Class.attribute = None


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_whoever_runs_keeps_it(
    s: gochan.Scope, way: Callable[[Chan[int]], object]
) -> None:
    found: list[set[str]] = []

    async def looks() -> None:
        kept = start_and_keep()
        await settle()
        found.append(leaked())
        del kept

    def start_and_keep() -> object:
        ch = Chan[int]()
        s.go(receive, ch, name="kept")
        return way(ch)

    with undone():
        await s.go(looks)
        assert found == [set()]
    await settle()
    # C will not let go
    assert leaked() == (set() if way is in_c else {"kept"})


@pytest.mark.parametrize("where", ["goroutine", "task", "thread"])
async def test_others_who_run_keep_it(s: gochan.Scope, where: str) -> None:
    over = threading.Event()

    async def sleeps(ch: Chan[int]) -> None:
        await anyio.sleep_forever()

    def thread(ch: Chan[int]) -> None:
        assert over.wait(10)

    async with anyio.create_task_group() as tasks:

        def start() -> None:
            ch = Chan[int]()
            s.go(receive, ch, name="kept")
            match where:
                case "goroutine":
                    s.go(sleeps, ch)
                case "task":
                    tasks.start_soon(sleeps, ch)
                case _:
                    threading.Thread(target=thread, args=(ch,)).start()

        start()
        await settle()
        assert leaked() == set()
        over.set()
        tasks.cancel_scope.cancel()


async def test_one_that_has_not_begun_keeps_it(s: gochan.Scope) -> None:
    async def never(ch: Chan[int]) -> None:
        pass

    async def looks() -> set[str]:
        coroutine = start()
        await settle()
        try:
            return leaked()
        finally:
            coroutine.close()

    def start() -> Any:
        ch = Chan[int]()
        s.go(receive, ch, name="kept")
        return never(ch)

    assert await s.go(looks) == set()


async def test_a_parked_one_that_may_be_woken_keeps_it(s: gochan.Scope) -> None:
    """Through others that are parked, as far as that goes."""
    first = Chan[int]()

    async def link(number: int, ch: Chan[int]) -> None:
        following = Chan[int]()
        if number:
            go(link, number - 1, following)
        await ch.recv()
        await following.send(1)

    s.go(link, 20, first)
    await settle()
    assert leaked() == set()
    del first
    assert len(goroutines(leaked=True)) == 21


async def test_the_result_of_one_that_has_ended_keeps_it(s: gochan.Scope) -> None:
    async def makes() -> Chan[int]:
        ch = Chan[int]()
        s.go(receive, ch, name="kept")
        return ch

    handle = s.go(makes)
    await settle()
    assert leaked() == set()
    del handle
    await settle()
    assert leaked() == {"kept"}


async def test_one_who_waits_for_a_live_one(s: gochan.Scope) -> None:
    async def joins() -> None:
        await go(anyio.sleep_forever)

    async def waits_for_all() -> None:
        async with scope() as inner:
            inner.go(stuck)
            inner.go(anyio.sleep_forever)

    s.go(joins)
    s.go(waits_for_all)
    await settle()
    assert leaked() == {"stuck"}


async def test_time_wakes_them(s: gochan.Scope) -> None:
    async def sleeps() -> None:
        await time.sleep(1000)

    async def waits() -> None:
        await time.after(1000).recv()

    async def selects() -> None:
        await select(Chan[int](), time.after(1000))

    def call_later() -> None:
        ch = Chan[int](1)
        s.go(receive, ch, name="called for")
        time.after_func(1000, partial(ch.send_nowait, 1))

    for function in (sleeps, waits, selects):
        s.go(function)
    call_later()
    await settle()
    assert leaked() == set()


async def test_what_is_on_the_stack_of_who_asks(s: gochan.Scope) -> None:
    """An argument that no variable holds yet."""

    def start() -> Chan[int]:
        ch = Chan[int]()
        s.go(receive, ch, name="kept")
        return ch

    def pair(*args: object) -> tuple[object, ...]:
        return args

    held = [start()]
    await settle()
    # popped, and not bound to anything while the other argument is made
    _, found = pair(held.pop(), leaked())
    assert found == set()


@pytest.mark.slow
def test_other_threads_do_not_disturb(backend: dict[str, Any]) -> None:
    """What they take and pass on may be on its way while it is counted."""
    over = threading.Event()
    box: list[Any] = []

    def shuffle() -> None:
        while not over.is_set():
            taken = box.pop() if box else None
            fresh = [taken]
            box.append(fresh.pop())

    async def main() -> None:
        ch = Chan[int]()
        box.append(ch)
        go(receive, ch, name="kept")
        go(stuck)
        del ch
        await settle()
        for _ in range(20):
            assert leaked() == {"stuck"}

    thread = threading.Thread(target=shuffle)
    thread.start()
    try:
        run(main, **backend)
    finally:
        over.set()
        thread.join()


async def test_a_goroutine_on_a_thread_is_taken_for_live(s: gochan.Scope) -> None:
    """What a thread's stack refers to cannot be counted."""

    def start() -> Chan[int]:
        ch = Chan[int]()
        s.go(ch.blocking_recv, on=gochan.threads, name="elsewhere")
        return ch

    ch = start()
    while not ch.stats().waiting_receivers:
        await anyio.sleep(0)
    del ch
    assert leaked() == set()


def test_foreign_tasks_are_no_goroutines(backend: dict[str, Any]) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stuck)
            await settle()
            assert goroutines(leaked=True) == []
            tasks.cancel_scope.cancel()

    run(main, **backend)
