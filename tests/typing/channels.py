"""Channels and their ends. Checked by mypy and pyright, never run.

A line with ``# type: ignore`` must be an error: mypy reports an ignore that it
does not need, and so does pyright in this folder.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, Literal, assert_type

from gochan import Chan, RecvChan, SendChan, nil
from gochan.buffers import Dropping, Sliding, Unbounded


class Animal: ...


class Dog(Animal): ...


class Puppy(Dog): ...


def construct() -> None:
    assert_type(Chan[int](3), Chan[int])
    assert_type(Chan[int](3, name="numbers"), Chan[int])
    inferred: Chan[str] = Chan()
    assert_type(inferred, Chan[str])
    assert_type(Chan[int](buffer=Dropping(3)), Chan[int])
    assert_type(Chan[int](buffer=Sliding(3)), Chan[int])
    assert_type(Chan(buffer=Unbounded[int]()), Chan[int])
    assert_type(nil, Chan[Any])

    Chan[int]("3")  # type: ignore[arg-type]
    Chan[int](3, "numbers")  # type: ignore[call-arg]
    Chan[int](buffer=Unbounded[str]())  # type: ignore[arg-type]


async def use(ch: Chan[int]) -> None:
    assert_type(await ch.recv(), int)
    assert_type(ch.blocking_recv(), int)
    assert_type(ch.blocking_recv(timeout=0.5), int)
    assert_type(ch.recv_nowait(), int)
    async for value in ch:
        assert_type(value, int)
    for value in ch:
        assert_type(value, int)

    await ch.send(1)
    ch.blocking_send(1, timeout=0.5)
    ch.send_nowait(1)

    await ch.send("1")  # type: ignore[arg-type]
    ch.blocking_send("1")  # type: ignore[arg-type]
    ch.send_nowait(None)  # type: ignore[arg-type]

    assert_type(len(ch), int)
    assert_type(ch.cap, int | None)
    assert_type(ch.closed, bool)
    assert_type(ch.stats().waiting_senders, int)


async def comma_ok(ch: Chan[int]) -> None:
    pair = await ch.recv_ok()
    assert_type(pair, tuple[int, Literal[True]] | tuple[None, Literal[False]])
    if pair[1] is True:
        assert_type(pair[0], int)
    else:
        assert_type(pair[0], None)
    match await ch.recv_ok():
        case value, True:
            assert_type(value, int)
        case nothing, False:
            assert_type(nothing, None)
    assert_type(
        ch.blocking_recv_ok(),
        tuple[int, Literal[True]] | tuple[None, Literal[False]],
    )


async def receiving_end(ch: RecvChan[int]) -> None:
    assert_type(await ch.recv(), int)
    assert_type(ch.recv_nowait(), int)
    async for value in ch:
        assert_type(value, int)
    for value in ch:
        assert_type(value, int)
    assert_type(ch.receiver(), RecvChan[int])

    await ch.send(1)  # type: ignore[attr-defined]
    ch.close()  # type: ignore[attr-defined]
    RecvChan[int]()  # type: ignore[abstract]


async def sending_end(ch: SendChan[int]) -> None:
    await ch.send(1)
    ch.close()
    assert_type(ch.sender(), SendChan[int])

    await ch.send("1")  # type: ignore[arg-type]
    await ch.recv()  # type: ignore[attr-defined]
    async for _ in ch:  # type: ignore[attr-defined]
        pass
    for _ in ch:  # type: ignore[attr-defined]
        pass
    SendChan[int]()  # type: ignore[abstract]


def views(ch: Chan[int]) -> None:
    assert_type(ch.sender(), SendChan[int])
    assert_type(ch.receiver(), RecvChan[int])


def variance(ch: Chan[Dog], recv: RecvChan[Dog], send: SendChan[Dog]) -> None:
    more_general: RecvChan[Animal] = ch
    more_special: SendChan[Puppy] = ch
    more_general = recv
    more_special = send

    not_to_receive: RecvChan[Puppy] = ch  # type: ignore[assignment]
    not_to_send: SendChan[Animal] = ch  # type: ignore[assignment]
    neither: Chan[Animal] = ch  # type: ignore[assignment]
    nor: Chan[Puppy] = ch  # type: ignore[assignment]
    both: Chan[Dog] = recv  # type: ignore[assignment]
    del more_general, more_special, not_to_receive, not_to_send, neither, nor, both
