"""``testing.leakcheck()``: which goroutines a piece of code has left behind."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import Chan, go, run, scope, time
from gochan.testing import LeakError, leakcheck
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Callable


async def stuck() -> None:
    await Chan[int](name="ch").recv()


async def leaves() -> int:
    go(stuck)
    return 7


async def leaves_nothing() -> int:
    await go(anyio.sleep, 0)
    return 7


MESSAGE = r"""a goroutine is left over:
  goroutine \d+ \(stuck\) \[chan receive\], started at test_leakcheck\.py:\d+ in leaves

goroutine \d+ \[chan receive\]: stuck, on chan 'ch'
stuck\(\.\.\.\)
\t.*test_leakcheck\.py:\d+  await Chan\[int\]\(name="ch"\)\.recv\(\)
created by leaves(?: in goroutine \d+)?
\t.*test_leakcheck\.py:\d+  go\(stuck\)
$"""


# Around a run


def test_a_run_that_leaves_one(backend: dict[str, Any]) -> None:
    with pytest.raises(LeakError, match=MESSAGE) as raised, leakcheck():
        assert run(leaves, **backend) == 7
    (info,) = raised.value.goroutines
    assert (info.name, info.wait, info.state) == ("stuck", "chan receive", "parked")


def test_a_run_that_leaves_none(backend: dict[str, Any]) -> None:
    with leakcheck():
        assert run(leaves_nothing, **backend) == 7


def test_two_runs(backend: dict[str, Any]) -> None:
    with (
        pytest.raises(
            LeakError, match=r"^2 goroutines are left over:\n  gor"
        ) as raised,
        leakcheck(),
    ):
        run(leaves, **backend)
        run(leaves_nothing, **backend)
        run(leaves, **backend)
    assert len(raised.value.goroutines) == 2


def test_one_that_sleeps_is_left_over(backend: dict[str, Any]) -> None:
    async def main() -> None:
        go(time.sleep, 1000, name="asleep")

    with pytest.raises(LeakError, match=r"\(asleep\) \[sleep\]"), leakcheck():
        run(main, **backend)


def test_one_that_is_about_to_end_is_not(backend: dict[str, Any]) -> None:
    ch = Chan[int]()

    async def ends_late() -> None:
        await ch.send(1)
        for _ in range(300):
            await anyio.sleep(0)

    async def main() -> None:
        go(ends_late)
        await ch.recv()

    with leakcheck():
        run(main, **backend)


def test_what_awaits_somebody_else_is_given_time(backend: dict[str, Any]) -> None:
    async def main() -> None:
        go(anyio.sleep, 0.05)

    with leakcheck():
        run(main, **backend)


def test_and_no_more_than_a_second(
    backend: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gochan._run.PATIENCE", 0.05)

    async def main() -> None:
        go(anyio.sleep_forever, name="foreign")

    with pytest.raises(LeakError, match=r"\(foreign\) \[await\]"), leakcheck():
        run(main, **backend)


@pytest.mark.parametrize("fails", ["main", "goroutine", "body"])
def test_what_fails_is_not_checked(backend: dict[str, Any], fails: str) -> None:
    async def failing() -> None:
        raise KeyError

    async def main() -> None:
        go(stuck)
        if fails == "main":
            raise KeyError
        if fails == "goroutine":
            await go(failing)

    with pytest.raises((KeyError, ExceptionGroup)), leakcheck():
        run(main, **backend)
        raise KeyError


def test_a_run_that_failed_within_is_not_checked(backend: dict[str, Any]) -> None:
    async def main() -> None:
        go(stuck)
        raise KeyError

    with leakcheck(), pytest.raises(KeyError):
        run(main, **backend)


async def test_a_run_in_a_loop() -> None:
    with pytest.raises(LeakError, match=MESSAGE):
        async with leakcheck():
            assert await gochan.arun(leaves) == 7
    async with leakcheck():
        assert await gochan.arun(leaves_nothing) == 7


# In a coroutine


async def test_a_block_that_leaves_one() -> None:
    async with scope() as s:
        with pytest.raises(LeakError, match=MESSAGE):
            async with leakcheck():
                await leaves()
        s.cancel()


async def test_only_what_was_started_inside() -> None:
    async with scope() as s:
        s.go(stuck)
        await settle()
        async with leakcheck():
            await leaves_nothing()
        s.cancel()


async def test_one_inside_of_another() -> None:
    async with scope() as s:
        with pytest.raises(LeakError):
            async with leakcheck(), leakcheck():
                await leaves()
        async with leakcheck():
            # it was there before
            pass
        s.cancel()


async def test_a_block_that_fails_is_not_checked() -> None:
    async with scope() as s:
        with pytest.raises(KeyError):
            async with leakcheck():
                await leaves()
                raise KeyError
        s.cancel()


async def test_a_block_that_is_cancelled_is_not_checked() -> None:
    async with scope() as s:
        with anyio.move_on_after(0) as outer:
            async with leakcheck():
                await leaves()
                await anyio.sleep_forever()
        assert outer.cancelled_caught
        s.cancel()


async def test_with_in_a_coroutine_is_refused() -> None:
    wanted = "write `async with leakcheck\\(\\):`"
    with pytest.raises(RuntimeError, match=wanted), leakcheck():
        pass


# As a decorator


async def test_an_async_function() -> None:
    @leakcheck()
    async def checked(value: int) -> int:
        """Documented."""
        await leaves_nothing()
        return value

    async with scope():
        assert await checked(3) == 3
        # more than once
        assert await checked(value=4) == 4
    assert (checked.__name__, checked.__doc__) == ("checked", "Documented.")


async def test_an_async_function_that_leaves_one() -> None:
    async with scope() as s:
        with pytest.raises(LeakError):
            await leakcheck()(leaves)()
        s.cancel()


def test_a_plain_function(backend: dict[str, Any]) -> None:
    @leakcheck()
    def checked(main: Callable[[], Any]) -> int:
        result: int = run(main, **backend)
        return result

    assert checked(leaves_nothing) == 7
    with pytest.raises(LeakError):
        checked(leaves)


def test_on_other_threads(backend: dict[str, Any]) -> None:
    """Their goroutines are waited for, and told of, as well."""
    import threading

    from gochan._run import at_end

    begun, over = threading.Event(), threading.Event()

    async def main() -> None:
        begun.set()
        await anyio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=lambda: run(main, **backend))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gochan.testing._leakcheck.PATIENCE", 0.05)
            with pytest.raises(LeakError, match=r"\(main\)"), leakcheck():
                thread.start()
                assert begun.wait(10)
    finally:
        over.set()
        thread.join()
    assert at_end == []


def test_the_error_can_be_pickled() -> None:
    error = LeakError("a goroutine is left over", [])
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, LeakError)
    assert isinstance(again, AssertionError)
    assert (str(again), again.goroutines) == (str(error), [])


def test_it_is_not_confused_by_another_loop() -> None:
    """A loop that exists on this thread, and does not run."""
    loop = asyncio.new_event_loop()
    try:
        with leakcheck():
            assert loop.run_until_complete(gochan.arun(leaves_nothing)) == 7
    finally:
        loop.close()
