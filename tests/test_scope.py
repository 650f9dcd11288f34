"""scope(): who belongs to which, when it is left, and what leaves it."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from gochan import (
    Chan,
    Goroutine,
    GoroutineCancelled,
    Scope,
    _scope,
    arun,
    go,
    run,
    scope,
    yield_,
)
from gochan._tenants import Tenants
from support.idle import settle


async def forever() -> None:
    await Chan[None]().recv()


async def fail(text: str = "failed") -> None:
    raise ValueError(text)


async def test_it_waits_for_its_goroutines() -> None:
    steps: list[str] = []

    async def work() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        steps.append("ended")

    async with scope() as s:
        go(work)
        s.go(work)
        assert steps == []
    assert steps == ["ended", "ended"]


async def test_it_waits_also_for_those_started_while_it_waits() -> None:
    steps: list[int] = []

    async def work(generation: int) -> None:
        await yield_()
        steps.append(generation)
        if generation < 5:
            go(work, generation + 1)

    async with scope():
        go(work, 0)
    assert steps == [0, 1, 2, 3, 4, 5]


async def test_an_empty_scope() -> None:
    async with scope():
        pass
    async with scope() as s:
        s.cancel()


async def test_the_innermost_scope_owns() -> None:
    release = Chan[None]()
    order: list[str] = []

    async def work(name: str) -> None:
        if name == "outer":
            await release.recv()
        order.append(name)

    async def start(name: str) -> None:
        # in a function that knows of no scope
        go(work, name)

    async with scope() as outer:
        await start("outer")
        async with scope():
            await start("inner")
        assert order == ["inner"]
        # left again: the outer one is the innermost
        go(release.send, None)
        outer.go(work, "also outer")
    assert sorted(order) == ["also outer", "inner", "outer"]


async def test_a_goroutine_starts_others_in_its_own_scope() -> None:
    # and not in one that the caller has entered since
    order: list[str] = []
    begin = Chan[None]()

    async def leaf() -> None:
        await yield_()
        await yield_()
        order.append("leaf")

    async def work() -> None:
        await begin.recv()
        go(leaf)
        order.append("work")

    async with scope():
        g = go(work)
        await settle()
        async with scope():
            await begin.send(None)
            await g
        order.append("inner left")
    assert order[-1] == "leaf" or order.index("leaf") < order.index("inner left")
    assert "leaf" in order


async def test_the_scope_of_a_goroutine_is_no_one_elses() -> None:
    # what one goroutine enters does not concern its siblings
    entered, started, release = Chan[None](), Chan[None](), Chan[None]()
    left: list[str] = []

    async def enter() -> None:
        async with scope():
            await entered.send(None)
            await started.recv()
        left.append("scope")

    async def start() -> None:
        await entered.recv()
        go(release.recv)
        await started.send(None)

    async with scope():
        g = go(enter)
        go(start)
        await g
        assert left == ["scope"]
        await release.send(None)


async def test_nested_scopes_in_goroutines() -> None:
    ends = 0

    async def nest(depth: int) -> None:
        nonlocal ends
        if depth:
            async with scope():
                go(nest, depth - 1)
                go(nest, depth - 1)
        ends += 1

    async with scope():
        go(nest, 5)
    assert ends == 63


# What leaves it


async def test_an_error_leaves_as_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(fail, "one")
    assert [str(error) for error in caught.value.exceptions] == ["one"]
    assert caught.value.__context__ is None or caught.value.__suppress_context__


async def test_all_errors_leave() -> None:
    async def fail_in_cleanup(text: str) -> None:
        try:
            await forever()
        finally:
            raise ValueError(text)

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(fail_in_cleanup, "two")
            go(fail_in_cleanup, "three")
            await settle()
            go(fail, "one")
    texts = sorted(str(error) for error in caught.value.exceptions)
    assert texts == ["one", "three", "two"]


async def test_an_error_of_the_body_leaves_in_a_group_too() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ends.append("work")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(work)
            await settle()
            raise ValueError("body")
    assert [str(error) for error in caught.value.exceptions] == ["body"]
    # the body is no goroutine that was started somewhere
    assert not hasattr(caught.value.exceptions[0], "__notes__")
    assert ends == ["work"]


async def test_errors_of_the_body_and_of_a_goroutine() -> None:
    async def fail_in_cleanup() -> None:
        try:
            await forever()
        finally:
            raise ValueError("goroutine")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            go(fail_in_cleanup)
            await settle()
            raise ValueError("body")
    texts = sorted(str(error) for error in caught.value.exceptions)
    assert texts == ["body", "goroutine"]


async def test_the_body_raises_on_what_a_goroutine_raised() -> None:
    # one failure, told once
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            g = go(fail)
            with anyio.CancelScope(shield=True):
                await g
    assert len(caught.value.exceptions) == 1


async def test_a_failure_cancels_the_others_and_the_body() -> None:
    ends: list[str] = []
    cancelled = anyio.get_cancelled_exc_class()

    async def work() -> None:
        try:
            await forever()
        except cancelled:
            ends.append("work")
            raise

    started: list[Goroutine[None]] = []
    with pytest.raises(ExceptionGroup):
        async with scope():
            started.append(go(work))
            await settle()
            go(fail)
            try:
                await forever()
            except cancelled:
                ends.append("body")
                raise
    assert sorted(ends) == ["body", "work"]
    with pytest.raises(GoroutineCancelled, match="failed"):
        await started[0]


async def test_a_failure_in_an_inner_scope_can_be_handled() -> None:
    steps: list[str] = []

    async def work() -> None:
        await yield_()
        await yield_()
        steps.append("sibling went on")

    async with scope():
        go(work)
        try:
            async with scope():
                go(fail)
        except* ValueError:
            steps.append("handled")
        await anyio.lowlevel.checkpoint()
        steps.append("outer went on")
    assert sorted(steps) == ["handled", "outer went on", "sibling went on"]


async def test_groups_nest_as_scopes_do() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with scope(), scope():
            go(fail, "inner")
    (inner,) = caught.value.exceptions
    assert isinstance(inner, ExceptionGroup)
    assert caught.group_contains(ValueError, match="inner", depth=2)


async def test_it_hides_no_error_of_a_cancelled_goroutine() -> None:
    async def work() -> None:
        try:
            await forever()
        finally:
            raise ValueError("in cleanup")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope() as s:
            go(work)
            await settle()
            s.cancel()
    assert caught.group_contains(ValueError, match="in cleanup", depth=1)


# Its own cancel


async def test_left_silently_after_its_own_cancel() -> None:
    steps: list[str] = []
    async with scope() as s:
        g = go(forever)
        await settle()
        s.cancel("done with it")
        await forever()
        steps.append("not cancelled")
    steps.append("left")
    assert steps == ["left"]
    with pytest.raises(GoroutineCancelled, match="done with it"):
        await g


async def test_cancelled_by_one_of_its_goroutines() -> None:
    async def stop(s: Scope) -> None:
        s.cancel("from inside")
        await yield_()
        raise AssertionError("it is a goroutine of the scope as well")

    async with scope() as s:
        g = go(forever)
        go(stop, s)
        await forever()
    with pytest.raises(GoroutineCancelled, match="from inside"):
        await g


async def test_after_its_own_cancel_nothing_stray_is_left() -> None:
    async with scope() as s:
        s.cancel()
        await yield_()
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
        await yield_()
    async with scope():
        await go(yield_)


async def test_cancelled_twice() -> None:
    async with scope() as s:
        g = go(forever)
        await settle()
        s.cancel("first")
        s.cancel("second")
    with pytest.raises(GoroutineCancelled, match="first"):
        await g


async def test_inner_scopes_are_cancelled_with_it() -> None:
    ends: list[str] = []

    async def leaf() -> None:
        try:
            await forever()
        finally:
            ends.append("leaf")

    async with scope() as s:
        async with scope():
            go(leaf)
            await settle()
            s.cancel()
        ends.append("went on")
    # a cancelled inner scope passes the cancellation on to the outer one
    assert ends == ["leaf"]


async def test_cancel_of_an_inner_scope_leaves_the_outer_one_alone() -> None:
    async with scope():
        g = go(settle_and_return)
        async with scope() as inner:
            go(forever)
            inner.cancel()
        await yield_()
        assert await g == "went on"


async def settle_and_return() -> str:
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    return "went on"


async def test_cancel_before_and_after_it_is_open() -> None:
    s = scope()
    s.cancel()
    async with s:
        await go(yield_)
    s.cancel()


async def test_its_name_and_its_state_show() -> None:
    s = scope(name="fetchers")
    assert s.name == "fetchers"
    assert "fetchers" in repr(s)
    assert "not open" in repr(s)
    async with s:
        assert "not open" not in repr(s)
    assert "not open" in repr(s)


# Outside of a run


def test_in_a_plain_loop(backend: dict[str, Any]) -> None:
    # a scope is all that go() needs
    async def main() -> int:
        async with scope():
            g = go(settle_and_return)
        return len(await g)

    name = backend["backend"]
    assert anyio.run(main, backend=name) == 7


async def test_entered_by_hand() -> None:
    s = scope()
    await s.__aenter__()
    g = go(settle_and_return)
    await s.__aexit__(None, None, None)
    assert g.state == "done"


async def test_entered_twice() -> None:
    s = scope()
    async with s:
        with pytest.raises(RuntimeError, match=r"scope\(\)"):
            async with s:
                pass
        # the first use is none the worse
        await go(yield_)


async def test_go_in_one_that_is_not_open() -> None:
    s = scope()
    with pytest.raises(RuntimeError, match="async with scope"):
        s.go(forever)
    async with s:
        pass
    with pytest.raises(RuntimeError, match="async with scope"):
        s.go(forever)


async def test_go_from_a_task_that_outlived_its_scope() -> None:
    errors: list[str] = []
    release = Chan[None]()

    async def outlive() -> None:
        await release.recv()
        try:
            go(forever)
        except RuntimeError as error:
            errors.append(str(error))

    async with anyio.create_task_group() as tasks:
        async with scope():
            tasks.start_soon(outlive)
            await settle()
        release.send_nowait(None)
    assert len(errors) == 1
    assert "not open" in errors[0]


async def test_a_scope_with_anyios_task_group_around_and_inside() -> None:
    results: list[int] = []

    async def work(number: int) -> None:
        await yield_()
        results.append(number)

    async with (
        anyio.create_task_group() as around,
        scope(),
        anyio.create_task_group() as inside,
    ):
        go(work, 1)
        around.start_soon(work, 2)
        inside.start_soon(work, 3)
    assert sorted(results) == [1, 2, 3]


async def test_a_failing_anyio_task_group_around_it() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ends.append("work")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as around, scope():
            go(work)
            await settle()
            around.start_soon(fail)
    assert caught.group_contains(ValueError, depth=1)
    assert ends == ["work"]


async def test_handles_can_be_given_to_other_scopes() -> None:
    async def join(g: Goroutine[str]) -> str:
        return await g

    async with scope():
        g = go(settle_and_return)
        async with scope():
            joined = go(join, g)
        assert await joined == "went on"


@pytest.mark.parametrize("depth", [1, 3])
async def test_the_run_of_a_scope_inside_of_a_scope(depth: int) -> None:
    # arun is a scope of its own: what is left in it is cancelled
    async def main(depth: int) -> int:
        if depth:
            go(forever)
            return await arun(main, depth - 1) + 1
        return 0

    async with scope():
        g = go(settle_and_return)
        assert await arun(main, depth) == depth
        assert await g == "went on"


def test_scopes_of_two_runs_are_apart(backend: dict[str, Any]) -> None:
    async def main() -> str:
        async with scope():
            return await go(settle_and_return)

    async def outer() -> None:
        async with scope():
            text = await anyio.to_thread.run_sync(lambda: run(main, **backend))
            assert text == "went on"

    run(outer, **backend)


async def test_what_is_made_for_a_scope_while_it_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By another thread, which has just found that it is open: it is closed as well."""
    found, leaving = threading.Event(), threading.Event()
    closed: list[object] = []

    class Tenant:
        def close(self) -> None:
            closed.append(self)

        def ending(self, then: object) -> bool:  # what scopes call
            return False

        def _join(self) -> None:
            pass

    def tenants() -> Tenants:
        found.set()
        leaving.wait(30)
        # it must not be left before this has returned, so there is no event for it
        deadline = time.monotonic() + 0.05
        while outermost._open and time.monotonic() < deadline:
            pass
        return Tenants()

    monkeypatch.setattr(_scope, "Tenants", tenants)
    async with scope() as outermost:
        made = Tenant()
        thread = threading.Thread(target=outermost._tenant, args=("key", lambda: made))
        thread.start()
        assert found.wait(30)
        leaving.set()
    thread.join()
    assert closed == [made]
