"""The rules that hold across processes, where the only variables are outside of them.

Nobody can be told of accesses there, so these look at what came about: a file that has
to be there, or a value. Other processes do run at the same time: an answer that came
too early would be seen, if not each time.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

import gochan
from gochan import Chan, context, go, scope, sync
from support import processes_model as there
from support.census import METHOD, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

go_: Any = go


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with gochan.executors.processes(2, METHOD) as pool:
        yield pool


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    """A new variable each time."""
    return (tmp_path / str(n) for n in itertools.count())


TIMES = 20
CAPS = (0, 1, 16)


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("function", [there.write_and_send, there.write_and_select])
async def test_c1_a_send_comes_before_its_receive(
    pool: Any, files: Iterator[Path], function: Callable[..., Any], cap: int
) -> None:
    ch = Chan[int](cap)
    for path in itertools.islice(files, TIMES):
        async with scope():
            go_(function, path, ch, on=pool)
            await ch.recv()
            assert there.written(path)


@pytest.mark.parametrize("cap", CAPS)
async def test_c1_from_here(pool: Any, files: Iterator[Path], cap: int) -> None:
    ch = Chan[int](cap)
    for path in itertools.islice(files, TIMES):
        async with scope():
            g = go_(there.receive_and_read, path, ch, on=pool)
            path.touch()
            await ch.send(1)
            assert await g


async def test_c2_close_comes_before_the_receive_that_reports_it(
    pool: Any, files: Iterator[Path]
) -> None:
    for path in itertools.islice(files, TIMES):
        ch = Chan[int]()
        async with scope():
            go_(there.write_and_close, path, ch, on=pool)
            assert await ch.recv_ok() == (None, False)
            assert there.written(path)


async def test_c2_from_here(pool: Any, files: Iterator[Path]) -> None:
    for path in itertools.islice(files, TIMES):
        ch = Chan[int]()
        async with scope():
            g = go_(there.receive_and_read, path, ch, on=pool)
            path.touch()
            ch.close()
            assert await g


@pytest.mark.parametrize(
    "function", [there.write_and_receive, there.write_and_select_receive]
)
async def test_c3_without_a_buffer_a_receive_comes_before_the_send_returns(
    pool: Any, files: Iterator[Path], function: Callable[..., Any]
) -> None:
    ch = Chan[int]()
    for path in itertools.islice(files, TIMES):
        async with scope():
            go_(function, path, ch, on=pool)
            await ch.send(1)
            assert there.written(path)


async def test_c3_from_here(pool: Any, files: Iterator[Path]) -> None:
    ch = Chan[int]()
    for path in itertools.islice(files, TIMES):
        async with scope():
            g = go_(there.send_and_read, path, ch, on=pool)
            # until it waits: an answer that comes at once has come by then
            await eventually(
                lambda: ch.stats().waiting_senders or g.state == "done"  # noqa: B023
            )
            path.touch()
            await ch.recv()
            assert await g


@pytest.mark.parametrize("cap", [1, 2, 8, 64])
async def test_c4_a_receive_comes_before_a_later_send_returns(
    pool: Any, tmp_path: Path, cap: int
) -> None:
    """The k-th before the (k + cap)-th, also where slots and values are lent."""
    number = 300
    ch = Chan[int](cap)
    async with scope():
        go_(there.receive_each, tmp_path, ch, number, on=pool)
        for n in range(number):
            await ch.send(n)
            if n >= cap:
                assert there.written(tmp_path / str(n - cap))
    folder = tmp_path / "back"
    folder.mkdir()
    async with scope():
        g = go_(there.send_each, folder, ch, number, on=pool)
        for n in range(number):
            (folder / str(n)).touch()
            await ch.recv()
        assert await g == []


async def test_d6_done_comes_before_wait_returns(
    pool: Any, files: Iterator[Path]
) -> None:
    wg = sync.WaitGroup()
    for path in itertools.islice(files, TIMES):
        wg.add(1)
        async with scope():
            go_(there.write_and_be_done, path, wg, on=pool)
            await wg.wait()
            assert there.written(path)


async def test_h_a_cancellation_comes_before_done_is_seen(
    pool: Any, files: Iterator[Path]
) -> None:
    started = Chan[int]()
    for path in itertools.islice(files, TIMES):
        ctx, cancel = context.with_cancel(context.background())
        async with scope():
            g = go_(there.wait_and_read, path, started, ctx, on=pool)
            await started.recv()
            path.touch()
            cancel()
            assert await g


async def test_b3_and_p1_start_and_end(pool: Any, files: Iterator[Path]) -> None:
    for path in itertools.islice(files, TIMES):
        async with scope():
            await go_(there.write_and_return, path, on=pool)
            assert there.written(path)
            assert await go_(there.written, path, on=pool)


async def test_p2_the_end_of_a_scope(pool: Any, files: Iterator[Path]) -> None:
    for path in itertools.islice(files, TIMES):
        with pytest.raises(ExceptionGroup):
            async with scope():
                go_(there.write_and_fail, path, on=pool)
        assert there.written(path)


async def test_q1_what_was_sent_before_on_the_link_has_come(pool: Any) -> None:
    number = 500
    first, second = Chan[int](number), Chan[int](64)
    async with scope():
        go_(there.send_on_both, first, second, number, on=pool)
        for n in range(number):
            assert await second.recv() == n
            assert first.recv_nowait() == n
    async with scope():
        g = go_(there.receive_from_both, first, second, number, on=pool)
        for n in range(number):
            await first.send(n)
            await second.send(n)
        assert await g == list(range(number))


async def test_q1_before_a_receive_that_makes_room(pool: Any) -> None:
    """It has come when the send that has the room returns: no message says so."""
    number = 2_000
    ch, back = Chan[int](64), Chan[Any](1)
    async with scope():
        g = go_(there.send_and_count, ch, back, number, on=pool)
        sent = await back.recv()
        for n in range(number):
            await sent.send(n)
            assert await ch.recv() == n
        assert await g == []
