"""golang.org/x/sync/errgroup: errgroup_test.go, errgroup_example_md5all_test.go.

Copyright 2016 The Go Authors; BSD-3-Clause. Rewritten from what the tests check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gochan import Chan, context, errgroup, scope, select_nowait, yield_
from gochan.atomic import Int
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Sequence


class Failed(Exception):
    pass


ONE, TWO = Failed("errgroup_test: 1"), Failed("errgroup_test: 2")


async def give(error: Failed | None) -> None:
    await yield_()
    if error is not None:
        raise error


@pytest.mark.parametrize(
    "errors",
    [
        (),
        (None,),
        (ONE,),
        (ONE, None),
        (ONE, None, TWO),
    ],
)
async def test_zero_group(errors: Sequence[Failed | None]) -> None:
    """TestZeroGroup: the first error is kept, also across waits."""
    first: Failed | None = None
    async with scope():
        group = errgroup.Group()
        for error in errors:
            await group.go(give, error)
            first = first or error
            got: Failed | None = None
            try:
                await group.wait()
            except Failed as raised:
                got = raised
            assert got is first


@pytest.mark.parametrize(
    ("errors", "want"),
    [((), None), ((None,), None), ((ONE,), ONE), ((TWO,), TWO), ((ONE, None), ONE)],
)
async def test_with_context(
    errors: Sequence[Failed | None], want: Failed | None
) -> None:
    """TestWithContext: the context is done after wait, also without an error."""
    async with scope():
        group, ctx = errgroup.with_context(context.background())
        for error in errors:
            await group.go(give, error)
        got: Failed | None = None
        try:
            await group.wait()
        except Failed as raised:
            got = raised
        assert got is want
        assert select_nowait(ctx.done()) is not None
        assert ctx.err() is not None


async def test_try_go() -> None:
    """TestTryGo: at the limit it starts nothing."""
    async with scope():
        group = errgroup.Group()
        limit = 42
        arrived = Chan[None]()
        group.set_limit(limit)

        async def hold() -> None:
            await arrived.recv_ok()

        for n in range(limit):
            assert group.try_go(hold), f"try_go should succeed but got fail at {n}"
        assert not group.try_go(hold)
        arrived.close()
        await group.wait()
        assert group.try_go(hold)
        await group.wait()
        # again, with the others at work
        group.set_limit(1)
        blocking = Chan[None]()

        async def block() -> None:
            await blocking.recv_ok()

        assert group.try_go(block)
        assert not group.try_go(block)
        blocking.close()
        await group.wait()
        # none at all
        group.set_limit(0)
        assert not group.try_go(hold)
        # any number
        group.set_limit(None)
        for _ in range(limit + 1):
            assert group.try_go(hold)
        await group.wait()


async def test_go_limit() -> None:
    """TestGoLimit: never more than the limit at the same time."""
    limit = 10
    async with scope():
        group = errgroup.Group(limit)
        active = Int()

        async def work() -> None:
            n = active.add(1)
            try:
                await yield_()
                assert n <= limit, f"saw {n} active goroutines; want <= {limit}"
            finally:
                active.add(-1)

        for _ in range(1025):
            await group.go(work)
        await group.wait()


@pytest.mark.parametrize(
    ("errors", "want"),
    [((), None), ((None,), None), ((ONE,), ONE), ((ONE, None), ONE)],
)
async def test_cancel_cause(
    errors: Sequence[Failed | None], want: Failed | None
) -> None:
    """TestCancelCause: the cause is the first error, else Canceled."""
    async with scope():
        group, ctx = errgroup.with_context(context.background())
        for error in errors:
            await group.go(give, error)
        try:
            await group.wait()
        except Failed as raised:
            assert raised is want
        cause = context.cause(ctx)
        if want is None:
            assert isinstance(cause, context.Canceled)
        else:
            assert cause is want


async def test_the_limit_cannot_be_changed_while_goroutines_run() -> None:
    """SetLimit panics with this text."""
    async with scope():
        group = errgroup.Group(3)
        release = Chan[None]()

        async def hold() -> None:
            await release.recv_ok()

        await group.go(hold)
        await group.go(hold)
        await settle()
        with pytest.raises(
            RuntimeError,
            match="^errgroup: modify limit while 2 goroutines in the group are still "
            "active$",
        ):
            group.set_limit(4)
        release.close()
        await group.wait()
        group.set_limit(4)
