"""Contexts: what Go's own tests do not ask."""

from __future__ import annotations

import gc
import pickle
import threading
import time as real_time
import weakref
from math import inf, nan
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

import gochan
from gochan import (
    Chan,
    RecvChan,
    _backends,
    context,
    go,
    nil,
    recv,
    run,
    scope,
    select,
    select_nowait,
    testing,
    time,
)
from gochan.context import Canceled, Context, DeadlineExceeded, Key
from gochan.context._callback import enlist_callback
from gochan.context._tree import attach
from support.idle import settle
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Callable


# Bad use


@pytest.mark.parametrize("wrong", [3, "ctx", object(), context.background])
def test_only_contexts_have_children(wrong: Any) -> None:
    derive: list[Callable[[], object]] = [
        lambda: context.with_cancel(wrong),
        lambda: context.with_cancel_cause(wrong),
        lambda: context.with_deadline(wrong, 1),
        lambda: context.with_timeout(wrong, 1),
        lambda: context.with_value(wrong, "key", 1),
        lambda: context.without_cancel(wrong),
        lambda: context.cause(wrong),
    ]
    for each in derive:
        with pytest.raises(TypeError, match=r"write context.background\(\)"):
            each()


@pytest.mark.parametrize("wrong", ["1", None, True, [1]])
def test_times_are_numbers(wrong: Any) -> None:
    background = context.background()
    with pytest.raises(TypeError, match="a timeout is a number of seconds, not"):
        context.with_timeout(background, wrong)
    with pytest.raises(TypeError, match=r"a deadline is a time as of time.now\(\)"):
        context.with_deadline(background, wrong)


def test_not_a_number() -> None:
    background = context.background()
    with pytest.raises(ValueError, match="not nan"):
        context.with_timeout(background, nan)
    with pytest.raises(ValueError, match="not nan"):
        context.with_deadline(background, nan)


async def test_after_func_wants_a_function_and_a_scope() -> None:
    ctx = context.background()
    with pytest.raises(RuntimeError, match=r"after_func\(\) needs a run or a scope"):
        context.after_func(ctx, print)
    async with scope():
        with pytest.raises(TypeError, match="wants a function, not 3"):
            context.after_func(ctx, 3)  # type: ignore[arg-type]
        stop = context.after_func(ctx, print)
        assert stop()


def test_contexts_of_ones_own_have_all_methods() -> None:
    class Half(Context):
        def err(self) -> None:
            return None

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


# What is returned


def test_unpacked_and_as_a_context_manager() -> None:
    ctx, cancel = context.with_cancel(context.background())
    cancel()
    cancel()
    assert ctx.err() == Canceled()

    with context.with_cancel(context.background()) as (ctx, _):
        assert ctx.err() is None
    assert ctx.err() == Canceled()

    with context.with_timeout(context.background(), 3600) as derived:
        # it is itself a context
        assert derived.err() is None
        assert derived.deadline() == derived[0].deadline()
        assert derived.done() == derived[0].done()
        child, _ = context.with_cancel(derived)
        assert derived.value("key") is None
        # up to what is left of the time
        assert repr(derived).split("[")[0] == repr(derived[0]).split("[")[0]
        assert select_nowait(derived) is None
    assert child.err() == Canceled()
    chosen = select_nowait(derived)
    assert chosen is not None
    assert not chosen.ok


def test_leaving_it_raises_what_was_raised_inside() -> None:
    derived = context.with_cancel(context.background())
    ctx, _ = derived
    with pytest.raises(ZeroDivisionError), derived:
        raise ZeroDivisionError
    assert ctx.err() == Canceled()


def test_it_is_equal_to_nothing_but_itself() -> None:
    one = context.with_cancel(context.background())
    other = context.with_cancel(context.background())
    assert one == one  # noqa: PLR0124
    assert one != other
    assert len({one, other, one}) == 2


def test_causes() -> None:
    why = ValueError("why")
    with context.with_cancel_cause(context.background()) as (ctx, cancel):
        cancel(why)
        cancel(ValueError("too late"))
    assert ctx.err() == Canceled()
    assert context.cause(ctx) is why
    with context.with_cancel_cause(context.background()) as (ctx, cancel):
        cancel()
    assert context.cause(ctx) == Canceled()


