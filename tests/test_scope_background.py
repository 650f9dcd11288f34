"""Goroutines that do not keep their scope open: what pipelines' stages are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from gochan import Chan, Goroutine, Scope, go, run, scope
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable


def in_background(owner: Scope, fn: Callable[..., Any], *args: Any) -> Goroutine[Any]:
    return owner._go(fn, args, None, None, sys._getframe(1), background=True)


async def forever(ended: list[str]) -> None:
    try:
        await Chan[None]().recv()
    finally:
        ended.append("background")


async def test_a_scope_is_left_when_only_they_are_left() -> None:
    ended: list[str] = []
    async with scope() as s:
        g = in_background(s, forever, ended)
        await settle()
    assert g.state == "done"
    assert ended == ["background"]


async def test_they_are_cancelled_also_when_they_have_not_begun() -> None:
    ended: list[str] = []
    async with scope() as s:
        g = in_background(s, forever, ended)
    assert g.state == "done"
    assert ended == ["background"]


async def test_they_run_on_until_the_others_have_ended() -> None:
    order: list[str] = []
    values = Chan[int]()

    async def produce() -> None:
        try:
            for n in range(100):
                await values.send(n)
        finally:
            order.append("background")

    async def consume() -> None:
        for n in range(10):
            assert await values.recv() == n
            await anyio.lowlevel.checkpoint()
        order.append("consumer")

    async with scope() as s:
        in_background(s, produce)
        go(consume)
    assert order == ["consumer", "background"]


async def test_one_started_while_the_scope_waits() -> None:
    ended: list[str] = []

    async def start() -> None:
        await settle()
        in_background(s, forever, ended)

    async with scope() as s:
        go(start)
    assert ended == ["background"]


async def test_one_started_from_another_thread() -> None:
    ended: list[str] = []

    def start() -> None:
        in_background(s, forever, ended)

    async with scope() as s:
        await anyio.to_thread.run_sync(start)
        await settle()
    assert ended == ["background"]


async def test_one_that_ends_by_itself() -> None:
    async with scope() as s:
        g = in_background(s, anyio.lowlevel.checkpoint)
        await g


async def test_one_that_fails_concerns_all() -> None:
    async def fail() -> None:
        raise ValueError("failed")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope() as s:
            in_background(s, fail)
            await Chan[None]().recv()
    assert caught.group_contains(ValueError, match="failed")


async def test_one_that_fails_when_it_is_cancelled() -> None:
    async def fail() -> None:
        try:
            await Chan[None]().recv()
        finally:
            raise ValueError("failed")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope() as s:
            in_background(s, fail)
            await settle()
    assert caught.group_contains(ValueError, match="failed")


async def test_one_that_takes_its_time_to_end_is_waited_for() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await Chan[None]().recv()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
            ended.append("slow")

    async with scope() as s:
        in_background(s, slow)
        in_background(s, forever, ended)
        await settle()
    assert sorted(ended) == ["background", "slow"]


async def test_a_cancelled_scope_cancels_them_too() -> None:
    ended: list[str] = []
    async with scope() as s:
        in_background(s, forever, ended)
        await settle()
        s.cancel()
    assert ended == ["background"]


def test_a_run_ends_them(backend: dict[str, Any]) -> None:
    ended: list[str] = []

    async def main() -> None:
        async with scope() as s:
            in_background(s, forever, ended)
            await settle()

    run(main, **backend)
    assert ended == ["background"]
