"""Goroutines in other processes: what they get, what they do, what comes of them."""

from __future__ import annotations

import functools
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import gochan
from gochan import (
    Chan,
    ChanClosed,
    CloseOfClosed,
    GoroutineCancelled,
    RecvChan,
    SendChan,
    SendOnClosed,
    WouldBlock,
    go,
    nil,
    recv,
    scope,
    select,
    send,
)
from support import in_processes as there
from support.census import METHOD, alive, eventually
from support.idle import settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

go_: Any = go


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    """Processes that all tests of this file use, whatever loop they run on."""
    with gochan.executors.processes(3, METHOD) as pool:
        yield pool


async def call(fn: Any, *args: Any, on: Any) -> Any:
    """What a goroutine returns."""
    async with scope():
        return await go_(fn, *args, on=on)


async def error_of(fn: Any, *args: Any, on: Any) -> Any:
    """What a goroutine raises, as it leaves its scope."""
    with pytest.raises(BaseExceptionGroup) as caught:
        async with scope():
            go_(fn, *args, on=on)
    (error,) = caught.value.exceptions
    return error


# Results, errors, where it runs


async def test_plain_and_async_functions(pool: Any) -> None:
    async with scope():
        plain, coroutine = go(there.pid, on=pool), go(there.apid, on=pool)  # pyright: ignore[reportUnknownVariableType]
        assert plain.name == "pid"
        assert os.getpid() not in {await plain, await coroutine}
        eight = go(functools.partial(there.double, 4), on=pool, name="eight")
        assert (await eight, eight.name, eight.state) == (8, "eight", "done")
        partial: Any = functools.partial(there.apid)
        assert await go_(partial, on=pool) != os.getpid()


def test_the_default_pool(backend: dict[str, Any]) -> None:
    async def main() -> tuple[int, int]:
        first = await go(there.pid, on=gochan.processes)
        return first, await go(there.apid, on=gochan.processes)

    first, second = gochan.run(main, **backend)
    # the same process, since it was free again
    assert os.getpid() != first == second


async def test_an_async_function_runs_on_the_same_backend(
    pool: Any, anyio_backend_name: str
) -> None:
    assert await call(there.library, on=pool) == anyio_backend_name


async def test_more_goroutines_than_processes(pool: Any) -> None:
    async with scope():
        goroutines = [go(there.double, number, on=pool) for number in range(20)]
        assert [await each for each in goroutines] == [*range(0, 40, 2)]


async def test_an_error_has_its_traceback_from_there(pool: Any) -> None:
    error = await error_of(there.fail_deeply, on=pool)
    assert isinstance(error, ValueError)
    assert error.args == ("outer",)
    text = str(error.__cause__)
    assert "in fail_deeply" in text
    assert "KeyError: 'inner'" in text
    assert "a note from there" in text
    (note,) = error.__notes__
    assert note.startswith("goroutine 'fail_deeply' (id ")
    assert "started at test_processes.py:" in note


async def test_the_notes_of_an_error_come_along(pool: Any) -> None:
    error = LookupError("not there")
    error.add_note("but noted")
    got = await error_of(there.fail, error, on=pool)
    assert isinstance(got, LookupError)
    assert got.__notes__[0] == "but noted"


async def test_an_error_that_cannot_be_made_again(pool: Any) -> None:
    error = await error_of(there.needs_two, on=pool)
    assert type(error) is RuntimeError
    assert str(error) == "NeedsTwo: 1 and 2"
    assert error.__notes__[0].startswith("NeedsTwo cannot be pickled: ")
    assert error.__notes__[1] == "and a note"
    assert "in needs_two" in str(error.__cause__)


async def test_awaiting_a_goroutine_that_fails(pool: Any) -> None:
    with pytest.raises(ExceptionGroup):
        async with scope():
            failing = go_(there.fail, ValueError("it"), on=pool)
            with pytest.raises(ValueError, match="it"):
                await failing


