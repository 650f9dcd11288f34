"""race.watch: the attributes of a class's instances."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from gochan import go, race
from support.idle import settle
from support.races import found, lines


@race.watch
class Plain:
    shared = 0

    def __init__(self) -> None:
        self.value = 0

    @property
    def twice(self) -> int:
        return self.value * 2

    @twice.setter
    def twice(self, value: int) -> None:
        self.value = value // 2

    def bump(self) -> None:
        self.value += 1


@race.watch
@dataclass
class Data:
    value: int = 0

    def bump(self) -> None:
        self.value += 1


@race.watch
class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def bump(self) -> None:
        self.value += 1


class Inherits(Plain):
    pass


@race.watch
class WatchedTwice(Plain):
    """Both classes watch."""


@race.watch
class Own:
    """Has its own methods for access."""

    def __init__(self) -> None:
        self.value = 0
        self.asked: list[str]

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def bump(self) -> None:
        self.value += 1


@pytest.mark.parametrize("kind", [Plain, Data, Slotted, Inherits, WatchedTwice, Own])
def test_attributes(backend: dict[str, Any], kind: type[Any]) -> None:
    counter = kind()

    async def child() -> None:
        counter.bump()

    async def main() -> None:
        go(child)
        await settle()
        assert counter.value == 1

    (line,) = lines(found(main, backend))
    assert line == f"read/write {kind.__qualname__}.value"


def test_ordered_accesses(backend: dict[str, Any]) -> None:
    counter = Plain()

    async def child() -> None:
        counter.bump()
        counter.twice = 6

    async def main() -> None:
        for _ in range(3):
            await go(child)
        assert counter.twice == 6

    assert found(main, backend) == []


def test_methods_and_properties_are_no_variables(backend: dict[str, Any]) -> None:
    counter = Plain()

    async def child() -> None:
        counter.twice = 4

    async def main() -> None:
        go(child)
        await settle()
        counter.bump  # noqa: B018
        assert counter.twice == 4

    # what the property reads and writes is one
    assert lines(found(main, backend)) == ["read/write Plain.value"]


def test_class_attributes(backend: dict[str, Any]) -> None:
    one, two = Plain(), Inherits()

    async def child() -> None:
        assert one.shared == 0

    async def main() -> None:
        go(child)
        await settle()
        # its own from now on, so not the one that was read
        two.shared = 1
        assert two.shared == 1

    assert found(main, backend) == []


def test_deleting(backend: dict[str, Any]) -> None:
    counter = Plain()

    async def child() -> None:
        counter.other = 1  # type: ignore[attr-defined]

    async def main() -> None:
        go(child)
        await settle()
        del counter.other  # type: ignore[attr-defined]

    assert lines(found(main, backend)) == ["write/write Plain.other"]


def test_what_is_not_there() -> None:
    with race.detector():
        with pytest.raises(AttributeError):
            Plain().missing  # type: ignore[attr-defined]  # noqa: B018
        with pytest.raises(AttributeError):
            Slotted().other = 1  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            del Slotted().other  # type: ignore[attr-defined]


def test_as_it_was_without_a_detector() -> None:
    own = Own.__getattribute__, Own.__setattr__
    with race.detector():
        assert Plain.__setattr__ is not object.__setattr__
        assert Own.__setattr__ is not own[1]
        # pickles, copies and reprs as before
        assert pickle.loads(pickle.dumps(Data(3))) == Data(3)
        assert repr(Data(3)) == "Data(value=3)"
    for kind in (Plain, Data, Slotted, WatchedTwice):
        for name in ("__getattribute__", "__setattr__", "__delattr__"):
            assert getattr(kind, name) is getattr(object, name)
    assert (Own.__getattribute__, Own.__setattr__) == own
    assert "__delattr__" not in vars(Own)


def test_watched_while_a_detector_is_there(backend: dict[str, Any]) -> None:
    class Late:
        value = 0

    async def main() -> None:
        assert race.watch(Late) is Late
        # a second time changes nothing
        race.watch(Late)
        late = Late()

        async def child() -> None:
            late.value = 1

        go(child)
        go(child)
        await settle()

    assert len(found(main, backend)) == 1
    assert Late.__setattr__ is object.__setattr__


def test_only_classes() -> None:
    with pytest.raises(TypeError, match="race.watch decorates a class, not 3: for a"):
        race.watch(3)  # type: ignore[type-var]


def test_class_attributes_that_are_shared(backend: dict[str, Any]) -> None:
    """Read through an instance, written on the class: where both are told of."""
    from gochan.race import _places

    plain = Plain()

    async def child() -> None:
        _places.write_attribute(Plain, "shared", _frame())

    async def main() -> None:
        go(child)
        await settle()
        assert plain.shared == 0

    assert lines(found(main, backend)) == ["read/write Plain.shared"]


def _frame() -> Any:
    import sys

    return sys._getframe(1)