def test_errors() -> None:
    for kind, text in (
        (Canceled, "context canceled"),
        (DeadlineExceeded, "context deadline exceeded"),
    ):
        error: Exception = kind()
        assert str(error) == text
        assert error == kind()
        assert hash(error) == hash(kind())
        assert error != ValueError()
        assert pickle.loads(pickle.dumps(error)) == error
    assert Canceled() != DeadlineExceeded()
    assert issubclass(DeadlineExceeded, TimeoutError)


def test_each_context_has_an_error_of_its_own() -> None:
    """They carry tracebacks."""
    parent, cancel = context.with_cancel(context.background())
    child, _ = context.with_cancel(parent)
    cancel()
    assert child.err() is child.err()
    assert child.err() is not parent.err()


def test_keys() -> None:
    one, other = Key[int]("user"), Key[int]("user")
    ctx = context.with_value(context.background(), one, 3)
    assert ctx.value(one) == 3
    assert ctx.value(other) is None
    assert repr(one) == "Key('user')"
    assert str(ctx) == "context.Background.WithValue(Key('user'), 3)"
    assert str(context.with_value(ctx, "a", [1])).endswith(".WithValue('a', list)")
    # equal, and yet of different types
    ctx = context.with_value(context.background(), 1, "int")
    assert ctx.value(1) == "int"
    assert ctx.value(1.0) is None
    assert ctx.value(True) is None


def test_strings() -> None:
    root = context.todo()
    ctx: Context = context.with_cancel_cause(root)
    assert str(ctx) == "context.TODO.WithCancel"
    ctx = context.with_value(context.without_cancel(ctx), "k", "v")
    assert str(ctx) == "context.TODO.WithCancel.WithoutCancel.WithValue('k', 'v')"
    ctx, _ = context.with_timeout(context.background(), 60)
    head, _, tail = str(ctx).partition(" [")
    assert head.startswith("context.Background.WithDeadline(")
    assert tail.startswith(("59.9", "60.0"))


# Ends


def test_a_wrapper_that_does_not_know_of_ours() -> None:
    """Somebody's context may look at another one's end while that comes about."""

    class Opaque(Context):
        def __init__(self, inner: Context) -> None:
            self.inner = inner

        def deadline(self) -> None:
            return None

        def done(self) -> RecvChan[Any]:
            return self.inner.done()

        def err(self) -> Exception | None:
            return self.inner.err()

        def value(self, key: object, /) -> None:
            return None

    parent, cancel = context.with_cancel_cause(context.background())
    child, _ = context.with_cancel(Opaque(parent))
    grandchild, _ = context.with_timeout(child, 3600)
    why = ValueError("why")
    cancel(why)
    assert grandchild.err() == Canceled()
    # what stands between does not hand it on
    assert context.cause(child) == Canceled()
    assert context.cause(parent) is why


def test_long_chains() -> None:
    """Longer than the stack is deep."""
    root, cancel = context.with_cancel(context.background())
    ctx = root
    for n in range(3000):
        ctx, _ = context.with_cancel(ctx)
        ctx = context.with_value(ctx, n, n)
    ctx, _ = context.with_timeout(ctx, 3600)
    for _ in range(3000):
        ctx, _ = context.with_cancel(ctx)
    assert ctx.value(0) == 0
    assert ctx.value("nothing") is None
    assert ctx.deadline() is not None
    assert ctx.err() is None
    assert len(str(ctx)) > 3000
    cancel()
    assert ctx.err() == Canceled()
    assert select_nowait(ctx.done()) is not None


