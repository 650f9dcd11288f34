"""Two threads that access a variable for the first time at the very same moment."""

from __future__ import annotations

import gc
import sys
import threading
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any

import pytest

from gochan import race
from gochan.race import Var, _places, _var
from gochan.race._shadow import Shadow, Strict

if TYPE_CHECKING:
    from collections.abc import Callable


class Meeting:
    """Both make a shadow before either goes on. It orders nothing: no Barrier would."""

    def __init__(self) -> None:
        self.there = [allocate_lock(), allocate_lock()]
        for lock in self.there:
            lock.acquire()
        self.numbers = iter(range(2))

    def __call__(self, *args: Any) -> Shadow:
        number = next(self.numbers)
        self.there[number].release()
        assert self.there[1 - number].acquire(timeout=30)
        return Shadow(*args)


def _var_access() -> Callable[[], object]:
    var = Var(0, name="x")
    return lambda: var.store(1)


def _cell_access() -> Callable[[], object]:
    cell = _places.Cell("x")
    return lambda: _places.write_cell(cell, sys._getframe())


@pytest.mark.parametrize(
    ("module", "make"), [(_var, _var_access), (_places, _cell_access)]
)
def test_it_is_a_race(
    monkeypatch: pytest.MonkeyPatch, module: Any, make: Callable[[], Any]
) -> None:
    access = make()
    monkeypatch.setattr(module, "Shadow", Meeting())
    with race.detector("collect") as found:
        threads = [threading.Thread(target=access) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found.races) == 1


def test_what_is_collected_while_an_access_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ``__del__`` may access variables, and runs wherever something is made."""
    x, y = Var(0, name="x"), Var(0, name="y")
    judge: Any = Strict.write

    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            y.store(1)

    def judge_and_collect(*args: Any) -> Any:
        gc.collect()
        return judge(*args)

    with race.detector():
        Garbage()
        monkeypatch.setattr(Strict, "write", judge_and_collect)
        x.store(1)
    assert y.load() == 1
