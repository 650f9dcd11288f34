"""Litmus tests of starting, ending and cancelling: A4, B1 to B4, P1 to P5, K."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import types

import anyio

import gochan
from gochan import Chan, go, nil, recv, select
from support.litmus import OK, RACE, World, litmus
from support.threads import until

LOOPS = ("asyncio", "trio")


@litmus("A4", OK)
async def a_chain(w: World) -> None:
    a, b = Chan[int](), Chan[int]()

    async def first() -> None:
        w.x.write()
        await w(a.send, 1)

    async def second() -> None:
        await w(a.recv)
        await w(b.send, 1)

    w.go(first)
    w.go(second)
    await w(b.recv)
    w.x.write()


def _write(w: World) -> None:
    w.x.write()


@litmus("B2", OK, before=_write)
async def what_precedes_run(w: World) -> None:
    w.x.write()


@litmus("P2", OK, after=_write)
async def what_follows_run(w: World) -> None:
    async def child() -> None:
        w.x.write()

    await w.join(w.go(child))


@litmus("P2", OK, only=LOOPS, after=_write)
async def the_end_of_a_run_waits_for_all(w: World) -> None:
    async def child() -> None:
        w.x.write()
        await nil.recv()

    go(child)
    await w.settle()


@litmus("B3", OK)
async def go_then_begin(w: World) -> None:
    async def child() -> None:
        w.x.write()

    w.x.write()
    w.go(child)


@litmus("B3", RACE)
async def what_follows_go(w: World) -> None:
    async def child() -> None:
        w.x.write()

    w.go(child)
    w.x.write()


@litmus("B3", RACE)
async def two_children(w: World) -> None:
    async def child() -> None:
        w.x.write()

    w.go(child)
    w.go(child)


@litmus("B4", RACE)
async def an_end_that_nobody_waits_for(w: World) -> None:
    async def child() -> None:
        w.x.write()

    w.go(child)
    await w.settle()
    w.x.write()


@litmus("B4", RACE)
async def yielding(w: World) -> None:
    async def child() -> None:
        w.x.write()

    w.go(child)
    for _ in range(100):
        await w.gosched()
    w.x.write()


@litmus("P1", OK)
async def joining(w: World) -> None:
    async def child() -> None:
        w.x.write()

    await w.join(w.go(child))
    w.x.write()


@litmus("P1", OK)
async def joining_one_that_has_ended(w: World) -> None:
    async def child() -> None:
        w.x.write()

    started = w.go(child)
    await w.settle()
    await w.join(started)
    w.x.write()


@litmus("P1", OK, only=LOOPS)
async def selecting_on_a_goroutine(w: World) -> None:
    async def child() -> None:
        w.x.write()

    await select(recv(nil), go(child))
    w.x.write()


@litmus("P1", RACE)
async def joining_another(w: World) -> None:
    async def child() -> None:
        w.x.write()

    async def other() -> None:
        pass

    w.go(child)
    await w.join(w.go(other))
    await w.settle()
    w.x.write()


@litmus("P2", OK, only=LOOPS)
async def leaving_a_scope(w: World) -> None:
    async def child() -> None:
        w.x.write()

    async with gochan.scope():
        go(child)
        await w.settle()
    w.x.write()


@litmus("P2", OK, only=LOOPS)
async def leaving_a_scope_whose_goroutines_fail(w: World) -> None:
    async def child() -> None:
        w.x.write()
        raise ValueError

    with contextlib.suppress(ExceptionGroup):
        async with gochan.scope():
            go(child)
    w.x.write()


@litmus("P2", RACE, only=LOOPS)
async def leaving_another_scope(w: World) -> None:
    async def child() -> None:
        w.x.write()

    go(child)
    async with gochan.scope():
        await w.settle()
    w.x.write()


@litmus("P2", RACE, only=LOOPS)
async def two_goroutines_of_a_scope(w: World) -> None:
    async def child() -> None:
        w.x.write()

    async with gochan.scope():
        go(child)
        go(child)


@litmus("P3", OK, only=LOOPS)
async def cancelling(w: World) -> None:
    async def child() -> None:
        try:
            await nil.recv()
        finally:
            w.x.write()

    g = go(child)
    await w.settle()
    w.x.write()
    g.cancel()


@litmus("P3", OK, only=LOOPS)
async def what_a_cancelled_goroutine_passes_on(w: World) -> None:
    c = Chan[int](1)

    async def child() -> None:
        try:
            await nil.recv()
        finally:
            c.send_nowait(1)

    async def receiver() -> None:
        await c.recv()
        w.x.write()

    g = go(child)
    go(receiver)
    await w.settle()
    w.x.write()
    g.cancel()


@litmus("P3", OK, only=LOOPS)
async def cancelling_a_scope(w: World) -> None:
    async def child() -> None:
        try:
            await nil.recv()
        finally:
            w.x.read()

    async with gochan.scope() as s:
        go(child)
        go(child)
        await w.settle()
        w.x.write()
        s.cancel()


@litmus("P3", OK, only=LOOPS)
async def cancelling_the_body_of_a_scope(w: World) -> None:
    async def child(s: gochan.Scope) -> None:
        w.x.write()
        s.cancel()

    async with gochan.scope() as s:
        go(child, s)
        try:
            await nil.recv()
        finally:
            w.x.write()


@litmus("P3", RACE, only=LOOPS)
async def what_follows_cancel(w: World) -> None:
    async def child() -> None:
        try:
            await nil.recv()
        finally:
            w.x.write()

    g = go(child)
    await w.settle()
    g.cancel()
    await w.settle()
    w.x.write()


@litmus("P4", OK)
async def a_thread(w: World) -> None:
    def work() -> None:
        w.x.write()

    w.x.write()
    thread = threading.Thread(target=work)
    w.clocks.starts(thread)
    thread.start()
    thread.join()
    w.clocks.joins(thread)
    w.x.write()


@litmus("P4", RACE)
async def a_thread_that_nobody_joins(w: World) -> None:
    # not an event, which would put them in order
    ended: list[None] = []

    def work() -> None:
        w.x.write()
        ended.append(None)
        over.wait(30)

    over = threading.Event()
    thread = threading.Thread(target=work)
    w.clocks.starts(thread)
    thread.start()
    until(lambda: ended)
    w.x.write()
    over.set()
    thread.join()


@litmus("P3", OK, only=LOOPS)
async def what_a_cancelled_goroutine_sends(w: World) -> None:
    c = Chan[int]()

    async def sender() -> None:
        await c.send(0)
        try:
            await gochan.nil.recv()
        finally:
            with anyio.CancelScope(shield=True):
                await c.send(1)

    async def receiver() -> None:
        await c.recv()
        await c.recv()
        w.x.write()

    cancelled = go(sender)
    w.go(receiver)
    await w.settle()
    w.x.write()
    cancelled.cancel()
    await w.settle()


@litmus("P5", OK, only=LOOPS)
async def a_failure_cancels_the_others(w: World) -> None:
    async def fails() -> None:
        w.x.write()
        raise ValueError

    async def other() -> None:
        try:
            await nil.recv()
        finally:
            w.x.write()

    with contextlib.suppress(ExceptionGroup):
        async with gochan.scope():
            go(other)
            await w.settle()
            go(fails)


@litmus("B1", OK)
async def importing(w: World) -> None:
    name = "gochan_litmus_module"
    module = types.ModuleType(name)

    class Finder:
        @staticmethod
        def find_spec(wanted: str, path: object, target: object = None) -> object:
            if wanted != name:
                return None
            loader = Finder()
            return importlib.machinery.ModuleSpec(name, loader)  # type: ignore[arg-type]

        def create_module(self, spec: object) -> types.ModuleType:
            return module

        def exec_module(self, _: types.ModuleType) -> None:
            w.x.write()

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
    try:
        importlib.import_module(name)
    finally:
        sys.meta_path.remove(Finder)  # type: ignore[arg-type]
        sys.modules.pop(name, None)

    async def child() -> None:
        w.x.write()

    w.go(child)


# K: what looks like synchronisation and is none


@litmus("K1", RACE)
async def message_passing(w: World) -> None:
    async def writer() -> None:
        w.x.write()
        w.y.write()

    w.go(writer)
    await w.settle()
    w.y.read()
    w.x.read()


@litmus("K3", RACE)
async def waiting_for_a_flag(w: World) -> None:
    async def writer() -> None:
        w.x.write()
        w.y.write(1)

    w.go(writer)
    while not w.y.read():
        await w.gosched()
    w.x.read()


@litmus("K4", RACE)
async def publishing_an_object(w: World) -> None:
    async def writer() -> None:
        # y is the object, x the variable
        w.y.write()
        w.x.write(1)

    w.go(writer)
    while not w.x.read():
        await w.gosched()
    w.y.read()


@litmus("K5", RACE)
async def the_end_of_a_goroutine(w: World) -> None:
    async def writer() -> None:
        w.x.write()

    w.go(writer)
    await w.settle()
    w.x.read()


@litmus("K6", RACE)
async def a_buffered_channel_for_an_unbuffered_one(w: World) -> None:
    c = Chan[int](1)

    async def writer() -> None:
        w.x.write()
        await w(c.recv)

    w.go(writer)
    await w(c.send, 0)
    await w.settle()
    w.x.read()


@litmus("K7", RACE)
async def a_shared_total(w: World) -> None:
    done = Chan[None]()

    async def worker() -> None:
        w.x.write(w.x.read() + 1)
        await w(done.send, None)

    for _ in range(3):
        w.go(worker)
    for _ in range(3):
        await w(done.recv)
