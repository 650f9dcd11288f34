"""Pipelines: what each stage gives, when it ends, and what its errors say."""

from __future__ import annotations

import functools
import gc
import itertools
import random
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gochan import Chan, Goroutine, go, pipeline, run, scope, select, yield_
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from gochan import RecvChan


class Endless:
    """Counts for ever, and remembers whether it was let go of."""

    def __init__(self) -> None:
        self.given = 0
        self.ended = False

    def __call__(self) -> Iterator[int]:
        try:
            for n in itertools.count():
                self.given += 1
                yield n
        finally:
            self.ended = True


def scoped(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Run the test in a scope, as if it were the main of a program."""

    @functools.wraps(test)
    async def within(**fixtures: Any) -> None:
        async with scope():
            await test(**fixtures)

    return within


async def double(n: int) -> int:
    await yield_()
    return 2 * n


def negative(n: int) -> int:
    return -n


# What each gives


@scoped
async def test_source_takes_iterables_of_both_kinds() -> None:
    async def letters() -> AsyncIterator[str]:
        for letter in "abc":
            await anyio.lowlevel.checkpoint()
            yield letter

    assert await pipeline.collect(pipeline.source(range(3))) == [0, 1, 2]
    assert await pipeline.collect(pipeline.source(letters())) == ["a", "b", "c"]
    assert await pipeline.collect(pipeline.source(list[int]())) == []


@scoped
async def test_source_is_asked_only_for_what_there_is_room_for() -> None:
    numbers = Endless()
    output = pipeline.source(numbers(), cap=2)
    await settle()
    # two in the buffer, one in its hand
    assert numbers.given == 3
    assert await output.recv() == 0
    await settle()
    assert numbers.given == 4


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("fn", [double, negative])
@scoped
async def test_map(fn: Callable[[int], Any], workers: int) -> None:
    output = pipeline.map(fn, pipeline.source(range(50)), workers)
    expected = [2 * n if fn is double else -n for n in range(50)]
    assert await pipeline.collect(output) == expected


@scoped
async def test_map_restores_the_order_of_what_ends_in_any_order() -> None:
    random.seed(5)

    async def dawdle(n: int) -> int:
        for _ in range(random.randrange(20)):
            await yield_()
        return n

    numbers = list(range(500))
    output = pipeline.map(dawdle, pipeline.source(numbers), workers=8)
    assert await pipeline.collect(output) == numbers
    output = pipeline.map(dawdle, pipeline.source(numbers), workers=8, ordered=False)
    mixed = await pipeline.collect(output)
    assert sorted(mixed) == numbers
    assert mixed != numbers


@scoped
async def test_map_reorders_within_bounds() -> None:
    numbers = Endless()
    release = Chan[None]()

    async def first_takes_long(n: int) -> int:
        if n == 0:
            await release.recv_ok()
        return n

    output = pipeline.map(first_takes_long, pipeline.source(numbers()), workers=3)
    await settle()
    # twice the workers, and one in the hand of the source
    assert numbers.given == 7
    release.close()
    assert [await output.recv() for _ in range(20)] == list(range(20))


@scoped
async def test_map_has_so_many_at_work_and_no_more() -> None:
    at_work = most = 0

    async def work(n: int) -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await settle()
        at_work -= 1
        return n

    await pipeline.collect(pipeline.map(work, pipeline.source(range(4)), workers=1))
    assert most == 1
    release = Chan[None]()

    async def wait(n: int) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await release.recv_ok()

    output = pipeline.map(wait, pipeline.source(range(20)), workers=4)
    await settle()
    assert at_work == most == 4
    release.close()
    await pipeline.collect(output)


@scoped
async def test_filter() -> None:
    async def odd(n: int) -> bool:
        await yield_()
        return n % 2 == 1

    numbers = pipeline.source(range(6))
    assert await pipeline.collect(pipeline.filter(odd, numbers)) == [1, 3, 5]
    numbers = pipeline.source(range(6))
    big = pipeline.filter(lambda n: n > 3, numbers)
    assert await pipeline.collect(big) == [4, 5]


@scoped
async def test_take_receives_no_more_than_it_gives() -> None:
    numbers = Chan[int](10)
    for n in range(5):
        numbers.send_nowait(n)
    assert await pipeline.collect(pipeline.take(numbers, 3)) == [0, 1, 2]
    assert len(numbers) == 2
    assert await pipeline.collect(pipeline.take(numbers, 0)) == []
    assert len(numbers) == 2
    numbers.close()
    assert await pipeline.collect(pipeline.take(numbers, 9)) == [3, 4]


@scoped
async def test_zip() -> None:
    pairs = pipeline.zip(pipeline.source("abc"), pipeline.source(itertools.count()))
    assert await pipeline.collect(pairs) == [("a", 0), ("b", 1), ("c", 2)]
    none: RecvChan[tuple[int, ...]] = pipeline.zip()
    assert await pipeline.collect(none) == []


@scoped
async def test_window() -> None:
    async def of(n: int, step: int, length: int = 7) -> list[tuple[int, ...]]:
        numbers = pipeline.source(range(length))
        return await pipeline.collect(pipeline.window(numbers, n, step))

    assert await of(3, 1, 5) == [(0, 1, 2), (1, 2, 3), (2, 3, 4)]
    assert await of(3, 2) == [(0, 1, 2), (2, 3, 4), (4, 5, 6)]
    assert await of(2, 3) == [(0, 1), (3, 4)]
    assert await of(3, 1, 2) == []


@scoped
async def test_merge() -> None:
    both = pipeline.merge(pipeline.source(range(50)), pipeline.source(range(100, 150)))
    values = await pipeline.collect(both)
    assert sorted(values) == [*range(50), *range(100, 150)]
    # each in order
    assert [n for n in values if n < 100] == list(range(50))
    assert [n for n in values if n >= 100] == list(range(100, 150))
    none: RecvChan[int] = pipeline.merge()
    assert await pipeline.collect(none) == []


@scoped
async def test_broadcast() -> None:
    outputs = pipeline.broadcast(pipeline.source(range(20)), 3)
    async with scope():
        readers = [go(pipeline.collect, output) for output in outputs]
    assert [await reader for reader in readers] == [list(range(20))] * 3


@scoped
async def test_broadcast_goes_at_the_pace_of_the_slowest() -> None:
    numbers = Endless()
    fast, slow = pipeline.broadcast(pipeline.source(numbers()), 2)
    assert await fast.recv() == 0
    waiting = go(fast.recv)
    await settle()
    assert waiting.state == "parked"
    assert await slow.recv() == 0
    assert await waiting == 1
    # nobody looks at it any more
    del slow
    assert [await fast.recv() for _ in range(5)] == [2, 3, 4, 5, 6]


@scoped
async def test_fan_out_shares() -> None:
    outputs = pipeline.fan_out(pipeline.source(range(100)), 4)
    async with scope():
        readers = [go(pipeline.collect, output) for output in outputs]
    shares = [await reader for reader in readers]
    assert sorted(itertools.chain(*shares)) == list(range(100))
    assert all(shares)


@scoped
async def test_fan_out_loses_nothing_when_a_consumer_goes() -> None:
    one, other = pipeline.fan_out(pipeline.source(range(20)), 2)
    got = [await one.recv() for _ in range(3)]
    await settle()
    # a value is in the stage's hand, and either may have it
    del one
    got += await pipeline.collect(other)
    assert got == list(range(20))


@scoped
async def test_stages_go_together() -> None:
    lines = pipeline.source(["3", "1", "x", "2"])
    numbers = pipeline.map(int, pipeline.filter(str.isdigit, lines))
    doubled = pipeline.map(double, numbers, workers=2)
    assert await pipeline.collect(doubled) == [6, 2, 4]


@scoped
async def test_progress_is_told_of_each_value() -> None:
    told: dict[str, int] = {}

    def count(stage: str) -> Callable[[int], object]:
        def more(n: int) -> None:
            told[stage] = told.get(stage, 0) + n

        return more

    numbers = pipeline.source(range(10), progress=count("source"))
    some = pipeline.filter(lambda n: n > 2, numbers, progress=count("filter"))
    mapped = pipeline.map(double, some, workers=3, progress=count("map"))
    chunks = pipeline.window(mapped, 2, 2, progress=count("window"))
    assert len(await pipeline.collect(chunks)) == 3
    assert told == {"source": 10, "filter": 7, "map": 7, "window": 3}


# When it ends


STAGES: dict[str, Callable[[RecvChan[int]], Any]] = {
    "source": lambda ch: ch,
    "map": lambda ch: pipeline.map(double, ch),
    "map of three": lambda ch: pipeline.map(double, ch, workers=3),
    "map unordered": lambda ch: pipeline.map(negative, ch, workers=3, ordered=False),
    "filter": lambda ch: pipeline.filter(lambda n: True, ch),
    "zip": lambda ch: pipeline.zip(ch, pipeline.source(itertools.count())),
    "window": lambda ch: pipeline.window(ch, 3),
    "merge": lambda ch: pipeline.merge(ch, pipeline.source(itertools.count())),
    "broadcast": lambda ch: pipeline.merge(*pipeline.broadcast(ch, 2)),
    "fan_out": lambda ch: pipeline.merge(*pipeline.fan_out(ch, 2)),
    "two maps": lambda ch: pipeline.map(negative, pipeline.map(double, ch, workers=2)),
}


@pytest.fixture(params=STAGES)
def build(request: pytest.FixtureRequest) -> Callable[[RecvChan[int]], Any]:
    return STAGES[request.param]


async def has_ended(numbers: Endless) -> bool:
    # what trio raises to cancel a task refers to itself
    gc.collect()
    await settle()
    gc.collect()
    await settle()
    return numbers.ended


@scoped
async def test_it_ends_when_the_consumer_breaks_out(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    numbers = Endless()
    async for _ in build(pipeline.source(numbers())):
        break
    assert await has_ended(numbers)


@scoped
async def test_it_ends_when_take_has_enough(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    numbers = Endless()
    some = pipeline.take(build(pipeline.source(numbers())), 4)
    assert len(await pipeline.collect(some)) == 4
    assert await has_ended(numbers)


@scoped
async def test_it_ends_when_nobody_ever_receives(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    numbers = Endless()
    build(pipeline.source(numbers()))
    assert await has_ended(numbers)


@scoped
async def test_it_ends_while_it_waits_for_a_value(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    quiet = Chan[int](name="quiet")
    output = build(quiet)
    if output is quiet:
        return
    await settle()
    assert quiet.stats().waiting_receivers == 1
    del output
    await settle()
    gc.collect()
    await settle()
    assert quiet.stats().waiting_receivers == 0


async def test_it_does_not_keep_its_scope_open(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    numbers = Endless()
    async with scope():
        output = build(pipeline.source(numbers()))
        await output.recv()
    assert output.closed
    assert await has_ended(numbers)


@scoped
async def test_it_serves_other_goroutines_when_the_body_has_ended(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    got: list[Any] = []

    async def consume(output: RecvChan[Any]) -> None:
        for _ in range(5):
            got.append(await output.recv())
            await anyio.lowlevel.checkpoint()

    async with scope():
        go(consume, build(pipeline.source(itertools.count())))
    assert len(got) == 5


@scoped
async def test_it_is_cancelled_with_its_scope(
    build: Callable[[RecvChan[int]], Any],
) -> None:
    numbers = Endless()
    async with scope() as s:
        output = build(pipeline.source(numbers()))
        await output.recv()
        s.cancel()
        await anyio.sleep_forever()
    assert output.closed
    assert await has_ended(numbers)


def test_it_ends_with_the_run(
    build: Callable[[RecvChan[int]], Any], backend: dict[str, Any]
) -> None:
    numbers = Endless()
    kept: list[Any] = []

    async def main() -> None:
        kept.append(build(pipeline.source(numbers())))
        await kept[0].recv()

    run(main, **backend)
    gc.collect()
    assert numbers.ended
    # the view outlives its loop
    kept.clear()


class Rows:
    """An async iterable whose iterator has something to close."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        # kept: it is not closed for being collected
        self.iterators: list[AsyncIterator[int]] = []

    def __aiter__(self) -> AsyncIterator[int]:
        self.iterators.append(self.rows())
        return self.iterators[-1]

    async def rows(self) -> AsyncIterator[int]:
        try:
            for n in itertools.count():
                yield n
        finally:
            # as one of a database has to
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            self.ends.append("closed")


@pytest.mark.parametrize("made", [False, True])
async def test_an_async_generator_is_closed(
    build: Callable[[RecvChan[int]], Any], made: bool
) -> None:
    rows = Rows()
    async with scope():
        output = build(pipeline.source(aiter(rows) if made else rows))
        await output.recv()
        assert rows.ends == []
    del output
    assert rows.ends == ["closed"]

    failing = Rows()
    with pytest.raises(ExceptionGroup):
        async with scope():
            output = pipeline.source(aiter(failing), progress=lambda n: 1 // (n - 1))
            await output.recv()
            await anyio.sleep_forever()
    assert failing.ends == ["closed"]


GONE = """
import asyncio, gc, os
from gochan import Chan, pipeline, scope

ends = []

async def rows():
    try:
        while True:
            yield 1
    finally:
        ends.append("closed")

kept = rows()

async def main():
    async with scope():
        output = pipeline.source(kept)
        await output.recv()
        received.set()
        await Chan().recv()

received = asyncio.Event()
loop = asyncio.new_event_loop()
task = loop.create_task(main())
loop.run_until_complete(received.wait())
loop.close()
del task
gc.collect()
assert ends == []
# without what Python and asyncio say of tasks that have not ended
os._exit(0)
"""


def test_an_async_generator_is_left_alone_when_the_loop_is_gone() -> None:
    """In a process of its own: anyio keeps tasks that never end."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", GONE],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")


@scoped
async def test_a_source_that_is_still_referred_to_goes_on() -> None:
    numbers = pipeline.source(range(10))
    assert await pipeline.collect(pipeline.take(numbers, 3)) == [0, 1, 2]
    await settle()
    assert await pipeline.collect(numbers) == [*range(3, 10)]


@scoped
async def test_a_view_of_a_view_counts_and_so_does_a_case() -> None:
    numbers = Endless()
    output = pipeline.source(numbers())
    view = output.receiver()
    del output
    await settle()
    assert await view.recv() == 0
    case = select(view)
    del view
    await settle()
    assert (await case).value == 1
    del case
    assert await has_ended(numbers)


@scoped
async def test_drained_inputs_are_let_go_of_one_by_one() -> None:
    closed = Chan[int]()
    endless = Endless()
    both = pipeline.merge(closed, pipeline.source(endless()))
    closed.close()
    assert [await both.recv() for _ in range(3)] == [0, 1, 2]


# What its errors say


def fail(n: int) -> int:
    if n == 3:
        raise ValueError("three")
    return n


async def fail_later(n: int) -> int:
    await yield_()
    return fail(n)


def bad_source() -> Iterator[int]:
    yield 1
    raise ValueError("three")


FAILING: dict[str, tuple[Callable[[], Any], str]] = {
    "source": (lambda: pipeline.source(bad_source(), name="numbers"), "numbers"),
    "map": (lambda: pipeline.map(fail, pipeline.source(range(9))), "map(fail)"),
    "map of three": (
        lambda: pipeline.map(fail_later, pipeline.source(range(9)), workers=3),
        "map(fail_later)",
    ),
    "filter": (lambda: pipeline.filter(fail, pipeline.source([1, 2, 3])), "filter"),
}


@pytest.mark.parametrize("stage", FAILING)
async def test_an_error_leaves_the_scope_and_names_the_stage(stage: str) -> None:
    start, name = FAILING[stage]
    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            output = start()
            del start
            async for _ in output:
                pass
            raise AssertionError("the loop must be cancelled")
    (error,) = caught.value.exceptions
    assert type(error) is ValueError
    assert str(error) == "three"
    notes = "\n".join(error.__notes__)
    assert f"goroutine '{name}'" in notes
    # where the user has made it, not where the library has
    assert "started at test_pipeline.py:" in notes


@pytest.mark.parametrize("stage", FAILING)
async def test_a_consumer_elsewhere_gets_the_end(stage: str) -> None:
    start, _ = FAILING[stage]
    got: list[int] = []

    async def consume(outputs: RecvChan[RecvChan[int]]) -> None:
        got.extend(await pipeline.collect(await outputs.recv()))
        got.append(-1)

    async with scope():
        outputs = Chan[Any]()
        consumer = go(consume, outputs)
        with pytest.raises(ExceptionGroup):
            async with scope():
                await outputs.send(start())
                await anyio.sleep_forever()
        await consumer
    assert got[-1] == -1


async def test_bad_use_says_what_to_write() -> None:
    numbers = Chan[int]()
    wrong: Any = 5
    with pytest.raises(TypeError, match="source.. wants an iterable or an async iter"):
        pipeline.source(wrong)
    with pytest.raises(TypeError, match=r"map\(fn, ch\) wants a channel to receive"):
        pipeline.map(negative, wrong)
    with pytest.raises(TypeError, match=r"write map\(parse, lines\)"):
        pipeline.map(wrong, numbers)
    with pytest.raises(TypeError, match=r"pipeline.source\(...\)"):
        pipeline.filter(fail, numbers.recv())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no option 'size': there are cap, name, pro"):
        pipeline.take(numbers, 3, size=4)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="the number of workers must be at least 1"):
        pipeline.map(negative, numbers, workers=0)
    with pytest.raises(TypeError, match="the number of values to take must be an int"):
        pipeline.take(numbers, wrong / 2)
    with pytest.raises(ValueError, match="size of a window must be at least 1, not 0"):
        pipeline.window(numbers, 0)
    with pytest.raises(ValueError, match="step of a window must be at least 1, not 0"):
        pipeline.window(numbers, 1, 0)
    with pytest.raises(ValueError, match="number of outputs must be at least 1"):
        pipeline.broadcast(numbers, 0)
    with pytest.raises(ValueError, match="number of outputs must be at least 1"):
        pipeline.fan_out(numbers, 0)
    with pytest.raises(TypeError, match="wants a channel to receive from"):
        await pipeline.collect(wrong)
    assert numbers.stats().waiting_receivers == 0


def test_outside_of_a_scope() -> None:
    with pytest.raises(RuntimeError, match=r"pipeline.source\(\) needs a run or a sc"):
        pipeline.source([1])


@scoped
async def test_the_stages_have_names() -> None:
    async with scope() as s:
        output = pipeline.map(negative, Chan[int](), name="negate")
        jobs: list[Goroutine[Any]] = list(s._nursery.background)  # type: ignore[attr-defined]
        assert [job.name for job in jobs] == ["negate"]
        assert "test_pipeline.py" in jobs[0].created_at
        assert output.name == "negate"
        s.cancel()


async def test_what_a_cancelled_goroutine_had_is_let_go_of_at_once() -> None:
    """No cycle keeps its frames: a stage's input would live until it is collected."""

    class Thing:
        pass

    async def hold(thing: Thing) -> None:
        await Chan[None]().recv()
        del thing

    gc.collect()
    gc.disable()
    try:
        thing = Thing()
        gone = weakref.ref(thing)
        async with scope():
            g = go(hold, thing)
            del thing
            await settle()
            g.cancel()
            await settle()
            assert g.state == "done"
            assert gone() is None
    finally:
        gc.enable()
