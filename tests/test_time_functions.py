"""Functions that are called later, and calls that come too late."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import (
    Chan,
    _waiter,
    go,
    nil,
    run,
    scope,
    select,
    select_nowait,
    testing,
    time,
)
from support.virtual import in_bubble

if TYPE_CHECKING:
    from collections.abc import Callable


@in_bubble
async def test_a_function_joins_the_scope_where_it_was_set() -> None:
    seen: list[str] = []

    async def later() -> None:
        seen.append("begun")
        await time.sleep(10)
        seen.append("ended")

    async with scope():
        time.after_func(1, later)
        await time.sleep(2)
    assert seen == ["begun", "ended"]
    assert time.now() == 11


@in_bubble
async def test_a_pending_function_does_not_keep_its_scope_open() -> None:
    called: list[int] = []
    async with scope():
        timer = time.after_func(1, lambda: called.append(1))
    assert time.now() == 0
    await time.sleep(2)
    assert not called
    # it has fired all the same
    assert not timer.stop()


@in_bubble
async def test_errors_of_functions_surface_in_their_scope() -> None:
    async def fail() -> None:
        raise ValueError("later")

    with pytest.raises(ExceptionGroup) as caught:
        async with scope():
            time.after_func(1, fail)
            await time.sleep(2)
    (error,) = caught.value.exceptions
    assert str(error) == "later"
    (note,) = error.__notes__
    assert "goroutine 'fail'" in note
    assert "test_time_functions.py" in note
    assert time.now() == 1


@in_bubble
async def test_functions_have_the_variables_of_who_set_them() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    got: list[str] = []

    def look() -> None:
        got.append(variable.get())
        variable.set("changed")

    variable.set("mine")
    timer = time.after_func(1, look)
    variable.set("other")
    await time.sleep(2)
    timer.reset(1)
    await time.sleep(2)
    assert got == ["mine", "mine"]


@in_bubble
async def test_a_function_is_called_once_for_each_setting() -> None:
    called: list[float] = []
    timer = time.after_func(1, lambda: called.append(time.now()))
    assert timer.reset(2)
    await time.sleep(3)
    assert called == [2]
    assert not timer.reset(1)
    assert timer.stop()
    assert not timer.stop()
    await time.sleep(3)
    assert called == [2]
    timer.reset(0)
    await testing.wait()
    timer.reset(-1)
    await testing.wait()
    assert called == [2, 6, 6]


@in_bubble
async def test_a_call_that_comes_too_late_is_not_made() -> None:
    called: list[float] = []
    timer = time.after_func(1, lambda: called.append(time.now()))
    stale = timer._generation
    timer.reset(5)
    timer._fire(stale)
    await testing.wait()
    assert not called
    await time.sleep(6)
    assert called == [5]


@in_bubble
async def test_in_a_select_a_ticker_stands_for_its_channel() -> None:
    ticker = time.Ticker(1)
    chosen = await select(ticker, nil)
    assert chosen.index == 0
    assert chosen.value == 1
    ticker.stop()


class Gone(_waiter.Waiter):
    """Whose loop has been closed."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def wake(self) -> bool:
        self.meanwhile()
        return False


@in_bubble
async def test_who_is_gone_gives_its_tick_back() -> None:
    ticker = time.Ticker(1)
    schedule = ticker._schedule

    def wait(meanwhile: Callable[[], object]) -> None:
        with schedule.lock:
            schedule.push(Gone(meanwhile))

    # for whoever comes next
    wait(lambda: None)
    assert await ticker.c.recv() == 1
    # for nobody
    wait(lambda: None)
    await time.sleep(1.5)
    assert await ticker.c.recv() == 2
    # but not if it has been set anew meanwhile
    wait(lambda: ticker.reset(100))
    await time.sleep(1.5)
    assert select_nowait(ticker) is None
    assert await ticker.c.recv() == 103
    # and if all have given up, whoever looks next has it
    wait(lambda: None)
    node: Any = schedule.head
    node.for_select()
    node.waiter = node
    assert node.claim()
    await time.sleep(100.5)
    assert ticker.c.recv_nowait() == 203


def test_functions_set_and_stopped_by_threads(backend: dict[str, Any]) -> None:
    async def main() -> None:
        called = Chan[int](10)

        def in_thread() -> None:
            time.after_func(0.001, lambda: called.send_nowait(1))
            stopped = time.after_func(3600, lambda: called.send_nowait(2))
            assert stopped.stop()

        async with scope():
            await go(in_thread, on=gochan.threads)
            assert await called.recv() == 1
        assert len(called) == 0

    run(main, **backend)


def test_a_function_whose_loop_is_gone(backend: dict[str, Any]) -> None:
    """A thread that outlives its run: nothing is called, and nothing is raised."""
    timers: list[time.FuncTimer] = []

    async def main() -> None:
        timers.append(time.after_func(3600, print))

    run(main, **backend)
    (timer,) = timers
    assert timer.reset(1)
    assert timer.stop()
    assert not timer.stop()
    assert not timer.reset(1)
    timer._fire(timer._generation)
    assert not timer.stop()
