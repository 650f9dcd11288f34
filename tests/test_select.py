"""Select: which case is done, how often, and what becomes of the others."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import anyio
import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    RecvCase,
    SendCase,
    SendOnClosed,
    _select,
    blocking_select,
    go,
    nil,
    recv,
    scope,
    select,
    select_nowait,
    send,
)
from support.idle import settle
from support.threads import frequent_switches, start, until


def ready(*values: Any) -> Chan[Any]:
    """A channel with something in it."""
    ch = Chan[Any](max(1, len(values)))
    for value in values:
        ch.send_nowait(value)
    return ch


# One ready case


async def test_receive() -> None:
    a, b = Chan[int](), ready(5)
    case_a, case_b = recv(a), recv(b)
    chosen = await select(case_a, case_b)
    assert chosen is case_b
    assert (case_b.value, case_b.ok, case_b.index) == (5, True, 1)
    assert case_b.channel is b


async def test_send() -> None:
    a, b = Chan[int](), Chan[int](1)
    case_a, case_b = send(a, 1), send(b, 2)
    assert await select(case_a, case_b) is case_b
    assert case_b.index == 1
    assert (case_b.channel, case_b.value, case_b.ok) == (b, 2, True)
    assert b.recv_nowait() == 2
    assert a.stats().waiting_senders == 0


async def test_receive_from_a_parked_sender() -> None:
    ch = Chan[int]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ch.send, 5)
        await settle()
        case = recv(ch)
        assert await select(recv(nil), case) is case
        assert case.value == 5


async def test_send_to_a_parked_receiver() -> None:
    ch = Chan[int]()
    got: list[int] = []

    async def receiver() -> None:
        got.append(await ch.recv())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receiver)
        await settle()
        await select(send(ch, 5), recv(nil))
    assert got == [5]


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_parked_select_is_woken_by_any_of_its_cases(which: int) -> None:
    a, b, c = Chan[int](), Chan[int](), Chan[int]()
    chosen: list[Any] = []

    async def party() -> None:
        chosen.append(await select(recv(a), send(b, 7), recv(c)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(party)
        await settle()
        assert not chosen
        if which == 1:
            assert b.recv_nowait() == 7
        else:
            (a, b, c)[which].send_nowait(5)
        # the cases that lost are gone at once
        for ch in (a, b, c):
            ch._check()
            assert ch.stats().waiting_receivers == ch.stats().waiting_senders == 0
    (case,) = chosen
    assert case.index == which
    assert case.value == (7 if which == 1 else 5)


async def test_every_value_is_ordinary_here_too() -> None:
    for odd in (None, 0, False, ..., ()):
        chosen = await select(recv(ready(odd)))
        assert chosen.value is odd
        assert chosen.ok


# Closed channels


async def test_a_closed_channel_is_ready_to_receive() -> None:
    ch = Chan[int](1)
    ch.send_nowait(1)
    ch.close()
    case = recv(ch)
    assert (await select(case)).value == 1
    assert case.ok is True
    for _ in range(2):
        chosen = await select(case)
        assert chosen is case
        assert not chosen.ok
        with pytest.raises(ChanClosed) as caught:
            _ = case.value
        assert caught.value.channel is ch


async def test_a_parked_receive_sees_the_close() -> None:
    ch = Chan[int]()
    case = recv(ch)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(select, recv(nil), case)
        await settle()
        ch.close()
    assert case.index == 1
    assert not case.ok


async def test_a_parked_send_panics_at_the_close() -> None:
    ch, other = Chan[int](), Chan[int]()

    async def party() -> None:
        with pytest.raises(SendOnClosed) as caught:
            await select(recv(other), send(ch, 1))
        assert caught.value.channel is ch

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(party)
        await settle()
        ch.close()
    assert other.stats().waiting_receivers == 0


@pytest.mark.parametrize("form", ["select", "nowait"])
async def test_a_send_on_a_closed_channel_raises_only_if_it_is_drawn(form: str) -> None:
    """Go's rule: half of the time, when another case is ready."""
    closed = Chan[int]()
    closed.close()
    raised = 0
    for _ in range(1000):
        other = ready(1)
        try:
            if form == "select":
                await select(recv(other), send(closed, 1))
            else:
                select_nowait(recv(other), send(closed, 1))
        except SendOnClosed:
            raised += 1
            # the case that was not drawn has not been done
            assert len(other) == 1
        else:
            assert len(other) == 0
    assert 350 < raised < 650


