"""Mode await_atomic: what is between two awaits of one loop is atomic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, go
from gochan.race import Var
from support.idle import settle
from support.races import found, lines
from support.threads import start

if TYPE_CHECKING:
    from collections.abc import Callable


def both(
    backend: dict[str, Any], program: Callable[[Var[int]], Any]
) -> tuple[list[str], list[str]]:
    """What both modes find in a program, which is given a variable."""

    async def main() -> None:
        await program(Var(0))
        await settle()

    strict = lines(found(main, backend))
    return strict, lines(found(main, backend, "await_atomic"))


def test_what_is_done_in_one_go(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        async def bump() -> None:
            x.store(x.load() + 1)
            x.store(x.load() + 1)

        go(bump)
        go(bump)
        x.load()

    strict, await_atomic = both(backend, program)
    assert strict
    assert await_atomic == []


def test_a_write_that_rests_on_an_old_read(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        async def bump() -> None:
            value = x.load()
            await gochan.yield_()
            x.store(value + 1)

        go(bump)
        go(bump)

    strict, await_atomic = both(backend, program)
    assert strict
    assert await_atomic == ["write/write a Var"]


def test_reading_again_before_the_write(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        async def bump() -> None:
            x.load()
            await gochan.yield_()
            x.store(x.load() + 1)

        go(bump)
        go(bump)

    assert both(backend, program)[1] == []


def test_writing_without_having_read(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        async def write() -> None:
            x.store(1)
            await gochan.yield_()
            x.store(2)

        go(write)
        go(write)

    assert both(backend, program)[1] == []


def test_a_read_is_used_up_by_the_write(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        async def bump() -> None:
            x.store(x.load() + 1)
            await gochan.yield_()
            x.store(0)

        go(bump)
        go(bump)

    assert both(backend, program)[1] == []


def test_the_other_one_writes_twice_at_the_same_time(backend: dict[str, Any]) -> None:
    """The second of two writes with nothing in between counts, if one has read."""

    async def program(x: Var[int]) -> None:
        async def writer() -> None:
            x.store(1)
            await gochan.yield_()
            x.store(2)

        async def reader() -> None:
            value = x.load()
            await gochan.yield_()
            await gochan.yield_()
            x.store(value + 1)

        go(writer)
        go(reader)

    assert both(backend, program)[1] == ["write/write a Var"]


def test_what_is_known_of_is_not_stale(backend: dict[str, Any]) -> None:
    """The one who overwrites has heard of it: that is taken to be on purpose."""

    async def program(x: Var[int]) -> None:
        ch = Chan[int]()

        async def writer() -> None:
            x.store(1)
            await ch.send(1)

        value = x.load()
        go(writer)
        await ch.recv()
        x.store(value)

    strict, await_atomic = both(backend, program)
    assert strict == await_atomic == []


@pytest.mark.parametrize("how", ["write", "read"])
def test_threads_do_not_take_turns(backend: dict[str, Any], how: str) -> None:
    """They are held to Go's rule."""

    async def program(x: Var[int]) -> None:
        def work() -> None:
            if how == "write":
                x.store(1)
            else:
                x.load()

        worker = start(work)
        while worker.thread.is_alive():
            await gochan.yield_()
        x.store(2)
        worker.join()

    strict, await_atomic = both(backend, program)
    assert strict == await_atomic == [f"write/{how} a Var"]


def test_a_read_of_what_a_thread_wrote(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        worker = start(x.store, 1)
        while worker.thread.is_alive():
            await gochan.yield_()
        x.load()
        worker.join()

    assert both(backend, program)[1] == ["read/write a Var"]


def test_readers_that_are_known_of(backend: dict[str, Any]) -> None:
    async def program(x: Var[int]) -> None:
        async def reader() -> None:
            x.load()

        await go(reader)
        x.store(1)
        worker = start(x.load)
        worker.thread.join()
        x.store(2)

    assert both(backend, program)[1] == []


def test_sending_twice_and_closing(backend: dict[str, Any]) -> None:
    """The second send does no more than take the place of the first."""

    async def program(_: Var[int]) -> None:
        ch = Chan[int](3)

        async def sends() -> None:
            await ch.send(1)
            await ch.send(2)

        go(sends)
        await settle()
        ch.close()

    strict, await_atomic = both(backend, program)
    assert [line.split()[0] for line in strict] == ["close/send"]
    assert await_atomic == []


def test_sending_and_closing(backend: dict[str, Any]) -> None:
    async def program(_: Var[int]) -> None:
        ch = Chan[int](3)
        go(ch.send, 1)
        await settle()
        ch.close()

    strict, await_atomic = both(backend, program)
    assert [line.split()[0] for line in strict] == ["close/send"]
    assert await_atomic == []


def test_sending_and_closing_on_threads(backend: dict[str, Any]) -> None:
    async def program(_: Var[int]) -> None:
        ch = Chan[int](3)
        worker = start(ch.blocking_send, 1)
        while worker.thread.is_alive():
            await gochan.yield_()
        ch.close()
        worker.join()

    assert [line.split()[0] for line in both(backend, program)[1]] == ["close/send"]
