"""Kernels of GoKer, as in Go's testgoroutineleakprofile/goker: real bugs, each reduced.

Each is written anew after what the program there does, and in the order of events in
which the bug shows. With ``fixed`` it does what the real fix did, and nothing leaks.

Source: GoBench (Yuan et al., CGO 2021), whose kernels Go's own tests use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from gochan import (
    Chan,
    context,
    go,
    goroutines,
    recv,
    scope,
    select,
    select_nowait,
    send,
    time,
)
from gochan.sync import Cond, Mutex, Once, RWMutex, WaitGroup
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Kernel = Callable[[bool], Coroutine[Any, Any, None]]

KERNELS: dict[str, tuple[Kernel, list[str]]] = {}

LOCK = "[sync.Mutex.Lock]"
WRITE, READ = "[sync.RWMutex.Lock]", "[sync.RWMutex.RLock]"
SEND, RECEIVE, SELECT = "[chan send]", "[chan receive]", "[select]"
WAIT, COND = "[sync.WaitGroup.Wait]", "[sync.Cond.Wait]"


def leaks(*expected: str) -> Callable[[Kernel], Kernel]:
    """What leaks, in the form ``name [reason]``."""

    def add(kernel: Kernel) -> Kernel:
        KERNELS[kernel.__name__] = kernel, sorted(expected)
        return kernel

    return add


async def pause() -> None:
    """Let the others go as far as they can, a few steps at least."""
    for _ in range(5):
        await anyio.sleep(0)


# Locks


@leaks(f"gossip {LOCK}")
async def cockroach584(fixed: bool) -> None:
    mutex = Mutex()

    async def gossip() -> None:
        for _ in ("bootstrap", "manage"):
            await mutex.lock()
            if fixed:
                mutex.unlock()

    go(gossip)


@leaks(f"output_log_entry {LOCK}")
async def cockroach9935(fixed: bool) -> None:
    mutex = Mutex()

    async def output_log_entry() -> None:
        await mutex.lock()
        if fixed:
            mutex.unlock()
        # the file cannot be created: exit() locks, too
        async with mutex:
            pass

    go(output_log_entry)


@leaks(f"tick {LOCK}", f"send_queued_heartbeats {LOCK}")
async def cockroach10214(fixed: bool) -> None:
    coalesced, raft = Mutex(), Mutex()

    async def send_queued_heartbeats() -> None:
        async with coalesced:
            await pause()
            if not fixed:
                async with raft:
                    pass

    async def tick() -> None:
        async with raft:
            await pause()
            async with coalesced:
                pass

    go(send_queued_heartbeats)
    go(tick)


@leaks(f"force_scan {READ}", f"process_raft {WRITE}")
async def cockroach3710(fixed: bool) -> None:
    mutex = RWMutex()

    async def force_scan() -> None:
        await mutex.rlock()
        go(process_raft)
        await pause()
        if not fixed:
            await mutex.rlock()
            mutex.runlock()
        mutex.runlock()

    async def process_raft() -> None:
        async with mutex:
            pass

    go(force_scan)


@leaks(f"lookup {READ}", f"lookup {WRITE}", f"coalesced_requests {WAIT}")
async def cockroach6181(fixed: bool) -> None:
    mutex = RWMutex()

    async def lookup(group: WaitGroup, first: bool) -> None:
        await mutex.rlock()
        if first:
            # it asks for the write lock meanwhile
            go(lookup, group, False)
            await pause()
        if not fixed:
            await mutex.rlock()
            mutex.runlock()
        mutex.runlock()
        async with mutex:
            group.done()

    async def coalesced_requests() -> None:
        group = WaitGroup()
        group.add(2)
        go(lookup, group, True)
        await group.wait()

    go(coalesced_requests)


@leaks(f"exec_parsed {READ}", f"start {WRITE}")
async def cockroach16167(fixed: bool) -> None:
    config = RWMutex()
    condition = Cond(config.rlocker())

    async def start() -> None:
        async with config:
            pass

    async def exec_parsed() -> None:
        async with condition:
            go(start)
            await pause()
            if not fixed:
                async with config.rlocker():
                    pass

    go(exec_parsed)


@leaks(f"close_client {WRITE}")
async def etcd5509(fixed: bool) -> None:
    mutex, done = RWMutex(), Chan[None]()

    async def get() -> None:
        await mutex.rlock()
        if fixed:
            mutex.runlock()
        # the connection is closed: it returns an error
        done.close()

    async def close_client() -> None:
        await done.recv_ok()
        async with mutex:
            pass

    go(get)
    go(close_client)


@leaks(f"sync_client {READ}")
async def etcd6708(fixed: bool) -> None:
    mutex = RWMutex()

    async def do() -> None:
        async with mutex.rlocker():
            pass

    async def sync_client() -> None:
        async with mutex:
            if not fixed:
                await do()
        await do()

    go(sync_client)


@leaks(f"renew {WRITE}")
async def etcd10492(fixed: bool) -> None:
    mutex = RWMutex()

    async def checkpoint() -> None:
        async with mutex:
            pass

    async def renew() -> None:
        async with mutex:
            if not fixed:
                await checkpoint()
        await checkpoint()

    go(renew)


@leaks(f"graceful_stop {LOCK}", f"serve {LOCK}")
async def grpc795(fixed: bool) -> None:
    mutex = Mutex()

    async def serve() -> None:
        await pause()
        async with mutex:
            pass

    async def graceful_stop() -> None:
        for drains in (False, True):
            await mutex.lock()
            if drains and not fixed:
                # where it should have unlocked
                await mutex.lock()
            mutex.unlock()

    go(serve)
    go(graceful_stop)


@leaks(f"remove_mapping {READ}")
async def syncthing4829(fixed: bool) -> None:
    service, mapping = RWMutex(), RWMutex()

    async def notify() -> None:
        async with mapping.rlocker():
            pass

    async def remove_mapping() -> None:
        async with service:
            async with mapping:
                if not fixed:
                    await notify()
            await notify()

    go(remove_mapping)


@leaks(f"reconcile_state {READ}", f"remove_container {WRITE}")
async def kubernetes62464(fixed: bool) -> None:
    state = RWMutex()

    async def reconcile_state() -> None:
        await state.rlock()
        go(remove_container)
        await pause()
        if not fixed:
            await state.rlock()
            state.runlock()
        state.runlock()

    async def remove_container() -> None:
        async with state:
            pass

    go(reconcile_state)


@leaks(f"run {LOCK}")
async def moby7559(fixed: bool) -> None:
    mutex = Mutex()

    async def run() -> None:
        for _ in range(2):
            await mutex.lock()
            # the connection fails
            if fixed:
                mutex.unlock()

    go(run)


@leaks(f"locks {LOCK}")
async def moby17176(fixed: bool) -> None:
    mutex, done = Mutex(), Chan[bool](1)

    async def deletes() -> None:
        await mutex.lock()
        # nothing to do: it returns
        if fixed:
            mutex.unlock()

    async def locks() -> None:
        async with mutex:
            await done.send(True)

    await deletes()
    go(locks)


@leaks(f"hot_add {LOCK}")
async def moby36114(fixed: bool) -> None:
    mutex = Mutex()

    async def hot_remove() -> None:
        async with mutex:
            pass

    async def hot_add() -> None:
        async with mutex:
            if not fixed:
                await hot_remove()
        await hot_remove()

    go(hot_add)


# Wait groups and conditions


@leaks(f"init {WAIT}")
async def moby25348(fixed: bool) -> None:
    async def init() -> None:
        group = WaitGroup()
        group.add(2)

        async def plugin() -> None:
            group.done()

        for _ in range(2):
            go(plugin)
            if not fixed:
                await group.wait()
        await group.wait()

    go(init)


@leaks(f"test_active {RECEIVE}", f"wait_active {COND}")
async def moby30408(fixed: bool) -> None:
    condition, done = Cond(Mutex()), Chan[None]()
    # what activating it came to: an error, and no manifest
    failed = True

    async def wait_active() -> None:
        async with condition:
            if not (fixed and failed):
                await condition.wait()
        done.close()

    async def test_active() -> None:
        go(wait_active)
        await done.recv_ok()

    go(test_active)


@leaks(f"processes {RECEIVE}", f"locks {WRITE}", f"pop {RECEIVE}")
async def kubernetes26980(fixed: bool) -> None:
    mutex, stop, result = RWMutex(), Chan[None](), Chan[None]()

    async def pop() -> None:
        await mutex.lock()
        if fixed:
            mutex.unlock()
        await stop.recv_ok()
        if not fixed:
            mutex.unlock()

    async def locks() -> None:
        await mutex.lock()
        result.close()

    async def processes() -> None:
        go(pop)
        await pause()
        go(locks)
        await result.recv_ok()
        mutex.unlock()
        stop.close()

    go(processes)


# Channels


@leaks(f"begin_cmds {RECEIVE}")
async def cockroach10790(fixed: bool) -> None:
    ctx, cancel = context.with_cancel(context.background())
    chans = [Chan[bool](), Chan[bool]()]

    async def begin_cmds() -> None:
        await select(recv(chans[0]), ctx.done())
        for ch in chans:
            # it was cancelled, and so was who would send
            await (select(ch, ctx.done()) if fixed else ch.recv())

    cancel()
    go(begin_cmds)


@leaks(f"await_done {RECEIVE}")
async def cockroach13197(fixed: bool) -> None:
    class Tx:
        def __init__(self) -> None:
            self.ctx, self.cancel = context.with_cancel(context.background())

        async def await_done(self) -> None:
            await self.ctx.done().recv_ok()

    tx = Tx()
    go(tx.await_done)
    if fixed:
        tx.cancel()


@leaks(f"split_and_scatter {SEND}")
async def cockroach18101(fixed: bool) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ready = Chan[bool](6)

    async def split_and_scatter() -> None:
        try:
            for _ in range(8):
                if fixed:
                    await select(send(ready, True), ctx.done())
                else:
                    await ready.send(True)
        finally:
            # it may have sent nothing at all
            ready.close()

    async def restore() -> None:
        go(split_and_scatter)
        async for _ in ready:
            await select(ctx.done())
            return

    go(restore)
    cancel()


@leaks(f"start {SEND}")
async def cockroach24808(fixed: bool) -> None:
    async def start() -> None:
        ch = Chan[None](1)
        await ch.send(None)

        async def work() -> None:
            await ch.recv()

        if fixed:
            go(work)
        await ch.send(None)

    go(start)


@leaks(f"test {RECEIVE}")
async def cockroach25456(fixed: bool) -> None:
    quiescer = Chan[None]()

    async def test() -> None:
        if fixed:
            quiescer.close()
        for _ in range(2):
            await quiescer.recv_ok()

    go(test)


@leaks(f"pushes {SEND}", f"outbox {SEND}")
async def cockroach35073(fixed: bool) -> None:
    async def outbox() -> None:
        rows = Chan[int](16)
        for i in range(16):
            await rows.send(i)

        async def pushes() -> None:
            await rows.send(0)

        async def drains() -> None:
            async for _ in rows:
                pass

        go(pushes)
        if fixed:
            go(drains)
        await rows.send(0)
        if fixed:
            await pause()
            rows.close()

    go(outbox)


@leaks(f"cancel_flow {SEND}")
async def cockroach35931(fixed: bool) -> None:
    left, right = Chan[None](1), Chan[None](1)

    async def cancel_flow() -> None:
        await left.send(None)
        for receiver in (left, right):
            if fixed:
                select_nowait(send(receiver, None))
            else:
                await receiver.send(None)

    go(cancel_flow)


@leaks(f"process_raft {SELECT}", f"start {SELECT}")
async def cockroach2448(fixed: bool) -> None:
    events, callbacks, stop = Chan[int](), Chan[int](1 if fixed else 0), Chan[None]()

    async def process_raft() -> None:
        while await select(recv(events), over := recv(stop)) is not over:
            if await select(send(callbacks, 1), over) is over:
                return

    async def start() -> None:
        for _ in range(2):
            if await select(send(events, 1), over := recv(stop)) is over:
                return
        while callbacks.recv_nowait() and len(callbacks):
            pass
        stop.close()

    go(process_raft)
    go(start)


@leaks(f"sends_events {SEND}", f"stop {WAIT}")
async def cockroach1462(fixed: bool) -> None:
    stopper, events, group = Chan[None](), Chan[int](), WaitGroup()
    group.add(2)

    async def sends_events() -> None:
        while not stopper.closed:
            if fixed:
                await select(send(events, 0), stopper)
            else:
                await events.send(0)
        group.done()

    async def processes_events() -> None:
        over = recv(stopper)
        while await select(over, recv(events), biased=True) is not over:
            pass
        group.done()

    async def stop() -> None:
        go(sends_events)
        await pause()
        stopper.close()
        go(processes_events)
        await group.wait()

    go(stop)


@leaks(f"status {SEND}")
async def etcd6857(fixed: bool) -> None:
    asked, stop, done = Chan[Chan[int]](), Chan[None](), Chan[None]()

    async def run() -> None:
        over = recv(stop)
        while (chosen := await select(recv(asked), over)) is not over:
            await chosen.value.send(1)  # type: ignore[union-attr]
        done.close()

    async def status() -> None:
        answer = Chan[int]()
        await done.recv_ok()
        if fixed:
            await select(send(asked, answer), done)
        else:
            await asked.send(answer)

    async def stops() -> None:
        await stop.send(None)

    go(run)
    go(status)
    go(stops)


@leaks(f"stop {RECEIVE}", f"coalesces {LOCK}")
async def etcd6873(fixed: bool) -> None:
    mutex, updates, done = Mutex(), Chan[int](1), Chan[None]()

    async def coalesces() -> None:
        await pause()
        async for _ in updates:
            async with mutex:
                pass
        done.close()

    async def stop() -> None:
        async with mutex:
            updates.close()
            if not fixed:
                await done.recv_ok()
        await done.recv_ok()

    updates.send_nowait(1)
    go(coalesces)
    go(stop)


@leaks(f"unary {SEND}")
async def grpc660(fixed: bool) -> None:
    stop = Chan[bool](1)

    async def unary(done: Chan[bool]) -> None:
        await pause()
        await done.send(True)

    async def close_loop() -> None:
        done = Chan[bool](1 if fixed else 0)
        go(unary, done)
        await select(stop, done)

    go(close_loop)
    await stop.send(True)


@leaks(f"reset_addr_conn {RECEIVE}")
async def grpc862(fixed: bool) -> None:
    ctx, cancel = context.with_cancel(context.background())

    async def dial() -> None:
        conn_ctx, conn_cancel = context.with_cancel(context.background())

        async def reset_addr_conn() -> None:
            addr_ctx, addr_cancel = context.with_cancel(conn_ctx)
            await addr_ctx.done().recv_ok()
            addr_cancel()

        go(reset_addr_conn)
        # it returns no connection, and so does not close it when ctx ends
        if fixed and ctx.err() is not None:
            conn_cancel()

    cancel()
    go(dial)


@leaks(f"reads {RECEIVE}")
async def grpc1275(fixed: bool) -> None:
    ch, done = Chan[bool](), Chan[None]()

    async def reads() -> None:
        await ch.recv_ok()
        done.close()

    go(reads)
    if fixed:
        # what closing a stream does now
        ch.close()
    await select(done, time.after(0.001))


@leaks(f"keepalive {RECEIVE}", f"new_stream {LOCK}")
async def grpc1460(fixed: bool) -> None:
    mutex, awaken = Mutex(), Chan[None]()

    async def keepalive() -> None:
        async with mutex:
            if not fixed:
                await awaken.recv()
        if fixed:
            await awaken.recv()

    async def new_stream() -> None:
        await pause()
        async with mutex:
            select_nowait(send(awaken, None))

    go(keepalive)
    go(new_stream)


@leaks(f"run_wait {SEND}")
async def istio17860(fixed: bool) -> None:
    ctx, cancel = context.with_cancel(context.background())
    status = Chan[int]()

    async def run() -> None:
        await select(recv(status), ctx.done())

    async def run_wait() -> None:
        await pause()
        if fixed:
            await select(send(status, 1), ctx.done())
        else:
            await status.send(1)

    go(run)
    go(run_wait)
    cancel()


@leaks(f"request {SEND}")
async def kubernetes5316(fixed: bool) -> None:
    result = Chan[bool](1 if fixed else 0)

    async def request() -> None:
        await time.sleep(0.002)
        await result.send(True)

    go(request)
    await select(result, time.after(0.0001))
    await time.sleep(0.005)


@leaks(f"monitor {LOCK}", f"write_frame {SEND}")
async def kubernetes6632(fixed: bool) -> None:
    mutex, reset, close = Mutex(), Chan[bool](), Chan[bool](1)

    async def monitor() -> None:
        await close.recv()
        await pause()
        async with mutex:
            reset.close()

    async def write_frame() -> None:
        async with mutex:
            if not fixed:
                await reset.send(True)
        if fixed:
            select_nowait(send(reset, True))

    close.send_nowait(True)
    go(monitor)
    go(write_frame)


@leaks(f"sync_batch {LOCK}", f"set_status {SEND}")
async def kubernetes10182(fixed: bool) -> None:
    mutex, statuses = Mutex(), Chan[bool](2 if fixed else 0)

    async def sync_batch() -> None:
        for _ in range(2):
            await statuses.recv()
            await pause()
            async with mutex:
                pass

    async def set_status() -> None:
        async with mutex:
            await statuses.send(True)

    go(sync_batch)
    await pause()
    go(set_status)
    go(set_status)


@leaks(f"run {SEND}")
async def kubernetes25331(fixed: bool) -> None:
    ctx, cancel = context.with_cancel(context.background())
    results, errors = Chan[bool](), Chan[str](1)

    async def run() -> None:
        await errors.recv()
        cancel()
        if fixed:
            await select(send(results, True), ctx.done())
        else:
            await results.send(True)

    go(run)
    errors.send_nowait("error")


@leaks(f"process {SEND}")
async def kubernetes38669(fixed: bool) -> None:
    events, results = Chan[int](), Chan[int](2 if fixed else 0)

    async def process() -> None:
        for event in (1, 2):
            await results.send(event)
        async for _ in events:
            pass

    go(process)
    events.close()


@leaks(f"monitor {LOCK}", f"state_changed {SEND}")
async def moby28462(fixed: bool) -> None:
    mutex, stop = Mutex(), Chan[None](1 if fixed else 0)

    async def monitor() -> None:
        go(state_changed)
        while select_nowait(recv(stop)) is None:
            await pause()
            async with mutex:
                pass

    async def state_changed() -> None:
        async with mutex:
            await stop.send(None)

    go(monitor)


@leaks(f"probe {SEND}")
async def moby33781(fixed: bool) -> None:
    stop = Chan[bool](1)

    async def probe(results: Chan[bool]) -> None:
        await pause()
        await results.send(True)

    async def monitor() -> None:
        results = Chan[bool](1 if fixed else 0)
        go(probe, results)
        await select(stop, results)

    go(monitor)
    stop.send_nowait(True)


@leaks(f"request {LOCK}", f"request {SEND}", f"unlock_all {RECEIVE}")
async def serving2137(fixed: bool) -> None:
    active = Chan[None](1)

    async def request(lock: Mutex, accepted: Chan[bool]) -> None:
        await active.send(None)
        async with lock:
            pass
        await active.recv()
        await accepted.send(True)

    async def unlock_all() -> None:
        requests: list[tuple[Mutex, Chan[bool]]] = []
        for _ in range(2):
            lock, accepted = Mutex(), Chan[bool](1)
            await lock.lock()
            go(request, lock, accepted)
            requests.append((lock, accepted))
            await pause()
        # the second one waits for its turn behind the first
        for lock, accepted in requests if fixed else reversed(requests):
            lock.unlock()
            await accepted.recv()

    go(unlock_all)


@leaks(f"test {RECEIVE}", f"dispatcher_loop {RECEIVE}")
async def syncthing5795(fixed: bool) -> None:
    inbox, stopped, closed, once = Chan[int](), Chan[None](), Chan[None](), Once()

    async def close() -> None:
        async def closes() -> None:
            closed.close()
            if not fixed:
                await stopped.recv_ok()

        await once.do(closes)

    async def dispatcher_loop() -> None:
        over = recv(closed)
        while await select(recv(inbox), over) is not over:
            # handling the message closes the connection
            await close()
        stopped.close()

    async def test() -> None:
        go(dispatcher_loop)
        await inbox.send(1)
        await stopped.recv_ok()

    go(test)


async def found(name: str, fixed: bool) -> list[str]:
    kernel, _ = KERNELS[name]
    async with scope() as s:
        # several, as there
        for _ in range(3):
            await s.go(kernel, fixed)
        await settle()
        infos = goroutines(leaked=True)
        s.cancel()
    return sorted(f"{info.name} {f'[{info.wait}]'}" for info in infos)


@pytest.mark.parametrize("name", KERNELS)
async def test_it_leaks(name: str) -> None:
    assert await found(name, fixed=False) == sorted(KERNELS[name][1] * 3)


@pytest.mark.parametrize("name", KERNELS)
async def test_nothing_leaks_when_it_is_fixed(name: str) -> None:
    assert await found(name, fixed=True) == []
