"""The report of a race: its places, its text, and how often it is made."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import gochan
from gochan import Chan, go
from gochan.race import Var
from support.idle import settle
from support.races import found, line_of, two_writes


def test_a_report_has_both_stacks_and_both_creation_sites(
    backend: dict[str, Any],
) -> None:
    x = Var(0, name="x")

    def helper() -> None:
        x.store(2)

    async def writer() -> None:
        helper()

    async def reader() -> None:
        x.load()

    async def starts() -> None:
        go(reader, name="reader")

    async def main() -> None:
        go(writer, name="writer")
        await settle()
        await starts()
        await settle()

    (one,) = found(main, backend)
    assert one.variable == "Var 'x'"
    assert one.access.operation == "read"
    assert one.previous.operation == "write"
    assert one.access.by.startswith("goroutine 'reader' (id ")
    assert f"(id {one.access.goroutine})" in one.access.by
    assert one.previous.by.startswith("goroutine 'writer' (id ")
    assert [frame.line for frame in one.access.stack] == ["x.load()"]
    assert [frame.line for frame in one.previous.stack] == ["helper()", "x.store(2)"]
    assert [frame.line for frame in one.access.created] == [
        "await starts()",
        'go(reader, name="reader")',
    ]
    assert line_of(one.previous.created) == 'go(writer, name="writer")'


def test_the_text_of_a_report(backend: dict[str, Any]) -> None:
    x = Var(0, name="x")

    async def main() -> None:
        await two_writes(x)

    (one,) = found(main, backend)
    text = str(one).splitlines()
    assert text[0] == "data race on Var 'x'"
    heads = [line for line in text[1:] if line and not line.startswith(" ")]
    assert heads == [
        f"Write by goroutine 'two' (id {one.access.goroutine}):",
        f"Previous write by goroutine 'one' (id {one.previous.goroutine}):",
        f"Goroutine 'two' (id {one.access.goroutine}) was started at:",
        f"Goroutine 'one' (id {one.previous.goroutine}) was started at:",
    ]
    assert text[2].endswith(", in two_writes.<locals>.write")
    assert text[3] == "    x.store(1)"


def test_a_report_can_be_pickled(backend: dict[str, Any]) -> None:
    async def main() -> None:
        await two_writes(Var(0))

    (one,) = found(main, backend)
    again = pickle.loads(pickle.dumps(one))
    assert str(again) == str(one)
    assert again.access == one.access


def test_one_report_for_a_pair_of_places(backend: dict[str, Any]) -> None:
    x, y = Var(0), Var(0)

    async def write() -> None:
        x.store(1)
        y.store(1)

    async def main() -> None:
        for _ in range(5):
            go(write)
        await settle()

    assert len(found(main, backend)) == 2


def test_it_goes_on_after_a_race(backend: dict[str, Any]) -> None:
    x = Var(0)

    async def one() -> None:
        x.store(1)

    async def two() -> None:
        x.store(2)

    async def three() -> None:
        x.store(3)

    async def main() -> None:
        for write in (one, two, three):
            go(write)
            await settle()

    pairs = {
        (line_of(race.previous.stack), line_of(race.access.stack))
        for race in found(main, backend)
    }
    assert pairs == {("x.store(1)", "x.store(2)"), ("x.store(2)", "x.store(3)")}


def test_a_race_on_a_channel(backend: dict[str, Any]) -> None:
    ch = Chan[int](5, name="work")

    async def sender() -> None:
        await ch.send(1)

    async def main() -> None:
        go(sender)
        await settle()
        ch.close()

    (one,) = found(main, backend)
    assert one.variable == "channel 'work'"
    assert (one.access.operation, one.previous.operation) == ("close", "send")
    assert line_of(one.access.stack) == "ch.close()"
    assert line_of(one.previous.stack) == "await ch.send(1)"


def test_a_send_after_a_close(backend: dict[str, Any]) -> None:
    ch = Chan[int](5)

    async def closer() -> None:
        ch.close()

    async def main() -> None:
        go(closer)
        await settle()
        with contextlib.suppress(gochan.SendOnClosed):
            await ch.send(1)

    (one,) = found(main, backend)
    assert (one.access.operation, one.previous.operation) == ("send", "close")


def test_a_goroutine_that_is_a_send(backend: dict[str, Any]) -> None:
    """Nothing of the user's is on its stack; where it was started says it all."""
    ch = Chan[int](5)

    async def main() -> None:
        go(ch.send, 1)
        await settle()
        ch.close()

    (one,) = found(main, backend)
    assert list(one.previous.stack) == []
    assert "(not known)" in str(one)
    assert line_of(one.previous.created) == "go(ch.send, 1)"


def test_sends_of_very_many_goroutines(backend: dict[str, Any]) -> None:
    ch = Chan[int](1000)

    async def main() -> None:
        for number in range(300):
            go(ch.send, number)
        await settle()
        ch.close()

    (one,) = found(main, backend)
    assert one.access.operation == "close"


def test_sends_that_are_ordered_are_forgotten(backend: dict[str, Any]) -> None:
    ch = Chan[int](1000)

    async def main() -> None:
        for number in range(300):
            await go(ch.send, number)
        ch.close()

    assert found(main, backend) == []


def test_an_earlier_send_that_is_not_ordered(backend: dict[str, Any]) -> None:
    """A close comes after the last send, and not after the one before that."""

    async def main() -> None:
        ch = Chan[int](3)

        async def sends(times: int) -> None:
            for _ in range(times):
                await ch.send(1)

        go(sends, 1, name="not waited for")
        await settle()
        await go(sends, 2)
        ch.close()

    (one,) = found(main, backend)
    assert (one.access.operation, one.previous.operation) == ("close", "send")
    assert "'not waited for'" in one.previous.by
