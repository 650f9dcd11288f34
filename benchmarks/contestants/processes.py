"""Between processes: gochan's channels, and the standard library's queue.

A process is started once and kept. The shapes: ``process_parent`` (a process sends,
this one receives), ``process_worker`` (the other way round) and ``process_array`` (a
process sends the memory of an array).
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from abc import abstractmethod
from multiprocessing.connection import wait
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import gochan
from gochan import Chan, go

from .base import Contestant, Sample, Unsupported, per

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("GochanProcesses", "MultiprocessingQueue", "make")


class Array:
    """Pickled as numpy's arrays are: from protocol 5 on, without a copy."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol >= 5:
            return Array, (pickle.PickleBuffer(self.memory),)
        return Array, (bytes(self.memory),)


def value_of(size: int, array: bool) -> Any:
    """What is sent."""
    return Array(bytearray(size)) if array else bytes(size)


def send_all(send: Callable[[Any], object], n: int, size: int, array: bool) -> None:
    value = value_of(size, array)
    for _ in range(n):
        send(value)


def receive_all(recv: Callable[[], Any], n: int) -> float:
    """The seconds from the first value to the last."""
    recv()
    started = perf_counter()
    for _ in range(n):
        recv()
    return perf_counter() - started


class Processes(Contestant):
    """Who measures between this process and one other."""

    def measure(self, shape: str, n: int, params: Mapping[str, Any]) -> Sample:
        cap, size = int(params["cap"]), int(params["size"])
        match shape:
            case "process_parent":
                return per(n, self.to_here(n, cap, size, array=False))
            case "process_array":
                return per(n, self.to_here(n, cap, size, array=True))
            case "process_worker":
                return per(n, self.to_there(n, cap, size))
            case _:
                raise Unsupported(f"no {shape} between processes")

    @abstractmethod
    def close(self) -> None:
        """End the other process."""

    @abstractmethod
    def to_here(self, n: int, cap: int, size: int, *, array: bool) -> float:
        """The seconds for ``n`` values from the other process."""

    @abstractmethod
    def to_there(self, n: int, cap: int, size: int) -> float:
        """The seconds for ``n`` values to the other process."""


class GochanProcesses(Processes):
    """A goroutine in a process, and one on a loop here."""

    def __init__(self, backend: Literal["asyncio", "trio"]) -> None:
        self.backend: Literal["asyncio", "trio"] = backend
        # for as long as the contestant lives
        self.pool = gochan.executors.processes(1)
        self.pool.__enter__()

    def close(self) -> None:
        self.pool.__exit__(None, None, None)

    def to_here(self, n: int, cap: int, size: int, *, array: bool) -> float:
        async def main() -> float:
            ch = Chan[Any](cap)
            go(send_all_on, ch, n + 1, size, array, on=self.pool)
            await ch.recv()
            started = perf_counter()
            for _ in range(n):
                await ch.recv()
            return perf_counter() - started

        return gochan.run(main, backend=self.backend)

    def to_there(self, n: int, cap: int, size: int) -> float:
        async def main() -> float:
            ch = Chan[Any](cap)
            receiving = go(receive_all_on, ch, n, on=self.pool)
            value = bytes(size)
            for _ in range(n + 1):
                await ch.send(value)
            return await receiving

        return gochan.run(main, backend=self.backend)


def send_all_on(ch: Chan[Any], n: int, size: int, array: bool) -> None:
    send_all(ch.blocking_send, n, size, array)


def receive_all_on(ch: Chan[Any], n: int) -> float:
    return receive_all(ch.blocking_recv, n)


class MultiprocessingQueue(Processes):
    """``multiprocessing.Queue``, from one main thread to the other."""

    smallest = 1

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("spawn")
        self.calls = self.context.SimpleQueue()
        self.results = self.context.SimpleQueue()
        # queues are passed on when a process is started, and then not any more
        self.queues = {cap: self.context.Queue(cap) for cap in (1, 8, 128)}
        self.process = self.context.Process(
            target=serve, args=(self.calls, self.results, self.queues), daemon=True
        )
        self.process.start()

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        for queue in self.queues.values():
            queue.close()
            queue.join_thread()

    def to_here(self, n: int, cap: int, size: int, *, array: bool) -> float:
        self.calls.put((cap or 1, True, n + 1, size, array))
        seconds = receive_all(self.queues[cap or 1].get, n)
        self.results.get()
        return seconds

    def to_there(self, n: int, cap: int, size: int) -> float:
        self.calls.put((cap or 1, False, n, size, False))
        send_all(self.queues[cap or 1].put, n + 1, size, array=False)
        seconds: float = self.results.get()
        return seconds


def serve(calls: Any, results: Any, queues: Mapping[int, Any]) -> None:
    """What the other process does."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    while True:
        cap, sends, n, size, array = calls.get()
        if sends:
            send_all(queues[cap].put, n, size, array)
            results.put(None)
        else:
            results.put(receive_all(queues[cap].get, n))


def end_with_parent() -> None:
    """A contestant is killed when it is not needed any more."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(0)


def make(variant: str) -> Processes:
    if variant == "multiprocessing":
        return MultiprocessingQueue()
    return GochanProcesses("trio" if variant == "trio" else "asyncio")