async def test_a_send_on_a_closed_channel_is_ready() -> None:
    closed = Chan[int](1)
    closed.close()
    with pytest.raises(SendOnClosed):
        await select(send(closed, 1), recv(nil))
    with pytest.raises(SendOnClosed):
        # there is a case that is ready: not the default
        select_nowait(send(closed, 1))


# Chance


@pytest.mark.parametrize("form", ["select", "nowait"])
async def test_every_ready_case_is_as_likely(form: str) -> None:
    counts: Counter[int] = Counter()
    for _ in range(3000):
        cases = [recv(ready(1)), recv(Chan[int]()), send(ready(), 1), recv(ready(2))]
        chosen = await select(*cases) if form == "select" else select_nowait(*cases)
        assert chosen is not None
        counts[chosen.index] += 1
    assert set(counts) == {0, 2, 3}
    assert all(800 < count < 1200 for count in counts.values()), counts


async def test_a_duplicate_counts_twice() -> None:
    counts: Counter[str] = Counter()
    for _ in range(3000):
        x, y = ready("x"), ready("y")
        case = recv(x)
        # the same object twice, and one more of its kind
        chosen = await select(case, case, recv(y), recv(x))
        counts[chosen.value] += 1
    assert 2100 < counts["x"] < 2400, counts


async def test_the_index_of_a_case_that_is_given_twice() -> None:
    seen: set[int] = set()
    for _ in range(200):
        case = recv(ready(1))
        assert await select(case, case) is case
        seen.add(case.index)
    assert seen == {0, 1}


@pytest.mark.parametrize("form", ["select", "nowait"])
async def test_biased_takes_the_first_that_is_ready(form: str) -> None:
    for _ in range(50):
        cases = [recv(nil), recv(Chan[int]()), send(ready(), 1), recv(ready(2))]
        if form == "select":
            chosen = await select(*cases, biased=True)
        else:
            chosen = select_nowait(*cases, biased=True)  # type: ignore[assignment]
        assert chosen is cases[2]


async def test_the_source_of_chance_can_be_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for value, index in [(0.0, 0), (0.34, 1), (0.99, 2)]:
        monkeypatch.setattr(_select, "random", lambda value=value: value)
        chosen = await select(recv(ready(1)), recv(ready(2)), recv(ready(3)))
        assert chosen.index == index


# Nothing ready


async def test_the_default() -> None:
    a, b = Chan[int](), Chan[int](1)
    b.send_nowait(1)
    assert select_nowait(recv(a), send(b, 2), recv(nil), send(nil, 3)) is None
    for ch in (a, b):
        ch._check()
        assert ch.stats().waiting_receivers == ch.stats().waiting_senders == 0


def test_the_default_of_no_cases() -> None:
    assert select_nowait() is None


@pytest.mark.parametrize(
    "cases", [[], [None], [recv(nil), send(None, 1)], [recv(nil), nil, send(nil, 1)]]
)
async def test_nothing_to_wait_for(cases: list[Any]) -> None:
    done = False

    async def party() -> None:
        nonlocal done
        await select(*cases)
        done = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(party)
        await settle()
        assert not done
        tasks.cancel_scope.cancel()
    assert not done