def test_system_exit_ends_the_run_as_that_of_any_goroutine(
    pool: Any, backend: dict[str, Any]
) -> None:
    async def main() -> None:
        go(there.system_exit, 3, on=pool)
        await Chan[None]().recv()

    with pytest.raises(SystemExit) as caught:
        gochan.run(main, **backend)
    assert caught.value.code == 3


def test_what_they_print_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        await go(there.say, "hello", on=gochan.executors.processes(1))

    gochan.run(main)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("hello\n", "HELLO\n")


async def test_a_run_in_a_process_with_goroutines_of_its_own(pool: Any) -> None:
    ch = Chan[Any](1)
    found = await call(there.goroutines_of_its_own, ch, on=pool)
    assert found == ch.recv_nowait() == [0, 1, 2]


async def test_a_process_of_a_process(pool: Any) -> None:
    ch = Chan[int](1)
    assert await call(there.grandchild, ch, on=pool) != os.getpid()
    assert ch.recv_nowait() == 7


# What is passed


async def test_channels_at_any_depth(pool: Any) -> None:
    one, two = Chan[int](1), Chan[int](1)
    config = there.Config("c", {"deep": [{"ch": (two, two)}]}, one)
    await call(there.use_config, config, on=pool)
    assert (one.recv_nowait(), two.recv_nowait()) == (1, 2)


async def test_a_channel_is_one_object_wherever_it_is_in_there(pool: Any) -> None:
    ch, other = Chan[int](), Chan[int]()
    told = await call(
        there.compare, ch, (ch, ch.sender(), ch.receiver()), other, on=pool
    )
    assert told == {
        "same": True,
        "views": True,
        "ends": (False, False),
        "other": False,
        "kind": True,
    }


async def test_a_channel_that_comes_back_is_itself(pool: Any) -> None:
    ch = Chan[int]()
    back = await call(there.same, {"ch": ch, "view": ch.receiver()}, on=pool)
    assert back["ch"] is ch
    assert back["view"] == ch
    assert isinstance(back["view"], RecvChan)
    assert not isinstance(back["view"], SendChan)


async def test_nil_is_nil(pool: Any) -> None:
    back = await call(there.same, [nil, nil.sender()], on=pool)
    assert back[0] is nil
    assert back[1] == nil


async def test_what_is_known_about_a_channel(pool: Any) -> None:
    ch = Chan[int](3, name="jobs")
    ch.send_nowait(1)
    told = await call(there.look_at, ch, on=pool)
    assert told == {
        "name": "jobs",
        "cap": 3,
        "closed": False,
        "length": 1,
        "stats": ch.stats(),
        "bool": True,
        "repr": f"<Chan 'jobs' of process {os.getpid()}>",
    }
    ch.close()
    assert (await call(there.look_at, ch, on=pool))["closed"]
    unbounded = Chan[int](buffer=gochan.buffers.Unbounded())
    assert (await call(there.look_at, unbounded, on=pool))["cap"] is None


async def test_arguments_are_those_of_the_call(pool: Any) -> None:
    values = [1]
    async with scope():
        g = go(there.same, values, on=pool)
        values.append(2)
        assert await g == [1]


async def test_what_cannot_be_pickled_is_named(pool: Any) -> None:
    async with scope():
        config = there.Config("c", {"deep": [there.Locked()]})
        with pytest.raises(TypeError) as caught:
            go(there.same, config, on=pool)
        assert str(caught.value) == (
            "args[0].extra['deep'][0].config['lock']: "
            "cannot pickle '_thread.lock' object"
        )
        with pytest.raises(TypeError, match="^fn: ") as caught:
            go(lambda: 1, on=pool)
        assert "at the top level of a module" in caught.value.__notes__[0]


async def test_a_result_that_cannot_be_pickled(pool: Any) -> None:
    error = await error_of(there.make, "Locked", on=pool)
    assert isinstance(error, TypeError)
    assert str(error) == "result.config['lock']: cannot pickle '_thread.lock' object"