class Slow:
    """A child that takes its time to be told, the first time."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def cancel(self, error: Exception, why: BaseException) -> None:
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(10)


def test_a_second_cancel_does_not_return_before_all_is_done() -> None:
    """Not even while the first one is in the middle of it."""
    parent, cancel = context.with_cancel_cause(context.background())
    slow = Slow()
    attach(parent, slow)
    child, _ = context.with_cancel(parent)
    grandchild, _ = context.with_cancel(child)
    why = ValueError("why")
    first = threading.Thread(target=cancel, args=(why,))
    first.start()
    assert slow.begun.wait(10)
    assert child.err() is None
    cancel(ValueError("too late"))
    assert child.err() == grandchild.err() == Canceled()
    assert context.cause(grandchild) is why
    slow.go_on.set()
    first.join()


def test_derived_while_it_is_cancelled() -> None:
    for _ in range(50):
        parent, cancel = context.with_cancel(context.background())
        children: list[Context] = []
        begin = threading.Barrier(3)

        def derive() -> None:
            begin.wait()  # noqa: B023
            for _ in range(20):
                child, _ = context.with_timeout(parent, 3600)  # noqa: B023
                children.append(child)  # noqa: B023

        threads = [threading.Thread(target=derive) for _ in range(2)]
        for thread in threads:
            thread.start()
        begin.wait()
        cancel()
        for thread in threads:
            thread.join()
        assert len(children) == 40
        assert all(child.err() == Canceled() for child in children)


def test_cancelled_from_threads_while_others_wait(backend: dict[str, Any]) -> None:
    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())
        never = Chan[int]()

        async def wait() -> int:
            chosen = await select(recv(never), recv(ctx.done()))
            return chosen.index

        def wait_in_thread() -> int:
            chosen = gochan.blocking_select(recv(never), recv(ctx.done()))
            return chosen.index

        async with scope():
            waiting = [go(wait) for _ in range(10)]
            waiting += [go(wait_in_thread, on=gochan.threads) for _ in range(3)]
            await settle()
            await anyio.to_thread.run_sync(cancel)
            assert [await each for each in waiting] == [1] * 13

    run(main, **backend)


def test_selecting_on_a_context() -> None:
    ctx, cancel = context.with_cancel(context.background())
    assert select_nowait(ctx) is None
    cancel()
    chosen = select_nowait(ctx, nil)
    assert chosen is not None
    assert chosen.channel == ctx.done()
    assert ctx.done() == ctx.done()
    assert not hasattr(ctx.done(), "close")


def test_a_foreign_context_that_ends_while_it_is_asked() -> None:
    """It was not done when one was derived from it, and is when that would wait."""
    done, calls = Chan[None](), list[int]()
    done.close()
    withdraw = enlist_callback(done, lambda: calls.append(1))
    assert calls == [1]
    withdraw()
    assert calls == [1]


# Deadlines


async def test_a_deadline_passes_though_the_loop_has_no_time() -> None:
    ctx, _ = context.with_timeout(context.background(), 0.001)
    child, _ = context.with_cancel(context.with_value(ctx, "key", 1))
    until = real_time.monotonic() + 5
    while child.err() is None:
        assert real_time.monotonic() < until
    assert child.err() == DeadlineExceeded()
    assert ctx.err() == DeadlineExceeded()

    ctx, _ = context.with_timeout(context.background(), 0.001)
    while select_nowait(ctx.done()) is None:
        assert real_time.monotonic() < until


@in_bubble
async def test_the_sooner_deadline_counts() -> None:
    parent, _ = context.with_timeout(context.background(), 5)
    later, _ = context.with_timeout(parent, 10)
    assert later.deadline() == 5
    sooner, _ = context.with_timeout(parent, 1)
    assert sooner.deadline() == 1
    assert context.with_value(sooner, "k", 1).deadline() == 1
    assert context.without_cancel(sooner).deadline() is None
    await sooner.done().recv_ok()
    assert time.now() == 1
    assert later.err() is None
    await later.done().recv_ok()
    assert time.now() == 5
    assert later.err() == DeadlineExceeded()


@in_bubble
async def test_infinite_deadlines_are_none() -> None:
    for derived in (
        context.with_timeout(context.background(), inf),
        context.with_deadline(context.background(), inf),
    ):
        assert derived.deadline() is None
        assert str(derived) == "context.Background.WithCancel"
    past, _ = context.with_deadline(context.background(), -inf)
    assert past.err() == DeadlineExceeded()


@in_bubble
async def test_a_wrapper_may_name_another_deadline() -> None:
    class Sooner(Context):
        def __init__(self, inner: Context) -> None:
            self.inner = inner

        def deadline(self) -> float:
            return 1

        def done(self) -> RecvChan[Any]:
            return self.inner.done()

        def err(self) -> Exception | None:
            return self.inner.err()

        def value(self, key: object, /) -> Any:
            return self.inner.value(key)

    inner, _ = context.with_timeout(context.background(), 5)
    child, _ = context.with_cancel(Sooner(inner))
    assert child.deadline() == 1
    later, _ = context.with_timeout(Sooner(inner), 3)
    assert later.deadline() == 1
    await time.sleep(2)
    assert child.err() is None
    await time.sleep(3)
    assert child.err() == later.err() == DeadlineExceeded()


def test_deadlines_are_the_same_for_all_that_work_for_a_run(
    backend: dict[str, Any], on: Any
) -> None:
    async def main() -> None:
        ctx, _ = context.with_timeout(context.background(), 5)

        def left() -> float:
            deadline = ctx.deadline()
            assert deadline is not None
            child, _ = context.with_timeout(ctx, 3600)
            assert child.deadline() == deadline
            return deadline - time.now()

        assert 0 < await go(left, on=on) < 5

    run(main, **backend)


def test_deadlines_from_elsewhere(backend: dict[str, Any]) -> None:
    """Of a thread that works for no run, and of another run."""
    outside, _ = context.with_timeout(context.background(), 5)

    async def main() -> None:
        deadline = outside.deadline()
        assert deadline is not None
        assert 0 < deadline - time.now() <= 5
        inside, _ = context.with_timeout(context.background(), 5)
        seen: list[float] = []

        def look() -> None:
            deadline = inside.deadline()
            assert deadline is not None
            seen.append(deadline - time.now())

        thread = threading.Thread(target=look)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        assert 0 < seen[0] < 5

    run(main, **backend)


def test_a_context_outlives_its_run(backend: dict[str, Any]) -> None:
    """Nobody calls at its deadline any more, but it passes."""
    made: list[Context] = []

    async def main() -> None:
        made.append(context.with_timeout(context.background(), 0.05))
        made.append(context.with_timeout(context.background(), 3600))

    run(main, **backend)
    short, long = made
    real_time.sleep(0.06)
    assert short.err() == DeadlineExceeded()
    assert long.err() is None
    assert isinstance(long, context.Derived)
    long[1]()
    assert long.err() == Canceled()


# after_func


def test_after_func_of_a_scope_that_has_been_left(backend: dict[str, Any]) -> None:
    """It is not called, and who cancels hears nothing of it."""
    called: list[int] = []

    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())
        async with scope():
            stop = context.after_func(ctx, lambda: called.append(1))
        late, _ = context.with_cancel(ctx)
        cancel()
        assert late.err() == Canceled()
        assert not stop()
        await settle()

    run(main, **backend)
    assert not called


def test_after_func_cancelled_when_the_loop_is_gone(backend: dict[str, Any]) -> None:
    cancels: list[Callable[[], None]] = []

    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())
        context.after_func(ctx, print)
        cancels.append(cancel)

    run(main, **backend)
    cancels[0]()


async def test_after_func_belongs_to_its_scope() -> None:
    async def fail() -> None:
        raise ValueError("in after_func")

    ctx, cancel = context.with_cancel(context.background())
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            context.after_func(ctx, fail)
            cancel()
            await Chan[None]().recv()
    assert str(caught.value.exceptions[0]) == "in after_func"


def test_after_func_cancelled_by_a_thread(backend: dict[str, Any]) -> None:
    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())
        on: list[int] = []
        called = Chan[None]()

        def call() -> None:
            on.append(threading.get_ident())
            called.close()

        context.after_func(ctx, call)
        await anyio.to_thread.run_sync(cancel)
        await called.recv_ok()
        assert on == [threading.get_ident()]

    run(main, **backend)


# What is left


def test_nothing_refers_to_a_context_that_is_done(backend: dict[str, Any]) -> None:
    async def main() -> None:
        parent, _ = context.with_cancel(context.background())
        alive: weakref.WeakSet[Any] = weakref.WeakSet()

        def work() -> None:
            with context.with_timeout(parent, 3600) as (ctx, _):
                alive.add(ctx)
                grandchild, _ = context.with_cancel(ctx)
                alive.add(grandchild)

        for _ in range(200):
            work()
        await settle()
        gc.collect()
        assert len(alive) == 0

    run(main, **backend)


@in_bubble
async def test_a_cancelled_deadline_leaves_no_alarm() -> None:
    """Otherwise time would go on, and the bubble would not be seen to hang."""
    sleep = go(time.sleep, 1)
    ctx, cancel = context.with_timeout(context.background(), 0.5)
    await testing.wait()
    cancel()
    await sleep
    # not at 0.5
    assert ctx.err() == Canceled()
    assert time.now() == 1


@in_bubble
async def test_a_deadline_below_one_that_is_done() -> None:
    parent, cancel = context.with_cancel(context.background())
    cancel()
    ctx, _ = context.with_timeout(parent, 5)
    assert ctx.err() == Canceled()
    await time.sleep(10)
    assert ctx.err() == Canceled()


def ours(ctx: Context) -> Any:
    """Past what is given away."""
    return ctx[0] if isinstance(ctx, context.Derived) else ctx


class Told:
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def cancel(self, error: Exception, why: BaseException) -> None:
        self.errors.append(error)


def test_adopted_just_after_it_was_cancelled() -> None:
    """By another thread, between a look and the adoption."""
    parent, cancel = context.with_cancel(context.background())
    cancel()
    child = Told()
    ours(parent).adopt(child)()
    assert child.errors == [Canceled()]
    # to be let go of by one who was told does no harm
    ours(parent).abandon(child)


@in_bubble
async def test_cancelled_while_its_alarm_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By another thread: then the alarm is not needed."""
    parent, cancel = context.with_cancel(context.background())
    clock: Any = type(_backends.clock())
    call_at = clock.call_at
    alarms: list[Any] = []

    def interrupted(self: Any, when: float, call: Any) -> Any:
        cancel()
        alarms.append(call_at(self, when, call))
        return alarms[0]

    monkeypatch.setattr(clock, "call_at", interrupted)
    ctx, _ = context.with_timeout(parent, 5)
    monkeypatch.undo()
    assert ctx.err() == Canceled()
    await time.sleep(1)
    # otherwise it would be waited for
    assert len(alarms) == 1
    before = time.now()
    await go(time.sleep, 10)
    assert time.now() == before + 10


