"""Litmus tests of time, context and bubbles: rules G, H and J."""

from __future__ import annotations

import gochan
from gochan import Chan, context, go, recv, select, testing, time
from support.litmus import OK, RACE, World, litmus

# where a function may be called later, in a goroutine of its own
LOOPS = ("asyncio", "trio")


async def _until(w: World, done: list[int], number: int = 1) -> None:
    """Wait for something to have been done, which orders nothing."""
    while len(done) < number:
        await w.gosched()


# G: timers


@litmus("G1", OK, only=LOOPS)
async def after_func_then_its_function(w: World) -> None:
    done = Chan[int]()

    async def later() -> None:
        w.x.write()
        await done.send(1)

    w.x.write()
    time.after_func(0, later)
    await done.recv()
    w.x.write()


@litmus("G1", RACE, only=LOOPS)
async def what_follows_after_func(w: World) -> None:
    done: list[int] = []

    def later() -> None:
        w.x.write()
        done.append(1)

    time.after_func(0, later)
    w.x.write()
    await _until(w, done)


@litmus("G2", OK, only=LOOPS)
async def reset_then_the_function(w: World) -> None:
    done = Chan[int]()

    async def later() -> None:
        w.x.write()
        await done.send(1)

    timer = time.after_func(3600, later)
    timer.stop()
    w.x.write()
    timer.reset(0)
    await done.recv()


@litmus("G2", OK)
async def reset_then_the_tick(w: World) -> None:
    done = Chan[int]()
    timer = time.Timer(3600)

    async def waits() -> None:
        await w(timer.c.recv)
        w.x.write()
        await w(done.send, 1)

    w.go(waits)
    await w.settle()
    timer.stop()
    w.x.write()
    timer.reset(0)
    await w(done.recv)


@litmus("G2", OK)
async def reset_then_the_tick_of_a_ticker(w: World) -> None:
    done = Chan[int]()
    ticker = time.Ticker(3600)

    async def waits() -> None:
        await w(ticker.c.recv)
        w.x.write()
        await w(done.send, 1)

    w.go(waits)
    await w.settle()
    w.x.write()
    ticker.reset(0.001)
    await w(done.recv)
    ticker.stop()


@litmus("G3", OK)
async def starting_a_timer_then_its_tick(w: World) -> None:
    # where the one finds what the other has made is not watched, and orders nothing
    timers: list[time.Timer] = []

    async def starts() -> None:
        w.x.write()
        timers.append(time.Timer(0))

    w.go(starts)
    while not timers:
        await w.gosched()
    await w(timers[0].c.recv)
    w.x.write()


@litmus("G3", RACE)
async def what_follows_the_start_of_a_timer(w: World) -> None:
    timers: list[time.Timer] = []

    async def starts() -> None:
        timers.append(time.Timer(0))
        w.x.write()

    w.go(starts)
    while not timers:
        await w.gosched()
    await w(timers[0].c.recv)
    w.x.write()


@litmus("G3", OK)
async def a_timer_in_a_select(w: World) -> None:
    done = Chan[int](1)
    timer = time.Timer(3600)

    async def waits() -> None:
        await w(select, recv(done), timer)
        w.x.write()

    w.go(waits)
    await w.settle()
    w.x.write()
    timer.reset(0)


@litmus("G4", RACE, only=LOOPS)
async def two_functions(w: World) -> None:
    done: list[int] = []

    def later() -> None:
        w.x.write()
        done.append(1)

    time.after_func(0, later)
    time.after_func(0.001, later)
    await _until(w, done, 2)


@litmus("G4", RACE)
async def sleeping(w: World) -> None:
    done: list[int] = []

    async def other() -> None:
        w.x.write()
        done.append(1)

    w.go(other)
    await _until(w, done)
    await w(time.sleep, 0.001)
    w.x.write()


@litmus("G5", RACE, only=LOOPS)
async def stop_that_comes_too_late(w: World) -> None:
    done: list[int] = []

    def later() -> None:
        w.x.write()
        done.append(1)

    timer = time.after_func(0, later)
    await _until(w, done)
    assert not timer.stop()
    w.x.write()


# H: contexts


@litmus("H1", OK)
async def cancel_then_done(w: World) -> None:
    ctx, cancel = context.with_cancel(context.background())

    async def cancels() -> None:
        w.x.write()
        cancel()

    w.go(cancels)
    await w(ctx.done().recv_ok)
    w.x.write()


@litmus("H1", OK)
async def cancel_then_done_of_a_child(w: World) -> None:
    ctx, cancel = context.with_cancel(context.background())
    child, _ = context.with_cancel(ctx)

    async def cancels() -> None:
        w.x.write()
        cancel()

    w.go(cancels)
    await w(select, child.done())
    w.x.write()