async def test_what_cannot_be_unpickled(pool: Any) -> None:
    error = await error_of(there.same, there.Unpicklable(), on=pool)
    assert isinstance(error, ValueError)
    assert str(error) == "this cannot be made again"
    error = await error_of(there.make, "Unpicklable", on=pool)
    assert isinstance(error, ValueError)
    assert "while unpickling what has come from process" in error.__notes__[0]


async def test_a_channel_is_pickled_on_its_way_alone(pool: Any) -> None:
    ch = Chan[int]()
    error = await error_of(there.call, pickle.dumps, ch, on=pool)
    assert isinstance(error, TypeError)
    assert "cannot be pickled or copied" in str(error)
    # nor here, whatever has been passed before
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        pickle.dumps(ch)


async def test_a_channel_made_in_a_process(pool: Any) -> None:
    ch = await call(there.make_channel, 3, on=pool)
    assert isinstance(ch, Chan)
    assert (len(ch), ch.cap) == (3, 3)  # pyright: ignore[reportUnknownArgumentType]
    assert [await ch.recv() for _ in range(3)] == [0, 1, 2]
    async with scope():
        go(ch.send, 4)  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
        assert await ch.recv() == 4
        ch.close()
        assert await ch.recv_ok() == (None, False)
        with pytest.raises(SendOnClosed) as caught:
            await ch.send(5)  # pyright: ignore[reportUnknownMemberType]
        assert caught.value.channel is ch


async def test_a_request_with_a_channel_for_the_answer(pool: Any) -> None:
    """The channel of one process is used by another one, by way of this one."""
    requests = Chan[Any]()
    async with scope():
        server = go(there.serve, requests, on=pool)
        for number in range(5):
            assert await go(there.ask, requests, number, on=pool) == number**2
        # also from here
        answer = Chan[int]()
        await requests.send((7, answer))
        assert await answer.recv() == 49
        requests.close()
        await server


# Operations


@pytest.mark.parametrize("cap", [0, 1, 3])
@pytest.mark.parametrize("forward", [there.forward, there.aforward])
async def test_values_pass_in_order(pool: Any, cap: int, forward: Any) -> None:
    source, sink = Chan[int](cap), Chan[int](cap)
    received: list[int] = []
    async with scope():
        g = go_(forward, source, sink.sender(), on=pool)

        async def feed() -> None:
            for number in range(50):
                await source.send(number)
            source.close()

        go(feed)
        async for number in sink:
            received.append(number)
        assert await g == 50
    assert received == [*range(50)]


async def test_errors_of_the_blocking_and_the_nowait_face(pool: Any) -> None:
    ch = Chan[int](1)
    assert await call(
        there.operate,
        ch,
        [
            ("recv_nowait",),
            ("blocking_recv", 0),
            ("blocking_recv", 0.01),
            ("blocking_send", 1, {"timeout": 0}),
            ("send_nowait", 2),
            ("blocking_send", 2, {"timeout": 0}),
            ("blocking_send", 2, {"timeout": 0.01}),
            ("blocking_recv",),
            ("send_nowait", 3),
            ("recv_nowait",),
            ("blocking_recv", -1),
        ],
        on=pool,
    ) == [
        (WouldBlock, "", None),
        (TimeoutError, f"no sender within 0 seconds on {_repr(ch)}", None),
        (TimeoutError, f"no sender within 0.01 seconds on {_repr(ch)}", None),
        None,
        (WouldBlock, "", None),
        (TimeoutError, f"no receiver within 0 seconds on {_repr(ch)}", None),
        (TimeoutError, f"no receiver within 0.01 seconds on {_repr(ch)}", None),
        1,
        None,
        3,
        (ValueError, "timeout must be 0 seconds or more, or None, not -1", None),
    ]


def _repr(ch: Chan[Any]) -> str:
    return f"<Chan {ch.name!r} of process {os.getpid()}>"