class Edges(gochan.Instrument):
    """Which addresses whom has told, and who has been told by them."""

    def __init__(self) -> None:
        self.released: list[tuple[Any, Any]] = []
        self.acquired: list[tuple[Any, Any]] = []

    def release(self, party: Any, address: Any) -> None:
        self.released.append((party, address))

    def release_merge(self, party: Any, address: Any) -> None:
        self.released.append((party, address))

    def acquire(self, party: Any, address: Any) -> None:
        self.acquired.append((party, address))


@pytest.mark.parametrize("found", ["by looking", "by its alarm"])
def test_nobody_ends_a_context_whose_time_is_over(
    backend: dict[str, Any], found: str
) -> None:
    """Whoever looks has no part in it; only who has set the deadline comes before."""
    seen = Edges()
    made: list[Context] = []

    async def main() -> None:
        ctx, _ = context.with_timeout(context.background(), 1)
        made.append(ctx)
        if found == "by its alarm":
            await ctx.done().recv_ok()
        else:
            # the alarm is not called before this has ended
            ours(ctx)._alarm.cancel()
            await time.sleep(2)
        assert ctx.err() == DeadlineExceeded()

    testing.bubble(backend=backend["backend"], instruments=[seen]).run(main)
    (ctx,) = map(ours, made)
    (who_set,) = (p for p, address in seen.released if address == (ctx, "timer"))
    (nobody,) = (p for p, address in seen.acquired if address == (ctx, "timer"))
    assert nobody is not who_set
    (who_ended,) = (p for p, address in seen.released if address is ctx)
    assert who_ended is nobody
    assert (who_set, ctx) in seen.acquired
