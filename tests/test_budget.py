"""No goroutine keeps its loop to itself; none yields too often either."""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, _budget, buffers, recv, select, send
from gochan._budget import OPERATIONS
from support.fake import Party, steppable

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterator,
    )

    Hog = Callable[[], AsyncGenerator[None]]


@pytest.fixture(autouse=True, params=["counted at large", "counted by thread"])
def _budget_of_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to count: as long as one thread runs loops, and after that."""
    budget = _budget.budget
    before = {name: getattr(budget, name) for name in type(budget).__slots__}
    several = request.param == "counted by thread"
    # as if another thread, which is still there, had run a loop before
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    budget.loops = frozenset({thread.ident} if several and thread.ident else ())
    budget.threads = several
    budget.full = budget.left = 0 if several else OPERATIONS
    yield
    for name, value in before.items():
        setattr(budget, name, value)
    over.set()
    thread.join()


def test_threads_that_have_ended_do_not_count(backend: dict[str, Any]) -> None:
    """Whoever has once run a loop on another thread does not pay for that for ever."""
    budget = _budget.budget
    before = budget.threads
    seen: list[bool] = []

    async def look() -> None:
        await gochan.yield_()
        seen.append(budget.threads)

    def run_there() -> None:
        gochan.run(look, **backend)

    gochan.run(look, **backend)
    thread = threading.Thread(target=run_there)
    thread.start()
    thread.join()
    gochan.run(look, **backend)
    assert seen == [before, True, before]


# Operations that can always go on, one for each turn of the iterator.


async def buffered() -> AsyncGenerator[None]:
    ch = Chan[int](1)
    while True:
        await ch.send(1)
        yield
        await ch.recv()
        yield


async def recv_ok() -> AsyncGenerator[None]:
    ch = Chan[int](1)
    while True:
        ch.send_nowait(1)
        assert await ch.recv_ok() == (1, True)
        yield


async def closed() -> AsyncGenerator[None]:
    ch = Chan[int]()
    ch.close()
    while True:
        with pytest.raises(gochan.ChanClosed):
            await ch.recv()
        yield
        with pytest.raises(gochan.SendOnClosed):
            await ch.send(1)
        yield


async def iterating() -> AsyncGenerator[None]:
    ch = Chan[int](1000)
    while True:
        for number in range(1000):
            ch.send_nowait(number)
        async for number in ch:
            yield
            if number == 999:
                break


async def lossy() -> AsyncGenerator[None]:
    ch = Chan[int](buffer=buffers.Sliding(1))
    while True:
        await ch.send(1)
        yield


async def selecting() -> AsyncGenerator[None]:
    ch = Chan[int](1)
    out, back = send(ch, 1), recv(ch)
    while True:
        await select(out, back)
        yield


async def views() -> AsyncGenerator[None]:
    ch = Chan[int](1)
    out, back = ch.sender(), ch.receiver()
    while True:
        await out.send(1)
        yield
        await back.recv()
        yield


HOGS: dict[str, Hog] = {
    "buffered": buffered,
    "recv_ok": recv_ok,
    "closed": closed,
    "iterating": iterating,
    "lossy": lossy,
    "selecting": selecting,
    "views": views,
}


async def longest_stretch(
    hog: AsyncIterator[None], give_way: Callable[[], Awaitable[None]], rounds: int
) -> int:
    """How many operations ``hog`` does while another goroutine waits for its turn."""
    turns = longest = since = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await give_way()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        seen = turns
        for _ in range(rounds):
            await anext(hog)
            since = 0 if turns != seen else since + 1
            seen = turns
            longest = max(longest, since)
        tasks.cancel_scope.cancel()
    return longest


@pytest.mark.parametrize("name", HOGS)
async def test_others_run_at_least_every_64th_operation(
    name: str, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    async with contextlib.aclosing(HOGS[name]()) as hog:
        longest = await longest_stretch(hog, gochan.yield_, 20 * OPERATIONS)
    assert OPERATIONS == 64
    # trio runs what is ready in rounds, each in an order of its own
    rounds = 2 if anyio_backend[0] == "trio" else 1
    assert longest <= rounds * OPERATIONS + 1
    # and no more often than needed: most operations do not yield
    assert longest >= OPERATIONS // 2


async def test_the_loop_itself_has_its_turn_a_little_later() -> None:
    """Callbacks, I/O and tasks that do not wait for channels: see ``Mailbox``."""
    async with contextlib.aclosing(buffered()) as hog:
        longest = await longest_stretch(
            hog, anyio.lowlevel.checkpoint, 3 * OPERATIONS * OPERATIONS
        )
    assert longest <= OPERATIONS * (OPERATIONS + 2)


@pytest.mark.parametrize("name", HOGS)
async def test_a_goroutine_that_never_waits_can_be_cancelled(name: str) -> None:
    count = 0
    with anyio.move_on_after(0) as scope:
        async for _ in HOGS[name]():
            count += 1
            assert count < 5000
    assert scope.cancelled_caught


async def test_two_that_never_wait_take_turns() -> None:
    order: list[int] = []

    async def party(me: int) -> None:
        hog = buffered()
        for _ in range(5 * OPERATIONS):
            await anext(hog)
            order.append(me)
        await hog.aclose()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(party, 0)
        tasks.start_soon(party, 1)
    switches = sum(one != two for one, two in itertools.pairwise(order))
    assert switches >= 4


@pytest.mark.parametrize("cap", [1, 10, 1000])
async def test_a_cancellation_at_a_yield_loses_nothing(cap: int) -> None:
    """It yields before the operation takes effect."""
    for already in range(0, 2 * OPERATIONS, 7):
        source, target = Chan[int](cap), Chan[int](cap)
        for number in range(cap):
            source.send_nowait(number)
        held = -1
        with anyio.CancelScope() as scope:
            # off its beat, so that each operation is the one that yields
            other = Chan[int](1)
            for _ in range(already):
                other.send_nowait(1)
                await other.recv()
            scope.cancel()
            while True:
                held = await source.recv()
                # not undone, if it is the send that yields
                await target.send(held)
                held = -1
        left = list(source._buf)
        moved = list(target._buf)
        kept = [held] if held >= 0 else []
        assert sorted([*left, *moved, *kept]) == list(range(cap))


async def test_what_never_waits_never_yields() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    ch = Chan[int](1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await anyio.lowlevel.checkpoint()
        seen = turns
        for _ in range(500):
            ch.send_nowait(1)
            ch.recv_nowait()
            gochan.select_nowait(recv(ch), send(ch, 1))
            gochan.select_nowait(recv(ch))
        assert turns == seen
        tasks.cancel_scope.cancel()


async def test_a_wait_makes_the_budget_full_again() -> None:
    """A goroutine that parks often need not yield on top."""
    ch, there, back = Chan[int](1), Chan[int](), Chan[int]()
    turns = 0

    async def partner() -> None:
        async for value in there:
            await back.send(value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partner)
        for _ in range(10):
            # far below the budget between two waits
            for _ in range(10):
                await ch.send(1)
                await ch.recv()
                turns += 1
            await there.send(1)
            await back.recv()
        there.close()
    assert turns == 100


def test_the_yield_comes_first() -> None:
    """Step by step: with the budget spent, an operation gives way undone."""
    with steppable() as runtime:
        ch = Chan[int](1)

        async def sends() -> None:
            await ch.send(1)

        async def receives() -> int:
            return await ch.recv()

        async def selects() -> int:
            return (await select(recv(ch))).value

        for build in (sends, receives, sends, selects):
            party: Party[Any] = Party(runtime, build())
            before = len(ch)
            _budget.budget.left = 0
            _budget.budget.full = OPERATIONS
            states: list[tuple[str, bool]] = []
            for _ in range(2):
                party.run()
                states.append((party.state, len(ch) == before))
            assert states == [("ready", True), ("done", False)]


async def test_yield_gives_way() -> None:
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        # in the same round of trio, either may come first
        await gochan.yield_()
        await gochan.yield_()
        order.append("me")
    assert order == ["other", "me"]


async def test_yield_is_a_checkpoint() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await gochan.yield_()
        pytest.fail("not cancelled")
    assert scope.cancelled_caught