async def test_a_closed_channel(pool: Any) -> None:
    ch = Chan[int](2)
    ch.send_nowait(1)
    closed = (ChanClosed, "receive on closed channel", ch)
    late = (SendOnClosed, "send on closed channel", ch)
    assert await call(
        there.operate,
        ch,
        [
            ("close",),
            ("close",),
            ("blocking_recv",),
            ("blocking_recv",),
            ("recv_nowait",),
            ("blocking_recv_ok",),
            ("blocking_send", 1),
            ("send_nowait", 1),
        ],
        on=pool,
    ) == [
        None,
        (CloseOfClosed, "close of closed channel", ch),
        1,
        closed,
        closed,
        (None, False),
        late,
        late,
    ]
    assert await call(
        there.aoperate, ch, [("recv",), ("recv_ok",), ("send", 1)], on=pool
    ) == [closed, (None, False), late]


async def test_close_wakes_who_waits_there(pool: Any) -> None:
    ch = Chan[int]()
    async with scope():
        g = go(there.closed_there, ch, on=pool)
        await eventually(lambda: ch.stats().waiting_receivers)
        ch.close()
        assert await g == "closed"


async def test_blocking_calls_do_not_block_a_loop_there(pool: Any) -> None:
    (told,) = await call(there.aoperate, Chan[int](), [("blocking_recv",)], on=pool)
    assert told[0] is RuntimeError
    assert "write: await ch.recv()" in told[1]


async def test_a_rendezvous_stays_one(pool: Any) -> None:
    """Nothing is fetched that was not asked for."""
    ch = Chan[int]()
    async with scope():
        g = go(there.receive, ch, 2, on=pool)
        for number in range(2):
            await ch.send(number)
        # the third would be taken by who fetches in advance
        await g
        with pytest.raises(WouldBlock):
            ch.send_nowait(2)
        assert await g == [0, 1]
    assert ch.stats().waiting_receivers == 0


async def test_a_send_waits_for_room(pool: Any) -> None:
    ch = Chan[int](2)
    async with scope():
        g = go(there.send_all, ch, [*range(6)], on=pool)
        await eventually(lambda: ch.stats().waiting_senders)
        assert (len(ch), g.state) == (2, "parked")
        assert [await ch.recv() for _ in range(6)] == [*range(6)]
        await g


async def test_large_values_and_buffers(pool: Any) -> None:
    ch = Chan[Any]()
    large = os.urandom(3_000_000)
    async with scope():
        g = go(there.receive, ch, 2, on=pool)
        await ch.send(large)
        await ch.send([pickle.PickleBuffer(bytearray(large)), "between", large])
        first, (second, between, third) = await g
    assert (first, bytes(second), between, third) == (large, large, "between", large)
    # its memory is its own, and can be changed
    second[:3] = b"abc"


async def test_an_array_has_the_memory_that_was_received(pool: Any) -> None:
    np: Any = pytest.importorskip("numpy")
    ch = Chan[Any](8)
    array = np.arange(1_000_000, dtype=np.float64)
    async with scope():
        g = go(there.receive, ch, 1, on=pool)
        await ch.send(array)
        (back,) = await g
    assert (back == array).all()
    # no copy of what the link has received, and to be changed by whoever has it
    assert not back.flags.owndata
    assert isinstance(back.base, memoryview | bytearray | np.ndarray)
    back[0] = 7


# Select


@pytest.mark.parametrize("form", ["nowait", "blocking", "0", "5"])
async def test_select_of_the_ready_case(pool: Any, form: str) -> None:
    a, b = Chan[str](1), Chan[str](1)
    a.send_nowait("full")
    choose = functools.partial(call, there.select_there, form, on=pool)
    # b is empty, a is full, None is nil
    assert await choose([(b,), (a,), (None,)], False) == (1, True, "full")
    assert await choose([(a,), (a, "new"), (nil,)], True) == (1, True, "new")
    assert await choose([(b,), (a,), (b, "b")], True) == (1, True, "new")
    b.close()
    assert await choose([(a,), (b,)], False) == (1, False, None)