async def test_a_select_does_not_meet_itself() -> None:
    """Go's ``select3``: send and receive of one channel in one select."""
    ch = Chan[int]()
    case_out, case_in = send(ch, 1), recv(ch)
    assert select_nowait(case_out, case_in) is None
    chosen: list[Any] = []

    async def party() -> None:
        chosen.append(await select(case_out, case_in))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(party)
        await settle()
        ch._check()
        assert not chosen
        ch.send_nowait(5)
    assert chosen == [case_in]
    assert case_in.value == 5
    ch._check()


async def test_two_selects_meet() -> None:
    """Go's ``TestSelfSelect``: both send and receive, on one channel."""
    ch = Chan[int]()
    got: list[tuple[int, int]] = []

    async def party(me: int) -> None:
        for number in range(100):
            case_out, case_in = send(ch, me), recv(ch)
            if await select(case_out, case_in) is case_in:
                got.append((me, case_in.value))
            if number % 10 == 0:
                await gochan.yield_()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(party, 1)
        tasks.start_soon(party, 2)
    assert len(got) == 100
    assert all(me != value for me, value in got)


async def test_the_waiter_of_a_cancelled_select_is_gone() -> None:
    a, b = Chan[int](), Chan[int]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(select, recv(a), send(b, 1), recv(a))
        await settle()
        assert a.stats().waiting_receivers == 2
        tasks.cancel_scope.cancel()
    for ch in (a, b):
        ch._check()
        assert ch.stats().waiting_receivers == ch.stats().waiting_senders == 0


# Cases


async def test_what_was_received_is_not_kept() -> None:
    class Value:
        pass

    ch, other = Chan[Value](), Chan[Value]()

    async def receive() -> None:
        await select(recv(ch), recv(other))

    async with scope():
        go(receive)
        await settle()
        value = Value()
        kept = weakref.ref(value)
        await ch.send(value)
        del value
    assert kept() is None


async def test_cases_are_used_again() -> None:
    numbers, done = Chan[int](), Chan[None]()
    received: list[int] = []

    async def producer() -> None:
        out = send(numbers, 0)
        for number in range(5):
            out.value = number
            await select(out, done)
        numbers.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(producer)
        case, stop = recv(numbers), recv(done)
        while await select(case, stop) is case and case.ok:
            received.append(case.value)
    assert received == list(range(5))


