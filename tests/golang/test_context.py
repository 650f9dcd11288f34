"""Go's context: x_test.go, context_test.go and afterfunc_test.go.

Rewritten from what the tests check. Time is virtual where it has to pass.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gochan import Chan, RecvChan, context, go, nil, scope, select_nowait, time, yield_
from gochan.context import Canceled, Context, DeadlineExceeded
from golang.helpers import Threads
from support.idle import settle
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = 0.001
VERY_LONG = 1000 * 3600.0


class Other(Context):
    """otherContext: wraps one of ours, and is none."""

    def __init__(self, inner: Context) -> None:
        self.inner = inner

    def deadline(self) -> float | None:
        return self.inner.deadline()

    def done(self) -> RecvChan[Any]:
        return self.inner.done()

    def err(self) -> Exception | None:
        return self.inner.err()

    def value(self, key: object, /) -> Any:
        return self.inner.value(key)


class CustomDone(Other):
    """customDoneContext: with an end of its own."""

    def __init__(self, inner: Context) -> None:
        super().__init__(inner)
        self.own = Chan[None]()

    def done(self) -> RecvChan[Any]:
        return self.own


def is_done(ctx: Context) -> bool:
    return select_nowait(ctx.done()) is not None


def children(ctx: Context) -> int:
    ours: Any = ctx[0] if isinstance(ctx, context.Derived) else ctx
    return len(ours._children or ())


@pytest.mark.parametrize(
    ("ctx", "name"),
    [
        (context.background(), "context.Background"),
        (context.todo(), "context.TODO"),
    ],
)
def test_background_and_todo(ctx: Context, name: str) -> None:
    assert not is_done(ctx)
    assert str(ctx) == name
    assert ctx.done() is nil


def test_with_cancel() -> None:
    """TestWithCancel: at once, also through a wrapper."""
    c1, cancel = context.with_cancel(context.background())
    assert str(c1) == "context.Background.WithCancel"
    o = Other(c1)
    c2, _ = context.with_cancel(o)
    contexts = (c1, o, c2)
    for ctx in contexts:
        assert not is_done(ctx)
        assert ctx.err() is None
    cancel()
    for ctx in contexts:
        assert is_done(ctx)
        assert isinstance(ctx.err(), Canceled)


async def expires(ctx: Context) -> None:
    await ctx.done().recv_ok()
    assert isinstance(ctx.err(), DeadlineExceeded)
    assert isinstance(ctx.err(), TimeoutError)


@in_bubble
async def test_deadline() -> None:
    """TestDeadline, TestTimeout."""
    background = context.background()
    c, _ = context.with_deadline(background, time.now() + SHORT)
    assert str(c).startswith("context.Background.WithDeadline(")
    await expires(c)
    c, _ = context.with_deadline(background, time.now() + SHORT)
    await expires(Other(c))
    c, _ = context.with_deadline(background, time.now() + SHORT)
    c, _ = context.with_deadline(Other(c), time.now() + VERY_LONG)
    await expires(c)
    c, _ = context.with_deadline(background, time.now() - SHORT)
    await expires(c)
    c, _ = context.with_deadline(background, time.now())
    await expires(c)
    before = time.now()
    c, _ = context.with_timeout(background, SHORT)
    await expires(c)
    assert time.now() == before + SHORT
    c, _ = context.with_timeout(background, SHORT)
    c, _ = context.with_timeout(Other(c), VERY_LONG)
    await expires(c)
    assert time.now() < VERY_LONG


def test_canceled_timeout() -> None:
    c, _ = context.with_timeout(context.background(), 1)
    c, cancel = context.with_timeout(Other(c), VERY_LONG)
    cancel()
    assert is_done(c)
    assert isinstance(c.err(), Canceled)


class Key1(int):
    pass


class Key2(int):
    pass


def test_values() -> None:
    k1, k2, k3 = Key1(1), Key2(1), Key2(3)

    def check(ctx: Context, *wanted: str | None) -> None:
        assert tuple(ctx.value(key) for key in (k1, k2, k3)) == wanted

    c0 = context.background()
    check(c0, None, None, None)
    c1 = context.with_value(c0, k1, "c1k1")
    check(c1, "c1k1", None, None)
    assert str(c1) == "context.Background.WithValue(1, 'c1k1')"
    c2 = context.with_value(c1, k2, "c2k2")
    check(c2, "c1k1", "c2k2", None)
    c3 = context.with_value(c2, k3, "c3k3")
    check(c3, "c1k1", "c2k2", "c3k3")
    c4 = context.with_value(c3, k1, None)
    check(c4, None, "c2k2", "c3k3")
    check(Other(c0), None, None, None)
    o1 = Other(context.with_value(c0, k1, "c1k1"))
    check(o1, "c1k1", None, None)
    o2 = context.with_value(o1, k2, "o2k2")
    check(o2, "c1k1", "o2k2", None)
    o3 = Other(c4)
    check(o3, None, "c2k2", "c3k3")
    check(context.with_value(o3, k3, None), None, "c2k2", None)


def tree() -> dict[Context, Callable[[], None]]:
    root, cancel = context.with_cancel(context.background())
    cancels = {root: cancel}
    queue = [root]
    while len(cancels) < 100:
        parent = queue.pop(0)
        for _ in range(4):
            ctx, cancel = context.with_cancel(parent)
            cancels[ctx] = cancel
            queue.append(ctx)
    return cancels


async def test_simultaneous_cancels() -> None:
    cancels = tree()

    async def call(cancel: Callable[[], None]) -> None:
        await yield_()
        cancel()

    async with scope():
        for cancel in random.sample(list(cancels.values()), len(cancels)):
            go(call, cancel)
        for ctx in random.sample(list(cancels), len(cancels)):
            await ctx.done().recv_ok()


def test_simultaneous_cancels_on_threads() -> None:
    for _ in range(10):
        cancels = tree()
        with Threads() as threads:
            for cancel in random.sample(list(cancels.values()), len(cancels)):
                threads.start(cancel)
            for ctx in cancels:
                ctx.done().blocking_recv_ok()
        assert not any(children(ctx) for ctx in cancels)


async def test_interlocked_cancels() -> None:
    parent, cancel_parent = context.with_cancel(context.background())
    child, cancel_child = context.with_cancel(parent)

    async def interlock() -> None:
        await parent.done().recv_ok()
        cancel_child()

    async with scope():
        go(interlock)
        await settle()
        cancel_parent()
        await child.done().recv_ok()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("by_timeout", [False, True])
@in_bubble
async def test_layers(by_timeout: bool, seed: int) -> None:
    """TestLayersCancel, TestLayersTimeout."""
    draw = random.Random(seed)
    values: list[object] = []
    cancels: list[Callable[[], None]] = []
    timers = layers = 0
    ctx = context.background()
    while layers < 30 or not timers or not cancels or not values:
        layers += 1
        kind = draw.randrange(3)
        if kind == 0:
            value = object()
            ctx = context.with_value(ctx, value, value)
            values.append(value)
        elif kind == 1:
            ctx, cancel = context.with_cancel(ctx)
            cancels.append(cancel)
        else:
            seconds = SHORT if by_timeout else VERY_LONG
            ctx, cancel = context.with_timeout(ctx, seconds)
            cancels.append(cancel)
            timers += 1

    def check() -> None:
        assert all(ctx.value(value) is value for value in values)

    assert not is_done(ctx)
    assert str(ctx).startswith("context.Background.")
    check()
    if by_timeout:
        await ctx.done().recv_ok()
    else:
        draw.choice(cancels)()
        assert is_done(ctx)
    check()


def test_with_cancel_canceled_parent() -> None:
    parent, cancel = context.with_cancel_cause(context.background())
    cause = ValueError("Because!")
    cancel(cause)
    c, _ = context.with_cancel(parent)
    assert is_done(c)
    assert isinstance(c.err(), Canceled)
    assert context.cause(c) is cause


def test_with_cancel_simultaneously_canceled_parent() -> None:
    for _ in range(100):
        parent, cancel = context.with_cancel_cause(context.background())
        cause = ValueError("Because!")
        thread = threading.Thread(target=cancel, args=(cause,))
        thread.start()
        c, _ = context.with_cancel(parent)
        c.done().blocking_recv_ok()
        assert isinstance(c.err(), Canceled)
        assert context.cause(c) is cause
        thread.join()


def test_deadline_exceeded_supports_timeout() -> None:
    """TestDeadlineExceededSupportsTimeout, ...IsNetError: it is known as a timeout."""
    ctx, _ = context.with_timeout(context.background(), 0)
    assert isinstance(ctx.err(), TimeoutError)
    # what a socket that took too long raises
    assert isinstance(ctx.err(), OSError)


def test_invalid_use() -> None:
    """TestWithValueChecksKey, TestInvalidDerivedFail."""
    background, none = context.background(), None
    with pytest.raises(RuntimeError, match="^key is not comparable$"):
        context.with_value(background, [b"foo"], "bar")
    with pytest.raises(RuntimeError, match="^nil key$"):
        context.with_value(background, None, "bar")
    text = "^cannot create context from nil parent$"
    with pytest.raises(RuntimeError, match=text):
        context.with_cancel(none)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=text):
        context.with_deadline(none, time.now() + SHORT)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=text):
        context.with_value(none, "foo", "bar")  # type: ignore[call-overload]


class CustomCause(Context):
    """customCauseContext."""

    def __init__(self) -> None:
        self.own = Chan[None]()
        self.error: Exception | None = None

    def deadline(self) -> None:
        return None

    def done(self) -> RecvChan[Any]:
        return self.own

    def err(self) -> Exception | None:
        return self.error

    def value(self, key: object, /) -> Any:
        return None

    def cancel(self) -> None:
        self.error = Canceled()
        self.own.close()


FOREVER = 1e6
PARENT, CHILD = ValueError("parentCause"), ValueError("childCause")
SLOW, EARLY = ValueError("tooSlow"), ValueError("finishedEarly")


def one(cancel_with: BaseException | None) -> Context:
    ctx, cancel = context.with_cancel_cause(context.background())
    cancel(cancel_with)
    return ctx


def cancelled() -> Context:
    ctx, cancel = context.with_cancel(context.background())
    cancel()
    return ctx


def two(*order: str) -> Context:
    parent, cancel_parent = context.with_cancel_cause(context.background())
    child, cancel_child = context.with_cancel_cause(parent)
    calls = {
        "parent": lambda: cancel_parent(PARENT),
        "parent nil": lambda: cancel_parent(None),
        "child": lambda: cancel_child(CHILD),
        "child nil": lambda: cancel_child(None),
    }
    for step in order:
        calls[step]()
    return child


def with_timeout(seconds: float, why: Exception | None) -> Context:
    ctx, cancel = context.with_timeout_cause(context.background(), seconds, why)
    cancel()
    return ctx


def stacked(seconds: float) -> Context:
    parent, cancel = context.with_cancel_cause(context.background())
    ctx, _ = context.with_timeout_cause(parent, seconds, SLOW)
    cancel(EARLY)
    return ctx


def without(seconds: float | None) -> Context:
    if seconds is None:
        parent, cancel = context.with_cancel_cause(context.background())
        ctx = context.without_cancel(parent)
        cancel(EARLY)
        return ctx
    parent, stop = context.with_timeout_cause(context.background(), seconds, SLOW)
    ctx = context.without_cancel(parent)
    stop()
    return ctx


def custom(*order: str) -> Context:
    parent, cancel_parent = context.with_cancel_cause(context.background())
    ctx = CustomDone(parent)
    error: list[Exception] = []

    def end() -> None:
        error.append(Canceled())
        ctx.own.close()

    ctx.err = lambda: error[0] if error else None  # type: ignore[method-assign]
    for step in order:
        end() if step == "custom" else cancel_parent(PARENT)
    return ctx


CAUSES: list[tuple[Callable[[], Context], Any, Any]] = [
    (context.background, None, None),
    (context.todo, None, None),
    (cancelled, Canceled, Canceled),
    (lambda: one(None), Canceled, Canceled),
    (lambda: one(PARENT), Canceled, PARENT),
    (lambda: two("parent", "child"), Canceled, PARENT),
    (lambda: two("child", "parent"), Canceled, CHILD),
    (lambda: two("parent", "child nil"), Canceled, PARENT),
    (lambda: two("child nil", "parent"), Canceled, Canceled),
    (lambda: two("parent nil", "child"), Canceled, Canceled),
    (lambda: two("child", "parent nil"), Canceled, CHILD),
    (lambda: with_timeout(0, None), DeadlineExceeded, DeadlineExceeded),
    (lambda: with_timeout(FOREVER, None), Canceled, Canceled),
    (lambda: with_timeout(0, SLOW), DeadlineExceeded, SLOW),
    (lambda: with_timeout(FOREVER, SLOW), Canceled, Canceled),
    (lambda: stacked(0), DeadlineExceeded, SLOW),
    (lambda: stacked(FOREVER), Canceled, EARLY),
    (lambda: context.without_cancel(context.background()), None, None),
    (lambda: without(None), None, None),
    (lambda: without(0), None, None),
    (lambda: custom("custom"), Canceled, Canceled),
    (lambda: custom("parent", "custom"), Canceled, PARENT),
    # the cause cannot tell which was first, as in Go
    (lambda: custom("custom", "parent"), Canceled, PARENT),
]


@pytest.mark.parametrize("row", range(len(CAUSES)))
def test_cause(row: int) -> None:
    make, err, cause = CAUSES[row]
    ctx = make()
    assert ctx.err() is None if err is None else isinstance(ctx.err(), err)
    if isinstance(cause, type):
        assert isinstance(context.cause(ctx), cause)
    else:
        assert context.cause(ctx) is cause


def test_cause_race() -> None:
    """TestCauseRace, TestContextErrDoneRace: whoever sees the error sees the rest."""
    for _ in range(200):
        why = ValueError("TestCauseRace")
        ctx, cancel = context.with_cancel_cause(context.background())
        thread = threading.Thread(target=cancel, args=(why,))
        thread.start()
        while ctx.err() is None:
            pass
        assert is_done(ctx)
        assert context.cause(ctx) is why
        thread.join()


def test_without_cancel() -> None:
    ctx = context.with_value(context.background(), "key", "value")
    ctx = context.without_cancel(ctx)
    assert ctx.deadline() is None
    assert ctx.done() is nil
    assert ctx.err() is None
    assert ctx.value("key") == "value"
    assert str(ctx) == "context.Background.WithValue('key', 'value').WithoutCancel"


def test_custom_context_propagation() -> None:
    cause = ValueError("TestCustomContextPropagation")
    ctx1, cancel1 = context.with_cancel_cause(context.background())
    ctx2 = CustomDone(ctx1)
    ctx3, _ = context.with_cancel(ctx2)
    cancel1(cause)
    assert ctx3.err() is None
    ctx2.own.close()
    assert is_done(ctx3)
    assert isinstance(ctx3.err(), Canceled)
    assert context.cause(ctx3) is cause


def test_custom_context_cause() -> None:
    ccc = CustomCause()
    ccc.cancel()
    assert isinstance(context.cause(ccc), Canceled)

    ccc = CustomCause()
    ctx, cancel = context.with_cancel_cause(ccc)
    cause = ValueError("TestCustomContextCause")
    cancel(cause)
    assert isinstance(ctx.err(), Canceled)
    assert context.cause(ctx) is cause
    assert ccc.err() is None
    assert context.cause(ccc) is None
    ccc.cancel()
    assert isinstance(ctx.err(), Canceled)
    assert context.cause(ctx) is cause
    assert context.cause(ccc) == Canceled()

    ccc = CustomCause()
    ctx, _ = context.with_cancel_cause(ccc)
    ccc.cancel()
    assert isinstance(ctx.err(), Canceled)
    assert isinstance(context.cause(ctx), Canceled)


# after_func


async def test_after_func_called_after_cancel() -> None:
    async with scope():
        ctx, cancel = context.with_cancel(context.background())
        called = Chan[None]()
        stop = context.after_func(ctx, called.close)
        await settle()
        assert not called.closed
        cancel()
        await called.recv_ok()
        assert not stop()


@in_bubble
async def test_after_func_called_after_timeout() -> None:
    ctx, _ = context.with_timeout(context.background(), SHORT)
    called = Chan[float](1)

    async def call() -> None:
        await called.send(time.now())

    context.after_func(ctx, call)
    assert await called.recv() == SHORT


async def test_after_func_called_immediately() -> None:
    async with scope():
        ctx, cancel = context.with_cancel(context.background())
        cancel()
        called = Chan[None]()
        context.after_func(ctx, called.close)
        await called.recv_ok()


async def test_after_func_not_called_after_stop() -> None:
    async with scope():
        ctx, cancel = context.with_cancel(context.background())
        called: list[int] = []
        stop = context.after_func(ctx, lambda: called.append(1))
        assert stop()
        assert not stop()
        cancel()
        await settle()
        assert not called


async def test_after_func_called_asynchronously() -> None:
    """It runs beside, and may wait for who cancels."""
    async with scope():
        ctx, cancel = context.with_cancel(context.background())
        meeting = Chan[None]()

        async def call() -> None:
            await meeting.recv()

        context.after_func(ctx, call)
        cancel()
        await meeting.send(None)


class WithAfterFunc(Context):
    """afterFuncContext: a parent that offers to call functions."""

    def __init__(self) -> None:
        self.own = Chan[None]()
        self.error: Exception | None = None
        self.functions: dict[object, Callable[[], None]] = {}

    def deadline(self) -> None:
        return None

    def done(self) -> RecvChan[Any]:
        return self.own

    def err(self) -> Exception | None:
        return self.error

    def value(self, key: object, /) -> Any:
        return None

    def after_func(self, fn: Callable[[], None]) -> Callable[[], bool]:
        key = object()
        self.functions[key] = fn
        return lambda: self.functions.pop(key, None) is not None

    def cancel(self, error: Exception) -> None:
        self.error = error
        self.own.close()
        functions, self.functions = self.functions, {}
        for fn in functions.values():
            fn()


@pytest.mark.parametrize("seconds", [None, 3600])
def test_custom_context_after_func(seconds: float | None) -> None:
    """TestCustomContextAfterFunc{Cancel,Timeout,Unregister...}."""

    def derive(parent: Context) -> Any:
        if seconds is None:
            return context.with_cancel(parent)
        return context.with_timeout(parent, seconds)

    ctx = WithAfterFunc()
    child, cancel = derive(ctx)
    assert len(ctx.functions) == 1
    error = Canceled()
    ctx.cancel(error)
    assert is_done(child)
    cancel()

    ctx = WithAfterFunc()
    child, cancel = derive(ctx)
    cancel()
    assert not ctx.functions


async def test_custom_context_after_func_after_func() -> None:
    async with scope():
        ctx = WithAfterFunc()
        called = Chan[None]()
        context.after_func(ctx, called.close)
        assert len(ctx.functions) == 1
        ctx.cancel(Canceled())
        await called.recv_ok()
        ctx = WithAfterFunc()
        stop = context.after_func(ctx, called.close)
        assert stop()
        assert not ctx.functions


# What is kept


async def test_parent_finishes_child() -> None:
    async with scope():
        parent, cancel = context.with_cancel(context.background())
        cancel_child, _ = context.with_cancel(parent)
        value_child = context.with_value(parent, "key", "value")
        timer_child, _ = context.with_timeout(value_child, VERY_LONG)
        context.after_func(parent, lambda: None)
        derived = (parent, cancel_child, value_child, timer_child)
        assert not any(is_done(ctx) for ctx in derived)
        assert children(parent) == 3
        cancel()
        assert children(parent) == 0
        for ctx in derived:
            assert is_done(ctx)
            assert isinstance(ctx.err(), Canceled)
        late = context.with_value(parent, "key", "value")
        assert is_done(late)
        assert isinstance(late.err(), Canceled)


def test_child_finishes_first() -> None:
    cancelable, _ = context.with_cancel(context.background())
    for parent in (context.background(), cancelable):
        child, cancel = context.with_cancel(parent)
        if parent is cancelable:
            assert children(parent) == 1
        cancel()
        if parent is cancelable:
            assert children(parent) == 0
        assert is_done(child)
        assert not is_done(parent)
        assert parent.err() is None


async def test_cancel_removes() -> None:
    async with scope():
        ctx, _ = context.with_cancel(context.background())
        _, cancel = context.with_cancel(ctx)
        assert children(ctx) == 1
        cancel()
        assert children(ctx) == 0
        _, cancel = context.with_timeout(ctx, 3600)
        assert children(ctx) == 1
        cancel()
        assert children(ctx) == 0
        stop = context.after_func(ctx, lambda: None)
        assert children(ctx) == 1
        stop()
        assert children(ctx) == 0


async def test_custom_contexts_cost_no_goroutine() -> None:
    """TestCustomContextGoroutines. In Go a foreign end costs one; here it does not."""
    async with scope() as s:
        foreign = CustomDone(context.background())
        cancels = [context.with_cancel(foreign)[1] for _ in range(10)]
        assert foreign.own.stats().waiting_receivers == 10
        nursery: Any = s._nursery
        assert not nursery.jobs
        # and leaves nothing behind
        for cancel in cancels:
            cancel()
        assert foreign.own.stats().waiting_receivers == 0
