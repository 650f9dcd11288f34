"""What type checkers know about race; never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

import gochan
from gochan import race
from gochan.race import Access, DataRace, Detector, Var


async def main() -> int:
    return 1


def variables() -> None:
    x = Var(0)
    assert_type(x, Var[int])
    assert_type(x.load(), int)
    assert_type(x.value, int)
    x.store(1)
    x.value = 2
    x.value += 1
    x.store("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    x.value = "text"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    assert_type(Var[int | None](None, name="maybe").load(), int | None)
    assert_type(x.name, str | None)
    Var(value=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@race.watch
@dataclass
class Counter:
    value: int

    def bump(self, by: int = 1) -> int:
        self.value += by
        return self.value


def classes() -> None:
    # the class is what it was
    counter = Counter(1)
    assert_type(counter, Counter)
    assert_type(counter.value, int)
    assert_type(counter.bump(by=2), int)
    Counter("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    race.watch(3)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def detectors() -> None:
    with race.detector() as found:
        assert_type(found, Detector)
        assert_type(gochan.run(main, instruments=[race.detector("log")]), int)
    assert_type(found.races, list[DataRace])
    race.detector(report="collect", mode="await_atomic")
    race.detector("print")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    race.detector(mode="lax")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for one in found.races:
        assert_type(one, DataRace)
        assert_type(one.variable, str)
        assert_type(one.access, Access)
        assert_type(one.previous.goroutine, int | None)
        raise one