async def test_select_without_a_ready_case(pool: Any) -> None:
    ch = Chan[int]()
    assert (
        await call(there.select_there, "nowait", [(ch,), (ch, 1)], False, on=pool)
        is None
    )
    for form in ("0", "0.01"):
        error = await error_of(
            there.select_there, form, [(ch,), (ch, 1)], False, on=pool
        )
        assert isinstance(error, TimeoutError)
    assert ch.stats() == Chan[int]().stats()


async def test_select_that_sends_on_a_closed_channel(pool: Any) -> None:
    ch, other = Chan[int](), Chan[int]()
    ch.close()
    for fn, args in (
        (there.select_there, ("blocking", [(other,), (ch, 1)], False)),
        (there.aselect, ([(other, 1), (ch, 1)], True)),
    ):
        error = await error_of(fn, *args, on=pool)
        assert isinstance(error, SendOnClosed)


@pytest.mark.parametrize("how", ["plain", "async"])
async def test_select_waits(pool: Any, how: str) -> None:
    a, b = Chan[int](), Chan[int]()

    def start(*cases: Any) -> Any:
        if how == "plain":
            return go(there.select_there, "blocking", cases, False, on=pool)
        return go(there.aselect, cases, False, on=pool)

    async with scope():
        g = start((a,), (b,))
        await eventually(lambda: a.stats().waiting_receivers)
        await b.send(7)
        assert await g == (1, True, 7)
        g = start((a,), (b, 8))
        await eventually(lambda: b.stats().waiting_senders)
        assert await b.recv() == 8
        assert await g == (1, True, 8)
        g = start((a,), (b,))
        await eventually(lambda: a.stats().waiting_receivers)
        a.close()
        assert await g == (0, False, None)
    # no ghosts
    assert b.stats() == Chan[int]().stats()


@pytest.mark.parametrize("form", ["uniform", "biased", "nowait"])
async def test_a_select_over_two_processes(pool: Any, form: str) -> None:
    told = Chan[Any]()

    async def choose(ch: Chan[Any], *own: Any) -> Any:
        return await call(there.aselect_with_own, form, ch, own, told, on=pool)

    ch = Chan[int](2)
    assert await choose(ch, None, 5) == ((2, True, 5), [0, 0])
    ch.send_nowait(1)
    assert await choose(ch, None, None) == ((0, True, 1), [0, 0])
    # both are ready: exactly one is done
    seen: set[Any] = set()
    for _ in range(30):
        while len(ch) < 2:
            ch.send_nowait(2)
        chosen, left = await choose(ch, 3)
        seen.add(chosen[0])
        assert (len(ch), left) == ((1, [1]) if chosen[0] == 0 else (2, [0]))
    assert seen == ({0, 1} if form == "uniform" else {0})


@pytest.mark.parametrize("side", ["there", "here"])
async def test_a_select_over_two_processes_waits(pool: Any, side: str) -> None:
    ch, told = Chan[int](), Chan[str]()
    async with scope():
        if side == "here":
            g = go_(there.aselect_with_own, "later", ch, [None], told, on=pool)
            assert await told.recv() == "waiting"
            assert await g == ((1, True, "later"), [0])
        else:
            g = go_(there.aselect_with_own, "uniform", ch, [None], told, on=pool)
            await ch.send(4)
            assert await g == ((0, True, 4), [0])
    # no ghosts
    assert ch.stats() == Chan[int]().stats()


async def test_a_blocking_select_over_two_processes(pool: Any) -> None:
    ch = Chan[int](1)
    for timeout in (0, 0.03):
        error = await error_of(there.select_with_own, ch, timeout, on=pool)
        assert isinstance(error, TimeoutError)
    async with scope():
        g = go_(there.select_with_own, ch, 30, on=pool)
        await eventually(lambda: ch.stats().waiting_receivers)
        await ch.send(1)
        assert await g == (0, True, 1)
        g = go_(there.select_with_own, ch, None, on=pool)
        await eventually(lambda: ch.stats().waiting_receivers)
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
    assert ch.stats().waiting_receivers == 0