async def test_the_value_is_read_once_on_entry() -> None:
    ch = Chan[int]()
    case = send(ch, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(select, case, recv(nil))
        await settle()
        case.value = 2
        assert ch.recv_nowait() == 1
    assert case.value == 2


def test_the_index_follows_the_last_call() -> None:
    a, b = recv(Chan[int]()), recv(Chan[int]())
    assert a.index == -1
    select_nowait(a, b)
    assert (a.index, b.index) == (0, 1)
    select_nowait(b, a)
    assert (a.index, b.index) == (1, 0)


def test_a_case_that_was_never_chosen_has_no_value() -> None:
    case = recv(Chan[int](name="jobs"))
    assert not case.ok
    with pytest.raises(RuntimeError, match="jobs.*has not been chosen"):
        _ = case.value
    select_nowait(case)
    with pytest.raises(RuntimeError, match="has not been chosen"):
        _ = case.value


def test_the_value_of_a_receive_cannot_be_set() -> None:
    case = recv(ready(1))
    with pytest.raises(AttributeError):
        case.value = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        case.channel = Chan[int]()  # type: ignore[misc]


async def test_a_case_forgets_the_value_when_the_channel_is_closed() -> None:
    ch = ready(1)
    case = recv(ch)
    await select(case)
    assert case.value == 1
    ch.close()
    await select(case)
    assert not case.ok
    with pytest.raises(ChanClosed):
        _ = case.value


async def test_match() -> None:
    a, b = Chan[int](1), Chan[str](1)
    for what in ("a", "b", "send"):
        c = Chan[float](1)
        if what == "a":
            a.send_nowait(1)
        elif what == "b":
            b.send_nowait("x")
        out = send(c if what == "send" else None, 1.5)
        match await select(recv(a), recv(b), out):
            case RecvCase(channel, int(number)) if channel is a:
                assert (what, number) == ("a", 1)
            case RecvCase(channel, str(text)) if channel is b:
                assert (what, text) == ("b", "x")
            case SendCase(channel, value):
                assert (what, channel, value) == ("send", c, 1.5)
            case _:
                pytest.fail("no case matched")


def test_match_args() -> None:
    assert RecvCase.__match_args__ == ("channel", "value")
    assert SendCase.__match_args__ == ("channel", "value")


def test_repr_of_cases() -> None:
    ch = Chan[str](name="jobs")
    assert repr(recv(ch)) == f"recv({ch!r})"
    assert repr(send(ch, "x")) == f"send({ch!r}, 'x')"
    for absent in (None, nil):
        assert repr(send(absent, 1)) == "send(gochan.nil, 1)"


@pytest.mark.parametrize("absent", [None, nil, nil.receiver()])
def test_nil_in_a_case(absent: Any) -> None:
    case = recv(absent)
    assert case.channel is absent
    assert select_nowait(case) is None


def test_nil_in_a_case_that_sends() -> None:
    for absent in (None, nil, nil.sender()):
        assert select_nowait(send(absent, 1)) is None


async def test_one_way_views_in_cases() -> None:
    ch = Chan[int](1)
    out, back = send(ch.sender(), 1), recv(ch.receiver())
    assert await select(out) is out
    assert out.channel == ch
    assert await select(back) is back
    assert back.value == 1


# What else can be selected on


async def test_a_bare_channel() -> None:
    a, b = Chan[int](), ready(5)
    chosen = await select(a, b)
    assert isinstance(chosen, RecvCase)
    assert chosen.channel is b
    assert (chosen.index, chosen.value, chosen.ok) == (1, 5, True)
    assert select_nowait(a, b.receiver()) is None


async def test_an_object_that_knows_its_case() -> None:
    class Doorbell:
        def __init__(self) -> None:
            self.rung = Chan[str](1)
            self.case = recv(self.rung)

        def __gochan_case__(self) -> RecvCase[str]:
            return self.case

    bell = Doorbell()
    assert select_nowait(bell) is None
    bell.rung.send_nowait("ding")
    chosen = await select(recv(Chan[int]()), bell)
    assert chosen is bell.case
    assert chosen.value == "ding"
    assert chosen.index == 1


def test_a_goroutine(backend: dict[str, Any]) -> None:
    async def main() -> None:
        gate = Chan[None]()
        g = go(gate.recv)
        assert select_nowait(g) is None
        other = go(gochan.yield_)
        chosen = await select(g, other)
        assert chosen.index == 1
        gate.close()
        await settle()
        assert select_nowait(g) is not None

    with pytest.raises(ExceptionGroup):
        # recv raises ChanClosed in the goroutine
        gochan.run(main, **backend)


async def test_none_as_an_argument() -> None:
    chosen = await select(None, ready(1), None)
    assert chosen.index == 1


BAD: list[Any] = [5, "ch", object(), [recv(nil)], Chan, recv]


@pytest.mark.parametrize("at", range(len(BAD)))
async def test_what_cannot_be_selected_on(at: int) -> None:
    thing = BAD[at]
    ch = ready(1)
    with pytest.raises(TypeError, match=r"write select\(recv\(a\), send\(b, 7\)\)"):
        await select(ch, thing)
    with pytest.raises(TypeError):
        select_nowait(thing, ch)
    assert len(ch) == 1


async def test_a_coroutine_instead_of_a_case() -> None:
    """No "never awaited" on top: warnings are errors here."""
    ch = ready(1)
    with pytest.raises(TypeError, match=r"not select\(ch.recv\(\)\)"):
        await select(ch.recv())  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="RecvChan"):
        recv(ch.recv())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="SendChan"):
        send(ch.send(1), 1)  # type: ignore[arg-type]


