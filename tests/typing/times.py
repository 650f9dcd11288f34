"""Time, contexts, signals, virtual time. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from signal import SIGINT, SIGTERM, Signals
from typing import Any, assert_type

from gochan import (
    Chan,
    RecvCase,
    RecvChan,
    context,
    recv,
    select,
    signal,
    testing,
    time,
)
from gochan.context import Canceled, Context, DeadlineExceeded, Key


class User:
    name: str


USER = Key[User]("user")
LIMIT: Key[int] = Key("limit")


# Time


async def sleeping() -> None:
    assert_type(time.now(), float)
    assert_type(await time.sleep(1), None)
    assert_type(time.blocking_sleep(0.5), None)
    await time.sleep("1")  # type: ignore[arg-type]
    time.sleep(None)  # type: ignore[arg-type, unused-coroutine]


async def timers() -> None:
    timer = time.Timer(1)
    assert_type(timer.c, RecvChan[float])
    assert_type(timer.stop(), bool)
    assert_type(timer.reset(2), bool)
    assert_type(await timer.c.recv(), float)
    ticker = time.Ticker(1)
    assert_type(ticker.c, RecvChan[float])
    assert_type(ticker.stop(), None)
    assert_type(ticker.reset(2), None)
    assert_type(time.after(1), RecvChan[float])
    assert_type(time.tick(1), RecvChan[float])
    async for tick in time.tick(1):
        assert_type(tick, float)
    timer.c.send(1.0)  # type: ignore[attr-defined]
    timer.c.close()  # type: ignore[attr-defined]
    time.Timer("1")  # type: ignore[arg-type]
    time.Ticker()  # type: ignore[call-arg]


def functions() -> None:
    def plain() -> int:
        return 1

    async def coroutine() -> None:
        pass

    def one(_: int) -> None:
        pass

    timer = time.after_func(1, plain)
    assert_type(timer, time.FuncTimer)
    assert_type(timer.c, None)
    assert_type(timer.stop(), bool)
    time.after_func(1, coroutine)
    time.after_func(1, one)  # type: ignore[arg-type]
    time.after_func(1, plain())  # type: ignore[arg-type]


async def selecting(ch: Chan[str], ctx: Context) -> None:
    chosen = await select(recv(ch), recv(time.after(1)), recv(ctx.done()))
    assert_type(chosen, RecvCase[str] | RecvCase[float] | RecvCase[None])
    # a timer stands for its channel
    await select(recv(ch), time.Timer(1), time.Ticker(1), ctx)


# Contexts


def deriving(parent: Context) -> None:
    ctx, cancel = context.with_cancel(parent)
    assert_type(ctx, Context)
    assert_type(cancel(), None)
    cancel(ValueError())  # type: ignore[call-arg]
    ctx, cancel_for = context.with_cancel_cause(parent)
    cancel_for(ValueError())
    cancel_for(None)
    cancel_for()
    cancel_for("why")  # type: ignore[arg-type]
    ctx, cancel = context.with_timeout(parent, 1)
    ctx, cancel = context.with_deadline(parent, time.now() + 1)
    ctx, cancel = context.with_timeout_cause(parent, 1, ValueError())
    ctx, cancel = context.with_deadline_cause(parent, 1.5, None)
    with context.with_cancel(parent) as (ctx, cancel):
        assert_type(ctx, Context)
    # as a context itself
    inner: Context = context.with_cancel(parent)
    context.with_cancel(context.with_timeout(inner, 1))
    context.with_cancel(None)  # type: ignore[arg-type]
    context.with_timeout(parent, "1")  # type: ignore[arg-type]
    context.with_timeout(parent)  # type: ignore[call-arg]


def looking(ctx: Context) -> None:
    assert_type(ctx.err(), Exception | None)
    assert_type(ctx.deadline(), float | None)
    assert_type(ctx.done(), RecvChan[None])
    assert_type(context.cause(ctx), BaseException | None)
    assert_type(context.from_scope(), Context)
    assert_type(context.background(), Context)
    assert_type(context.todo(), Context)
    assert_type(context.without_cancel(ctx), Context)
    match ctx.err():
        case Canceled() | DeadlineExceeded():
            pass
        case _:
            pass


def values(ctx: Context, user: User) -> None:
    ctx = context.with_value(ctx, USER, user)
    ctx = context.with_value(ctx, LIMIT, 3)
    assert_type(ctx.value(USER), User | None)
    assert_type(ctx.value(LIMIT), int | None)
    # any key will do; then nothing is known of its value
    ctx = context.with_value(ctx, "key", 1)
    assert_type(ctx.value("key"), Any)
    context.with_value(ctx, None)  # type: ignore[call-overload]


async def scopes(ctx: Context) -> int:
    with ctx.scope():
        await time.sleep(1)
        return 1
    # it may be left silently
    return 2


async def after(ctx: Context) -> None:
    async def coroutine() -> None:
        pass

    stop = context.after_func(ctx, coroutine)
    assert_type(stop(), bool)
    context.after_func(ctx, lambda: 1)
    context.after_func(coroutine, ctx)  # type: ignore[arg-type]


class Own(Context):
    """One may be written."""

    def deadline(self) -> None:
        return None

    def done(self) -> RecvChan[Any]:
        return Chan[None]()

    def err(self) -> None:
        return None

    def value(self, key: object, /) -> Any:
        return None


context.with_cancel(Own())


class Half(Context):
    def err(self) -> None:
        return None


Half()  # type: ignore[abstract]


# Signals


def signals(ch: Chan[Signals], wrong: Chan[str], ctx: Context) -> None:
    assert_type(signal.notify(ch, SIGINT, SIGTERM), None)
    signal.notify(ch)
    signal.notify(ch.sender(), SIGINT)
    signal.stop(ch)
    wider = Chan[object](1)
    signal.notify(wider, SIGINT)
    signal.notify(wrong, SIGINT)  # type: ignore[arg-type]
    signal.notify(ch, "SIGINT")  # type: ignore[arg-type]
    signal.notify(ch.receiver(), SIGINT)  # type: ignore[arg-type]
    caught, stop = signal.notify_context(ctx, SIGINT)
    assert_type(caught, Context)
    assert_type(stop(), None)
    why = context.cause(caught)
    if isinstance(why, signal.Received):
        assert_type(why.signal, Signals)


# Virtual time


async def main(number: int, text: str) -> float:
    await testing.wait()
    return number + len(text)


def bubbles() -> None:
    assert_type(testing.bubble().run(main, 1, "a"), float)
    with testing.bubble(backend="trio") as bubble:
        assert_type(bubble.run(main, 1, "a"), float)
    testing.bubble().run(main, "a", 1)  # type: ignore[arg-type]
    testing.bubble().run(main, 1)  # type: ignore[arg-type]
    testing.bubble(backend="curio")  # type: ignore[arg-type]


@testing.bubble(backend="trio")
async def decorated(number: int, *, more: bool = False) -> float:
    return await main(number, str(more))


assert_type(decorated(1, more=True), float)
decorated("1")  # type: ignore[arg-type]
decorated(1, less=True)  # type: ignore[call-arg]