@litmus("H2", OK)
async def cancel_then_err(w: World) -> None:
    ctx, cancel = context.with_cancel(context.background())

    async def cancels() -> None:
        w.x.write()
        cancel()

    w.go(cancels)
    while ctx.err() is None:
        await w.gosched()
    w.x.write()


@litmus("H2", OK)
async def cancel_then_cause(w: World) -> None:
    ctx, cancel = context.with_cancel_cause(context.background())

    async def cancels() -> None:
        w.x.write()
        cancel(ValueError("cause"))

    w.go(cancels)
    while context.cause(ctx) is None:
        await w.gosched()
    w.x.write()


@litmus("H2", RACE)
async def err_that_is_none(w: World) -> None:
    ctx, cancel = context.with_cancel(context.background())

    async def looks() -> None:
        assert ctx.err() is None
        w.x.write()

    w.go(looks)
    await w.settle()
    w.x.write()
    cancel()


@litmus("H3", OK, only=LOOPS)
async def cancel_then_the_function(w: World) -> None:
    done = Chan[int]()
    ctx, cancel = context.with_cancel(context.background())

    async def later() -> None:
        w.x.write()
        w.y.write()
        await done.send(1)

    w.x.write()
    context.after_func(ctx, later)
    w.y.write()
    cancel()
    await done.recv()


@litmus("H3", OK, only=LOOPS)
async def a_context_that_is_done_then_the_function(w: World) -> None:
    done = Chan[int]()
    ctx, cancel = context.with_cancel(context.background())

    async def cancels() -> None:
        w.x.write()
        cancel()

    async def later() -> None:
        w.x.write()
        await done.send(1)

    go(cancels)
    await w.settle()
    context.after_func(ctx, later)
    await done.recv()


@litmus("H3", OK, only=LOOPS)
async def a_cancellation_from_another_scope_then_the_function(w: World) -> None:
    done = Chan[int](1)
    ctx, cancel = context.with_cancel(context.background())

    async def cancels() -> None:
        w.x.write()
        cancel()

    async def later() -> None:
        w.x.write()
        await done.send(1)

    async def elsewhere() -> None:
        async with gochan.scope():
            go(cancels)

    context.after_func(ctx, later)
    go(elsewhere)
    await done.recv()


@litmus("H3", RACE, only=LOOPS)
async def what_follows_after_func_of_a_context(w: World) -> None:
    done: list[int] = []
    ctx, cancel = context.with_cancel(context.background())

    async def cancels() -> None:
        cancel()

    def later() -> None:
        w.x.write()
        done.append(1)

    go(cancels)
    context.after_func(ctx, later)
    w.x.write()
    await _until(w, done)


@litmus("H4", RACE, only=LOOPS)
async def stop_of_a_context_function_that_has_run(w: World) -> None:
    done: list[int] = []
    ctx, cancel = context.with_cancel(context.background())

    def later() -> None:
        w.x.write()
        done.append(1)

    stop = context.after_func(ctx, later)
    cancel()
    await _until(w, done)
    assert not stop()
    w.x.write()


@litmus("H1", OK, only=LOOPS)
async def what_a_context_scope_cancels(w: World) -> None:
    ctx, cancel = context.with_cancel(context.background())
    done = Chan[int]()

    async def works() -> None:
        with ctx.scope():
            await gochan.nil.recv()
        w.x.write()
        await done.send(1)

    go(works)
    await w.settle()
    w.x.write()
    cancel()
    await done.recv()


# J: bubbles


@litmus("J1", OK, only=("bubble",))
async def ending_then_wait(w: World) -> None:
    async def other() -> None:
        w.x.write()

    go(other)
    await testing.wait()
    w.x.write()


@litmus("J1", OK, only=("bubble",))
async def parking_then_wait(w: World) -> None:
    ch = Chan[int]()

    async def other() -> None:
        w.x.write()
        await ch.recv()

    go(other)
    await testing.wait()
    w.x.write()
    await ch.send(1)


@litmus("J1", RACE, only=("bubble",))
async def two_that_sleep(w: World) -> None:
    async def other(seconds: float) -> None:
        await time.sleep(seconds)
        w.x.write()
        await time.sleep(1)

    go(other, 1)
    go(other, 2)
    await time.sleep(5)


@litmus("J1", RACE, only=("bubble",))
async def two_that_a_close_has_woken(w: World) -> None:
    ch = Chan[int]()

    async def other() -> None:
        await ch.recv_ok()
        w.x.write()

    go(other)
    go(other)
    await testing.wait()
    ch.close()
    await testing.wait()
