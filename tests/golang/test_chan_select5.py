"""Go's test/chan/select5.go.

Go generates a program with 1045 cases: one real send or receive, phrased in every
way there is, with and without a default, among cases that are never ready, checking
the order in which the operands are evaluated. Here all phrasings are walked through
with the same kind of choice tree; a ``__gochan_case__`` that takes note stands for
an operand.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import gochan
from gochan import (
    Case,
    Chan,
    RecvCase,
    Selectable,
    blocking_select,
    recv,
    select_nowait,
    send,
)
from golang.helpers import drive, fresh_seed, nil_int

if TYPE_CHECKING:
    from collections.abc import Iterator

C = TypeVar("C", bound=Case)


class Choices:
    """Every path through a piece of code that asks ``choose(n)`` now and then."""

    def __init__(self) -> None:
        self._path: list[list[int]] = []
        self._at = 0

    def __iter__(self) -> Iterator[Choices]:
        while True:
            self._at = 0
            yield self
            del self._path[self._at :]
            while self._path and self._path[-1][0] == self._path[-1][1] - 1:
                self._path.pop()
            if not self._path:
                return
            self._path[-1][0] += 1

    def choose(self, n: int) -> int:
        if self._at == len(self._path):
            self._path.append([0, n])
        choice, asked = self._path[self._at]
        assert asked == n, "the code must ask the same on the same path"
        self._at += 1
        return choice

    def maybe(self) -> bool:
        return self.choose(2) == 0


def test_choices_walks_every_path() -> None:
    paths: list[str] = []
    for choices in Choices():
        path = "abc"[choices.choose(3)]
        if path != "b":
            path += str(choices.choose(2))
        paths.append(path)
    assert paths == ["a0", "a1", "b", "c0", "c1"]


class Noted(Selectable[C]):
    """A case that says when select looks at it."""

    def __init__(self, case: C, order: list[int], place: int) -> None:
        self.case = case
        self.order = order
        self.place = place

    def __gochan_case__(self) -> C:
        self.order.append(self.place)
        return self.case


async def blocking(*cases: Selectable[Case]) -> Case | None:
    return blocking_select(*cases, timeout=0)


async def waiting(*cases: Selectable[Case]) -> Case | None:
    return await gochan.select(*cases)


async def default(*cases: Selectable[Case]) -> Case | None:
    return select_nowait(*cases)


async def default_in_order(*cases: Selectable[Case]) -> Case | None:
    return select_nowait(*cases, biased=True)


Select = Callable[..., Awaitable[Case | None]]
ON_A_LOOP: list[Select] = [waiting, default, default_in_order]
ON_A_THREAD: list[Select] = [blocking, default, default_in_order]


def never_ready(choices: Choices) -> list[Case]:
    """Cases around the real one; some of them are nil."""
    dummy = Chan[int]()
    cases: list[Case] = []
    if choices.maybe():
        cases.append(send(dummy, 1))
    if choices.maybe():
        cases.append(recv(dummy))
    if choices.maybe():
        cases.append(send(nil_int(), 1))
    if choices.maybe():
        cases.append(recv(nil_int()))
    return cases


def place(choices: Choices, real: Case, others: list[Case]) -> list[Case]:
    """The real case before, among or after the others."""
    at = choices.choose(len(others) + 1)
    return [*others[:at], real, *others[at:]]


def noted(cases: list[Case], order: list[int]) -> list[Noted[Case]]:
    return [Noted(case, order, i) for i, case in enumerate(cases)]


async def receive_one(choices: Choices, ch: Chan[int], selects: list[Select]) -> int:
    """Receive what is in the buffer of ``ch``, one way or another."""
    if choices.maybe():
        return await recv_plainly(choices, ch, selects)
    case = recv(ch)
    select = selects[choices.choose(len(selects))]
    cases = place(choices, case, never_ready(choices))
    order: list[int] = []
    chosen = await select(*noted(cases, order))
    assert chosen is case, f"{cases}: chose {chosen}"
    assert order == list(range(len(cases))), "each operand once, in order"
    assert case.index == cases.index(case)
    assert case.channel is ch
    return case.value


async def recv_plainly(choices: Choices, ch: Chan[int], selects: list[Select]) -> int:
    if selects is ON_A_LOOP:
        match choices.choose(4):
            case 0:
                return await ch.recv()
            case 1:
                value, ok = await ch.recv_ok()
                assert ok
                assert value is not None
                return value
            case 2:
                return await anext(aiter(ch))
            case _:
                return ch.recv_nowait()
    match choices.choose(4):
        case 0:
            return ch.blocking_recv()
        case 1:
            value, ok = ch.blocking_recv_ok(0)
            assert ok
            assert value is not None
            return value
        case 2:
            return next(iter(ch))
        case _:
            return ch.recv_nowait()


async def send_one(
    choices: Choices, ch: Chan[int], value: int, selects: list[Select]
) -> None:
    if choices.maybe():
        match choices.choose(2):
            case 0 if selects is ON_A_LOOP:
                await ch.send(value)
            case 0:
                ch.blocking_send(value, timeout=0)
            case _:
                ch.send_nowait(value)
        return
    case = send(ch, value)
    select = selects[choices.choose(len(selects))]
    cases = place(choices, case, never_ready(choices))
    order: list[int] = []
    chosen = await select(*noted(cases, order))
    assert chosen is case, f"{cases}: chose {chosen}"
    assert order == list(range(len(cases))), "each operand once, in order"
    assert case.channel is ch
    assert case.value == value


async def receive_in_every_way(selects: list[Select]) -> int:
    ch = Chan[int](1)
    n = 0
    for choices in Choices():
        ch.send_nowait(n)
        assert await receive_one(choices, ch, selects) == n
        assert len(ch) == 0
        n += 1
    return n


async def send_in_every_way(selects: list[Select]) -> int:
    ch = Chan[int](1)
    n = 0
    for choices in Choices():
        await send_one(choices, ch, n, selects)
        assert ch.recv_nowait() == n
        n += 1
    return n


async def test_receive() -> None:
    assert await receive_in_every_way(ON_A_LOOP) > 140


async def test_send() -> None:
    assert await send_in_every_way(ON_A_LOOP) > 140


def test_receive_on_a_thread() -> None:
    assert drive(receive_in_every_way(ON_A_THREAD)) > 140


def test_send_on_a_thread() -> None:
    assert drive(send_in_every_way(ON_A_THREAD)) > 140


def test_default_when_nothing_is_ready() -> None:
    """Whatever the cases are and in whatever order: none is touched."""
    seed = fresh_seed()
    shuffled = random.Random(seed)
    for choices in Choices():
        biased = choices.maybe()
        cases = never_ready(choices)
        shuffled.shuffle(cases)
        order: list[int] = []
        assert select_nowait(*noted(cases, order), biased=biased) is None, seed
        assert order == list(range(len(cases)))
        for case in cases:
            if isinstance(case, RecvCase):
                assert not case.ok


async def test_a_send_value_is_read_once_on_entry() -> None:
    ch, quiet = Chan[int](), Chan[int]()
    case = send(ch, 1)
    async with gochan.scope():
        waits = gochan.go(waiting, case, recv(quiet))
        await gochan.yield_()
        await gochan.yield_()
        case.value = 2
        assert await ch.recv() == 1
        assert await waits is case