async def test_a_select_over_two_processes_is_cancelled(pool: Any) -> None:
    made = await call(there.make_channel, 0, on=pool)
    near = Chan[int]()
    async with scope():
        g = go(_select, recv(made), recv(near))
        await eventually(lambda: made.stats().waiting_receivers)
        g.cancel()
        with pytest.raises(GoroutineCancelled):
            await g
        assert made.stats().waiting_receivers == near.stats().waiting_receivers == 0
        # a value that comes at the same time is received, or still there
        for _ in range(20):
            g = go(_select, recv(made), recv(near))
            await eventually(lambda: made.stats().waiting_receivers)
            go(near.send, 1)
            g.cancel()
            try:
                await g
            except GoroutineCancelled:
                assert await near.recv() == 1


async def _select(*cases: Any) -> Any:
    return await select(*cases)


async def test_two_selects_that_both_look_elsewhere_meet(pool: Any) -> None:
    ch = Chan[int]()
    assert await call(there.meet, ch, 5, on=pool) == [*range(5)]
    assert ch.stats() == Chan[int]().stats()


async def test_not_over_two_other_processes(pool: Any) -> None:
    ch = Chan[int](1)
    async with scope():
        told, until = Chan[Chan[int]](), Chan[None]()
        go(there.home_of, Chan[int](), told, until, on=pool)
        made = await told.recv()
        kind, text, _ = await go(there.select_two_homes, ch, made, on=pool)
        until.close()
    assert kind is ValueError
    assert "are in two other processes, and one can take part" in text


async def test_select_on_channels_of_another_process(pool: Any) -> None:
    made = await call(there.make_channel, 1, on=pool)
    received, sent = recv(made), send(made, 5)
    assert await select(received, recv(nil)) is received
    assert received.value == 0
    assert gochan.select_nowait(sent, None) is sent
    assert gochan.select_nowait(sent) is None
    assert await select(made) == recv(made) or True
    assert len(made) == 0
    match await select(send(made, 6)):
        case gochan.SendCase(channel, value):
            assert channel is made
            assert value == 6


# Cancellation


@pytest.mark.parametrize("when", ["scope", "goroutine"])
async def test_a_plain_function_gets_cancelled(pool: Any, when: str) -> None:
    started, ch = Chan[int](), Chan[int]()
    async with scope() as s:
        g = go(there.note_cancellation, started, ch, on=pool, name="f")
        pid = await started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        (s if when == "scope" else g).cancel("enough")
        if when == "goroutine":
            with pytest.raises(GoroutineCancelled, match="enough"):
                await g
    assert g.state == "done"
    assert ch.stats().waiting_receivers == 0
    # nothing was sent meanwhile, and the process is still there
    assert started.stats() == Chan[int]().stats()
    (noted,) = await _in(pool, pid, there.take_kept)
    assert noted == f"goroutine 'f' (id {g.id}) was cancelled: enough"


async def _in(pool: Any, pid: int, fn: Any, *args: Any) -> Any:
    """Call a function in one of the pool's processes."""
    for _ in range(100):
        told = Chan[int](1)
        async with scope():
            result = await go_(there.then, told, fn, *args, on=pool)
        if told.recv_nowait() == pid:
            return result
    raise AssertionError("it is not there any more")


async def test_an_async_function_is_cancelled_as_on_any_loop(pool: Any) -> None:
    started, ch = Chan[Any](), Chan[int]()
    async with scope() as s:
        g = go(there.anote_cancellation, started, ch, on=pool)  # pyright: ignore[reportUnknownVariableType]
        await started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        g.cancel()  # pyright: ignore[reportUnknownMemberType]
        assert await started.recv() == "cleared up"
        with pytest.raises(GoroutineCancelled):
            await g
        s.cancel()
    assert ch.stats().waiting_receivers == 0