def test_the_wrong_end() -> None:
    ch = Chan[int]()
    with pytest.raises(TypeError, match="wants a RecvChan"):
        recv(ch.sender())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wants a SendChan"):
        send(ch.receiver(), 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wants a RecvChan"):
        recv(5)  # type: ignore[arg-type]


def test_a_sending_view_stands_for_nothing() -> None:
    with pytest.raises(TypeError):
        select_nowait(Chan[int](1).sender())  # type: ignore[call-overload]


async def test_an_object_that_gives_no_case() -> None:
    class Wrong:
        def __gochan_case__(self) -> Any:
            return 5

    with pytest.raises(TypeError, match=r"must return recv\(channel\)"):
        await select(Wrong())


# In threads


def test_blocking_select() -> None:
    a, b = Chan[int](), ready(5)
    case = recv(b)
    assert blocking_select(recv(a), case) is case
    assert case.value == 5
    out = send(b, 6)
    assert blocking_select(recv(a), out) is out
    assert blocking_select(a, b).value == 6


def test_blocking_select_waits() -> None:
    a, b = Chan[int](), Chan[int]()

    def party() -> int:
        return blocking_select(recv(a), recv(b)).value

    thread = start(party)
    until(lambda: b.stats().waiting_receivers)
    b.send_nowait(7)
    assert thread.join() == 7
    assert a.stats().waiting_receivers == 0


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_blocking_select_times_out(timeout: float) -> None:
    a, b = Chan[int](), Chan[int]()
    with pytest.raises(TimeoutError, match="no case was ready"):
        blocking_select(recv(a), send(b, 1), timeout=timeout)
    for ch in (a, b):
        ch._check()
        assert ch.stats().waiting_receivers == ch.stats().waiting_senders == 0


@pytest.mark.parametrize("cases", [[], [None], [recv(nil), send(nil, 1)]])
def test_blocking_select_with_nothing_to_wait_for(cases: list[Any]) -> None:
    with pytest.raises(TimeoutError):
        blocking_select(*cases, timeout=0)


def test_blocking_select_takes_what_is_ready_even_with_no_time() -> None:
    assert blocking_select(recv(ready(5)), timeout=0).value == 5
    closed = Chan[int]()
    closed.close()
    assert not blocking_select(recv(closed), timeout=0).ok
    with pytest.raises(SendOnClosed):
        blocking_select(send(closed, 1), timeout=0)


def test_blocking_select_is_biased_on_request() -> None:
    for _ in range(50):
        assert blocking_select(ready(1), ready(2), biased=True).value == 1
    values = {blocking_select(ready(1), ready(2)).value for _ in range(200)}
    assert values == {1, 2}


def test_blocking_select_panics_at_the_close() -> None:
    ch = Chan[int]()

    def party() -> None:
        with pytest.raises(SendOnClosed):
            blocking_select(send(ch, 1), recv(nil))

    thread = start(party)
    until(lambda: ch.stats().waiting_senders)
    ch.close()
    thread.join()


# Fairness over many rounds


async def test_no_channel_starves() -> None:
    a, b = Chan[int](10), Chan[int](10)
    counts: Counter[Any] = Counter()
    cases = [recv(a), recv(b)]
    for _ in range(2000):
        for ch in (a, b):
            if not len(ch):
                ch.send_nowait(1)
        counts[(await select(*cases)).channel] += 1
    assert min(counts.values()) > 850


@pytest.mark.slow
def test_the_default_is_right_at_one_instant() -> None:
    """Go's ``TestNonblockSelectRace``.

    First ``a`` becomes ready, then ``b`` does and ``a`` is drained: at every
    instant one of the two is ready, so the default would be wrong.
    """
    with frequent_switches():
        for _ in range(1000):
            a, b = Chan[int](1), Chan[int](1)
            a.send_nowait(1)

            def looks(a: Chan[int] = a, b: Chan[int] = b) -> bool:
                return select_nowait(recv(a), recv(b)) is not None

            thread = start(looks)
            b.send_nowait(1)
            select_nowait(recv(a))
            assert thread.join()
