"""errgroup: errors, cancellation, the limit, and leaving `async with`."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from gochan import Chan, GoroutineCancelled, context, errgroup, go, run, scope, yield_
from support.idle import settle


async def fail(text: str) -> None:
    raise ValueError(text)


async def forever() -> None:
    await Chan[None]().recv()


async def test_leaving_waits_and_raises_the_first_error_bare() -> None:
    ended: list[str] = []
    first = Chan[None]()

    async def later() -> None:
        await first.recv_ok()
        ended.append("later")
        raise KeyError("second")

    async def sooner() -> None:
        first.close()
        raise ValueError("first")

    with pytest.raises(ValueError, match="^first") as caught:
        async with errgroup.Group() as group:
            await group.go(later)
            await group.go(sooner, name="sooner")
    assert ended == ["later"]
    notes = caught.value.__notes__
    assert any("goroutine 'sooner'" in note for note in notes)
    assert "test_errgroup.py" in notes[0]
    assert "later error of the group: KeyError('second')" in notes


async def test_an_error_does_not_cancel_the_others() -> None:
    release = Chan[None]()
    got: list[str] = []
    with pytest.raises(ValueError):
        async with errgroup.Group() as group:

            async def finish() -> None:
                await release.recv_ok()
                got.append("finished")

            await group.go(finish)
            await group.go(fail, "failed")
            await settle()
            release.close()
    assert got == ["finished"]


async def test_with_context_tells_the_others() -> None:
    group, ctx = errgroup.with_context(context.background())
    seen: list[BaseException | None] = []

    async def listen() -> None:
        await ctx.done().recv_ok()
        seen.append(context.cause(ctx))

    with pytest.raises(ValueError):
        async with group:
            await group.go(listen)
            await group.go(fail, "failed")
    assert isinstance(seen[0], ValueError)


async def test_with_context_as_a_block() -> None:
    ended: list[BaseException | None] = []

    async def until_told(ctx: context.Context) -> None:
        await ctx.done().recv_ok()
        ended.append(context.cause(ctx))

    with pytest.raises(ValueError, match="first") as caught:
        async with errgroup.with_context(context.background()) as (group, ctx):
            await group.go(until_told, ctx)
            await group.go(fail, "first")
    assert ended == [caught.value]
    # without an error it is done at the end, too
    async with errgroup.with_context(context.background()) as (group, ctx):
        await group.go(settle)
    assert context.cause(ctx) == context.Canceled()
    with pytest.raises(KeyError):
        async with errgroup.with_context(context.background()) as (group, ctx):
            await group.go(forever)
            raise KeyError
    assert ctx.err() == context.Canceled()


async def test_an_error_of_the_body_cancels_the_group_and_leaves_bare() -> None:
    group, ctx = errgroup.with_context(context.background())
    ended: list[str] = []

    async def hold() -> None:
        try:
            await forever()
        finally:
            ended.append("cancelled")

    with pytest.raises(KeyError, match="body"):
        async with group:
            await group.go(hold)
            await settle()
            raise KeyError("body")
    assert ended == ["cancelled"]
    assert isinstance(ctx.err(), context.Canceled)


async def test_both_fail() -> None:
    with pytest.raises(KeyError, match="body") as caught:
        async with errgroup.Group() as group:
            await group.go(fail, "goroutine")
            await settle()
            raise KeyError("body")
    assert caught.value.__notes__ == [
        "the group's first error: ValueError('goroutine')"
    ]


async def test_a_cancellation_cancels_the_group() -> None:
    ended: list[str] = []

    async def hold() -> None:
        try:
            await forever()
        finally:
            ended.append("cancelled")

    with anyio.CancelScope() as outer:
        async with errgroup.Group() as group:
            await group.go(hold)
            await settle()
            outer.cancel()
            await anyio.sleep_forever()
    with anyio.CancelScope() as outer:
        async with errgroup.Group() as group:
            await group.go(hold)
            await group.go(settle)
            # while it waits at its end
            outer.cancel()
    assert ended == ["cancelled"] * 2


async def test_what_the_body_starts_otherwise_belongs_to_it_too() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with errgroup.Group() as group:
            await group.go(forever)
            go(fail, "a plain goroutine")
    assert caught.group_contains(ValueError, match="a plain goroutine")


async def test_wait_can_be_cancelled_and_called_again() -> None:
    release = Chan[None]()

    async def hold() -> None:
        await release.recv_ok()
        raise ValueError("after all")

    async with scope():
        group = errgroup.Group()
        await group.go(hold)
        with anyio.move_on_after(0):
            await group.wait()
        release.close()
        with pytest.raises(ValueError, match="after all"):
            await group.wait()


async def test_go_at_the_limit_can_be_cancelled() -> None:
    started: list[int] = []
    release = Chan[None]()

    async def hold(n: int) -> None:
        started.append(n)
        await release.recv_ok()

    async with scope():
        group = errgroup.Group(limit=1)
        await group.go(hold, 1)
        with anyio.move_on_after(0):
            await group.go(hold, 2)
        release.close()
        await group.wait()
        # the place of the one that was not started is free
        await group.go(hold, 3)
        await group.wait()
    assert started == [1, 3]


async def test_a_place_is_free_again_after_an_error_or_a_cancellation() -> None:
    async with scope():
        group = errgroup.Group(limit=1)
        for text in ("a", "b", "c"):
            await group.go(fail, text)
        with pytest.raises(ValueError, match="^a") as caught:
            await group.wait()
        assert [note for note in caught.value.__notes__ if "later" in note] == [
            "later error of the group: ValueError('b')",
            "later error of the group: ValueError('c')",
        ]


async def test_errors_of_a_scope_inside_that_was_cancelled_too() -> None:
    async def both() -> None:
        async with scope():
            try:
                await forever()
            finally:
                raise ValueError("while cancelled")

    async with scope() as outer:
        group = errgroup.Group()
        await group.go(both)
        await settle()
        outer.cancel()
        with anyio.CancelScope(shield=True):
            with pytest.raises(ExceptionGroup) as caught:
                await group.wait()
            assert caught.group_contains(ValueError, match="while cancelled")


async def test_bad_use() -> None:
    wrong: Any = "3"
    with pytest.raises(
        TypeError, match=r"limit must be an int or None, not '3': write"
    ):
        errgroup.Group(wrong)
    with pytest.raises(ValueError, match="limit must be at least 0, or None for none"):
        errgroup.Group(-1)
    group = errgroup.Group()
    with pytest.raises(RuntimeError, match=r"group.go\(\) needs a run or a scope"):
        await group.go(forever)
    async with scope():
        with pytest.raises(TypeError, match="wants the function and its arguments"):
            await group.go(forever())  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            group.try_go(None)  # type: ignore[call-overload]
        # nothing of that counts
        await group.wait()
    async with group:
        with pytest.raises(RuntimeError, match="has been entered already"):
            await group.__aenter__()


def test_threads_can_wait(backend: dict[str, Any]) -> None:
    group = errgroup.Group()
    release, waited = Chan[None](), Chan[str](1)

    def wait() -> None:
        try:
            group.blocking_wait(0)
        except TimeoutError:
            release.close()
        try:
            group.blocking_wait()
        except ValueError as error:
            waited.send_nowait(str(error))

    async def hold() -> None:
        await release.recv_ok()
        raise ValueError("failed")

    async def main() -> None:
        await group.go(hold)
        thread = threading.Thread(target=wait)
        thread.start()
        assert await waited.recv() == "failed"
        thread.join()

    run(main, **backend)


async def test_a_cancelled_goroutine_is_no_error() -> None:
    async with scope():
        group = errgroup.Group()

        async def cancelled() -> None:
            g = go(forever)
            g.cancel()
            try:
                await g
            except GoroutineCancelled:
                await yield_()

        await group.go(cancelled)
        await group.wait()
