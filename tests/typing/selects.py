"""Select. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

from gochan import (
    Case,
    Chan,
    Goroutine,
    RecvCase,
    RecvChan,
    Selectable,
    SendCase,
    SendChan,
    blocking_select,
    recv,
    select,
    select_nowait,
    send,
)


class Made:
    """What can be given to select because it makes a case."""

    def __gochan_case__(self) -> RecvCase[bytes]:
        raise NotImplementedError


def cases(ch: Chan[int], ins: RecvChan[str], outs: SendChan[float]) -> None:
    assert_type(recv(ch), RecvCase[int])
    assert_type(recv(ins), RecvCase[str])
    assert_type(recv(ch).value, int)
    assert_type(recv(ch).ok, bool)
    assert_type(recv(ch).index, int)
    assert_type(recv(ins).channel, RecvChan[str] | None)
    assert_type(send(outs, 1.5), SendCase[float])
    assert_type(send(ch, 1).value, int)
    assert_type(send(outs, 1.5).channel, SendChan[float] | None)
    again = send(ch, 1)
    again.value = 2

    again.value = "2"  # type: ignore[assignment]
    recv(ch).value = 1  # type: ignore[misc]
    recv(outs)  # type: ignore[arg-type]
    send(ins, "x")  # type: ignore[arg-type]
    send(ch)  # type: ignore[call-arg]


async def nil_channel(a: Chan[int], maybe: RecvChan[int] | None) -> None:
    assert_type(recv(maybe), RecvCase[int])
    assert_type(recv(maybe).value, int)
    assert_type(await select(recv(maybe), a), RecvCase[int])
    assert_type(await select(None, a), RecvCase[int])
    assert_type(select_nowait(None, a), RecvCase[int] | None)


async def union(a: Chan[int], b: Chan[str], c: Chan[bytes]) -> None:
    one = recv(a)
    two = send(b, "x")
    three = recv(c)
    assert_type(await select(one), RecvCase[int])
    assert_type(await select(one, two), RecvCase[int] | SendCase[str])
    assert_type(
        await select(one, two, three),
        RecvCase[int] | SendCase[str] | RecvCase[bytes],
    )
    assert_type(
        await select(one, two, three, recv(b)),
        RecvCase[int] | SendCase[str] | RecvCase[bytes] | RecvCase[str],
    )
    assert_type(
        await select(one, two, three, recv(b), send(a, 1)),
        RecvCase[int] | SendCase[str] | RecvCase[bytes] | RecvCase[str] | SendCase[int],
    )
    assert_type(await select(one, two, biased=True), RecvCase[int] | SendCase[str])


async def chosen(a: Chan[int], b: Chan[str]) -> None:
    one = recv(a)
    two = recv(b)
    case = await select(one, two)
    assert_type(case.value, int | str)
    if case is one:
        assert_type(one.value, int)
    match await select(one, send(b, "x")):
        case RecvCase(channel=channel, value=value):
            assert_type(channel, RecvChan[int] | None)
            assert_type(value, int)
        case SendCase(channel=target, value=sent):
            assert_type(target, SendChan[str] | None)
            assert_type(sent, str)


async def other_things(
    a: Chan[int], b: RecvChan[str], made: Made, g: Goroutine[float]
) -> None:
    assert_type(await select(a), RecvCase[int])
    assert_type(await select(a, b), RecvCase[int] | RecvCase[str])
    assert_type(await select(a, send(a, 1)), RecvCase[int] | SendCase[int])
    assert_type(await select(made), RecvCase[bytes])
    assert_type(await select(g, a), RecvCase[None] | RecvCase[int])
    selectable: Selectable[RecvCase[int]] = a
    assert_type(await select(selectable), RecvCase[int])


async def many(channels: list[Chan[int]], mixed: list[Case]) -> None:
    assert_type(await select(*map(recv, channels)), RecvCase[int])
    assert_type(await select(*channels), RecvCase[int])
    assert_type(await select(*mixed), Case)
    # there is nothing that it could return
    await select()


def others(a: Chan[int], b: Chan[str]) -> None:
    assert_type(select_nowait(recv(a)), RecvCase[int] | None)
    assert_type(select_nowait(a, b), RecvCase[int] | RecvCase[str] | None)
    assert_type(
        select_nowait(a, b, send(a, 1), biased=True),
        RecvCase[int] | RecvCase[str] | SendCase[int] | None,
    )
    assert_type(blocking_select(recv(a)), RecvCase[int])
    assert_type(blocking_select(a, b, timeout=1), RecvCase[int] | RecvCase[str])
    assert_type(
        blocking_select(a, b, send(a, 1), biased=True, timeout=0.5),
        RecvCase[int] | RecvCase[str] | SendCase[int],
    )


async def errors(a: Chan[int], outs: SendChan[int]) -> None:
    await select(a.recv())  # type: ignore[call-overload]
    await select(outs)  # type: ignore[call-overload]
    await select(recv(a), 3)  # type: ignore[call-overload]
    await select([recv(a)])  # type: ignore[call-overload]
    await select(recv(a), timeout=1)  # type: ignore[call-overload]
    select_nowait(recv(a), timeout=1)  # type: ignore[call-overload]
    blocking_select(recv(a), timeout="1")  # type: ignore[call-overload]


def any_case(case: Case) -> Any:
    assert_type(case.index, int)
    assert_type(case.ok, bool)
    # of what type, has to be asked first
    assert_type(case.value, Any)
    return case.channel
