"""What goroutines in other processes do in the tests of the memory model.

The variable of each is a file: it is what processes can share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gochan import Chan, blocking_select, recv, send

if TYPE_CHECKING:
    from pathlib import Path

    from gochan import context, sync


def written(path: Path) -> bool:
    """Read the variable."""
    return path.exists()


def write_and_send(path: Path, ch: Chan[Any]) -> None:
    path.touch()
    ch.blocking_send(1)


def write_and_select(path: Path, ch: Chan[Any]) -> None:
    path.touch()
    blocking_select(send(ch, 1))


def write_and_close(path: Path, ch: Chan[Any]) -> None:
    path.touch()
    ch.close()


def write_and_receive(path: Path, ch: Chan[Any]) -> None:
    path.touch()
    ch.blocking_recv()


def write_and_select_receive(path: Path, ch: Chan[Any]) -> None:
    path.touch()
    blocking_select(recv(ch))


def receive_each(folder: Path, ch: Chan[int], number: int) -> None:
    """Before each receive, write one more."""
    for n in range(number):
        (folder / str(n)).touch()
        ch.blocking_recv()


def send_each(folder: Path, ch: Chan[int], number: int) -> list[int]:
    """After each send, which of the receivers' files there were not, and should."""
    cap, missing = ch.cap, list[int]()
    assert cap is not None
    for n in range(number):
        ch.blocking_send(n)
        if n >= cap and not written(folder / str(n - cap)):
            missing.append(n)
    return missing


def send_and_count(ch: Chan[int], back: Chan[Any], number: int) -> list[int]:
    """After each send, which of what receivers had sent here before was missing."""
    cap, missing = ch.cap, list[int]()
    assert cap is not None
    come = Chan[int](number)
    back.blocking_send(come)
    for n in range(number):
        ch.blocking_send(n)
        if len(come) <= n - cap:
            missing.append(n)
    return missing


def write_and_be_done(path: Path, wg: sync.WaitGroup) -> None:
    path.touch()
    wg.done()


def write_and_return(path: Path) -> None:
    path.touch()


def write_and_fail(path: Path) -> None:
    path.touch()
    raise ValueError("as it is to")


def send_and_read(path: Path, ch: Chan[Any]) -> bool:
    ch.blocking_send(1)
    return written(path)


def receive_and_read(path: Path, ch: Chan[Any]) -> bool:
    ch.blocking_recv_ok()
    return written(path)


def wait_and_read(path: Path, started: Chan[int], ctx: context.Context) -> bool:
    started.blocking_send(1)
    ctx.done().blocking_recv_ok()
    return written(path)


def send_on_both(first: Chan[int], second: Chan[int], number: int) -> None:
    for n in range(number):
        first.blocking_send(n)
        second.blocking_send(n)


def receive_from_both(first: Chan[int], second: Chan[int], number: int) -> list[int]:
    """What was there of ``first`` once the same had come from ``second``."""
    return [
        first.recv_nowait() if second.blocking_recv() == n else -1
        for n in range(number)
    ]