async def test_a_cancellation_that_is_ignored(pool: Any) -> None:
    started, ch = Chan[Any](), Chan[int]()
    async with scope():
        g = go(there.ignore_cancellation, started, ch, on=pool)
        await started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        g.cancel()
        assert await g == "went on"


@pytest.mark.parametrize("compute", [there.compute_forever, there.acompute_forever])
async def test_who_computes_is_killed(
    compute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gochan.executors._in_process.GRACE", 0.1)
    started = Chan[int]()
    async with gochan.executors.processes(1, METHOD) as pool:
        async with scope():
            g = go_(compute, started, on=pool)
            pid = await started.recv()
            g.cancel()
            with pytest.raises(GoroutineCancelled):
                await g
        await eventually(lambda: not alive(pid))
        # and replaced
        assert await call(there.double, 2, on=pool) == 4


@pytest.mark.slow
@pytest.mark.parametrize("fn", [there.clear_up_slowly, there.aclear_up_slowly])
async def test_who_has_noticed_may_take_its_time(
    pool: Any, tmp_path: Path, fn: Any
) -> None:
    started, ch = Chan[int](), Chan[int]()
    path = tmp_path / "cleared up"
    async with scope() as s:
        go_(fn, started, ch, str(path), on=pool)
        await started.recv()
        await eventually(lambda: ch.stats().waiting_receivers)
        s.cancel()
    assert path.read_text() == "cleared up"


async def test_cancelled_before_it_has_a_process() -> None:
    started, ch = Chan[int](), Chan[int]()
    async with gochan.executors.processes(1, METHOD) as pool, scope():
        first = go(there.note_cancellation, started, ch, on=pool)
        await started.recv()
        second = go(there.note_cancellation, started, ch, on=pool)
        await settle()
        assert second.state == "runnable"
        second.cancel()
        with pytest.raises(GoroutineCancelled):
            await second
        first.cancel()
        with pytest.raises(GoroutineCancelled):
            await first


async def test_cancelled_while_its_process_starts() -> None:
    with anyio.fail_after(30):
        async with gochan.executors.processes(1) as pool, scope() as s:
            go(there.pid, on=pool)
            await anyio.lowlevel.checkpoint()
            s.cancel()


# The executors


async def test_a_sized_pool_is_a_context_manager() -> None:
    pool = gochan.executors.processes(1, start_method="forkserver")
    assert repr(pool) == "<processes(1)>"
    async with pool, scope():
        g = go(there.pid, on=pool)
    assert await g != os.getpid()
    async with scope():
        with pytest.raises(RuntimeError, match=r"processes\(1\) has been closed"):
            go(there.pid, on=pool)


def test_bad_sizes_and_start_methods() -> None:
    make: Any = gochan.executors.processes
    with pytest.raises(TypeError, match=r"must be an int, not str: write processes"):
        make("2")
    with pytest.raises(ValueError, match=r"at least 1, not 0: write processes\(4\)"):
        make(0)
    with pytest.raises(ValueError, match="a forked process has the locks"):
        make(2, "fork")
    with pytest.raises(ValueError, match="there is no such start method"):
        make(2, "thread")


async def test_errors_show_the_right_form(pool: Any) -> None:
    async with scope():
        with pytest.raises(TypeError, match=r"write go\(apid, ...\)"):
            go_(there.apid(), on=pool)
        with pytest.raises(TypeError, match="wants an async function, not 3"):
            go_(3, on=pool)


def test_importing_gochan_loads_nothing_for_processes() -> None:
    import subprocess

    program = (
        # the oldest anyio loads sockets
        "import anyio, sys; before = set(sys.modules);"
        "import gochan; gochan.executors.processes(2);"
        "names = {'multiprocessing', 'socket', 'pickle'};"
        "print(sorted((names & sys.modules.keys()) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        # that loads them itself
        env={name: v for name, v in os.environ.items() if not name.startswith("COV")},
    )
    assert done.stdout == "[]\n"
