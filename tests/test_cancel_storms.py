"""Thousands of random races between operations and each kind of cancellation.

Every value is accounted for: a send that returned is one value received or still
buffered, a send that raised is none. Seeded: a failing round can be run alone.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from gochan import Goroutine, GoroutineCancelled, arun, go, run, scope, yield_
from support.native import on_asyncio
from support.storm import Storm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WORKERS = 6

# a few rounds each time, and many where there is time
rounds = pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(100), id="100 rounds"),
        pytest.param(range(100, 1100), id="1000 rounds", marks=pytest.mark.slow),
    ],
)


async def tick(rng: random.Random) -> None:
    """Let the others run, in one of the ways there are."""
    if rng.random() < 0.7:
        await anyio.lowlevel.checkpoint()
    else:
        await yield_()


async def play(seeds: range, one_round: Callable[[Storm], Awaitable[None]]) -> None:
    operations = disturbed = 0
    for seed in seeds:
        storm = Storm(random.Random(seed))
        try:
            with anyio.fail_after(20):
                await one_round(storm)
            storm.check()
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        operations += storm.operations
        disturbed += storm.disturbed
    # both happened, and often
    assert operations > 5 * len(seeds)
    assert disturbed > len(seeds)


# asyncio's own


@rounds
@on_asyncio
async def test_task_cancel(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        async def worker() -> None:
            task = asyncio.current_task()
            assert task is not None
            while not over:
                try:
                    await storm.operate()
                except asyncio.CancelledError:
                    while task.cancelling():
                        task.uncancel()

        over = False
        tasks = [asyncio.create_task(worker()) for _ in range(WORKERS)]
        try:
            for _ in range(15):
                await tick(storm.rng)
                storm.drive(lambda: storm.rng.choice(tasks).cancel())
        finally:
            over = True
        while alive := [task for task in tasks if not task.done()]:
            for task in alive:
                task.cancel()
            await tick(storm.rng)
        for task in tasks:
            assert task.cancelled() or task.exception() is None

    await play(seeds, one_round)


@rounds
@on_asyncio
async def test_tasks_that_are_nothing_but_an_operation(seeds: range) -> None:
    # what they return is the value; nobody else can tell of it
    async def one_round(storm: Storm) -> None:
        rng, ledger = storm.rng, storm.ledger
        sends: dict[asyncio.Task[None], int] = {}
        receives: list[asyncio.Task[int]] = []

        def begin() -> None:
            channel = rng.choice(storm.channels)
            if rng.random() < 0.5:
                value = ledger.new()
                sends[asyncio.create_task(channel.send(value))] = value
            else:
                receives.append(asyncio.create_task(channel.recv()))

        storm.may_close = False
        for _ in range(20):
            begin()
            begin()
            await tick(rng)
            storm.drive(lambda: rng.choice([*sends, *receives]).cancel())
        for task in [*sends, *receives]:
            task.cancel()
        await asyncio.wait([*sends, *receives])
        for sending, value in sends.items():
            if sending.cancelled():
                storm.disturbed += 1
            else:
                sending.result()
                ledger.sent(value)
                storm.operations += 1
        for receiving in receives:
            if receiving.cancelled():
                storm.disturbed += 1
            else:
                ledger.got(receiving.result())
                storm.operations += 1

    await play(seeds, one_round)


@rounds
@on_asyncio
async def test_asyncio_timeout(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        now = asyncio.get_running_loop().time
        current: dict[int, list[asyncio.Timeout]] = {}

        async def worker(number: int) -> None:
            task = asyncio.current_task()
            assert task is not None
            mine = current[number] = []
            while not over:
                mine.clear()
                try:
                    async with asyncio.timeout(None) as outer:
                        mine.append(outer)
                        async with asyncio.timeout(None) as inner:
                            mine.append(inner)
                            for _ in range(rng.randint(1, 2)):
                                await storm.operate()
                        if rng.random() < 0.3:
                            await storm.operate()
                except TimeoutError:
                    pass
                # nothing stray is left behind
                assert task.cancelling() == 0
                if rng.random() < 0.3:
                    await asyncio.sleep(0)

        def disturb() -> None:
            mine = current.get(rng.randrange(WORKERS))
            if mine:
                timeout = rng.choice(mine)
                try:
                    timeout.reschedule(now() - 1)
                except RuntimeError:
                    # it has expired or been left
                    pass

        over = False
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(worker(number)) for number in range(WORKERS)]
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
            over = True
            while not all(task.done() for task in running):
                for number in range(WORKERS):
                    for timeout in current[number]:
                        try:
                            timeout.reschedule(now() - 1)
                        except RuntimeError:
                            pass
                await tick(rng)

    await play(seeds, one_round)


@rounds
@on_asyncio
async def test_wait_for(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng

        async def worker() -> None:
            task = asyncio.current_task()
            assert task is not None
            while not over:
                try:
                    await asyncio.wait_for(storm.operate(), rng.random() * 0.0005)
                except TimeoutError:
                    pass
                assert task.cancelling() == 0

        over = False
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(worker())
            for _ in range(15):
                await tick(rng)
                storm.drive(storm.act)
            over = True

    await play(seeds, one_round)


class Abort(Exception):
    pass


@rounds
@on_asyncio
async def test_task_group_abort(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        async def worker() -> None:
            while True:
                await storm.operate()

        async def fail(ticks: int) -> None:
            for _ in range(ticks):
                await tick(storm.rng)
            storm.drive(storm.act)
            raise Abort

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(WORKERS):
                    tasks.create_task(worker())
                tasks.create_task(fail(storm.rng.randrange(15)))
                while True:
                    await tick(storm.rng)
                    storm.drive(storm.act)
        except* Abort:
            pass
        task = asyncio.current_task()
        assert task is not None
        # asyncio itself leaves a request behind on 3.11 and 3.12
        while task.cancelling():
            task.uncancel()

    await play(seeds, one_round)


@rounds
@on_asyncio
async def test_everything_at_once(seeds: range) -> None:
    # timeouts, scopes and native cancellation of the same tasks in the same tick
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        now = asyncio.get_running_loop().time
        timeouts: dict[int, asyncio.Timeout] = {}
        scopes: dict[int, anyio.CancelScope] = {}

        async def worker(number: int) -> None:
            task = asyncio.current_task()
            assert task is not None
            while not over:
                try:
                    async with asyncio.timeout(None) as timeouts[number]:
                        with anyio.CancelScope() as scopes[number]:
                            for _ in range(rng.randint(1, 3)):
                                await storm.operate()
                        if rng.random() < 0.5:
                            await storm.operate()
                except TimeoutError:
                    pass
                except asyncio.CancelledError:
                    while task.cancelling():
                        task.uncancel()

        def disturb() -> None:
            number = rng.randrange(WORKERS)
            how = rng.randrange(3)
            if how == 0:
                tasks[number].cancel()
            elif how == 1:
                scopes[number].cancel()
            else:
                try:
                    timeouts[number].reschedule(now() - 1)
                except RuntimeError:
                    pass

        over = False
        tasks = [asyncio.create_task(worker(number)) for number in range(WORKERS)]
        # until all have begun
        while len(scopes) < WORKERS:
            await asyncio.sleep(0)
        try:
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
        finally:
            over = True
        while alive := [task for task in tasks if not task.done()]:
            for task in alive:
                task.cancel()
            await tick(rng)
        for task in tasks:
            assert task.cancelled() or task.exception() is None

    await play(seeds, one_round)


# on every runtime


@rounds
async def test_anyio_scope(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        scopes: dict[int, anyio.CancelScope] = {}

        async def worker(number: int) -> None:
            while not over:
                with anyio.CancelScope() as scopes[number]:
                    for _ in range(rng.randint(1, 3)):
                        await storm.operate()
                if rng.random() < 0.3:
                    # what is outside of the scope is not cancelled
                    await anyio.lowlevel.checkpoint()

        def disturb() -> None:
            scopes[rng.randrange(WORKERS)].cancel()

        over = False
        running = WORKERS

        async def counted(number: int) -> None:
            nonlocal running
            await worker(number)
            running -= 1

        async with anyio.create_task_group() as tasks:
            for number in range(WORKERS):
                tasks.start_soon(counted, number)
            while len(scopes) < WORKERS:
                await anyio.lowlevel.checkpoint()
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
            over = True
            while running:
                for number in range(WORKERS):
                    scopes[number].cancel()
                await anyio.lowlevel.checkpoint()

    await play(seeds, one_round)


@rounds
async def test_anyio_scope_around_operations_that_are_shielded(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        pierced = 0

        async def worker() -> None:
            nonlocal pierced
            while True:
                await storm.operate()
                with anyio.CancelScope(shield=True):
                    try:
                        await anyio.lowlevel.checkpoint()
                        await yield_()
                    except BaseException:
                        pierced += 1
                        raise
                # operations that are ready need not notice
                await anyio.lowlevel.checkpoint()

        # each time one or two are in an operation when the cancellation comes
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for _ in range(WORKERS):
                    tasks.start_soon(worker)
                for _ in range(rng.randrange(10)):
                    await tick(rng)
                    storm.drive(storm.act)
                storm.act()
                tasks.cancel_scope.cancel()
                storm.act()
        assert pierced == 0

    await play(seeds, one_round)


@rounds
async def test_deadlines(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng

        async def worker() -> None:
            while not over:
                with anyio.move_on_after(rng.random() * 0.0005):
                    for _ in range(rng.randint(1, 3)):
                        await storm.operate()
                if rng.random() < 0.1:
                    await anyio.lowlevel.checkpoint()

        over = False
        async with anyio.create_task_group() as tasks:
            for _ in range(WORKERS):
                tasks.start_soon(worker)
            for _ in range(15):
                await tick(rng)
                storm.drive(storm.act)
            over = True

    await play(seeds, one_round)


@rounds
async def test_goroutine_cancel(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        handles: list[Goroutine[None]] = []

        async def worker() -> None:
            while True:
                await storm.operate()

        def disturb() -> None:
            index = rng.randrange(WORKERS)
            handles[index].cancel()
            if rng.random() < 0.5:
                handles[index] = go(worker)

        async with scope() as s:
            handles += [go(worker) for _ in range(WORKERS)]
            for _ in range(15):
                await tick(rng)
                storm.drive(disturb)
            storm.act()
            s.cancel()
            storm.act()

    await play(seeds, one_round)


@rounds
async def test_goroutines_that_are_nothing_but_an_operation(seeds: range) -> None:
    async def one_round(storm: Storm) -> None:
        rng, ledger = storm.rng, storm.ledger
        sends: dict[Goroutine[None], int] = {}
        receives: list[Goroutine[int]] = []

        def begin() -> None:
            channel = rng.choice(storm.channels)
            if rng.random() < 0.5:
                value = ledger.new()
                sends[go(channel.send, value)] = value
            else:
                receives.append(go(channel.recv))

        storm.may_close = False
        async with scope() as s:
            for _ in range(20):
                begin()
                begin()
                await tick(rng)
                storm.drive(lambda: rng.choice([*sends, *receives]).cancel())
            s.cancel()
        for sending, value in sends.items():
            try:
                await sending
            except GoroutineCancelled:
                storm.disturbed += 1
            else:
                ledger.sent(value)
                storm.operations += 1
        for receiving in receives:
            try:
                ledger.got(await receiving)
            except GoroutineCancelled:
                storm.disturbed += 1
            else:
                storm.operations += 1

    await play(seeds, one_round)


@rounds
async def test_scope_ends(seeds: range) -> None:
    # by its own cancel, by a failure, by the end of a run, from outside
    async def one_round(storm: Storm) -> None:
        rng = storm.rng
        how = rng.randrange(4)

        async def worker() -> None:
            while True:
                await storm.operate()

        async def fail() -> None:
            storm.drive(storm.act)
            raise Abort

        async def nested() -> None:
            async with scope():
                go(worker)
                go(worker)
                await worker()

        async def main() -> None:
            go(worker)
            go(nested)
            for _ in range(rng.randrange(15)):
                await tick(rng)
                storm.drive(storm.act)
            if how == 0:
                storm.act()
                return
            if how == 1:
                go(fail)
            else:
                outer.cancel()
            await worker()

        with anyio.CancelScope() as outer:
            try:
                if how == 3:
                    async with scope() as s:
                        await main()
                        s.cancel()
                else:
                    await arun(main)
            except* Abort:
                assert how == 1

    await play(seeds, one_round)


def test_the_end_of_a_run(backend: dict[str, Any]) -> None:
    # the loop shuts down with everybody in the middle of something
    for seed in range(60):
        storm = Storm(random.Random(seed))

        async def worker(storm: Storm) -> None:
            while True:
                await storm.operate()

        async def main(storm: Storm) -> None:
            for _ in range(WORKERS):
                go(worker, storm)
            for _ in range(storm.rng.randrange(10)):
                await tick(storm.rng)
                storm.drive(storm.act)

        run(main, storm, **backend)
        storm.check()
