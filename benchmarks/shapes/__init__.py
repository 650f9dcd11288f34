"""The work that is measured, by name.

Each shape is a function of a contestant and about how many operations to do. It
sets up, starts the clock, does the work, stops the clock, and cleans up.

The names are those of crossbeam's benchmarks: ``seq``, ``spsc``, ``mpsc``,
``mpmc`` (one or several producers and consumers), ``select_rx``, ``select_both``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    blocking_flow,
    blocking_select,
    blocking_tasks,
    crossing,
    flow,
    growth,
    mutexes,
    networks,
    parked,
    selects,
    tasks,
    timers,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.contestants.base import Sample

__all__ = ("BLOCKING", "COROUTINES", "PROCESSES")

# done by contestants.processes, in their own way
PROCESSES = ("process_array", "process_parent", "process_worker")

COROUTINES: Mapping[str, Callable[..., Awaitable[Sample]]] = {
    "seq": flow.seq,
    "spsc": flow.spsc,
    "mpsc": flow.mpsc,
    "mpmc": flow.mpmc,
    "ping_pong": flow.ping_pong,
    "fan_in": flow.fan_in,
    "select_rx": selects.select_rx,
    "select_both": selects.select_both,
    "select_ready": selects.select_ready,
    "threadring": networks.threadring,
    "sieve": networks.sieve,
    "skynet": tasks.skynet,
    "spawn_join": tasks.spawn_join,
    "parked": parked.parked,
    "timers": timers.timers,
    "mutex_contended": mutexes.mutex_contended,
    "thread_loop": crossing.thread_loop,
    "loop_loop": crossing.loop_loop,
    "select_done": growth.select_done,
    "among_waiters": growth.among_waiters,
    "among_channels": growth.among_channels,
    "among_goroutines": growth.among_goroutines,
}

BLOCKING: Mapping[str, Callable[..., Sample]] = {
    "seq": blocking_flow.seq,
    "spsc": blocking_flow.spsc,
    "mpsc": blocking_flow.mpsc,
    "mpmc": blocking_flow.mpmc,
    "ping_pong": blocking_flow.ping_pong,
    "fan_in": blocking_flow.fan_in,
    "select_rx": blocking_select.select_rx,
    "select_both": blocking_select.select_both,
    "select_ready": blocking_select.select_ready,
    "threadring": blocking_tasks.threadring,
    "sieve": blocking_tasks.sieve,
    "skynet": blocking_tasks.skynet,
    "spawn_join": blocking_tasks.spawn_join,
    "parked": blocking_tasks.parked,
    "mutex_contended": mutexes.blocking_mutex_contended,
}
