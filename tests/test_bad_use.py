"""Bad use gets an error at once, which says what is wrong and shows the right form.

Warnings are errors in these tests, so a coroutine that was "never awaited" would
fail them: no mistake is to have that as its only symptom.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import gochan
from gochan import Chan, arun, buffers, go, nil, recv, run, scope, select, send, yield_

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# what the type checkers refuse, and a user without one writes
go_: Any = go
run_: Any = run
arun_: Any = arun
Chan_: Any = Chan
recv_: Any = recv
send_: Any = send
select_: Any = select


async def work(number: int = 0) -> int:
    return number


def plain() -> int:
    return 5


async def generate() -> AsyncIterator[int]:
    yield 1


def text_of(error: pytest.ExceptionInfo[BaseException]) -> str:
    return str(error.value)


# go


async def test_go_with_a_coroutine() -> None:
    async with scope():
        with pytest.raises(TypeError, match=r"write go\(work, \.\.\.\)") as caught:
            go_(work(1))
        assert "not a coroutine" in text_of(caught)
    gc.collect()


async def test_go_with_a_plain_function() -> None:
    async with scope():
        with pytest.raises(TypeError, match="plain function") as caught:
            go_(plain)
        assert "async def plain" in text_of(caught)


@pytest.mark.parametrize("thing", [None, 7, "work", object()])
async def test_go_with_something_else(thing: object) -> None:
    async with scope():
        with pytest.raises(TypeError, match=r"go\(worker, ch\)"):
            go_(thing)


async def test_go_with_nothing() -> None:
    async with scope():
        with pytest.raises(TypeError):
            go_()


async def test_go_with_an_async_generator() -> None:
    async with scope():
        with pytest.raises(TypeError, match="async generator"):
            go_(generate)
    gc.collect()


async def test_go_with_an_async_generator_object() -> None:
    async with scope():
        with pytest.raises(TypeError, match="go"):
            go_(generate())


async def test_go_with_a_task() -> None:
    # an awaitable is no function either
    async with scope():
        g = go(work)
        with pytest.raises(TypeError, match="go"):
            go_(g)


async def test_go_with_wrong_arguments() -> None:
    async with scope():
        with pytest.raises(TypeError, match="positional argument"):
            go_(work, 1, 2, 3)
        with pytest.raises(TypeError, match="keyword argument"):
            go_(work, number=1)


async def test_go_with_what_fails_when_it_is_called() -> None:
    def broken() -> Any:
        raise KeyError("in the call")

    async with scope():
        # the caller's error, not the goroutine's
        with pytest.raises(KeyError, match="in the call"):
            go_(broken)


async def test_go_outside_of_a_run() -> None:
    with pytest.raises(RuntimeError, match=r"gochan\.run\(main\)") as caught:
        go(work)
    assert "async with gochan.scope()" in text_of(caught)
    gc.collect()


def test_go_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match=r"gochan\.run\(main\)"):
        go(work)
    gc.collect()


async def test_go_outside_of_a_run_with_a_coroutine() -> None:
    # two mistakes: no warning on top of the error
    with pytest.raises((RuntimeError, TypeError)):
        go_(work(1))
    gc.collect()


async def test_go_in_a_scope_that_was_left_with_a_coroutine() -> None:
    async with scope() as s:
        pass
    with pytest.raises((RuntimeError, TypeError)):
        s.go(work(1))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    gc.collect()


# run and arun


def test_run_with_a_coroutine(backend: dict[str, Any]) -> None:
    # as asyncio.run has it
    with pytest.raises(TypeError, match=r"run\(work") as caught:
        run_(work(1), **backend)
    assert "coroutine" in text_of(caught)
    gc.collect()


def test_run_with_a_plain_function(backend: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="async def plain"):
        run_(plain, **backend)


@pytest.mark.parametrize("thing", [None, 7])
def test_run_with_something_else(backend: dict[str, Any], thing: object) -> None:
    with pytest.raises(TypeError, match=r"run\(main"):
        run_(thing, **backend)


async def test_arun_with_a_coroutine() -> None:
    with pytest.raises(TypeError, match=r"run\(work"):
        await arun_(work(1))
    gc.collect()


async def test_run_in_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match=r"await gochan\.arun\(main\)"):
        run(work)
    gc.collect()


async def test_run_in_a_running_loop_with_a_coroutine() -> None:
    with pytest.raises((RuntimeError, TypeError)):
        run_(work(1))
    gc.collect()


def test_run_in_a_goroutine(backend: dict[str, Any]) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="arun"):
            run(work)

    run(main, **backend)


def test_run_with_an_unknown_backend() -> None:
    with pytest.raises(LookupError, match="curio"):
        run_(work, backend="curio")
    gc.collect()


def test_arun_not_awaited_is_pythons_warning() -> None:
    # nothing has begun: Python's own warning says what is missing
    with pytest.warns(RuntimeWarning, match="never awaited"):
        arun(work)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
        gc.collect()


# Scopes


def test_a_scope_with_a_plain_with() -> None:
    s: Any = scope()
    with pytest.raises(TypeError, match="context manager"), s:
        pass


def test_a_scope_without_a_loop() -> None:
    coroutine = scope().__aenter__()
    with pytest.raises(RuntimeError, match=r"gochan\.run\(main\)"):
        coroutine.send(None)


async def test_a_scope_that_was_not_entered() -> None:
    with pytest.raises(RuntimeError, match="async with scope"):
        scope().go(work)
    gc.collect()


async def test_a_scope_entered_twice() -> None:
    async with scope() as s:
        with pytest.raises(RuntimeError, match=r"write scope\(\) each time"):
            await s.__aenter__()


# Channels


@pytest.mark.parametrize("cap", [1.0, "3", None, True, [1]])
def test_a_capacity_that_is_no_number(cap: object) -> None:
    with pytest.raises(TypeError, match=r"Chan\(3\)") as caught:
        Chan_(cap)
    assert type(cap).__name__ in text_of(caught)


def test_a_negative_capacity() -> None:
    with pytest.raises(ValueError, match="-1"):
        Chan(-1)


def test_a_type_in_place_of_the_capacity() -> None:
    # Go's make(chan int)
    with pytest.raises(TypeError, match=r"Chan\[int\]\(3\)"):
        Chan_(int)


@pytest.mark.parametrize("buffer", [3, buffers.Sliding, "sliding"])
def test_a_buffer_that_is_none(buffer: object) -> None:
    with pytest.raises(TypeError, match=r"Sliding\(10\)"):
        Chan_(buffer=buffer)


def test_capacity_and_buffer() -> None:
    with pytest.raises(TypeError, match="not both"):
        Chan(3, buffer=buffers.Sliding[Any](3))


@pytest.mark.parametrize("kind", [buffers.Sliding, buffers.Dropping])
def test_a_buffer_of_the_wrong_size(kind: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match="0"):
        kind(0)
    with pytest.raises(TypeError):
        kind("3")


def test_the_end_of_nil() -> None:
    with pytest.raises(gochan.CloseOfNil, match="^close of nil channel$"):
        nil.close()


def test_errors_of_go_have_its_text() -> None:
    ch = Chan[int](name="results")
    ch.close()
    with pytest.raises(gochan.CloseOfClosed, match="^close of closed channel$") as c:
        ch.close()
    assert c.value.channel is ch
    with pytest.raises(gochan.SendOnClosed, match="^send on closed channel$") as s:
        ch.send_nowait(1)
    assert s.value.channel is ch
    with pytest.raises(gochan.ChanClosed) as r:
        ch.recv_nowait()
    assert r.value.channel is ch


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_channel_cannot_be_copied(how: Callable[[object], object]) -> None:
    ch = Chan[int](name="results")
    for thing in (ch, ch.sender(), ch.receiver()):
        with pytest.raises(TypeError, match="results"):
            how(thing)


def test_a_goroutine_cannot_be_pickled(backend: dict[str, Any]) -> None:
    async def main() -> None:
        async with scope():
            with pytest.raises(TypeError):
                pickle.dumps(go(work))

    run(main, **backend)


def test_errors_can_be_pickled() -> None:
    ch = Chan[int]()
    for error in (
        gochan.ChanClosed(ch),
        gochan.SendOnClosed(ch),
        gochan.CloseOfClosed(ch),
        gochan.CloseOfNil(ch),
        gochan.DeadlockError(),
        gochan.GoroutineCancelled("g", "why"),
        gochan.Cancelled(),
        gochan.WouldBlock(),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert getattr(again, "channel", None) is None


def test_one_way_views_lack_the_other_direction() -> None:
    ch = Chan[int](1)
    sender: Any = ch.sender()
    receiver: Any = ch.receiver()
    for name in ("recv", "recv_ok", "recv_nowait", "blocking_recv", "__anext__"):
        assert not hasattr(sender, name)
    for name in ("send", "send_nowait", "blocking_send", "close"):
        assert not hasattr(receiver, name)
    with pytest.raises(TypeError):
        iter(sender)


def test_the_ends_are_not_to_be_made() -> None:
    for end in (gochan.SendChan, gochan.RecvChan):
        with pytest.raises(TypeError, match="abstract"):
            end()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


# Blocking forms on a loop's thread

BLOCKING: dict[str, tuple[Callable[[Chan[int]], object], str]] = {
    "send": (lambda ch: ch.blocking_send(1), r"await ch\.send\(v\)"),
    "recv": (lambda ch: ch.blocking_recv(), r"await ch\.recv\(\)"),
    "recv_ok": (lambda ch: ch.blocking_recv_ok(), r"await ch\.recv"),
    "select": (gochan.blocking_select, r"await select\("),
    "one try": (lambda ch: ch.blocking_recv(timeout=0), r"await ch\.recv\(\)"),
}


@pytest.mark.parametrize("form", BLOCKING)
async def test_a_blocking_call_on_a_loop(form: str) -> None:
    call, right = BLOCKING[form]
    ch = Chan[int](3)
    ch.send_nowait(7)
    with pytest.raises(RuntimeError, match=right) as caught:
        call(ch)
    assert "event loop" in text_of(caught)
    # and it has had no effect
    assert len(ch) == 1


async def test_a_plain_for_on_a_loop() -> None:
    ch = Chan[int](3)
    ch.send_nowait(7)
    with pytest.raises(RuntimeError, match="async for"):
        for _ in ch:
            break
    assert len(ch) == 1


async def test_blocking_join_on_a_loop() -> None:
    async with scope():
        g = go(work)
        with pytest.raises(RuntimeError, match="await g"):
            g.blocking_join()
        await g
        # also when it would not have blocked: the next time it may
        with pytest.raises(RuntimeError, match="await g"):
            g.blocking_join()


async def test_a_blocking_call_in_a_callback_of_the_loop() -> None:
    if anyio.get_current_task().name is None:
        pytest.fail("unreachable")
    errors: list[BaseException] = []
    ch = Chan[int]()

    def callback() -> None:
        try:
            ch.blocking_recv()
        except RuntimeError as error:
            errors.append(error)

    try:
        asyncio.get_running_loop().call_soon(callback)
    except RuntimeError:
        import trio

        trio.lowlevel.current_trio_token().run_sync_soon(callback)
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    assert "await" in str(errors[0])


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_timeout_that_is_none(timeout: float) -> None:
    ch = Chan[int](1)
    for call in (
        lambda: ch.blocking_send(1, timeout=timeout),
        lambda: ch.blocking_recv(timeout=timeout),
        lambda: ch.blocking_recv_ok(timeout),
        lambda: gochan.blocking_select(ch, timeout=timeout),
    ):
        with pytest.raises(ValueError, match="timeout"):
            call()
    assert len(ch) == 0


def test_a_timeout_that_is_no_number() -> None:
    ch: Any = Chan[int](1)
    with pytest.raises(TypeError):
        ch.blocking_recv(timeout="1")
    assert len(ch) == 0


# Async forms without a loop


def test_async_forms_driven_without_a_loop() -> None:
    ch = Chan[int]()
    for coroutine in (ch.send(1), ch.recv(), ch.recv_ok(), select(recv(ch)), yield_()):
        with pytest.raises(RuntimeError, match="blocking"):
            coroutine.send(None)
    # no half-parked waiter is left behind, and the lock is free
    assert ch.stats().waiting_senders == ch.stats().waiting_receivers == 0
    ch._check()


def test_a_coroutine_in_another_kind_of_loop_works() -> None:
    # nothing is bound to the loop that first used it
    ch = Chan[int](1)
    for backend in ("asyncio", "asyncio"):
        anyio.run(ch.send, 1, backend=backend)
        assert anyio.run(ch.recv, backend=backend) == 1


# Select


async def test_select_with_a_coroutine() -> None:
    ch = Chan[int]()
    with pytest.raises(TypeError, match=r"select\(recv\(ch\)\)") as caught:
        await select_(ch.recv())
    assert "not select(ch.recv())" in text_of(caught)
    with pytest.raises(TypeError):
        await select_(recv(ch), ch.send(1))
    gc.collect()


async def test_select_with_several_coroutines() -> None:
    # all of them are closed, not only the first
    a, b = Chan[int](), Chan[int]()
    with pytest.raises(TypeError):
        await select_(a.recv(), b.recv())
    gc.collect()


def test_select_nowait_with_a_coroutine() -> None:
    with pytest.raises(TypeError, match=r"select\(recv\(ch\)\)"):
        gochan.select_nowait(Chan[int]().recv())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    gc.collect()


@pytest.mark.parametrize("thing", [7, "ch", [], print])
async def test_select_with_something_else(thing: object) -> None:
    with pytest.raises(TypeError, match=r"recv\(a\)"):
        await select_(thing)


async def test_select_with_a_list_of_cases() -> None:
    with pytest.raises(TypeError):
        await select_([recv(Chan[int]()), recv(Chan[int]())])


async def test_select_with_the_sending_end() -> None:
    with pytest.raises(TypeError):
        await select_(Chan[int]().sender())


def test_a_case_with_a_coroutine() -> None:
    ch = Chan[int]()
    with pytest.raises(TypeError, match="channel itself"):
        recv_(ch.recv())
    with pytest.raises(TypeError, match="channel itself"):
        send_(ch.send(1), 1)
    gc.collect()


@pytest.mark.parametrize("thing", [7, "ch", object()])
def test_a_case_with_something_else(thing: object) -> None:
    with pytest.raises(TypeError, match=r"recv\(ch\)"):
        recv_(thing)
    with pytest.raises(TypeError, match=r"send\(ch, value\)"):
        send_(thing, 1)


def test_a_case_with_the_wrong_end() -> None:
    ch = Chan[int]()
    with pytest.raises(TypeError, match="RecvChan"):
        recv_(ch.sender())
    with pytest.raises(TypeError, match="SendChan"):
        send_(ch.receiver(), 1)


async def test_the_value_of_a_case_that_was_not_chosen() -> None:
    a, b = Chan[int](1), Chan[int](1)
    a.send_nowait(1)
    in_a, in_b = recv(a), recv(b)
    with pytest.raises(RuntimeError, match="not been chosen"):
        _ = in_a.value
    assert await select(in_a, in_b) is in_a
    with pytest.raises(RuntimeError, match="select returns"):
        _ = in_b.value


async def test_the_value_of_a_case_on_a_closed_channel() -> None:
    ch = Chan[int]()
    ch.close()
    case = await select(recv(ch))
    assert not case.ok
    with pytest.raises(gochan.ChanClosed):
        _ = case.value


async def test_a_gochan_case_that_is_none() -> None:
    class Odd:
        def __gochan_case__(self) -> object:
            return 5

    with pytest.raises(TypeError, match="__gochan_case__"):
        await select_(Odd())


# Threads


def test_go_in_a_thread_that_knows_no_scope() -> None:
    errors: list[BaseException] = []

    def body() -> None:
        try:
            go(work)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert "gochan.run(main)" in str(errors[0])


def test_await_is_forgotten(backend: dict[str, Any]) -> None:
    # the one mistake that cannot be an error at once: Python warns, with the name
    program = (
        "import gochan\n"
        "async def main():\n"
        "    ch = gochan.Chan(1)\n"
        "    ch.send(1)\n"
        "    assert len(ch) == 0\n"
        f"gochan.run(main, **{backend!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "coroutine 'Chan.send' was never awaited" in done.stderr
